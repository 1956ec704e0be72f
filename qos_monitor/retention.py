"""Forgets what need not be kept: a small piece each tick, found by an index, so that nobody notices."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import sealing
from qos_monitor.clock import Clock
from qos_monitor.sealing import CHECKS, MARGIN
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.rows import WINDOW, chunks, window_of
from qos_monitor.storage.tables import (
    READ,
    UNREADABLE,
    classes,
    deliveries,
    feed_spans,
    notices,
    observations,
    polls,
    verdicts,
    windows,
)
from rules.observation import Kind
from rules.span import DAY, HOUR, Instant

PIECE: int = 1_000
"""Rows deleted in one transaction, and looked at: webhooks wait behind it, for a tenth of a second at most."""

ROUND_EVERY: int = HOUR
"""When all that was due is gone, the next look is after this."""

_INCIDENTS = (Kind.INCIDENT_DECLARED, Kind.INCIDENT_CLEARED)
_KINDS = tuple(sorted(str(kind) for kind in Kind if str(kind) not in CHECKS and kind not in _INCIDENTS))


@dataclass(frozen=True, slots=True)
class Periods:
    """How long things are kept, in days; 0 is for ever."""

    deliveries_days: int
    evidence_days: int
    superseded_days: int


def _uncounted(_table: str, _rows: int) -> None:
    """Count nothing."""


@dataclass(slots=True)
class Retention:
    """Goes round what is past its time, a piece with every run; the place in the round is kept in memory alone.

    Two processes that do it at once do what one would: each row is deleted by the first. ``count`` is told how many
    rows went from which table.
    """

    engine: AsyncEngine
    clock: Clock
    periods: Periods
    providers: Collection[str] = ()
    """Whose polls are kept, as `polls` names them."""
    count: Callable[[str, int], None] = _uncounted
    _step: int = field(default=0, init=False)
    _after: int = field(default=0, init=False)
    _rests_until: Instant = field(default=0, init=False)

    async def run(self) -> int:
        """Do one piece; answer how many rows it looked at, 0 when there is nothing to do for an hour."""
        now = self.clock.now()
        # A clock that was set back must not make us rest for ever.
        if now < self._rests_until <= now + ROUND_EVERY:
            return 0
        steps = self._steps()
        done = await steps[self._step](now)
        if done < PIECE:
            self._step += 1
        if self._step == len(steps):
            self._step, self._after, self._rests_until = 0, 0, now + ROUND_EVERY
        return done

    async def finish(self) -> None:
        """Go round once, to its end."""
        self._rests_until = 0
        await self.run()
        while self._step:
            await self.run()

    def _steps(self) -> Sequence[Callable[[Instant], Awaitable[int]]]:
        return (
            self._seal,
            self._of_classes,
            *(self._outside(kind) for kind in _KINDS),
            self._incidents,
            self._deliveries,
            self._superseded,
            self._polls,
            self._small,
        )

    def _evidence_before(self, now: Instant) -> Instant:
        """Give the instant before which evidence goes; its windows were sealed a day before."""
        days = self.periods.evidence_days
        return now - days * DAY - MARGIN if days else 0

    async def _seal(self, now: Instant) -> int:
        before = self._evidence_before(now)
        if not before:
            return 0
        async with writing(self.engine) as conn:
            return await sealing.seal(conn, window_of(before + MARGIN), now, PIECE)

    async def _of_classes(self, now: Instant) -> int:
        """Delete what was seen in the classes of sealed windows, window by window."""
        number = await self._full_window(window_of(self._evidence_before(now)))
        if number is None:
            return 0
        async with writing(self.engine) as conn:
            ids = (await conn.execute(select(classes.c.id).where(classes.c.window == number))).scalars().all()
            seqs: list[int] = []
            for some in chunks(ids):
                statement = select(observations.c.seq).where(observations.c.class_id.in_(some)).limit(PIECE - len(seqs))
                seqs += (await conn.execute(statement)).scalars().all()
                if len(seqs) == PIECE:
                    break
            await self._delete(conn, observations, observations.c.seq, seqs)
            if len(seqs) < PIECE:
                await sealing.emptied(conn, number, now)
        return PIECE  # there may be another one

    async def _full_window(self, before: int) -> int | None:
        async with reading(self.engine) as conn:
            return await sealing.next_full(conn, before)

    def _outside(self, kind: str) -> Callable[[Instant], Awaitable[int]]:
        async def outside(now: Instant) -> int:
            """Delete what belongs to no class that was ever to be judged; what belongs to one goes with its window."""
            is_old = and_(observations.c.kind == kind, observations.c.at < self._evidence_before(now))
            of_window = exists().where(classes.c.id == observations.c.class_id, windows.c.window == classes.c.window)
            is_of_none = or_(observations.c.class_id.is_(None), ~of_window)
            chosen = select(observations.c.seq).where(is_old, is_of_none)
            return await self._deleted(observations, observations.c.seq, chosen)

        return outside

    async def _incidents(self, now: Instant) -> int:
        """Delete what was announced before every window that may still be judged; it explains what ended sessions."""
        before = self._evidence_before(now)
        async with reading(self.engine) as conn:
            first = await sealing.oldest_open(conn, window_of(before)) if before else 0
        done = 0
        for kind in _INCIDENTS:
            is_old = and_(observations.c.kind == str(kind), observations.c.at < first * WINDOW - MARGIN)
            done += await self._deleted(observations, observations.c.seq, select(observations.c.seq).where(is_old))
        return done

    async def _deliveries(self, now: Instant) -> int:
        """Walk on from the oldest delivery: what was read goes, what waits stays, what is unreadable goes later."""
        days = self.periods.deliveries_days
        if not days:
            return 0
        columns = (deliveries.c.seq, deliveries.c.received_at, deliveries.c.state)
        statement = select(*columns).where(deliveries.c.seq > self._after).order_by(deliveries.c.seq).limit(PIECE)
        async with reading(self.engine) as conn:
            rows = (await conn.execute(statement)).all()
        limits = {READ: now - days * DAY, UNREADABLE: min(now - days * DAY, self._evidence_before(now))}
        seqs = [row.seq for row in rows if row.received_at < limits.get(row.state, 0)]
        if seqs:
            async with writing(self.engine) as conn:
                await self._delete(conn, deliveries, deliveries.c.seq, seqs)
        # They lie in the order of receiving, give or take a commit: from here on all are younger.
        if not rows or rows[-1].received_at >= limits[READ]:
            return 0
        self._after = rows[-1].seq
        return len(rows)

    async def _superseded(self, now: Instant) -> int:
        days = self.periods.superseded_days
        is_old = and_(~verdicts.c.current, verdicts.c.recorded_at < (now - days * DAY if days else 0))
        return await self._deleted(verdicts, verdicts.c.seq, select(verdicts.c.seq).where(is_old))

    async def _polls(self, now: Instant) -> int:
        done = 0
        for provider in sorted(self.providers):
            for state in ("done", "lost"):
                is_over = and_(polls.c.provider == provider, polls.c.state == state)
                is_old = and_(is_over, polls.c.due_at < self._evidence_before(now))
                chosen = select(polls.c.class_id).where(is_old)
                done += await self._deleted(polls, polls.c.class_id, chosen, polls.c.provider == provider)
        return done

    async def _small(self, now: Instant) -> int:
        """Delete from the tables that stay small: notices of classes, and when feeds were alive."""
        before = self._evidence_before(now)
        async with reading(self.engine) as conn:
            first = await sealing.oldest_open(conn, window_of(before)) * WINDOW - MARGIN if before else 0
        # One told long before its class is needed as long as that may be judged.
        is_needed = exists().where(classes.c.id == notices.c.class_id, classes.c.window >= first // WINDOW)
        old = select(notices.c.id).where(notices.c.recorded_at < first, ~is_needed)
        done = await self._deleted(notices, notices.c.id, old)
        later = feed_spans.alias("later")
        # That a source ever told of its feed is asked of every class: its last span stays.
        has_later = exists().where(later.c.source == feed_spans.c.source, later.c.starts_at > feed_spans.c.starts_at)
        async with writing(self.engine) as conn:
            gone = await conn.execute(delete(feed_spans).where(feed_spans.c.ends_at < first, has_later))
        self.count("feed_spans", gone.rowcount)
        return min(done, PIECE)

    async def _deleted(
        self, table: Table, key: ColumnElement[Any], chosen: Select[Any], also: ColumnElement[bool] | None = None
    ) -> int:
        """Delete a piece of what is chosen; the look for it is no transaction that writes."""
        async with reading(self.engine) as conn:
            keys = (await conn.execute(chosen.limit(PIECE))).scalars().all()
        if keys:
            async with writing(self.engine) as conn:
                await self._delete(conn, table, key, keys, also)
        return len(keys)

    async def _delete(
        self,
        conn: AsyncConnection,
        table: Table,
        key: ColumnElement[Any],
        keys: Sequence[Any],
        also: ColumnElement[bool] | None = None,
    ) -> None:
        gone = 0
        for some in chunks(keys):
            statement = delete(table).where(key.in_(some))
            result = await conn.execute(statement if also is None else statement.where(also))
            gone += result.rowcount
        self.count(table.name, gone)
