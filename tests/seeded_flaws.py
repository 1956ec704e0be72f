"""Bugs put in on purpose, each where the real part would be, to see that the simulation finds them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from seeded_machine import Flaws
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector, Delivery
from qos_monitor import reading
from qos_monitor.claims.gateway import Accepted, Answer, ClaimGateway, Report
from qos_monitor.clock import Clock
from qos_monitor.errors import Stopping
from qos_monitor.intake import Answer as Content
from qos_monitor.intake import Intake
from qos_monitor.relay import Relay
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import windows
from rules.span import Instant


async def _read_without_touching(
    engine: AsyncEngine, collectors: Mapping[str, Collector], now: Instant, limit: int
) -> int:
    """Read, and let no window that was judged be due again for it."""
    judged = select(windows.c.window, windows.c.due_at).where(windows.c.judged_at.is_not(None))
    async with storage.reading(engine) as conn:
        before = (await conn.execute(judged)).all()
    done = await reading.read_waiting(engine, collectors, now, limit)
    async with storage.writing(engine) as conn:
        for row in before:
            await conn.execute(update(windows).where(windows.c.window == row.window).values(due_at=row.due_at))
    return done


class _HastyIntake(Intake):
    """Answers before anything is stored."""

    async def take(self, provider: str, body: bytes, headers: Mapping[str, str]) -> Content:
        """Store it some time."""
        self._later = asyncio.create_task(self._store(self.believed(provider, body, headers)))
        return Content(200, b"{}", "application/json")

    async def _store(self, delivery: Delivery) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        with suppress(Stopping):
            await self.store(delivery)


@dataclass
class _Gateway:
    """A gateway with one habit."""

    real: ClaimGateway
    habit: str
    tries: int = 0

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        """Send, in its own way."""
        self.tries += 1
        if self.habit == "another key for each try":
            return await self.real.send(f"{claim_key}-{self.tries}", body, now)
        if self.habit == "another body for each try":
            return await self.real.send(claim_key, body + b" " * self.tries, now)
        await self.real.send(claim_key, body, now)
        return Accepted("200")

    async def ask(self, claim_key: str, now: Instant) -> Report:
        """Ask."""
        return await self.real.ask(claim_key, now)


def _relay(habit: str) -> Callable[[], Flaws]:
    def make(engine: AsyncEngine, gateway: ClaimGateway, clock: Clock, jitter: Callable[[], float]) -> Relay:
        return Relay(engine, _Gateway(gateway, habit), clock, jitter, patience_s=600)

    return lambda: Flaws(make_relay=make)


FLAWS: Mapping[str, Callable[[], Flaws]] = {
    "a late delivery does not have its window judged again": lambda: Flaws(read=_read_without_touching),
    "a delivery is answered before it is stored": lambda: Flaws(make_intake=_HastyIntake),
    "a claim has another key for each try": _relay("another key for each try"),
    "a claim has another body for each try": _relay("another body for each try"),
    "a claim counts as taken whatever is answered": _relay("no answer is looked at"),
}
