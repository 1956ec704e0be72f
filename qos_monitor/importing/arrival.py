"""Puts what a reader found into the store, or says what it would change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import roster
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError
from qos_monitor.importing.draft import Draft
from qos_monitor.roster import RosterPlan
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.rows import chunks, class_of
from qos_monitor.storage.tables import class_learners, classes
from rules.span import Instant, Span
from rules.world import Cancellation, ScheduledClass, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import changes: the plan of the roster, and the classes that ended because they are in no file now."""

    plan: RosterPlan
    ended: tuple[str, ...]
    skipped: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Write it for the command line."""
        return {**self.plan.as_json(), "ended": list(self.ended), "skipped": list(self.skipped)}


async def imported(engine: AsyncEngine, draft: Draft, clock: Clock, *, whole: Span | None, is_dry: bool) -> Outcome:
    """Apply a draft in one transaction, or only say what it would change; doing it again changes nothing.

    ``whole``: the files hold every class of their courses that starts in this span, so that one which is stored and
    not in them has ended. Raises Invalid or InputError, each problem with the line it comes from.
    """
    world = draft.roster()
    now = clock.now()
    try:
        async with reading(engine) if is_dry else writing(engine) as conn:
            settled, ended = await _settled(conn, world, draft, whole, now)
            planned = await (roster.plan(conn, settled) if is_dry else roster.apply(conn, settled, now))
            if not is_dry:
                await audit.record(conn, Act(audit.of_command(), "roster.imported", "roster", planned.counted()), now)
    except InputError as wrong:
        raise InputError(draft.placed(wrong.problems)) from None
    return Outcome(planned, tuple(row.id for row in ended), tuple(draft.skipped))


async def _settled(
    conn: AsyncConnection, world: World, draft: Draft, whole: Span | None, now: Instant
) -> tuple[World, Sequence[ScheduledClass]]:
    """Leave alone what the store knows better than the files, and call off what is in the files no more."""
    planned = await roster.plan(conn, world)
    kept = world.classes
    if not draft.knows_cancellations:
        kept = tuple(_with_cancellation(row, planned.before.get(row.id)) for row in world.classes)
    courses = world.courses
    if not draft.knows_essence:
        differ = {row_id for row_id, keys in planned.courses.changed.items() if "visual_essential" in keys}
        courses = tuple(replace(row, visual_essential=row.id in differ) for row in courses)
    ended = [] if whole is None else await _ended(conn, world, whole, now)
    return replace(world, courses=courses, classes=(*kept, *ended)), ended


def _with_cancellation(row: ScheduledClass, stored: ScheduledClass | None) -> ScheduledClass:
    """Keep a stored cancellation as it was told first, and one that says more than a calendar can."""
    off = None if stored is None else stored.cancelled
    if off is None or (row.cancelled is None and off.by == "platform" and not off.is_technical):
        return row
    return replace(row, cancelled=off)


async def _ended(conn: AsyncConnection, world: World, whole: Span, now: Instant) -> list[ScheduledClass]:
    """Find stored classes yet to come that the files should name and do not; what has begun is left to the evidence."""
    given = {row.id for row in world.classes}
    ended = []
    for course_ids in chunks(sorted({row.course_id for row in world.classes})):
        rows = await conn.execute(
            select(classes)
            .where(classes.c.course_id.in_(course_ids))
            .where(classes.c.starts_at >= max(whole.start, now), classes.c.starts_at < whole.end)
            .order_by(classes.c.starts_at, classes.c.id)
        )
        ended.extend([class_of(row, ()) for row in rows if row.id not in given])
    return [await _called_off(conn, row, now) for row in ended if row.cancelled is None]


async def _called_off(conn: AsyncConnection, row: ScheduledClass, now: Instant) -> ScheduledClass:
    members = await conn.execute(select(class_learners.c.learner_id).where(class_learners.c.class_id == row.id))
    cancelled = Cancellation(at=now, by="platform", is_technical=False)
    return replace(row, learner_ids=tuple(sorted(members.scalars())), cancelled=cancelled)
