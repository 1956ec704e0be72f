"""A poller of any provider between a database and a fake of it, over real HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from polling_parts import Told
from service_parts import SetClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from collectors.polls import Statistics
from qos_monitor import reading
from qos_monitor.polling.authorizing import Authorizer
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.poller import Poller
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import observations, polls
from rules.observation import Observation
from rules.span import SECOND, Instant


@dataclass
class Asking:
    """One poller, and what it counted."""

    engine: AsyncEngine
    clock: SetClock
    session: aiohttp.ClientSession
    url: str
    statistics: Statistics
    readers: Mapping[str, Collector]
    authorizer: Callable[[], Authorizer]
    told: Told = field(default_factory=Told)
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is not in the database."""
        client = StatisticsClient(self.session, self.url, self.authorizer(), timeout_s=5.0)
        self.poller = Poller(self.engine, self.clock, self.statistics, client, self.told.counts())

    async def run(self, seconds: int = 2) -> None:
        """Let so many seconds pass, with every step that can be done in each."""
        for _ in range(seconds):
            while await self.poller.step():
                pass
            self.clock.at += SECOND

    async def at(self, instant: Instant) -> None:
        """Let some seconds pass from this instant on."""
        self.clock.at = instant
        await self.run(1)

    async def row(self, class_id: str = "c1") -> tuple[str, int, Instant]:
        """Give a poll's state, its failures and when it is due."""
        async with storage.reading(self.engine) as conn:
            row = (await conn.execute(select(polls).where(polls.c.class_id == class_id))).one()
        return row.state, row.attempts, row.due_at

    async def seen(self) -> list[Observation]:
        """Read what was stored, and give what was seen in the order of its times."""
        await reading.read_waiting(self.engine, self.readers, self.clock.now())
        async with storage.reading(self.engine) as conn:
            rows = (await conn.execute(select(observations).order_by(observations.c.at, observations.c.id))).all()
        return [observation_of(row) for row in rows]


def told(seen: list[Observation]) -> list[tuple[str, str | None, str | None]]:
    """Give kind, class and participant of each."""
    return [(one.kind.value, one.class_id, one.participant_id) for one in seen]
