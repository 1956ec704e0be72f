"""Lets a stay that goes on from one class into the next one in the same room count in both."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.rows import chunks, observation_of
from qos_monitor.storage.tables import class_learners, classes, observations
from rules.observation import Kind, Observation, Role
from rules.span import HOUR, Instant

CARRY_MAX: int = 6 * HOUR
"""How long before a class a stay may have begun, and how long after it have ended, to be carried into it."""

_STAYS = (Kind.JOINED.value, Kind.LEFT.value)


@dataclass(frozen=True, slots=True)
class _Next:
    """A class that follows another one in the same room."""

    class_id: str
    provider: str
    room_id: str
    starts_at: Instant
    ends_at: Instant
    teacher_id: str
    learner_ids: frozenset[str]

    def has(self, participant_id: str | None) -> bool:
        return participant_id == self.teacher_id or participant_id in self.learner_ids


async def carried(conn: AsyncConnection, class_ids: Iterable[str]) -> list[Observation]:
    """Give the joins that lie in an earlier class of the same room, of stays that went on into these classes.

    Each is a copy of its own, named ``id@class``: an observation belongs to one class. Only a leave after the class
    began proves that a stay went on (a lost leave proves nothing), and only who is on the class's roster is carried.
    """
    found: list[Observation] = []
    for one in await _following(conn, class_ids):
        statement = select(observations).where(
            observations.c.source == one.provider,
            observations.c.room_id == one.room_id,
            observations.c.at >= one.starts_at - CARRY_MAX,
            observations.c.at < one.ends_at + CARRY_MAX,
            observations.c.kind.in_(_STAYS),
        )
        found += _into(one, [observation_of(row) for row in await conn.execute(statement)])
    return found


def _into(one: _Next, seen: Sequence[Observation]) -> Iterator[Observation]:
    stays: dict[tuple[str | None, str | None], list[Observation]] = defaultdict(list)
    for other in seen:
        if one.has(other.participant_id):
            stays[other.participant_id, other.session].append(other)
    for stay in stays.values():
        joins = [other for other in stay if other.kind is Kind.JOINED]
        proofs = [other.known_at for other in stay if other.kind is Kind.LEFT and other.at > one.starts_at]
        if not joins or not proofs or any(join.class_id == one.class_id for join in joins):
            continue
        first = min(joins, key=lambda join: (join.at, join.id))
        if first.at < one.starts_at:
            yield replace(
                first,
                id=f"{first.id}@{one.class_id}",
                class_id=one.class_id,
                role=Role.TEACHER if first.participant_id == one.teacher_id else Role.LEARNER,
                recorded_at=max(first.known_at, min(proofs)),
            )


async def neighbours(conn: AsyncConnection, class_ids: Iterable[str]) -> set[str]:
    """Name the classes into which a stay of these may be carried, and those between a join and a leave of these."""
    other = classes.alias()
    found: set[str] = set()
    for some in chunks(class_ids):
        statement = select(other.c.id).where(
            classes.c.id.in_(some),
            other.c.provider == classes.c.provider,
            other.c.room_id == classes.c.room_id,
            other.c.starts_at < classes.c.ends_at + CARRY_MAX,
            other.c.starts_at > classes.c.starts_at - CARRY_MAX,
        )
        found.update((await conn.execute(statement)).scalars())
    return found


async def _following(conn: AsyncConnection, class_ids: Iterable[str]) -> list[_Next]:
    """Read those of these classes before which, in the same room, there is another one."""
    before = classes.alias()
    found = []
    for some in chunks(class_ids):
        has_one_before = (
            select(before.c.id)
            .where(
                before.c.provider == classes.c.provider,
                before.c.room_id == classes.c.room_id,
                before.c.starts_at < classes.c.starts_at,
                before.c.starts_at > classes.c.starts_at - CARRY_MAX,
            )
            .exists()
        )
        rows = (await conn.execute(select(classes).where(classes.c.id.in_(some), has_one_before))).all()
        members: dict[str, set[str]] = defaultdict(set)
        links = select(class_learners).where(class_learners.c.class_id.in_([row.id for row in rows]))
        for link in await conn.execute(links) if rows else ():
            members[link.class_id].add(link.learner_id)
        found += [
            _Next(
                row.id,
                row.provider,
                row.room_id,
                row.starts_at,
                row.ends_at,
                row.teacher_id,
                frozenset(members[row.id]),
            )
            for row in rows
        ]
    return found
