"""Puts the members of a course into its classes to come, or says what that would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import roster
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError
from qos_monitor.importing.nrps import Person
from qos_monitor.roster import RosterPlan
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.rows import chunks, class_of
from qos_monitor.storage.tables import class_learners, classes
from rules.document import Problem
from rules.span import Instant
from rules.world import ScheduledClass, World


@dataclass(frozen=True, slots=True)
class Target:
    """Which classes the members belong to: those of a course, by their ids (``*`` and ``?`` stand for anything)."""

    course_id: str
    class_ids: str = "*"
    keeps_teachers: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import changes: the plan of the roster, and who no longer belongs to a class they were in."""

    plan: RosterPlan
    ended: Mapping[str, Sequence[str]]

    def as_json(self) -> dict[str, object]:
        """Write it for the command line."""
        return {**self.plan.as_json(), "ended": {class_id: list(ids) for class_id, ids in self.ended.items()}}


async def imported(
    engine: AsyncEngine, people: Mapping[str, Person], target: Target, clock: Clock, *, is_delta: bool, is_dry: bool
) -> Outcome:
    """Apply members in one transaction, or only say what it would change; doing it again changes nothing.

    ``is_delta``: the people are those who changed; who is not among them stays. A class that has begun, or was called
    off, stays as it is. Raises InputError where the course has no class, or a class would have no learner.
    """
    now = clock.now()
    async with reading(engine) if is_dry else writing(engine) as conn:
        before = await _stored(conn, target, now)
        after = [_with(row, people, target, is_delta=is_delta) for row in before]
        if problems := [Problem(row.id, "would have no learner") for row in after if not row.learner_ids]:
            raise InputError(problems)
        world = World(classes=tuple(after))
        planned = await (roster.plan(conn, world) if is_dry else roster.apply(conn, world, now))
        if not is_dry:
            await audit.record(conn, Act(audit.of_command(), "members.imported", "roster", planned.counted()), now)
    gone = {row.id: sorted({*row.learner_ids} - {*new.learner_ids}) for row, new in zip(before, after, strict=True)}
    return Outcome(planned, {class_id: ids for class_id, ids in gone.items() if ids})


async def _stored(conn: AsyncConnection, target: Target, now: Instant) -> list[ScheduledClass]:
    of_course = classes.c.course_id == target.course_id
    if not (await conn.execute(select(exists().where(of_course)))).scalar_one():
        raise InputError([Problem("--course", "has no class on the roster: import its timetable first")])
    to_come = select(classes).where(of_course, classes.c.starts_at > now, classes.c.cancelled_at.is_(None))
    rows = list(await conn.execute(to_come.order_by(classes.c.starts_at, classes.c.id)))
    rows = [row for row in rows if fnmatchcase(row.id, target.class_ids)]
    learners: dict[str, list[str]] = {row.id: [] for row in rows}
    for ids in chunks(learners):
        for row in await conn.execute(select(class_learners).where(class_learners.c.class_id.in_(ids))):
            learners[row.class_id].append(row.learner_id)
    return [class_of(row, sorted(learners[row.id])) for row in rows]


def _with(row: ScheduledClass, people: Mapping[str, Person], target: Target, *, is_delta: bool) -> ScheduledClass:
    learners = {person.id for person in people.values() if person.is_active and person.is_learner}
    if is_delta:
        learners |= {learner_id for learner_id in row.learner_ids if learner_id not in people}
    teacher_id = row.teacher_id if target.keeps_teachers else _teacher(row.teacher_id, people, is_delta=is_delta)
    return replace(row, learner_ids=tuple(sorted(learners - {teacher_id})), teacher_id=teacher_id)


def _teacher(stored: str, people: Mapping[str, Person], *, is_delta: bool) -> str:
    """Keep the teacher the course has, else name an instructor: no assistant if there is another, the first by id."""
    teaching = [person for person in people.values() if person.is_active and person.is_teacher]
    if any(person.id == stored for person in teaching) or not teaching or (is_delta and stored not in people):
        return stored
    return min(teaching, key=lambda person: (person.is_assistant, person.id)).id
