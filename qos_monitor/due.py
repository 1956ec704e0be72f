"""Says what is to be judged, and when: windows of classes, and learners."""

from collections.abc import Iterable

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import sealing
from qos_monitor.storage.engine import insert, upsert
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import classes, learners, windows
from rules.span import MINUTE, Instant

PROVISIONAL_AFTER: int = 15 * MINUTE
"""No verdict is listed before a class's end and this (SPEC 5)."""


async def touch_classes(conn: AsyncConnection, class_ids: Iterable[str], now: Instant) -> None:
    """Have the windows of these classes judged again: now, or once the class can have a verdict.

    A window that is due earlier stays so. Classes the roster does not know are passed over.
    """
    earliest: dict[int, Instant] = {}
    for ids in chunks(set(class_ids)):
        statement = (
            select(classes.c.window, func.min(classes.c.ends_at))
            .where(classes.c.id.in_(ids))
            .group_by(classes.c.window)
        )
        for window, ends_at in await conn.execute(statement):
            due_at = max(now, ends_at + PROVISIONAL_AFTER)
            earliest[window] = min(due_at, earliest.get(window, due_at))
    await touch_windows(conn, earliest.items())


async def touch_windows(conn: AsyncConnection, due: Iterable[tuple[int, Instant]]) -> None:
    """Have windows judged at the given instants, or earlier where they are due earlier; sealed ones never again."""
    wanted = sorted(due)
    if not wanted:
        return
    open_ones = await sealing.judgeable(conn, (window for window, _ in wanted))
    rows = [
        {"window": window, "due_at": due_at, "lease_until": 0, "lease_token": 0}
        for window, due_at in wanted
        if window in open_ones
    ]
    if not rows:
        return
    statement = insert(conn.dialect.name, windows)
    new = statement.excluded.due_at
    # In somebody's hand it is due when their lease ends, which says nothing: only a touch does.
    is_in_hand = windows.c.due_at == windows.c.lease_until
    is_later = windows.c.due_at.is_(None) | (windows.c.due_at > new) | is_in_hand
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["window"], set_={"due_at": case((is_later, new), else_=windows.c.due_at)}
        ),
        rows,
    )


async def touch_learners(conn: AsyncConnection, learner_ids: Iterable[str], now: Instant) -> None:
    """Have the outages of these learners folded again, now."""
    rows = [{"id": learner_id, "look_again_at": now} for learner_id in sorted(set(learner_ids))]
    if rows:
        await conn.execute(upsert(conn.dialect.name, learners, replace=["look_again_at"]), rows)
