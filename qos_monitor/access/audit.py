"""Who changed what, when and why: rows that the database itself lets nobody change, each bound to the one before."""

import hashlib
import os
import pwd
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.access_tables import audit
from qos_monitor.storage.rows import canonical
from rules.span import Instant, format_instant

PAGE_MAX: int = 500
_WORDS_MAX = 4_000
_LOCK = 0x514F5341  # any number that nobody else locks: "QOSA"
_COLUMNS = ("at", "actor", "via", "action", "about", "reason")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and by which way: a person by the console, a key, a command, or a system that signed."""

    name: str
    via: str


@dataclass(frozen=True, slots=True)
class Act:
    """One change. ``about`` names a case, a key, a claim, never a learner: what is written here stays for ever.

    ``reason`` is the person's; where a call gives none, what it changed, in numbers.
    """

    actor: Actor
    action: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row as it is read back."""

    seq: int
    at: Instant
    act: Act
    sha256: str

    def as_json(self) -> dict[str, object]:
        """Write it for a person."""
        act = self.act
        return {
            "seq": self.seq,
            "at": format_instant(self.at),
            "actor": act.actor.name,
            "via": act.actor.via,
            "action": act.action,
            "about": act.about,
            "reason": act.reason,
            "sha256": self.sha256,
        }


def of_command() -> Actor:
    """Name the person of the operating system who runs a command; their number where they have no name."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    return Actor(name, "command")


async def record(conn: AsyncConnection, act: Act, now: Instant) -> None:
    """Write down one act in the transaction that does it, so that there is never one without the other."""
    if conn.dialect.name == "postgresql":  # one at a time, or two would follow the same row
        await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    last = select(audit.c.sha256).order_by(audit.c.seq.desc()).limit(1)
    previous = (await conn.execute(last)).scalar_one_or_none()
    row = {
        "at": now,
        "actor": _short(act.actor.name, 200),
        "via": _short(act.actor.via, 200),
        "action": act.action,
        "about": _short(act.about, 300),
        "reason": _short(act.reason, _WORDS_MAX),
    }
    sha256 = _sha256(previous, row)
    await conn.execute(insert(audit).values(**row, previous_sha256=previous, sha256=sha256))


async def page(conn: AsyncConnection, before: int | None = None, limit: int = PAGE_MAX) -> list[Entry]:
    """Give entries, the newest first, those before this number."""
    statement = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit.c.seq < before)
    return [_entry(row) for row in await conn.execute(statement)]


async def first_broken(conn: AsyncConnection) -> int | None:
    """Walk the chain from its beginning; give the number of the first row that does not fit, None where all do."""
    previous: str | None = None
    async for row in _rows(conn):
        given = {name: getattr(row, name) for name in _COLUMNS}
        if row.previous_sha256 != previous or row.sha256 != _sha256(previous, given):
            return int(row.seq)
        previous = row.sha256
    return None


async def _rows(conn: AsyncConnection) -> AsyncIterator[Row[Any]]:
    seq = 0
    while True:
        rows = (await conn.execute(select(audit).where(audit.c.seq > seq).order_by(audit.c.seq).limit(PAGE_MAX))).all()
        for row in rows:
            yield row
        if len(rows) < PAGE_MAX:
            return
        seq = rows[-1].seq


def _sha256(previous: str | None, row: dict[str, Any]) -> str:
    return hashlib.sha256(canonical([previous, *(row[name] for name in _COLUMNS)]).encode()).hexdigest()


def _short(text: str, most: int) -> str:
    """Cut to what the column takes, and leave out what no database takes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:most]


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.seq, row.at, Act(Actor(row.actor, row.via), row.action, row.about, row.reason), row.sha256)
