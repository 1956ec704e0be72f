"""The whole machine in one process on a clock one sets, which dies at any step and comes up again on its database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from judging_parts import POLICY
from rules_school import on_weekdays
from seeded_school import PROVIDERS, Parcel, Words
from service_parts import SetClock
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from qos_monitor import filing, judging, reading, reconciling
from qos_monitor.claims import decision
from qos_monitor.claims.desk import Desk, FilingOptions
from qos_monitor.claims.gateway import Accepted, Answer, ClaimGateway, NotKnown, Report, Told, Unavailable
from qos_monitor.claims.lifecycle import ClaimState
from qos_monitor.clock import Clock
from qos_monitor.folding import Settle
from qos_monitor.intake import COLUMNS, Intake
from qos_monitor.relay import Relay
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import claims, deliveries
from qos_monitor.storage.writer import Row, Writer
from rules.span import Instant

SIGNED = {"x-signed": "yes"}
OPTIONS = FilingOptions(on_weekdays)
RELEASE = decision.Decision(decision.RELEASE, "Li Wei", "The refund system is back.", None)


class Death(BaseException):
    """The power is cut. No `except Exception` stops it."""


@dataclass
class Mortality:
    """Counts steps, and dies before the one that was chosen; whoever is dead does nothing more."""

    left: int | None = None
    """Steps to live; None for ever."""
    is_dead: bool = False
    what: str = ""
    """What was about to be done."""

    def step(self, what: str) -> None:
        """Take a step, or die. Raises Death."""
        if self.left is not None and not self.is_dead:
            self.left -= 1
            self.is_dead = self.left < 0
            self.what = what
        if self.is_dead:
            raise Death(what)

    def watch(self, engine: AsyncEngine) -> None:
        """Take a step before each statement and each commit."""

        def statement(_conn: Any, _cursor: Any, text: str, *_more: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
            self.step(text[:40].replace("\n", " "))

        def commit(_conn: Any) -> None:  # noqa: ANN401 - likewise
            self.step("COMMIT")

        event.listen(engine.sync_engine, "before_cursor_execute", statement)
        event.listen(engine.sync_engine, "commit", commit)


class MortalWriter(Writer):
    """A writer that may die before it stores, and after it before anybody is told."""

    def __init__(self, engine: AsyncEngine, mortality: Mortality) -> None:
        super().__init__(engine, deliveries, COLUMNS, wait_s_max=600)
        self._mortality = mortality
        self.died = asyncio.Event()

    async def _write(self, rows: list[Row]) -> None:
        try:
            self._mortality.step("store deliveries")
            await super()._write(rows)
            self._mortality.step("tell that they are stored")
        except Death:
            self.died.set()
            raise

    async def bury(self) -> None:
        """End the task, and let go of its connection."""
        with suppress(Death):
            await self.stop()
        await self._release()


@dataclass
class RefundSystem:
    """Takes claims, or fails, or keeps one and loses its answer; never forgets what it kept."""

    chance: Random
    trouble: float
    mortality: Mortality
    kept: dict[str, bytes] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:  # noqa: ARG002 - as in ClaimGateway
        """Take a claim."""
        self.mortality.step("send a claim")
        if self.chance.random() < self.trouble:
            return Unavailable("500", self.chance.choice([0, 600_000]))
        if self.kept.setdefault(claim_key, body) != body:
            self.contradictions.append(claim_key)
        self.mortality.step("hear that it was taken")
        return Unavailable("TimeoutError") if self.chance.random() < self.trouble else Accepted("200")

    async def ask(self, claim_key: str, now: Instant) -> Report:  # noqa: ARG002 - as in ClaimGateway
        """Tell of a claim."""
        self.mortality.step("ask about a claim")
        return Told("accepted", None) if claim_key in self.kept else NotKnown()


def _relay(engine: AsyncEngine, gateway: ClaimGateway, clock: Clock, jitter: Callable[[], float]) -> Relay:
    return Relay(engine, gateway, clock, jitter, patience_s=600)


@dataclass
class Flaws:
    """Parts that can be put in wrongly on purpose, to see that the simulation finds it."""

    settle: Settle = field(default_factory=lambda: filing.settler(POLICY, OPTIONS))
    read: Callable[[AsyncEngine, Mapping[str, Collector], Instant, int], Awaitable[int]] = reading.read_waiting
    make_intake: Callable[[Mapping[str, Collector], Writer, Clock], Intake] = Intake
    make_relay: Callable[[AsyncEngine, ClaimGateway, Clock, Callable[[], float]], Relay] = _relay


class Machine:
    """Intake, reading, judging, filing and relay over one database, from birth to death."""

    def __init__(
        self, engine: AsyncEngine, clock: SetClock, refunds: RefundSystem, chance: Random, flaws: Flaws
    ) -> None:
        self.engine = engine
        self._clock, self._chance, self._flaws = clock, chance, flaws
        self.mortality = refunds.mortality
        self._collectors: dict[str, Collector] = {name: Words(name) for name in PROVIDERS}
        self._writer = MortalWriter(self.engine, self.mortality)
        self._writer.start()
        self._intake = flaws.make_intake(self._collectors, self._writer, clock)
        self._outbox = flaws.make_relay(self.engine, refunds, clock, chance.random)
        self._refunds = refunds

    async def take(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Let parcels in at one instant; answer those whose sender heard that they are stored. Raises Death."""
        tasks = {asyncio.create_task(self._intake.take(one.provider, one.body, SIGNED)): one for one in parcels}
        death = asyncio.create_task(self._writer.died.wait())
        while any(not task.done() for task in tasks) and not death.done():
            await asyncio.wait([death, *tasks], return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        for task in tasks:
            task.cancel()
        if self.mortality.is_dead:
            raise Death(self.mortality.what)
        return [one for task, one in tasks.items() if task.result()]

    async def work(self) -> None:
        """Do each job once, in any order; some not at all. Raises Death."""
        jobs: list[Callable[[], Awaitable[object]]] = [self._read, self._judge, self._judge, self._relay]
        self._chance.shuffle(jobs)
        for job in jobs[: self._chance.randint(2, 4)]:
            await job()

    async def finish(self) -> bool:
        """Do each job until nothing is left of it; say whether there was anything to do. Raises Death."""
        done = [await job() for job in (self._read, self._judge, self._relay)]
        if not any(done):
            # Asked every day: no work by itself. What it has sent again is work of the next round.
            await reconciling.ask_unsettled(self.engine, self._refunds, self._clock)
            done.append(await self._release())
        return any(done)

    async def end(self) -> None:
        """Close what is open, dead or alive; nothing is written any more. The engine is as if it were new."""
        with suppress(Death, BaseExceptionGroup):
            await self._outbox.land()
        await self._writer.bury()
        await self.engine.dispose()

    async def _release(self) -> int:
        """Let a person send again what was given up when the refund system was down for three days."""
        parked = select(claims.c.case_key).where(claims.c.state == ClaimState.PARKED.value)
        async with storage.writing(self.engine) as conn:
            keys = sorted(set((await conn.execute(parked)).scalars()))
            desk = Desk(conn, POLICY, OPTIONS, self._clock.now())
            for key in keys:
                await decision.decide(desk, key, RELEASE)
        return len(keys)

    async def _read(self) -> int:
        limit = self._chance.choice([1, 3, 500])
        return await self._flaws.read(self.engine, self._collectors, self._clock.now(), limit)

    async def _judge(self) -> int:
        now = self._clock.now()
        if await judging.has_backlog(self.engine, PROVIDERS, now):
            return 0
        return await judging.judge_due(self.engine, POLICY, on_weekdays, now, self._flaws.settle)

    async def _relay(self) -> int:
        try:
            return await self._outbox.send_due()
        except BaseExceptionGroup as several:
            if several.subgroup(Death):
                raise Death(self.mortality.what) from None
            raise
