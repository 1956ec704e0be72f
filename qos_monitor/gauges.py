"""Reads from the database what is true at the moment, for the next scrape."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import clock, incidents, logs, unmapped
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.feeds import NO_DOORS, Doors, Watch
from qos_monitor.gauging import live, owing, pulse, tallied, upkeep
from qos_monitor.gauging.samples import Samples, alone, family
from qos_monitor.metrics import standing
from qos_monitor.storage.engine import reading
from qos_monitor.tallying import Vocabulary
from rules import policy as policies
from rules.deadline import WorkingDay
from rules.policy import Policy
from rules.span import SECOND, Instant

_REST_S = 1.0  # at most one read in so many seconds
_REST_FACTOR = 20  # and never more than a twentieth of the time spent reading,
_REST_S_MAX = 300.0  # but for a reading so slow that what it gave would be too old to be shown
PATIENCE_S: float = 0.05
"""A scrape waits so long for a reading under way; then it gets the last one, with its age."""
_LEAP_S = 60.0  # a clock that moved so much more than time passed was set: what was read is of another time


@dataclass(frozen=True, slots=True)
class Watched:
    """What readings are about, beside the database."""

    policy: Policy = field(default_factory=policies.default)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    is_working_day: WorkingDay = is_working_day_in_china
    announced: Sequence[str] = ()
    """The providers whose status pages are watched."""
    doors: Doors = NO_DOORS
    """Who delivers here, and of whom classes are expected to be told."""
    bytes_max: int = 0
    """What the operator allows the database; 0: nothing was said."""

    @property
    def terms(self) -> owing.Terms:
        """By what outages and claims are measured."""
        return owing.Terms(self.policy, self.is_working_day, self.breaker)


@dataclass(slots=True)
class _Rest:
    """Until when the last reading will do, and when it began by the stopwatch and by the clock."""

    until_s: float = float("-inf")
    began_s: float = float("-inf")
    at: Instant = 0

    def is_over(self, now: Instant) -> bool:
        """Say whether to read anew; a clock that was set, as a play's is, ends every rest."""
        passed_s = clock.stopwatch_s() - self.began_s
        return clock.stopwatch_s() >= self.until_s or abs((now - self.at) / SECOND - passed_s) > _LEAP_S


class Gauges(Collector):
    """Answers every scrape from the last reading, and reads anew at most once a second.

    The pulse, a handful of indexed numbers, is read for everybody who asks; the rest goes on in the background, so
    that no scrape waits for it. Reading is asynchronous and scraping is not: whoever serves the scrape awaits before.
    """

    def __init__(
        self, engine: AsyncEngine, last_received: Callable[[], Mapping[str, Instant]], watched: Watched | None = None
    ) -> None:
        """Read from this database; ``last_received`` tells when each provider was heard by this process."""
        self._engine = engine
        self._last_received = last_received
        self._watched = Watched() if watched is None else watched
        self._feeds = Watch(self._watched.doors)
        self._pulse: Samples = {}
        self._samples: Samples = {}
        self._pulse_rest, self._rest = _Rest(), _Rest()
        self._read_at_s = clock.stopwatch_s()
        self._turn = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def feel(self, now: Instant) -> None:
        """Read the pulse anew, unless that was done a moment ago."""
        async with self._turn:
            started = clock.stopwatch_s()
            if self._pulse_rest.is_over(now):
                async with reading(self._engine) as conn:
                    self._pulse = await pulse.read(conn, now)
                self._pulse_rest = _Rest(started + _REST_S, started, now)

    async def refresh(self, now: Instant, patience_s: float | None = None) -> None:
        """Read everything anew, unless the last reading is fresh enough for its cost.

        Waits for a reading under way no longer than ``patience_s``; it goes on, and the next scrape has it.
        Raises what the database raises, of the reading that it waited for.
        """
        await self.feel(now)
        if self._reading is None or self._reading.done():
            if not self._rest.is_over(now):
                return
            self._reading = asyncio.create_task(self._read(now), name="gauges")
        done, _ = await asyncio.wait({self._reading}, timeout=patience_s)
        for task in done:
            task.result()
        if not done:
            self._reading.remove_done_callback(_tell_trouble)  # others may have waited too long for it: told once
            self._reading.add_done_callback(_tell_trouble)

    async def stop(self) -> None:
        """End a reading under way; its result is wanted by nobody."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def _read(self, now: Instant) -> None:
        started = clock.stopwatch_s()
        async with reading(self._engine) as conn:
            samples = await self._everything(conn, now)
        self._read_at_s = clock.stopwatch_s()
        took_s = self._read_at_s - started
        self._rest = _Rest(started + max(_REST_S, min(took_s * _REST_FACTOR, _REST_S_MAX)), started, now)
        self._samples = samples | {standing.READING_SECONDS: alone(took_s)}

    async def _everything(self, conn: AsyncConnection, now: Instant) -> Samples:
        watched, heard = self._watched, sorted(self._last_received())
        words = await Vocabulary.read(conn)
        trouble = await incidents.open_by_provider(conn, watched.announced, set(heard), now)
        strange = await unmapped.counts(conn, heard, now)
        return {
            **await live.read(conn, words, watched.doors, watched.policy, now),
            standing.DECLARED: {(name,): float(count) for name, count in sorted(trouble.items())},
            standing.UNMAPPED: {key: float(count) for key, count in sorted(strange.items())},
            **await owing.read(conn, watched.terms, now),
            **await upkeep.read(conn, self._engine, watched.bytes_max),
            **await upkeep.oldest(conn),
            **await tallied.read(conn, words),
            **await self._feeds.samples(conn, self._last_received(), now),
        }

    def lag_s(self) -> float:
        """How long the oldest window or learner has been due, as of the last pulse."""
        lag = self._pulse.get(standing.JUDGING_LAG, {}).get((), 0.0)
        return lag if isinstance(lag, float) else 0.0

    def age_s(self) -> float:
        """How long ago the last reading was; of none yet, since this began."""
        return clock.stopwatch_s() - self._read_at_s

    def describe(self) -> Iterable[Family]:
        """Announce nothing, so that nothing is read at registration."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Give the last reading."""
        age = {standing.READING_AGE: alone(self.age_s())}
        for metric, samples in (self._pulse | self._samples | age).items():
            yield family(metric, samples)


def _tell_trouble(reading_: asyncio.Task[None]) -> None:
    """Log why a reading failed for which nobody waited any more."""
    if not reading_.cancelled() and (trouble := reading_.exception()) is not None:
        logs.failure("database_silent", trouble)
