"""Several processes of the service on one database, a clock that they share, and the refund system they send to."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from database import Database
from running import Running, start
from service_parts import TOKEN
from under_load import AGORA, LEARNERS_OWED, WHSEC, outages, plant

from qos_monitor import clock
from qos_monitor.claims.receiver import Receiver
from qos_monitor.clock import DrivenClock
from rules.span import DAY, SECOND

PATIENCE_S = 90


@dataclass
class Group:
    """The processes of one test; ``now`` is what their clock tells."""

    folder: Path
    database: Database
    receiver: Receiver
    environ: dict[str, str]
    now: int
    processes: list[Running] = field(default_factory=list)

    async def start(self, role: str, *words: str, environ: Mapping[str, str] | None = None) -> Running:
        """Start one more process, and wait until it listens."""
        process = await start(self.folder, self.environ | dict(environ or {}), 0, "--role", role, *words)
        self.processes.append(process)
        return process

    def passes(self, ms: int) -> None:
        """Let so much time pass for everybody."""
        self.now += ms
        clock.drive(self.folder / "clock", self.now)

    async def plant(self, door: Running, name: str = "owed", count: int = LEARNERS_OWED) -> None:
        """Tell of learners each of whom is owed a refund."""
        await plant(door.url, *outages(self.now, name, count))

    async def paid(self, count: int) -> None:
        """Wait until so many claims are with the refund system, and that is written down."""
        await until(lambda: self._has(count))

    async def _has(self, count: int) -> bool:
        states = [state for (state,) in await self.database.rows("SELECT state FROM claims")]
        return states == ["accepted"] * count and len(self.receiver.received) == count

    def events(self, name: str) -> list[dict[str, object]]:
        """Collect what any of them logged under this name."""
        return [event for process in self.processes for event in process.events() if event["event"] == name]


async def until(condition: Callable[[], Awaitable[bool]], step_s: float = 0.2) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - it is looked up in a database, or asked of a process
            await asyncio.sleep(step_s)


@asynccontextmanager
async def group(folder: Path, database: Database) -> AsyncIterator[Group]:
    """Prepare for processes on this database; those that still run at the end are killed."""
    began = int(time.time() * 1000)
    clock.drive(folder / "clock", began)
    receiver = Receiver([WHSEC], DrivenClock(folder / "clock").now, tolerance_s=DAY // SECOND)
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environ = {
        "QOS_DATABASE_URL": database.url,
        "QOS_CLOCK_FILE": str(folder / "clock"),
        "QOS_AGORA_SECRETS": AGORA,
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CLAIMS_URL": f"http://127.0.0.1:{runner.addresses[0][1]}/claims",
        "QOS_CLAIMS_SECRETS": WHSEC,
        "QOS_BREAKER_CLAIMS_MIN": "1000",
    }
    made = Group(folder, database, receiver, environ, began)
    try:
        yield made
    finally:
        for process in made.processes:
            if process.process.returncode is None:
                await process.kill()
        await runner.cleanup()


JUDGED = (
    "SELECT learner_id, class_id, verdict, firm FROM verdicts WHERE current ORDER BY 1, 2",
    "SELECT learner_id, starts_at, ends_at, answer FROM outages ORDER BY 1, 2",
    "SELECT case_key, kind, state, amount_minor FROM cases ORDER BY 1",
    "SELECT name, labels, value FROM tallies WHERE name NOT LIKE '%lag%' ORDER BY 1, 2",
)
"""What came of it, in whatever order and by whomever it was done; how long it took is left out."""


async def outcome(database: Database) -> list[list[tuple[object, ...]]]:
    """Read what was judged, filed and counted."""
    return [await database.rows(statement) for statement in JUDGED]


def once_each(receiver: Receiver, learners: Sequence[str]) -> bool:
    """Say whether the refund system was asked for one refund for each of these, once, and for nothing else."""
    asked = sorted(str(one.message["learner_id"]) for one in receiver.received.values())
    return asked == sorted(learners) and not receiver.refused and all(r.count == 1 for r in receiver.received.values())


def named(name: str, count: int = LEARNERS_OWED) -> list[str]:
    """Name the learners that `Group.plant` made."""
    return [f"{name}-{number}" for number in range(count)]


def samples(text: str) -> dict[str, float]:
    """Read an exposition: every sample by its name and labels as written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def listening(log: Path) -> list[dict[str, object]]:
    """Read who of a group with one log began to listen, in that order."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if '"listening"' in line]
