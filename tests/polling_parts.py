"""A poller between a database and a fake Agora Analytics, and what it counted."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from agora_analytics import APP_ID, KEY, FakeAnalytics, series, session
from aiohttp.test_utils import TestServer
from service_parts import MONDAY, SetClock, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.agora import analytics
from collectors.agora.stats import AGORA_ANSWERS, AUDIO_FREEZE
from collectors.agora.webhook import Agora
from collectors.contract import Collector
from collectors.polls import Said
from qos_monitor import reading, roster
from qos_monitor.polling.authorizing import Basic
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.poller import Counts, Poller
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import observations, polls
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

END: Instant = MONDAY + HOUR
READY: Instant = END + 300 * SECOND
READERS: dict[str, Collector] = {"agora-stats": AGORA_ANSWERS, "agora": Agora(("secret",))}


@dataclass
class Told:
    """What a poller counted."""

    asked: Counter[Said] = field(default_factory=Counter)
    lost: int = 0
    compared: list[tuple[int, int]] = field(default_factory=list)

    def counts(self) -> Counts:
        def one_lost(_: str) -> None:
            self.lost += 1

        return Counts(
            asked=lambda _, said: self.asked.update([said]),
            lost=one_lost,
            compared=lambda _, told, alone: self.compared.append((told, alone)),
        )


@dataclass
class Polling:
    """A poller between a database and a fake Analytics."""

    engine: AsyncEngine
    clock: SetClock
    fake: FakeAnalytics
    session: aiohttp.ClientSession
    url: str
    told: Told = field(default_factory=Told)
    key: tuple[str, str] = KEY
    timeout_s: float = 5.0
    client: StatisticsClient = field(init=False)
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is not in the database."""
        statistics = analytics.statistics(APP_ID, "standard")
        assert statistics is not None
        self.client = StatisticsClient(self.session, self.url, Basic(*self.key), timeout_s=self.timeout_s)
        self.poller = Poller(self.engine, self.clock, statistics, self.client, self.told.counts())

    async def run(self, seconds: int = 30) -> None:
        """Let so many seconds pass, with every step that can be done in each."""
        for _ in range(seconds):
            while await self.poller.step():
                pass
            self.clock.at += SECOND

    async def read(self) -> int:
        """Read what was stored."""
        return await reading.read_waiting(self.engine, READERS, self.clock.now())

    async def row(self, class_id: str = "c1") -> tuple[str, int, Instant]:
        """Give a poll's state, its failures and when it is due."""
        async with storage.reading(self.engine) as conn:
            row = (await conn.execute(select(polls).where(polls.c.class_id == class_id))).one()
        return row.state, row.attempts, row.due_at

    async def seen(self) -> list[tuple[str, str | None, str | None]]:
        """Give what was seen: kind, class, participant."""
        async with storage.reading(self.engine) as conn:
            rows = (await conn.execute(select(observations).order_by(observations.c.at, observations.c.id))).all()
        return [(row.kind, row.class_id, row.participant_id) for row in rows]


@asynccontextmanager
async def monday(engine: AsyncEngine) -> AsyncIterator[Polling]:
    """Give a poller after a class whose learner heard ten seconds of silence."""
    clock = SetClock(READY)
    people = [session("s1", MONDAY, END - MINUTE, 7, "u1"), session("t1", MONDAY, END, 100, "t1")]
    fake = FakeAnalytics(clock, people, {"s1": [series(AUDIO_FREEZE, 100, MONDAY, [0] * 5 + [2000] * 5)]})
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(), MONDAY - DAY)
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        yield Polling(engine, clock, fake, http, str(server.make_url("/")))
