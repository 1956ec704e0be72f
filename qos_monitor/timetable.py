"""Finds the class that an event belongs to: by the provider's room, or by whom the roster has in which class."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import ANYWHERE, Sighting
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import class_learners, classes
from rules.observation import Role
from rules.span import HOUR, MINUTE, Instant

JOIN_WINDOW: int = 15 * MINUTE
"""The join window opens this long before a class (SPEC 1)."""

REACH: int = 2 * HOUR
"""How far outside of a class its room's events may lie and still be its own.

Teachers open rooms early and stay late. What lies outside the join window is placed only where no class is
nearer, and the rules decide what it counts for; a session that began early would be lost without its
beginning.
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """One class as far as placing needs it."""

    class_id: str
    starts_at: Instant
    ends_at: Instant
    teacher_id: str
    learner_ids: frozenset[str]

    def rank(self, at: Instant, participant_id: str | None) -> tuple[bool, bool, int, Instant, str] | None:
        """Order the classes an event may belong to, the smallest first; None is out of reach.

        A class that has the participant goes before one that has not: of two classes back to back, a learner
        who comes early is the second one's.
        """
        if not self.starts_at - REACH <= at < self.ends_at + REACH:
            return None
        is_stranger = participant_id is not None and not self.has(participant_id)
        is_outside = not self.starts_at - JOIN_WINDOW <= at < self.ends_at
        distance = max(self.starts_at - at, at - self.ends_at + 1, 0)
        return (is_stranger, is_outside, distance, self.starts_at, self.class_id)

    def has(self, participant_id: str) -> bool:
        """Say whether this person teaches or learns here."""
        return participant_id == self.teacher_id or participant_id in self.learner_ids


class Timetable:
    """The classes of some rooms around some instants."""

    def __init__(self, rooms: Mapping[tuple[str, str], list[Slot]]) -> None:
        self._rooms = rooms

    def place(self, sighting: Sighting) -> tuple[str | None, Role | None]:
        """Find our class and role for a sighting in the provider's names; no class known is None."""
        seen = sighting.observation
        if sighting.placed or seen.class_id is None:
            return seen.class_id, seen.role
        ranked = [
            (rank, slot)
            for slot in self._rooms.get((seen.source, seen.class_id), ())
            if (seen.class_id != ANYWHERE or slot.has(seen.participant_id or ""))
            and (rank := slot.rank(seen.at, seen.participant_id)) is not None
        ]
        if not ranked:
            return None, seen.role
        slot = min(ranked, key=lambda pair: pair[0])[1]
        is_teacher = seen.participant_id == slot.teacher_id
        return slot.class_id, Role.TEACHER if is_teacher and seen.role is not None else seen.role


async def load(conn: AsyncConnection, sightings: Iterable[Sighting]) -> Timetable:
    """Read the classes that these sightings may belong to."""
    spans: dict[tuple[str, str], tuple[Instant, Instant]] = {}
    people: dict[str, set[str]] = defaultdict(set)
    for sighting in sightings:
        seen = sighting.observation
        if not sighting.placed and seen.class_id is not None:
            key = (seen.source, seen.class_id)
            low, high = spans.get(key, (seen.at, seen.at))
            spans[key] = (min(low, seen.at), max(high, seen.at))
            if seen.class_id == ANYWHERE and seen.participant_id is not None:
                people[seen.source].add(seen.participant_id)
    found: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for source in {key[0] for key in spans}:
        for row in await _classes(conn, source, spans):
            found[source, row.room_id].append(row)
    for source, names in people.items():
        found[source, ANYWHERE] = await _classes_with(conn, source, spans[source, ANYWHERE], names)
    members = await _members(conn, list({row.id for rows in found.values() for row in rows}))
    return Timetable({room: [_slot(row, members) for row in rows] for room, rows in found.items()})


def _slot(row: Row[Any], members: Mapping[str, list[str]]) -> Slot:
    return Slot(row.id, row.starts_at, row.ends_at, row.teacher_id, frozenset(members.get(row.id, ())))


async def _classes(
    conn: AsyncConnection, source: str, spans: Mapping[tuple[str, str], tuple[Instant, Instant]]
) -> list[Row[Any]]:
    rooms = {room: span for (name, room), span in spans.items() if name == source}
    low = min(span[0] for span in rooms.values()) - REACH
    high = max(span[1] for span in rooms.values()) + REACH
    found: list[Row[Any]] = []
    for names in chunks(rooms):
        statement = select(classes).where(
            classes.c.provider == source,
            classes.c.room_id.in_(names),
            classes.c.starts_at <= high,
            classes.c.ends_at > low,
        )
        found += (await conn.execute(statement)).all()
    return found


async def _classes_with(
    conn: AsyncConnection, source: str, span: tuple[Instant, Instant], people: Iterable[str]
) -> list[Row[Any]]:
    """Read the classes that have one of these people, whatever their room."""
    found: dict[str, Row[Any]] = {}
    for names in chunks(people):
        attended = select(class_learners.c.class_id).where(class_learners.c.learner_id.in_(names))
        statement = select(classes).where(
            classes.c.provider == source,
            classes.c.starts_at <= span[1] + REACH,
            classes.c.ends_at > span[0] - REACH,
            or_(classes.c.teacher_id.in_(names), classes.c.id.in_(attended)),
        )
        found |= {row.id: row for row in await conn.execute(statement)}
    return list(found.values())


async def _members(conn: AsyncConnection, class_ids: list[str]) -> Mapping[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for ids in chunks(class_ids):
        statement = select(class_learners).where(class_learners.c.class_id.in_(ids))
        for row in await conn.execute(statement):
            members[row.class_id].append(row.learner_id)
    return members
