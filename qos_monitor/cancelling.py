"""Keeps what the school said about whole classes, called off or on again, and brings it into the roster."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import Notice
from qos_monitor import due
from qos_monitor.storage.engine import insert
from qos_monitor.storage.rows import Values, chunks
from qos_monitor.storage.tables import classes, notices
from rules.span import Instant
from rules.world import Cancellation, ScheduledClass, World

_LOCK = 0x514F4E  # any number that nobody else locks: "QON"


async def store(conn: AsyncConnection, told: Sequence[tuple[Notice, Instant]], now: Instant) -> None:
    """Keep notices, each with the instant it was received, in the transaction given; twice is once.

    Of copies that differ the one received first counts; of several notices of a class the one received last. A class
    that changes by it is marked to be judged; one the roster does not know yet gets it from `upheld`.
    """
    if not told:
        return
    await alone(conn)
    fresh = {notice.class_id for notice, received_at in told if await _keep(conn, notice, received_at)}
    if not fresh:
        return
    changed = [class_id for class_id, row in (await _last(conn, sorted(fresh))).items() if await _put(conn, row)]
    await due.touch_classes(conn, changed, now)


async def upheld(conn: AsyncConnection, given: World, known: Mapping[str, ScheduledClass]) -> World:
    """Let classes that a roster lists without a word on their cancellation keep what was said of them.

    A timetable knows nothing of what the backend posted, and sends null every night. ``known`` are those given, as
    they are now; a new one takes the last notice. Of a class that was said to take place, silence says the same.
    """
    await alone(conn)
    silent = [row.id for row in given.classes if row.cancelled is None]
    told = {class_id: row for class_id, row in (await _last(conn, silent)).items() if row.by is not None}
    if not told:
        return given

    def off(row: ScheduledClass) -> Cancellation | None:
        if row.id not in told or row.cancelled is not None:
            return row.cancelled
        return known[row.id].cancelled if row.id in known else _cancellation(told[row.id])

    return replace(given, classes=tuple(replace(row, cancelled=off(row)) for row in given.classes))


async def alone(conn: AsyncConnection) -> None:
    """Wait for who else brings notices and classes together: each would miss what the other has not committed.

    It holds until the transaction ends; where `naming.moving` is wanted too, that comes after.
    """
    if conn.dialect.name == "postgresql":  # on SQLite a writer is alone
        await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _keep(conn: AsyncConnection, notice: Notice, received_at: Instant) -> bool:
    """Store one notice; answer whether it is new, or was received before the copy that is there."""
    values: Values = {
        "id": notice.id,
        "class_id": notice.class_id,
        "at": notice.at,
        "by": notice.by,
        "technical": notice.is_technical,
        "recorded_at": received_at,
    }
    statement = insert(conn.dialect.name, notices).values(values)
    replaced = statement.on_conflict_do_update(
        index_elements=["id"], set_=values, where=notices.c.recorded_at > received_at
    )
    return (await conn.execute(replaced.returning(notices.c.id))).first() is not None


async def _last(conn: AsyncConnection, class_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Find the notice of each class that was received last; of one request, that decided last."""
    last: dict[str, Row[Any]] = {}
    order = (notices.c.recorded_at, notices.c.at, notices.c.id)
    for ids in chunks(class_ids):
        rows = await conn.execute(select(notices).where(notices.c.class_id.in_(ids)).order_by(*order))
        last |= {row.class_id: row for row in rows}
    return last


async def _put(conn: AsyncConnection, row: Row[Any]) -> bool:
    """Bring one notice into the roster; answer whether that changed anything there."""
    off = _cancellation(row)
    wanted: Values = {
        "cancelled_at": off and off.at,
        "cancelled_by": off and off.by,
        "cancelled_technical": off and off.is_technical,
    }
    differs = [classes.c[name].is_distinct_from(value) for name, value in wanted.items()]
    either = differs[0] | differs[1] | differs[2]
    changed = update(classes).where(classes.c.id == row.class_id, either).values(wanted).returning(classes.c.id)
    return (await conn.execute(changed)).first() is not None


def _cancellation(row: Row[Any]) -> Cancellation | None:
    return None if row.by is None else Cancellation(row.at, row.by, row.technical)
