"""Windows of classes whose evidence is past its time: their verdicts stand for ever, and nobody judges them again."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.carrying import CARRY_MAX
from qos_monitor.claims.lifecycle import CaseState
from qos_monitor.storage.engine import insert, upsert
from qos_monitor.storage.keeping_tables import sealed_windows
from qos_monitor.storage.rows import WINDOW, chunks
from qos_monitor.storage.tables import cases, class_learners, classes, cursors, observations, outages, windows
from rules.observation import Kind
from rules.remedy import REVIEW
from rules.span import DAY, Instant

CASE_REACH: int = 120 * DAY
"""How long before it was made a case may rest on classes: 60 days are counted, an outage may be older."""

CASE_AFTER: int = 30 * DAY
"""How long after its last change a case may still take classes in."""

MARGIN: int = DAY
"""Evidence outlives the sealing of its window by this: what lies just before an open window may be needed in it."""

CHECKS = (str(Kind.CHECK_PASSED), str(Kind.CHECK_FAILED))
"""Observations that are never deleted: outages are folded from them."""

CURSOR = "sealed_before"
"""The cursor that holds the first window which is not past its time."""

_OPEN = (CaseState.CANDIDATE, CaseState.FILED, CaseState.ACCEPTED, CaseState.HELD, CaseState.SUPPLEMENTED)


async def judgeable(conn: AsyncConnection, numbers: Iterable[int]) -> set[int]:
    """Leave out the windows that are never judged again; what came for one of these is to be deleted with the rest.

    A window before the first one kept that was never judged has lost its evidence too, and is left out as well.
    """
    given = set(numbers)
    first = await _sealed_before(conn)
    past = {number for number in given if number < first}
    if not past:
        return given
    still = given - past
    for some in chunks(sorted(past)):
        is_one = sealed_windows.c.window.in_(some)
        sealed = set((await conn.execute(select(sealed_windows.c.window).where(is_one))).scalars())
        known = set((await conn.execute(select(windows.c.window).where(windows.c.window.in_(some)))).scalars())
        still |= known - sealed
        if sealed:
            await conn.execute(update(sealed_windows).where(is_one).values(emptied_at=None))
    return still


async def sealed_among(conn: AsyncConnection, numbers: Iterable[int]) -> set[int]:
    """Say which of these windows are sealed."""
    found: set[int] = set()
    for some in chunks(sorted(set(numbers))):
        statement = select(sealed_windows.c.window).where(sealed_windows.c.window.in_(some))
        found.update((await conn.execute(statement)).scalars())
    return found


async def seal(conn: AsyncConnection, before: int, now: Instant, limit: int) -> int:
    """Seal up to ``limit`` windows that begin before this one and that nobody needs open; answer how many.

    Left open are windows that are due or in somebody's hand, and those with a class of a learner whose case is not
    settled or whose outage is not yet decided, as far back as these can reach.
    """
    first = max(before, await _sealed_before(conn))
    await conn.execute(upsert(conn.dialect.name, cursors), {"name": CURSOR, "value": first})
    is_sealed = exists().where(sealed_windows.c.window == windows.c.window)
    chosen = (
        select(windows.c.window)
        .where(windows.c.window < before, windows.c.due_at.is_(None), windows.c.lease_until == 0)
        .where(~is_sealed, windows.c.window.not_in(_held(before)))
        .order_by(windows.c.window)
        .limit(limit)
    )
    rows = [{"window": number, "sealed_at": now} for number in (await conn.execute(chosen)).scalars()]
    if rows:
        made = insert(conn.dialect.name, sealed_windows)
        await conn.execute(made.on_conflict_do_nothing(index_elements=["window"]), rows)
    return len(rows)


async def next_full(conn: AsyncConnection, before: int) -> int | None:
    """Give the oldest sealed window before this one whose evidence nobody needs any more and is still there.

    A stay may be carried into the next class in the same room: it is kept as long as that one may be judged.
    """
    is_full = sealed_windows.c.emptied_at.is_(None)
    statement = (
        select(sealed_windows.c.window)
        .where(is_full, sealed_windows.c.window < before, ~_is_beside_an_open_one(sealed_windows.c.window))
        .where(~exists().where(windows.c.window == sealed_windows.c.window, windows.c.due_at.is_not(None)))
        .order_by(sealed_windows.c.window)
        .limit(1)
    )
    return (await conn.execute(statement)).scalar()


async def emptied(conn: AsyncConnection, number: int, now: Instant) -> None:
    """Note that nothing is left of what was seen in the classes of a window."""
    await conn.execute(update(sealed_windows).where(sealed_windows.c.window == number).values(emptied_at=now))


async def oldest_open(conn: AsyncConnection, before: int) -> int:
    """Give the oldest window that may still be judged, or ``before`` if that is older."""
    is_sealed = exists().where(sealed_windows.c.window == windows.c.window)
    statement = select(windows.c.window).where(windows.c.window < before, ~is_sealed).order_by(windows.c.window)
    found = (await conn.execute(statement.limit(1))).scalar()
    return before if found is None else int(found)


async def is_kept(conn: AsyncConnection) -> ColumnElement[bool]:
    """Give the condition of observations that no round of retention takes, given how far sealing has come."""
    first = await _sealed_before(conn)
    is_sealed = classes.c.window.in_(select(sealed_windows.c.window))
    is_open = or_(classes.c.window >= first, and_(classes.c.window.in_(select(windows.c.window)), ~is_sealed))
    of_class = exists().where(classes.c.id == observations.c.class_id)
    is_young = or_(observations.c.at >= first * WINDOW - MARGIN, observations.c.kind.in_(CHECKS))
    return or_(of_class.where(is_open), and_(~of_class, is_young))


async def _sealed_before(conn: AsyncConnection) -> int:
    value = (await conn.execute(select(cursors.c.value).where(cursors.c.name == CURSOR))).scalar()
    return 0 if value is None else int(value)


def _held(before: int) -> Select[Any]:
    """Select the windows that an unsettled case or an undecided outage may need."""
    theirs = class_learners.c.class_id == classes.c.id
    begins = classes.c.starts_at
    of_cases = (
        select(classes.c.window)
        .join(class_learners, theirs)
        .join(cases, cases.c.learner_id == class_learners.c.learner_id)
        .where(is_open(), classes.c.window < before)
        .where(_is_recent(before), begins >= cases.c.created_at - CASE_REACH, begins < cases.c.updated_at + CASE_AFTER)
    )
    of_outages = (
        select(classes.c.window)
        .join(class_learners, theirs)
        .join(outages, outages.c.learner_id == class_learners.c.learner_id)
        .where(outages.c.answer == "not_yet", classes.c.window < before, begins >= outages.c.starts_at - DAY)
    )
    found = union(of_cases, of_outages).subquery()
    return select(found.c.window)


def is_open() -> ColumnElement[bool]:
    """Ask whether a case still has something to come; a review in whose place a refund was filed has not."""
    is_replaced = and_(cases.c.kind == REVIEW, cases.c.state == CaseState.SUPPLEMENTED.value)
    return and_(cases.c.state.in_([state.value for state in _OPEN]), ~is_replaced)


def _is_recent(before: int) -> ColumnElement[bool]:
    """Ask whether a case that was accepted changed since; a refund system that never says paid holds nothing back."""
    return or_(cases.c.state != CaseState.ACCEPTED.value, cases.c.updated_at >= before * WINDOW)


def _is_beside_an_open_one(number: ColumnElement[int]) -> ColumnElement[bool]:
    mine, other, its = classes.alias("mine"), classes.alias("other"), windows.alias("its")
    gone = sealed_windows.alias("gone")
    return (
        exists()
        .where(mine.c.window == number, other.c.provider == mine.c.provider, other.c.room_id == mine.c.room_id)
        .where(other.c.starts_at < mine.c.ends_at + CARRY_MAX, other.c.starts_at > mine.c.starts_at - CARRY_MAX)
        .where(its.c.window == other.c.window, ~exists().where(gone.c.window == its.c.window))
    )
