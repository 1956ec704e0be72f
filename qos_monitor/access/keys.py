"""Keys made at run time: a name, what it may do, until when; of its secret only the hash is kept."""

import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.access.scopes import Scope
from qos_monitor.errors import InputError
from qos_monitor.storage.access_tables import api_keys
from rules.document import Problem
from rules.span import MINUTE, Instant, format_instant

PREFIX = "qos"
NAME_MAX = 100
USED_EVERY: int = MINUTE
"""To this grain is written when a key was last used."""

_ID_BYTES, _SECRET_BYTES = 6, 32


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it is stored."""

    id: str
    name: str
    scopes: frozenset[Scope]
    sha256: str = field(repr=False)
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None
    revoked_why: str | None
    unknown_scopes: frozenset[str] = frozenset()
    """What a newer version of this program knows; here it opens nothing, and is shown as it is written."""

    def is_good(self, now: Instant) -> bool:
        """Say whether it opens anything: at the instant of its end it no longer does."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_of(self, secret: str) -> bool:
        """Say whether this is its secret, in constant time."""
        return hmac.compare_digest(hashed(secret), self.sha256)

    def as_json(self) -> dict[str, object]:
        """Write it for a person; nothing in it opens a door."""
        written = {
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "last_used_at": self.last_used_at,
            "revoked_at": self.revoked_at,
        }
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes | self.unknown_scopes),
            **{name: None if at is None else format_instant(at) for name, at in written.items()},
            "revoked_why": self.revoked_why,
        }


def hashed(secret: str) -> str:
    """Give what is stored of a secret. One SHA-256 will do: 256 random bits cannot be guessed (decision 0028)."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def written(key_id: str, secret: str) -> str:
    """Write a key as its holder gets it: the id to find it by, and the secret."""
    return f"{PREFIX}_{key_id}_{secret}"


def read(text: str) -> tuple[str, str] | None:
    """Take id and secret from what somebody bears; None where it is not written as a key is."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key_id and secret else None


async def create(
    conn: AsyncConnection, name: str, scopes: Collection[Scope], expires_at: Instant | None, made: tuple[Actor, Instant]
) -> tuple[Key, str]:
    """Make a key; give it, and the text for its holder, which nobody can be shown a second time.

    Raises InputError for a name or an end that cannot be.
    """
    actor, now = made
    problems = []
    if not (0 < len(name) <= NAME_MAX and name.isprintable() and name == name.strip()):
        problems.append(Problem("name", f"must have 1 to {NAME_MAX} printable characters"))
    if expires_at is not None and expires_at <= now:
        problems.append(Problem("expires", "must be yet to come"))
    if not scopes:
        problems.append(Problem("scope", f"must be one or more of {', '.join(Scope)}"))
    if problems:
        raise InputError(problems)
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    key = Key(key_id, name, frozenset(scopes), hashed(secret), now, expires_at, None, None, None)
    row = {
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(sorted(key.scopes)),
        "sha256": key.sha256,
        "created_at": now,
        "expires_at": expires_at,
    }
    await conn.execute(insert(api_keys).values(row))
    ends = "for ever" if expires_at is None else f"until {format_instant(expires_at)}"
    told = f"{name}: {', '.join(sorted(key.scopes))}, {ends}"
    await audit.record(conn, Act(actor, "key.created", f"key {key.id}", told), now)
    return key, written(key_id, secret)


async def revoke(conn: AsyncConnection, key_id: str, why: str, actor: Actor, now: Instant) -> bool:
    """End a key for good; False where it had ended before. Raises InputError where there is none of this id."""
    found = (await conn.execute(select(api_keys.c.revoked_at).where(api_keys.c.id == key_id))).first()
    if found is None:
        raise InputError([Problem("id", "must be that of a key; `qos-monitor keys list` shows them")])
    if found.revoked_at is not None:
        return False
    ended = {"revoked_at": now, "revoked_why": why}
    await conn.execute(update(api_keys).where(api_keys.c.id == key_id).values(**ended))
    await audit.record(conn, Act(actor, "key.revoked", f"key {key_id}", why), now)
    return True


async def listed(conn: AsyncConnection) -> Sequence[Key]:
    """Give every key there ever was, the oldest first."""
    rows = await conn.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
    return [_key(row) for row in rows]


async def standing(conn: AsyncConnection) -> Mapping[str, Key]:
    """Give the keys that were not revoked, by id."""
    rows = await conn.execute(select(api_keys).where(api_keys.c.revoked_at.is_(None)))
    return {row.id: _key(row) for row in rows}


async def note_used(conn: AsyncConnection, used: Mapping[str, Instant]) -> None:
    """Write when keys were last used; of several processes the latest counts."""
    for key_id, at in used.items():
        was_before = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
        await conn.execute(update(api_keys).where(api_keys.c.id == key_id, was_before).values(last_used_at=at))


def _key(row: Row[Any]) -> Key:
    scopes = frozenset(row.scopes.split())
    known = frozenset(scope for scope in Scope if scope in scopes)
    return Key(
        id=row.id,
        name=row.name,
        scopes=known,
        sha256=row.sha256,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revoked_why=row.revoked_why,
        unknown_scopes=scopes - known,
    )
