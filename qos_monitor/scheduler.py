"""Runs the background jobs, each again and again, and lets the last run end before we stop."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from qos_monitor import clock, logs
from qos_monitor.leases import Leases
from qos_monitor.telemetry import Telemetry

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
"""The library's own defaults drop a run that is a second late, without a word (LIMITS 4)."""

FAILURES_MAX: int = 2
"""So many runs of a job may fail in a row; with the next one the job keeps failing."""

_DRAIN_MAX = 1000  # after so many full batches others get their turn; the next tick goes on


async def _leave() -> None:
    """Leave it to itself: it ends soon."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing done every tick; ``run`` answers how much there was to do.

    It is run again at once as long as it answers ``full`` or more: then there is more waiting. ``stop`` is called
    once, at the end: it makes a run that waits for somebody else end soon, and sees to what runs left behind.
    Several jobs may have one name, under which they are counted together; ``of`` tells them apart. One that is
    ``alone`` is done by one process at a time, whoever has its lease; the others share the work among them.
    """

    name: str
    run: Callable[[], Awaitable[int]]
    full: int = 1
    stop: Callable[[], Awaitable[None]] = _leave
    of: str = ""
    alone: bool = False

    @property
    def key(self) -> str:
        """Name this job alone."""
        return f"{self.name} {self.of}".rstrip()


class Scheduler:
    """Runs jobs every ``tick_s``, none twice at the same time; a failure is logged, counted, and tried again."""

    def __init__(self, jobs: Sequence[Job], tick_s: float, telemetry: Telemetry, leases: Leases | None = None) -> None:
        """Take the jobs; without ``leases`` there is no other process that could do them."""
        self._jobs = tuple(jobs)
        self._leases = leases
        self._telemetry = telemetry
        self._is_stopping = False
        self._running: set[asyncio.Task[None]] = set()
        self._failures: Counter[str] = Counter()
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=JOB_DEFAULTS)
        for job in jobs:
            trigger = IntervalTrigger(seconds=tick_s, timezone=UTC)
            self._scheduler.add_job(self._run, trigger, args=[job], id=job.key)

    @property
    def library(self) -> AsyncIOScheduler:
        """APScheduler's own object, for the tests of its settings."""
        return self._scheduler

    def is_failing(self) -> bool:
        """Say whether the last three runs of some job all failed."""
        return any(count > FAILURES_MAX for count in self._failures.values())

    def start(self) -> None:
        """Begin; the first runs are one tick from now."""
        self._scheduler.start()

    async def stop(self) -> None:
        """Start nothing more, wait for what runs, then end."""
        self._is_stopping = True
        self._scheduler.pause()
        for job in self._jobs:
            try:
                await job.stop()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must be stopped too
                logs.failure("job_not_stopped", error, job=job.key)
        while self._running:
            # APScheduler would cancel what runs, in the middle of a transaction or of a request to somebody
            # else.
            await asyncio.wait(self._running)
        self._scheduler.shutdown(wait=False)
        if self._leases is not None:
            await self._leases.give_back()

    async def _run(self, job: Job) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        self._running.add(task)
        started = clock.stopwatch_s()
        result = "failed"
        try:
            await self._drain(job)
            result = "ok"
            self._failures[job.key] = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must run again at the next tick
            self._failures[job.key] += 1
            logs.failure("job_failed", error, job=job.key)
        finally:
            self._running.discard(task)
            self._telemetry.jobs[job.name, result].inc()
            self._telemetry.job_seconds[(job.name,)].inc(clock.stopwatch_s() - started)

    async def _drain(self, job: Job) -> None:
        for _ in range(_DRAIN_MAX):
            if self._is_stopping or await self._once(job) < job.full:
                return
            await asyncio.sleep(0)

    async def _once(self, job: Job) -> int:
        if self._leases is None or not job.alone:
            return await job.run()
        return await self._leases.alone(job.key, job.run)
