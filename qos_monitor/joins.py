"""Goes at a class: from a learner's first try to the moment they are in, or are not."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Result, Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import tallying
from qos_monitor.metrics.tallied import JOIN_SECONDS, JOINS
from qos_monitor.storage.engine import insert, writing
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import classes, cursors, observations
from qos_monitor.tallying import Counts
from rules.observation import Kind, Role
from rules.span import MINUTE, SECOND, Instant

LIMIT: int = MINUTE
"""Who is not in by then has failed (SPEC 3)."""

SETTLED_AFTER: int = 3 * MINUTE
"""A try is looked at this long after it was stored: webhooks and beacons of the same minute have come by then."""

BATCH = 1_000
_CURSOR = "joins"
_IS_TRY = text(f"observations.kind = '{Kind.ATTEMPTED.value}'")  # in the words of its index: else all new rows are read
_KINDS = (Kind.ATTEMPTED.value, Kind.JOIN_FAILED.value, Kind.JOINED.value)


@dataclass(frozen=True, slots=True)
class Go:
    """One go of one learner: ``seq`` is the observation it began with; ``took`` in ms, None where it failed."""

    seq: int
    took: int | None


def goes(events: Iterable[tuple[Instant, int, str]]) -> Iterator[Go]:
    """Cut the (instant, seq, kind) of one learner in one class into goes.

    A go begins with the first try after the last one ended, and ends with the next join, with the next failure, or
    after a minute; tries in between belong to it (a token is issued, then a button clicked). A join without a try
    before it is none: nobody saw when it began.
    """
    begun: tuple[Instant, int] | None = None
    for at, seq, kind in sorted(events):
        if begun is not None and (kind != Kind.ATTEMPTED or at - begun[0] > LIMIT):
            is_in = kind == Kind.JOINED and at - begun[0] <= LIMIT
            yield Go(begun[1], at - begun[0] if is_in else None)
            begun = None
        if begun is None and kind == Kind.ATTEMPTED:
            begun = (at, seq)
    if begun is not None:
        yield Go(begun[1], None)


async def measure(engine: AsyncEngine, now: Instant) -> int:
    """Count the goes that began with the next tries, in the order of storing; answer how many tries were looked at.

    Each once, whichever process does it and whatever it dies of: the place is kept in the same transaction.
    """
    async with writing(engine) as conn:
        after = await _place(conn)
        columns = (observations.c.seq, observations.c.class_id, observations.c.participant_id)
        statement = (
            select(*columns)
            .where(observations.c.seq > after, observations.c.recorded_at <= now - SETTLED_AFTER)
            .where(_IS_TRY, observations.c.role == Role.LEARNER.value)
            .order_by(observations.c.seq)
            .limit(BATCH)
        )
        result: Result[Any] = await conn.execute(statement)
        tries = result.all()
        if not tries:
            return 0
        counts = await _counted(conn, tries)
        moved = update(cursors).where(cursors.c.name == _CURSOR, cursors.c.value == after)
        if (await conn.execute(moved.values(value=tries[-1].seq))).rowcount:
            await tallying.add(conn, counts, now)
    return len(tries)


async def _place(conn: AsyncConnection) -> int:
    start = insert(conn.dialect.name, cursors).values(name=_CURSOR, value=0).on_conflict_do_nothing()
    await conn.execute(start)
    place = select(cursors.c.value).where(cursors.c.name == _CURSOR).with_for_update()
    return int((await conn.execute(place)).scalar_one())


async def _counted(conn: AsyncConnection, tries: Sequence[Row[Any]]) -> Counts:
    counts = Counts()
    ours = {row.seq for row in tries}
    wanted = {(row.class_id, row.participant_id) for row in tries if row.class_id is not None}
    columns = (observations.c.class_id, observations.c.participant_id, observations.c.at, observations.c.seq)
    for ids in chunks(sorted({class_id for class_id, _ in wanted})):
        served = select(classes.c.id, classes.c.provider).where(classes.c.id.in_(ids))
        providers = {row.id: row.provider for row in await conn.execute(served)}
        statement = (
            select(*columns, observations.c.kind)
            .where(observations.c.class_id.in_(ids), observations.c.kind.in_(_KINDS))
            .order_by(*columns[:2])
        )
        rows = (await conn.execute(statement)).all()
        for key, events in groupby(rows, key=lambda row: (row.class_id, row.participant_id)):
            if key in wanted and key[0] in providers:
                begun = (go for go in goes((row.at, row.seq, row.kind) for row in events) if go.seq in ours)
                _add(counts, providers[key[0]], begun)
    return counts


def _add(counts: Counts, provider: str, begun: Iterable[Go]) -> None:
    for go in begun:
        counts.add(JOINS, provider, "failed" if go.took is None else "joined")
        if go.took is not None:
            counts.observe(JOIN_SECONDS, go.took / SECOND, provider)
