"""A poller of presence between a database and a fake LiveKit server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.test_utils import TestServer
from livekit_server import KEY, SECRET, FakeLiveKit, Guest
from polling_parts import Told
from service_parts import MONDAY, SetClock, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from collectors.livekit.presence import LiveKitPresence
from collectors.livekit.stats import LIVEKIT_ANSWERS
from qos_monitor import reading, roster
from qos_monitor.polling.authorizing import LiveKitTokens
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.poller import Poller
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import observations, polls
from rules.span import DAY, MINUTE, SECOND, Instant, format_instant

OPEN: Instant = MONDAY - 15 * MINUTE
END: Instant = MONDAY + 10 * MINUTE
STRIDE: int = 20 * SECOND
READERS: dict[str, Collector] = {"livekit-stats": LIVEKIT_ANSWERS}


@dataclass
class Presence:
    """A poller once a minute, whose time runs in strides of 20 s."""

    engine: AsyncEngine
    clock: SetClock
    fake: FakeLiveKit
    session: aiohttp.ClientSession
    url: str
    told: Told = field(default_factory=Told)
    secret: str = SECRET
    timeout_s: float = 5.0
    client: StatisticsClient = field(init=False)
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is not in the database."""
        tokens = LiveKitTokens(KEY, self.secret)
        self.client = StatisticsClient(self.session, self.url, tokens, timeout_s=self.timeout_s)
        self.poller = Poller(self.engine, self.clock, LiveKitPresence(MINUTE), self.client, self.told.counts())

    async def run(self, until: Instant) -> None:
        """Let the time pass until then, with every step that can be done at each stride, then too."""
        while self.clock.at <= until:
            while await self.poller.step():
                pass
            self.clock.at += STRIDE
        self.clock.at -= STRIDE

    async def read(self) -> None:
        """Read what was stored."""
        await reading.read_waiting(self.engine, READERS, self.clock.now())

    async def state(self, class_id: str = "c1") -> str:
        """Give the poll's state."""
        async with storage.reading(self.engine) as conn:
            return str((await conn.execute(select(polls.c.state).where(polls.c.class_id == class_id))).scalar_one())

    async def seen(self) -> list[tuple[str, Instant, str | None, str | None]]:
        """Give who came and went: kind, when, who and by which session."""
        async with storage.reading(self.engine) as conn:
            statement = select(observations).where(observations.c.kind.in_(("joined", "left")))
            rows = (await conn.execute(statement.order_by(observations.c.at, observations.c.id))).all()
        return [(row.kind, row.at, row.participant_id, row.session) for row in rows]

    async def minutes_alive(self) -> list[int]:
        """Give the minutes of the feed, counted from the beginning of the class."""
        async with storage.reading(self.engine) as conn:
            rows = (await conn.execute(select(observations).where(observations.c.kind == "feed_alive"))).all()
        assert all((row.source, row.until - row.at) == ("livekit", MINUTE) for row in rows)
        return sorted((row.at - MONDAY) // MINUTE for row in rows)


@asynccontextmanager
async def class_on_livekit(engine: AsyncEngine, *starts: Instant) -> AsyncIterator[Presence]:
    """Give a poller twenty minutes before a class of ten with a teacher and a learner who stay to the end."""
    clock = SetClock(MONDAY - 20 * MINUTE)
    people = [Guest("PA_t", "t1", MONDAY - 5 * MINUTE), Guest("PA_1", "u1", MONDAY - MINUTE)]
    fake = FakeLiveKit(clock, {"r1": people})
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(*starts, provider="livekit", ends_at=format_instant(END)), MONDAY - DAY)
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        yield Presence(engine, clock, fake, http, str(server.make_url("/")))
