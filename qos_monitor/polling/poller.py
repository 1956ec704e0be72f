"""Asks for the statistics of every class that is due, one request at a time, and remembers what was answered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.polls import Later, Request, Said, Sitting, Statistics, counted
from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.polling import book
from qos_monitor.polling.book import DONE, FETCHED, LOST, WAITING, Task
from qos_monitor.polling.client import Answer, StatisticsClient
from qos_monitor.polling.restraint import Breaker, Pace
from qos_monitor.storage.engine import reading, writing
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

PLAN_EVERY: int = MINUTE
COMPARE_AFTER: int = 10 * MINUTE
"""After the last answer webhooks get this long to arrive; then what only polling found is counted."""
NOT_READY_AGAIN: int = MINUTE
REFUSED_AGAIN: int = 15 * MINUTE
BACKOFF_FIRST: int = 30 * SECOND
BACKOFF_MAX: int = 15 * MINUTE
BACKOFF_LIVE_MAX: int = MINUTE
"""The same while a class runs: what is not asked then cannot be asked later."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Where a poller counts what it does; each takes the provider first."""

    asked: Callable[[str, Said], None]
    lost: Callable[[str], None]
    compared: Callable[[str, int, int], None]


class Poller:
    """One provider's polls. What is asked and answered is in the table; here is only what a restart may forget."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, statistics: Statistics, client: StatisticsClient, counts: Counts
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._statistics = statistics
        self._client = client
        self._counts = counts
        self._breaker = Breaker()
        self._pace: Pace | None = None
        self._plan_at: Instant | None = None

    async def step(self) -> int:
        """Compare one class, or ask one thing; answer 0 where nothing is due or may be asked now.

        No transaction is open while we wait for the answer. A crash in between asks that one thing again.
        """
        now = self._clock.now()
        await self._plan(now)
        if await self._compare(now):
            return 1
        pace = await self._restored(now)
        if self._breaker.wait(now) or pace.wait(now):
            return 0
        async with writing(self._engine) as conn:
            task = await book.take(conn, self._statistics.provider, WAITING, now)
        if task is None:
            return 0
        await self._go_on(task, pace, now)
        return 1

    async def _plan(self, now: Instant) -> None:
        if self._plan_at is None or not self._plan_at <= now < self._plan_at + PLAN_EVERY:
            async with writing(self._engine) as conn:
                await book.plan(conn, self._statistics, now)
            self._plan_at = now

    async def _restored(self, now: Instant) -> Pace:
        """Make the pace with what an earlier run of this program already asked today."""
        if self._pace is None:
            async with reading(self._engine) as conn:
                today = await book.spent_today(conn, self._statistics.reader, now)
            self._pace = Pace(self._statistics.limits, day=now // DAY, today=today)
        return self._pace

    async def _go_on(self, task: Task, pace: Pace, now: Instant) -> None:
        limits, sitting = self._statistics.limits, task.sitting
        if sitting is None:
            await self._put(task, state=DONE)
        elif now < (first_at := limits.first_at(sitting.starts_at, sitting.ends_at)):
            await self._put(task, due_at=first_at)  # it was moved
        elif (request := self._statistics.next(sitting, task.progress, now)) is None:
            await self._put(task, state=FETCHED, due_at=now + COMPARE_AFTER)
        elif isinstance(request, Later):
            await self._put(task, due_at=max(request.at, now + 1))
        elif now >= sitting.ends_at + limits.kept_ms:
            await self._lose(task, sitting, now)
        else:
            await self._ask(task, sitting, request, pace)

    async def _ask(self, task: Task, sitting: Sitting, request: Request, pace: Pace) -> None:
        now, reader = self._clock.now(), self._statistics.reader
        async with writing(self._engine) as conn:
            pace.seen(await book.spent_today(conn, reader, now), now)  # another process may have asked meanwhile
            pace.spend(now)
            await book.spend(conn, reader, pace.today, now)
        answer = await self._client.ask(request, now)
        now = self._clock.now()
        said = self._statistics.said(answer.status, answer.body)
        self._counts.asked(self._statistics.provider, said)
        if answer.retry_after:
            pace.hold(now + answer.retry_after)
        if said in {Said.GOOD, Said.STALE}:
            self._breaker.succeeded()
            progress = self._statistics.after(sitting, task.progress, request, answer.body)
            following = self._statistics.next(sitting, progress, now)
            due_at = max(following.at, now) if isinstance(following, Later) else now
            async with writing(self._engine) as conn:
                changes = {"progress": progress, "attempts": 0, "due_at": due_at}
                held = await book.put(conn, self._statistics.provider, task, **changes)
                if held and said is Said.GOOD:
                    await book.keep(conn, reader, request, answer.body, now)
        elif said is Said.GONE:
            await self._lose(task, sitting, now)
        else:
            await self._later(task, said, answer, pace)

    async def _later(self, task: Task, said: Said, answer: Answer, pace: Pace) -> None:
        now = self._clock.now()
        most = BACKOFF_MAX if self._statistics.limits.lead_ms is None else BACKOFF_LIVE_MAX
        wait = min(BACKOFF_FIRST * 2 ** min(task.attempts, 10), most)
        match said:
            case Said.TOO_FAST:
                wait = SECOND
                pace.hold(now + SECOND)
            case Said.SPENT:
                pace.spent(now)
                wait = DAY - now % DAY
                logs.event("statistics_spent", logging.WARNING, provider=self._statistics.provider)
            case Said.NOT_READY:
                wait = min(NOT_READY_AGAIN * 2 ** min(task.attempts, 4), BACKOFF_MAX)
            case Said.REFUSED:
                wait = min(REFUSED_AGAIN, most)
                pace.hold(now + wait)
                logs.event("statistics_refused", logging.ERROR, provider=self._statistics.provider)
            case _:
                if self._breaker.failed(now):
                    logs.event("statistics_broken", logging.WARNING, provider=self._statistics.provider)
        await self._put(task, attempts=task.attempts + 1, due_at=now + max(wait, answer.retry_after))

    async def _lose(self, task: Task, sitting: Sitting, now: Instant) -> None:
        """Give up what the provider no longer has; what was fetched of the class before stays."""
        if await self._put(task, state=LOST):
            self._counts.lost(self._statistics.provider)
            late_h = round((now - sitting.ends_at) / HOUR, 1)
            logs.event("statistics_lost", logging.ERROR, provider=self._statistics.provider, late_h=late_h)

    async def _compare(self, now: Instant) -> bool:
        """Count once what polls told of one class, and what of it webhooks never did."""
        provider = self._statistics.provider
        async with writing(self._engine) as conn:
            task = await book.take(conn, provider, FETCHED, now)
            if task is None:
                return False
            if await book.is_unread(conn, self._statistics.reader):
                return await book.put(conn, provider, task, due_at=now + MINUTE)
            seen = await book.presence_of(conn, task.class_id)
            await book.put(conn, provider, task, state=DONE)
        told, alone = counted(seen)
        self._counts.compared(provider, told, alone)
        return True

    async def _put(self, task: Task, **changes: object) -> bool:
        async with writing(self._engine) as conn:
            return await book.put(conn, self._statistics.provider, task, **changes)
