"""The table of polls: one row per class, planned once, taken up by one worker at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, exists, literal, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import DeliveryKey
from collectors.polls import Request, Sitting, Statistics
from qos_monitor import naming
from qos_monitor.intake import storable
from qos_monitor.storage.engine import insert, upsert
from qos_monitor.storage.rows import canonical, observation_of, window_of
from qos_monitor.storage.tables import (
    WAITING as UNREAD,
)
from qos_monitor.storage.tables import (
    classes,
    cursors,
    deliveries,
    observations,
    polls,
)
from rules.observation import Kind, Observation
from rules.span import DAY, MINUTE, Instant

WAITING, FETCHED, DONE, LOST = "waiting", "fetched", "done", "lost"

LEASE: int = 2 * MINUTE
"""A poll taken up is due again after this if we die before it is done."""

LOOKS_BACK: int = 30 * DAY
"""Older classes are not planned; those between this and what the provider keeps are lost, and said to be, unless they
were over before polling began."""

_REQUESTS_MAX = 1_000_000  # in one day; a cursor holds the day and the count in one number


@dataclass(frozen=True, slots=True)
class Task:
    """A poll in hand. ``held`` is its due_at as we set it: whoever finds another has lost the hold."""

    class_id: str
    progress: str
    attempts: int
    held: Instant
    sitting: Sitting | None
    """None where the class is gone, or has no room any more."""


async def plan(conn: AsyncConnection, statistics: Statistics, now: Instant) -> None:
    """Make a row for every class that has begun, or may be asked about already, and has none; due when it may be.

    What was already gone when this was first asked for is nobody's loss, and is not planned.
    """
    since = await _since(conn, statistics, now)
    known = await naming.templates_of(conn)
    has_room = true() if known.are_written(statistics.provider) else classes.c.room_id.is_not(None)
    columns = ("provider", "class_id", "state", "due_at", "attempts", "progress")
    limits = statistics.limits
    due_at = classes.c.ends_at + limits.delay_ms if limits.lead_ms is None else classes.c.starts_at - limits.lead_ms
    begun = now + (limits.lead_ms or 0)
    chosen = select(
        literal(statistics.provider), classes.c.id, literal(WAITING), due_at, literal(0), literal("")
    ).where(
        classes.c.provider == statistics.provider,
        has_room,
        classes.c.window >= window_of(now - LOOKS_BACK),
        classes.c.window <= window_of(begun),
        classes.c.starts_at <= begun,
        classes.c.ends_at >= since,
        or_(classes.c.cancelled_at.is_(None), classes.c.cancelled_at >= classes.c.starts_at),
        ~exists().where(polls.c.provider == statistics.provider, polls.c.class_id == classes.c.id),
    )
    await conn.execute(insert(conn.dialect.name, polls).from_select(columns, chosen).on_conflict_do_nothing())


async def _since(conn: AsyncConnection, statistics: Statistics, now: Instant) -> Instant:
    """Tell the end of the oldest class whose data was there when polling began, and keep it for ever."""
    name = f"polled since:{statistics.provider}"
    first = insert(conn.dialect.name, cursors).on_conflict_do_nothing(index_elements=["name"])
    await conn.execute(first, {"name": name, "value": now - statistics.limits.kept_ms})
    return int((await conn.execute(select(cursors.c.value).where(cursors.c.name == name))).scalar_one())


async def take(conn: AsyncConnection, provider: str, state: str, now: Instant) -> Task | None:
    """Take up the poll that has been due longest, and put it off in case we die."""
    row = (await conn.execute(_due(provider, state, now))).first()
    if row is None:
        return None
    held = now + LEASE
    statement = (
        update(polls)
        .where(polls.c.provider == provider, polls.c.class_id == row.class_id, polls.c.due_at == row.due_at)
        .values(due_at=held)
    )
    if (await conn.execute(statement)).rowcount == 0:
        return None  # another worker was faster
    return Task(row.class_id, row.progress, row.attempts, held, await _sitting(conn, row))


def _due(provider: str, state: str, now: Instant) -> Select[Any]:
    return (
        select(
            polls, classes.c.course_id, classes.c.room_id, classes.c.starts_at, classes.c.ends_at, classes.c.teacher_id
        )
        .select_from(polls.outerjoin(classes, classes.c.id == polls.c.class_id))
        .where(polls.c.provider == provider, polls.c.state == state, polls.c.due_at <= now)
        .order_by(polls.c.due_at, polls.c.class_id)
        .limit(1)
    )


async def _sitting(conn: AsyncConnection, row: Row[Any]) -> Sitting | None:
    """Say what is asked about in the provider's own names, as far as these are known."""
    if row.course_id is None:
        return None
    known = await naming.templates_of(conn)
    room = row.room_id or next(known.rooms_of(row.provider, row.class_id, row.course_id), None)
    teacher = await naming.name_of_teacher(conn, known, row.provider, row.teacher_id)
    return None if room is None else Sitting(room, row.starts_at, row.ends_at, teacher)


async def put(conn: AsyncConnection, provider: str, task: Task, **changes: object) -> bool:
    """Write what became of a poll in hand; answer False, and write nothing, where it is no longer ours."""
    statement = (
        update(polls)
        .where(polls.c.provider == provider, polls.c.class_id == task.class_id, polls.c.due_at == task.held)
        .values(**changes)
    )
    return (await conn.execute(statement)).rowcount > 0


async def keep(conn: AsyncConnection, reader: str, request: Request, body: bytes, now: Instant) -> None:
    """Store an answer as a delivery, with what was asked; one that was stored already stays as it is."""
    key = storable(DeliveryKey(request.at // MINUTE, request.name))
    statement = insert(conn.dialect.name, deliveries).on_conflict_do_nothing(
        index_elements=["minute", "provider", "event_id"]
    )
    values = {
        "provider": reader,
        "minute": key.minute,
        "event_id": key.event_id,
        "received_at": now,
        "headers": canonical({"asked": request.asked}),
        "body": body,
        "state": UNREAD,
    }
    await conn.execute(statement, values)


async def is_unread(conn: AsyncConnection, reader: str) -> bool:
    """Say whether answers wait to be read."""
    statement = select(deliveries.c.seq).where(deliveries.c.state == UNREAD, deliveries.c.provider == reader).limit(1)
    return (await conn.execute(statement)).first() is not None


async def presence_of(conn: AsyncConnection, class_id: str) -> list[Observation]:
    """Read every join and leave seen of a class, by whomever."""
    kinds = (Kind.JOINED.value, Kind.LEFT.value)
    statement = select(observations).where(observations.c.class_id == class_id, observations.c.kind.in_(kinds))
    return [observation_of(row) for row in await conn.execute(statement)]


async def spent_today(conn: AsyncConnection, reader: str, now: Instant) -> int:
    """Read how many requests were sent since midnight UTC."""
    statement = select(cursors.c.value).where(cursors.c.name == f"requests:{reader}")
    day, count = divmod((await conn.execute(statement)).scalar() or 0, _REQUESTS_MAX)
    return count if day == now // DAY else 0


async def spend(conn: AsyncConnection, reader: str, today: int, now: Instant) -> None:
    """Keep how many requests were sent since midnight UTC, so that a restart does not forget them."""
    value = now // DAY * _REQUESTS_MAX + min(today, _REQUESTS_MAX - 1)
    await conn.execute(upsert(conn.dialect.name, cursors), {"name": f"requests:{reader}", "value": value})
