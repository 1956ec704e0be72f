"""Plays a plan against the running service over HTTP, and keeps virtual time in step with it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import aiohttp

from qos_monitor import clock
from qos_monitor.errors import QosError
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.post import Post
from qos_monitor.simulation.school import MIDNIGHT, day
from qos_monitor.simulation.service import Meter, RunningService
from rules.span import DAY, HOUR, Instant

_AT_ONCE = 32
_POLL_S, _STEP_S_MAX = 0.04, 120.0
_TRIES = 20
_NIGHT, _MORNING = 27 * HOUR, 33 * HOUR
"""03:00, when every verdict of the day before is firm; 09:00, when people come in."""


class OutOfStep(QosError):  # noqa: N818 - a state, told to whoever watches
    """The service refused a request of the play, or did not keep up with it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where the play stands: the day, the virtual instant, and how many requests were sent so far."""

    day: int
    now: Instant
    sent: int


class Driver:
    """Sends requests, moves the clock, waits for the service. One for each play."""

    def __init__(self, session: aiohttp.ClientSession, service: RunningService, clock_file: Path) -> None:
        """Play against this service; the file is the clock it reads."""
        self._session = session
        self._service = service
        self._clock_file = clock_file
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._sent = 0
        self.meter = Meter(session, service.url)

    async def put_roster(self, roster: object, token: str) -> None:
        """Hand in the roster. Raises OutOfStep where it is refused."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.put(f"{self._service.url}/v1/roster", json=roster, headers=headers) as answer:
            if answer.status != 200:
                raise OutOfStep(f"the roster was answered {answer.status}: {await answer.text()}")

    async def play(self, plan: Plan, told: Callable[[Step], None], morning: Callable[[], Awaitable[object]]) -> None:
        """Live through every day: lessons in the evening, judgement at night, people in the morning."""
        for number, ticks in groupby(plan.ticks(), key=lambda tick: (tick[0] - MIDNIGHT) // DAY):
            for sent_at, posts in ticks:
                self._set(sent_at)
                await self._send(posts)
                told(Step(number, sent_at, self._sent))
            await self._settle("read", "judge", "relay")  # the evening's, before the clock leaps
            self._set(day(number, _NIGHT))
            await self._settle("judge", "relay", "reconcile")
            told(Step(number, day(number, _NIGHT), self._sent))
            self._set(day(number, _MORNING))
            await morning()
            await self._settle("relay", "reconcile")
            told(Step(number, day(number, _MORNING), self._sent))

    def _set(self, now: Instant) -> None:
        clock.drive(self._clock_file, now)

    async def _settle(self, *jobs: str) -> None:
        """Wait for each of these background jobs in turn: what one finds to do is the next one's work."""
        for job in jobs:
            await self.settle(job)

    async def settle(self, job: str) -> None:
        """Wait until a run of this background job has ended that began after this call.

        A run drains what is due, so nothing of it is left then. Raises OutOfStep after two minutes.
        """
        wanted = await self.meter.runs(job) + 2  # the first may have begun before
        for _ in range(round(_STEP_S_MAX / _POLL_S)):
            self._service.check()
            if await self.meter.runs(job) >= wanted:
                return
            await asyncio.sleep(_POLL_S)
        raise OutOfStep(f"the job `{job}` did not end twice within {_STEP_S_MAX:g} s")

    async def _send(self, posts: Sequence[Post]) -> None:
        async with asyncio.TaskGroup() as group:
            for post in posts:
                group.create_task(self._send_one(post))
        self._sent += len(posts)

    async def _send_one(self, post: Post) -> None:
        """Send as a provider does: again after 5xx, never after anything else."""
        async with self._gate:
            for _ in range(_TRIES):
                async with self._session.post(
                    f"{self._service.url}{post.path}", data=post.body, headers=post.headers
                ) as answer:
                    status = answer.status
                if status < 300:
                    return
                if status < 500:
                    break
                await asyncio.sleep(_POLL_S)
            raise OutOfStep(f"{post.path} was answered {status}")
