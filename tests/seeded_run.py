"""Plays one seed from the first delivery to the last answer, and holds the end against the rules' own word."""

import asyncio
import heapq
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import TypeVar

from judging_parts import enrol
from same_thread import run_at_once, stay
from seeded_laws import hold
from seeded_machine import Death, Flaws, Machine, Mortality, RefundSystem
from seeded_school import FIRST, Parcel, SeededSchool
from service_parts import SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

_T = TypeVar("_T")
ROUNDS_MAX = 400
IDLE = 3
"""So many rounds, five hours apart, with nothing to do are the end."""
COMMAND = "SEED={seed} pytest tests/simulation/test_seeds.py"


@dataclass
class Run:
    """One seed on its way, with the trace of its steps."""

    seed: int
    engine: AsyncEngine
    mortality: Mortality
    flaws: Flaws
    trace: list[str] = field(default_factory=list)
    deaths: int = 0

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - chance, not a secret
        calm = self.chance.random() < 0.6
        self.school = SeededSchool(self.chance, 5 * HOUR if calm else 3 * DAY)
        self.clock = SetClock(FIRST - DAY)
        self.refunds = RefundSystem(self.chance, self.chance.choice([0.0, 0.3, 0.7]), self.mortality)
        self.deaths_max = self.chance.choice([0, 2, 6])
        self._turn = count()
        self._post: list[tuple[Instant, int, Parcel]] = []

    async def play(self) -> None:
        """Play it. Raises AssertionError with the seed and the trace where a law is broken."""
        self.school.happen()
        try:
            await self._play()
        except Exception as error:
            told = "\n".join(self.trace[-60:])
            again = COMMAND.format(seed=self.seed)
            raise AssertionError(f"seed {self.seed}: {error}\nagain: {again}\n{told}") from error
        finally:
            await self.engine.dispose()

    async def _play(self) -> None:
        run_at_once()
        self.mortality.left, self.mortality.is_dead = None, False
        await enrol(self.engine, self.school.roster)
        self.machine = self._born()
        for parcel in self.school.parcels:
            self._mail(parcel, parcel.sent_at)
        while self._post:
            until = self._post[0][0] + self.chance.choice([0, HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR])
            await self._receive(until)
            self.clock.at = max(self.clock.at, until)
            await self._alive("work", self.machine.work)
        await self._finish()
        await self.machine.end()
        self.mortality.left = None
        await hold(self.engine, self.school, self.refunds, self.clock.now())

    async def _finish(self) -> None:
        """Let time pass until everything is firm and sent; nothing fails any more."""
        self.clock.at = max(self.clock.at, self.school.ends_at + 6 * HOUR) + HOUR
        self.refunds.trouble = 0.0
        idle = 0
        for _ in range(ROUNDS_MAX):
            is_busy = await self._alive("finish", self.machine.finish)
            if is_busy is not False:
                idle = 0
                continue
            idle += 1
            if idle == IDLE:
                return
            self.clock.at += 5 * HOUR
        raise AssertionError(f"still busy after {ROUNDS_MAX} rounds")

    async def _receive(self, until: Instant) -> None:
        """Deliver what comes until then; what is not acknowledged is sent again, and some of the rest too."""
        while self._post and self._post[0][0] <= until:
            at = self._post[0][0]
            some: list[Parcel] = []
            while self._post and self._post[0][0] <= at + SECOND * self.chance.choice([0, 30]) and len(some) < 8:
                some.append(heapq.heappop(self._post)[2])
            self.clock.at = max(self.clock.at, at)
            arriving = [one for one in some if self.chance.random() > 0.08]
            self.chance.shuffle(arriving)
            heard = await self._alive(f"take {[one.id for one in arriving]}", partial(self.machine.take, arriving))
            for one in some:
                if one not in (heard or ()) or self.chance.random() < 0.08:
                    self._mail(one, self.clock.at + self.chance.randint(1, 20) * MINUTE)

    def _mail(self, parcel: Parcel, at: Instant) -> None:
        heapq.heappush(self._post, (at, next(self._turn), parcel))

    async def _alive(self, what: str, act: Callable[[], Awaitable[_T]]) -> _T | None:
        """Do something with the machine; None where it died of it, and there is a new one."""
        self.trace.append(f"{self.clock.at} {what}")
        try:
            return await act()
        except Death as death:
            self.trace.append(f"{self.clock.at} died at: {death}")
            self.deaths += 1
        await self.machine.end()
        self.machine = self._born()
        return None

    def _born(self) -> Machine:
        mortality = self.refunds.mortality
        mortality.is_dead = False
        mortality.left = self.chance.choice([3, 20, 60, 200, 500]) if self.deaths < self.deaths_max else None
        if mortality.left is not None:
            mortality.left = self.chance.randint(0, mortality.left)
        return Machine(self.engine, self.clock, self.refunds, self.chance, self.flaws)


class Stage:
    """One database file and one engine for many seeds; each begins with empty tables."""

    def __init__(self, folder: Path) -> None:
        """Make the tables, once."""
        self.ended_at: Instant = 0
        self._file = folder / "qos.sqlite3"
        self._engine = storage.create(f"sqlite+aiosqlite:///{self._file}")
        stay(self._engine)
        asyncio.run(self._migrate())
        self._empty = self._file.read_bytes()
        self._mortality = Mortality()
        self._mortality.watch(self._engine)

    @property
    def engine(self) -> AsyncEngine:
        """What the last seed left behind."""
        return self._engine

    async def _migrate(self) -> None:
        await storage.migrate(self._engine)
        await self._engine.dispose()

    def play(self, seed: int, flaws: Flaws | None = None) -> int:
        """Play one seed; answer how often the machine died. Raises AssertionError as `Run.play` does."""
        for left in self._file.parent.glob("qos.sqlite3-*"):  # of a seed that failed
            left.unlink()
        self._file.write_bytes(self._empty)
        run = Run(seed, self._engine, self._mortality, flaws or Flaws())
        asyncio.run(run.play())
        self.ended_at = run.clock.now()
        return run.deaths


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a stage in memory where the machine has such a folder: no law here is about the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Stage(Path(name))
