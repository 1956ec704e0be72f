"""Takes the school's roster: says what would change, and changes it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Table, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors.contract import ANYWHERE
from qos_monitor import cancelling, due, naming, observing, tombstones
from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError
from qos_monitor.storage.engine import reading, upsert, writing
from qos_monitor.storage.rows import (
    Values,
    chunks,
    class_of,
    class_values,
    course_of,
    course_values,
    enrolment_of,
    enrolment_values,
    is_plain,
)
from qos_monitor.storage.tables import (
    class_learners,
    classes,
    courses,
    enrolments,
    observations,
    verdicts,
    windows,
)
from qos_monitor.templates import Templates
from rules.document import Problem
from rules.span import Instant, united
from rules.world import Course, Enrolment, ScheduledClass, World

_TEXT_LENGTH_MAX = 200
_PROVIDER_LENGTH_MAX = 32
_WHOLE_MAX = 2**53


class _Listed(Protocol):
    @property
    def id(self) -> str: ...

    def as_json(self) -> dict[str, object]: ...


_R = TypeVar("_R", bound=_Listed)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one roster means for one table; ``changed`` maps an id to the keys that do."""

    added: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    unchanged: int

    @property
    def ids(self) -> set[str]:
        """All that are added or changed."""
        return {*self.added, *self.changed}

    def as_json(self) -> dict[str, object]:
        """Write it for the answer of the roster API."""
        changed = {row_id: list(keys) for row_id, keys in self.changed.items()}
        return {"added": list(self.added), "changed": changed, "unchanged": self.unchanged}


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """What a roster would change."""

    courses: Changes
    enrolments: Changes
    classes: Changes
    before: Mapping[str, ScheduledClass]
    """The classes that change, as they are now."""
    after: Sequence[ScheduledClass]
    """Every class given, as it will be: called off where the school said so since (decision 0020)."""

    def as_json(self) -> dict[str, object]:
        """Write it for the answer of the roster API."""
        return {
            "courses": self.courses.as_json(),
            "enrolments": self.enrolments.as_json(),
            "classes": self.classes.as_json(),
        }

    def counted(self) -> str:
        """Tell in numbers what it changes, for the audit trail."""
        tables = {"courses": self.courses, "enrolments": self.enrolments, "classes": self.classes}
        return "; ".join(f"{name}: {len(of.added)} added, {len(of.changed)} changed" for name, of in tables.items())


async def plan(conn: AsyncConnection, roster: World) -> RosterPlan:
    """Say what would be added or changed; rows the roster does not name stay.

    Raises InputError where the roster contradicts what is stored, or holds what no database can.
    """
    problems = [*_unstorable(roster), *await _rivals(conn, roster.enrolments)]
    if problems:
        raise InputError(problems)
    roster = await tombstones.without(conn, roster)
    known_classes = await _known_classes(conn, [row.id for row in roster.classes])
    roster = await cancelling.upheld(conn, roster, known_classes)
    return RosterPlan(
        courses=_compared(roster.courses, await _known(conn, courses, roster.courses, course_of)),
        enrolments=_compared(roster.enrolments, await _known(conn, enrolments, roster.enrolments, enrolment_of)),
        classes=_compared(roster.classes, known_classes),
        before=known_classes,
        after=roster.classes,
    )


async def apply(conn: AsyncConnection, roster: World, now: Instant) -> RosterPlan:
    """Add and change rows, in the transaction given; answer what that was. Applying twice is applying once.

    Whatever it touches is marked to be judged, and what was seen in a room whose class is new is placed.
    """
    # First, for whoever is being forgotten meanwhile must be left out: who forgets waits for us, or we for them.
    await cancelling.alone(conn)
    await naming.moving(conn)
    roster = await tombstones.without(conn, roster)
    planned = await plan(conn, roster)
    dialect = conn.dialect.name
    new_courses = [course_values(row) for row in roster.courses if row.id in planned.courses.ids]
    new_enrolments = [enrolment_values(row) for row in roster.enrolments if row.id in planned.enrolments.ids]
    new_classes = [row for row in planned.after if row.id in planned.classes.ids]
    await _put(conn, upsert(dialect, courses), new_courses)
    await _put(conn, upsert(dialect, enrolments), new_enrolments)
    await _put(conn, upsert(dialect, classes), [class_values(row) for row in new_classes])
    await _put_learners(conn, new_classes)
    before = [planned.before[row.id] for row in new_classes if row.id in planned.before]
    await _touch(conn, planned, new_classes, before, now)
    known = await naming.templates_of(conn)
    await observing.remap(conn, await _rooms(conn, [*new_classes, *before], known), now)
    await _remap_people(conn, [*new_classes, *before], now)
    return planned


async def imported(engine: AsyncEngine, given: World, clock: Clock, actor: Actor, *, is_dry: bool) -> RosterPlan:
    """Apply a roster in one transaction, or only say what it would change.

    Raises InputError where it contradicts what is stored.
    """
    if is_dry:
        async with reading(engine) as conn:
            return await plan(conn, given)
    async with writing(engine) as conn:
        now = clock.now()
        planned = await apply(conn, given, now)
        await audit.record(conn, Act(actor, "roster.changed", "roster", planned.counted()), now)
        return planned


async def _remap_people(conn: AsyncConnection, rows: Sequence[ScheduledClass], now: Instant) -> None:
    """Place what was seen of these classes' people by providers whose events name no room."""
    roomless = select(observations.c.source).where(observations.c.room_id == ANYWHERE).limit(1)
    for provider in {row.provider for row in rows}:
        if (await conn.execute(roomless.where(observations.c.source == provider))).first() is not None:
            for row in rows:
                if row.provider == provider:
                    people = {row.teacher_id, *row.learner_ids}
                    await observing.remap_people(conn, provider, people, (row.starts_at, row.ends_at), now)


async def _put(conn: AsyncConnection, statement: Any, rows: Sequence[Values]) -> None:  # noqa: ANN401 - two dialects
    if rows:
        await conn.execute(statement, rows)


async def _put_learners(conn: AsyncConnection, rows: Sequence[ScheduledClass]) -> None:
    for ids in chunks(row.id for row in rows):
        await conn.execute(delete(class_learners).where(class_learners.c.class_id.in_(ids)))
    members: list[Values] = [{"class_id": row.id, "learner_id": learner} for row in rows for learner in row.learner_ids]
    await _put(conn, class_learners.insert(), members)


async def _touch(
    conn: AsyncConnection,
    planned: RosterPlan,
    new: Sequence[ScheduledClass],
    before: Sequence[ScheduledClass],
    now: Instant,
) -> None:
    """Mark the windows of new, changed and moved classes, and the learners whose money changed."""
    await due.touch_classes(conn, (row.id for row in new), now)
    left_windows = {class_values(row)["window"] for row in before}
    judged = select(windows.c.window).where(windows.c.judged_at.is_not(None))
    for some in chunks(left_windows):
        rows = await conn.execute(judged.where(windows.c.window.in_(some)))
        await due.touch_windows(conn, [(window, now) for window in rows.scalars()])
    for ids in chunks(planned.courses.changed):
        rows = await conn.execute(select(classes.c.id).where(classes.c.course_id.in_(ids)))
        await due.touch_classes(conn, rows.scalars(), now)
    for ids in chunks(planned.enrolments.ids):
        await _touch_enrolled(conn, ids, now)


async def _touch_enrolled(conn: AsyncConnection, enrolment_ids: Sequence[str], now: Instant) -> None:
    """Mark whoever bought these: their classes of the course may have another enrolment now, their money changed."""
    bought = select(enrolments.c.learner_id).where(enrolments.c.id.in_(enrolment_ids))
    is_known = or_(
        enrolments.c.learner_id.in_(select(verdicts.c.learner_id)),
        enrolments.c.learner_id.in_(select(observations.c.participant_id).where(observations.c.class_id.is_(None))),
    )
    await due.touch_learners(conn, (await conn.execute(bought.where(is_known).distinct())).scalars(), now)
    judged = select(windows.c.window).where(windows.c.judged_at.is_not(None))
    attended = (
        select(classes.c.id)
        .join(class_learners, class_learners.c.class_id == classes.c.id)
        .join(enrolments, enrolments.c.learner_id == class_learners.c.learner_id)
        .where(
            enrolments.c.id.in_(enrolment_ids),
            classes.c.course_id == enrolments.c.course_id,
            classes.c.window.in_(judged),
        )
    )
    await due.touch_classes(conn, (await conn.execute(attended)).scalars(), now)


async def _rooms(
    conn: AsyncConnection, rows: Sequence[ScheduledClass], known: Templates
) -> Mapping[observing.Room, tuple[Instant, Instant]]:
    """Find the rooms whose observations may belong to these classes, each with the span that these lie in."""
    spans: dict[observing.Room, tuple[Instant, Instant]] = {}
    found = [(row, row.room_id) for row in rows if row.room_id is not None]
    found += [(row, room) for row in rows for room in known.rooms_of(row.provider, row.id, row.course_id)]
    for provider in {row.provider for row in rows if known.are_open(row.provider)}:
        found += await _rooms_read(conn, [row for row in rows if row.provider == provider], known)
    for row, room in found:
        key = (row.provider, room)
        low, high = spans.get(key, (row.starts_at, row.ends_at))
        spans[key] = (min(low, row.starts_at), max(high, row.ends_at))
    return spans


async def _rooms_read(
    conn: AsyncConnection, rows: Sequence[ScheduledClass], known: Templates
) -> list[tuple[ScheduledClass, str]]:
    """Find the rooms of one provider whose names nobody can write: among those that were seen at the time."""
    provider = rows[0].provider
    by_id = defaultdict(list)
    for row in rows:
        by_id[row.id].append(row)
    seen: set[str] = set()
    for span in united(row.span for row in rows):
        seen |= await observing.rooms_seen(conn, provider, span)
    return [
        (row, room)
        for room in sorted(seen)
        for class_id, _ in known.classes_in(provider, room)
        for row in by_id[class_id]
    ]


def _compared(given: Sequence[_R], known: Mapping[str, _R]) -> Changes:
    added, changed, unchanged = [], {}, 0
    for row in given:
        other = known.get(row.id)
        if other is None:
            added.append(row.id)
        elif keys := _differing(row.as_json(), other.as_json()):
            changed[row.id] = keys
        else:
            unchanged += 1
    return Changes(tuple(added), changed, unchanged)


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(key for key in one if _unordered(key, one[key]) != _unordered(key, other[key]))


def _unordered(key: str, value: object) -> object:
    return sorted(value) if key == "learner_ids" and isinstance(value, list) else value


async def _known(
    conn: AsyncConnection, table: Table, given: Sequence[_Listed], read: Callable[[Any], _R]
) -> Mapping[str, _R]:
    known = {}
    for ids in chunks(row.id for row in given):
        for row in await conn.execute(select(table).where(table.c.id.in_(ids))):
            known[row.id] = read(row)
    return known


async def _known_classes(conn: AsyncConnection, class_ids: Sequence[str]) -> Mapping[str, ScheduledClass]:
    known = {}
    for ids in chunks(class_ids):
        members = defaultdict(list)
        for row in await conn.execute(select(class_learners).where(class_learners.c.class_id.in_(ids))):
            members[row.class_id].append(row.learner_id)
        for row in await conn.execute(select(classes).where(classes.c.id.in_(ids))):
            known[row.id] = class_of(row, members[row.id])
    return known


async def _rivals(conn: AsyncConnection, given: Sequence[Enrolment]) -> list[Problem]:
    """Find enrolments that start together with a stored one of the same learner and course (SPEC 2)."""
    ids = {row.id for row in given}
    taken = set()
    for learner_ids in chunks({row.learner_id for row in given}):
        rows = await conn.execute(select(enrolments).where(enrolments.c.learner_id.in_(learner_ids)))
        taken |= {(row.learner_id, row.course_id, row.starts_at) for row in rows if row.id not in ids}
    message = "the same learner and course start at the same instant in an enrolment that is stored"
    return [
        Problem(f"enrolments[{index}].starts_at", message)
        for index, row in enumerate(given)
        if (row.learner_id, row.course_id, row.starts_at) in taken
    ]


def _unstorable(roster: World) -> Iterable[Problem]:
    """Find texts too long or not plain, and numbers too large, with their path."""
    tables: Mapping[str, Sequence[Course | Enrolment | ScheduledClass]] = {
        "courses": roster.courses,
        "enrolments": roster.enrolments,
        "classes": roster.classes,
    }
    for table, rows in tables.items():
        for index, row in enumerate(rows):
            for key, value in row.as_json().items():
                for one in value if isinstance(value, list) else [value]:
                    if message := _wrong(key, one):
                        yield Problem(f"{table}[{index}].{key}", message)


def _wrong(key: str, value: object) -> str | None:
    if isinstance(value, int | float):
        return None if value <= _WHOLE_MAX else f"must be at most {_WHOLE_MAX}"
    if not isinstance(value, str):
        return None
    length_max = _PROVIDER_LENGTH_MAX if key == "provider" else _TEXT_LENGTH_MAX
    if is_plain(value, length_max):
        return None
    return f"must be at most {length_max} characters long, without NUL or half characters"
