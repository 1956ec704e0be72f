"""Finds the class and the person that an event is about, by the roster and by what is known of names."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import ANYWHERE, Sighting
from qos_monitor import naming
from qos_monitor.naming import Called, Names
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import class_learners, classes
from qos_monitor.templates import Templates
from rules.observation import Observation, Role
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

    def rank(self, at: Instant, called: Called | None) -> tuple[bool, bool, int, Instant, str] | None:
        """Order the classes an event may belong to, the smallest first; None is out of reach.

        A class that has the participant goes before one that has not: of two classes back to back, a learner
        who comes early is the second one's.
        """
        if not self.starts_at - REACH <= at < self.ends_at + REACH:
            return None
        is_stranger = called is not None and self.whom(called) is None
        is_outside = not self.starts_at - JOIN_WINDOW <= at < self.ends_at
        distance = max(self.starts_at - at, at - self.ends_at + 1, 0)
        return (is_stranger, is_outside, distance, self.starts_at, self.class_id)

    def whom(self, called: Called) -> tuple[str, Role] | None:
        """Say who of those that a name may mean teaches or learns here; None is nobody."""
        if called.given == self.teacher_id:
            return called.given, Role.TEACHER
        for person in (called.given, *called.learners):
            if person in self.learner_ids:
                return person, Role.LEARNER
        return (self.teacher_id, Role.TEACHER) if self.teacher_id in called.teachers else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sighting belongs, in our own ids; ``unmapped`` says what of it the roster does not know."""

    class_id: str | None
    participant_id: str | None
    role: Role | None
    unmapped: Literal["room", "person"] | None = None


_Rooms = Mapping[tuple[str, str], Sequence[Slot]]


class Timetable:
    """The classes of some rooms around some instants, and the names of those who were seen there."""

    def __init__(self, names: Names, rooms: _Rooms, named: _Rooms) -> None:
        """``rooms``: the classes that the roster has in a room; ``named``: those that a room's name tells."""
        self._names = names
        self._rooms = rooms
        self._named = named
        self._called: dict[tuple[str, str], Called] = {}

    def place(self, sighting: Sighting) -> Place:
        """Find our class, person and role for a sighting in the provider's names."""
        seen = sighting.observation
        if sighting.placed or seen.class_id is None:
            return Place(seen.class_id, seen.participant_id, seen.role)
        called = None if seen.participant_id is None else self._whom(seen.source, seen.participant_id)
        key = (seen.source, seen.class_id)
        slot = _nearest(self._rooms.get(key, ()), seen, called) or _nearest(self._named.get(key, ()), seen, called)
        if slot is None:
            is_roomless = seen.class_id == ANYWHERE
            given = None if called is None else called.given
            return Place(None, given, seen.role, "person" if is_roomless else "room")
        if called is None:
            return Place(slot.class_id, None, seen.role)
        found = slot.whom(called)
        if found is None:
            return Place(slot.class_id, called.given, seen.role, "person")
        person, role = found
        return Place(slot.class_id, person, seen.role and role)

    def _whom(self, source: str, name: str) -> Called:
        """Say whom a name may mean; the same few names come in every batch again and again."""
        known = self._called.get((source, name))
        if known is None:
            known = self._called[source, name] = self._names.called(source, name)
        return known


def _nearest(slots: Iterable[Slot], seen: Observation, called: Called | None) -> Slot | None:
    ranked = [
        (rank, slot)
        for slot in slots
        if (seen.class_id != ANYWHERE or (called is not None and slot.whom(called)))
        and (rank := slot.rank(seen.at, called)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


_Span = tuple[Instant, Instant]


async def load(conn: AsyncConnection, sightings: Iterable[Sighting]) -> Timetable:
    """Read the classes that these sightings may belong to, and whom their names may mean."""
    seen = [one.observation for one in sightings if not one.placed and one.observation.class_id is not None]
    people = {(one.source, one.participant_id) for one in seen if one.participant_id is not None}
    names = await naming.load(conn, people) if seen else Names(Templates(()), {})
    spans: dict[str, dict[str, _Span]] = defaultdict(dict)
    for one in seen:
        room = one.class_id or ""
        low, high = spans[one.source].get(room, (one.at, one.at))
        spans[one.source][room] = (min(low, one.at), max(high, one.at))
    rooms: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    named: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for source, of_rooms in spans.items():
        for row in await _classes(conn, source, of_rooms, classes.c.room_id, of_rooms):
            rooms[source, row.room_id].append(row)
        for room, row in await _classes_named(conn, source, of_rooms, names):
            named[source, room].append(row)
        if ANYWHERE in of_rooms:
            in_none = {one.participant_id for one in seen if (one.source, one.class_id) == (source, ANYWHERE)}
            everyone = {who for name in in_none if name is not None for who in names.called(source, name).everyone}
            rooms[source, ANYWHERE] = await _classes_with(conn, source, of_rooms[ANYWHERE], everyone)
    class_ids = {row.id for found in (rooms, named) for rows in found.values() for row in rows}
    members = await _members(conn, class_ids)
    return Timetable(names, _slots(rooms, members), _slots(named, members))


def _slots(rooms: Mapping[tuple[str, str], list[Row[Any]]], members: Mapping[str, list[str]]) -> _Rooms:
    return {
        room: [
            Slot(row.id, row.starts_at, row.ends_at, row.teacher_id, frozenset(members.get(row.id, ()))) for row in rows
        ]
        for room, rows in rooms.items()
    }


async def _classes_named(
    conn: AsyncConnection, source: str, spans: Mapping[str, _Span], names: Names
) -> list[tuple[str, Row[Any]]]:
    """Read the classes whose id stands in the name of a room, as the templates have it."""
    told = {room: names.templates.classes_in(source, room) for room in spans if room != ANYWHERE}
    class_ids = {class_id for read in told.values() for class_id, _ in read}
    known = {row.id: row for row in await _classes(conn, source, spans, classes.c.id, class_ids)}
    return [
        (room, known[class_id])
        for room, read in told.items()
        for class_id, course_id in read
        if class_id in known and course_id in {None, known[class_id].course_id}
    ]


async def _classes(
    conn: AsyncConnection, source: str, spans: Mapping[str, _Span], column: Column[Any], values: Iterable[str]
) -> list[Row[Any]]:
    """Read the classes within reach of the spans that have one of these values."""
    low = min(span[0] for span in spans.values()) - REACH
    high = max(span[1] for span in spans.values()) + REACH
    found: list[Row[Any]] = []
    for some in chunks(values):
        statement = select(classes).where(
            classes.c.provider == source, column.in_(some), classes.c.starts_at <= high, classes.c.ends_at > low
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


async def _members(conn: AsyncConnection, class_ids: Iterable[str]) -> Mapping[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for ids in chunks(class_ids):
        statement = select(class_learners).where(class_learners.c.class_id.in_(ids))
        for row in await conn.execute(statement):
            members[row.class_id].append(row.learner_id)
    return members
