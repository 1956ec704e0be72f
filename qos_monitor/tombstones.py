"""Knows who was forgotten without knowing who that is, so that what comes late about them is dropped."""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import Sighting
from qos_monitor.storage.access_tables import installation
from qos_monitor.storage.engine import insert, upsert
from qos_monitor.storage.keeping_tables import forgotten
from qos_monitor.storage.rows import chunks
from rules.span import Instant
from rules.world import World

Name = tuple[str, str]
"""A provider, as observations name it in source, and its name of a person; an empty provider: our own id."""


class _Seen(Protocol):
    @property
    def sighting(self) -> Sighting: ...


_KEY = "tombstone_key"
_S = TypeVar("_S", bound=_Seen)


@dataclass(frozen=True, slots=True)
class Stones:
    """Marks names under the installation's key: who reads the table alone cannot try all ids of a school."""

    key: bytes

    def of(self, name: Name) -> str:
        """Give the mark of a name."""
        said = "\0".join(name).encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, b"forgotten\0" + said, sha256).hex()


async def _stones(conn: AsyncConnection) -> Stones:
    """Read the installation's key, which was made with the first mark."""
    stored = select(installation.c.value).where(installation.c.name == _KEY)
    return Stones(bytes.fromhex((await conn.execute(stored)).scalar_one()))


async def put(conn: AsyncConnection, learner_id: str, names: Iterable[Name], now: Instant) -> None:
    """Mark a learner and their names as forgotten; again changes nothing."""
    made = insert(conn.dialect.name, installation).values(name=_KEY, value=secrets.token_hex(32))
    await conn.execute(made.on_conflict_do_nothing(index_elements=["name"]))
    marks = await _stones(conn)
    person = marks.of(("", learner_id))
    wanted = {("", learner_id), *names}
    rows = [{"pseudonym": marks.of(name), "person": person, "at": now} for name in sorted(wanted)]
    await conn.execute(upsert(conn.dialect.name, forgotten, replace=()), rows)


async def lift(conn: AsyncConnection, learner_id: str) -> int:
    """Let a learner be known again, from now on; answer how many marks that took away."""
    if await _is_nobody(conn):
        return 0
    person = (await _stones(conn)).of(("", learner_id))
    return (await conn.execute(delete(forgotten).where(forgotten.c.person == person))).rowcount


async def others(conn: AsyncConnection, arrived: Sequence[_S]) -> Sequence[_S]:
    """Leave out what was seen of those who were forgotten."""
    if not arrived or await _is_nobody(conn):
        return arrived
    given = {_name(one) for one in arrived} | {("", name) for _, name in map(_name, arrived)}
    gone = await _gone(conn, {name for name in given if name[1]})
    return [one for one in arrived if _name(one) not in gone and ("", _name(one)[1]) not in gone]


async def without(conn: AsyncConnection, roster: World) -> World:
    """Leave those who were forgotten out of a roster: a school's list may lag behind its own decision."""
    given = {name for row in roster.classes for name in row.learner_ids} | {row.learner_id for row in roster.enrolments}
    gone = await gone_among(conn, given)
    if not gone:
        return roster
    return replace(
        roster,
        enrolments=tuple(row for row in roster.enrolments if row.learner_id not in gone),
        classes=tuple(
            replace(row, learner_ids=tuple(name for name in row.learner_ids if name not in gone))
            for row in roster.classes
        ),
    )


async def gone_among(conn: AsyncConnection, learner_ids: Iterable[str]) -> set[str]:
    """Say which of these learners were forgotten."""
    if await _is_nobody(conn):
        return set()
    return {name for _, name in await _gone(conn, {("", name) for name in learner_ids})}


def _name(one: _Seen) -> Name:
    seen = one.sighting.observation
    return seen.source, seen.participant_id or ""


async def _is_nobody(conn: AsyncConnection) -> bool:
    return (await conn.execute(select(forgotten.c.pseudonym).limit(1))).first() is None


async def _gone(conn: AsyncConnection, names: set[Name]) -> set[Name]:
    marks = await _stones(conn)
    by_mark: Mapping[str, Name] = {marks.of(name): name for name in names}
    found: set[Name] = set()
    for some in chunks(by_mark):
        statement = select(forgotten.c.pseudonym).where(forgotten.c.pseudonym.in_(some))
        found |= {by_mark[mark] for mark in (await conn.execute(statement)).scalars()}
    return found
