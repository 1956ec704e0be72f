"""A service under load that is broken on purpose: what was acknowledged, what became of it, how soon it was well."""

import asyncio
import itertools
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import unused_port
from database import Database
from fault_wire import Wire
from postgresql_server import Server
from running import Running, start
from service_parts import TOKEN
from sqlalchemy.exc import SQLAlchemyError
from under_load import AGORA, WHSEC, Load, Sent, agora, observations, outages, plant

from qos_monitor import clock
from qos_monitor.claims.receiver import Receiver
from qos_monitor.clock import DrivenClock
from rules.span import DAY, MINUTE, SECOND, Instant

PACE = 60
"""The driven clock runs so many times as fast as the machine's, for leases and retries are minutes long."""

OWED_A_TRIAL = 3
_STEP_S = 0.05
_WELL_S_MAX = 120.0
_LAST_SEEN = "SELECT participant_id FROM observations ORDER BY seq DESC LIMIT 1000"
_NOT_NOW = (aiohttp.ClientError, OSError, AssertionError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did over all its trials."""

    fault: str
    store: str
    trials: int
    acknowledged: int
    lost: int
    """Acknowledged, and not there."""
    doubled: int
    """There twice, or read to more or less than one observation."""
    due: int
    """Claims that are owed."""
    unsent: int
    """Of these, the claims that the refund system never got."""
    changed: int
    """Claims that came again under the same key with other content, or that nobody asked for."""
    recovery_s: Sequence[float]

    @property
    def is_clean(self) -> bool:
        """Say whether nothing was lost, doubled, left unsent or sent twice with other content."""
        return not (self.lost or self.doubled or self.unsent or self.changed)

    def row(self) -> str:
        """Write one row of the table."""
        slowest, ordered = max(self.recovery_s), sorted(self.recovery_s)
        return (
            f"| {self.fault} | {self.store} | {self.trials} | {self.acknowledged:,} | {self.lost} | {self.doubled} | "
            f"{self.due} | {self.unsent} | {self.changed} | {ordered[len(ordered) // 2]:.1f} / {slowest:.1f} |"
        )


HEAD = (
    "| fault | store | trials | acknowledged | lost | doubled | claims due | unsent | changed | s to recover, "
    "median / most |\n|---|---|---|---|---|---|---|---|---|---|"
)


class RefundSystem:
    """The receiver of the demonstration behind a door that can be shut, or answer as it likes."""

    def __init__(self, clock_file: Path) -> None:
        # A minute of the driven clock passes in a second: a busy machine must not look like an old signature.
        self.receiver = Receiver([WHSEC], DrivenClock(clock_file).now, tolerance_s=30 * DAY // SECOND)
        self.mode = "well"
        self.port = unused_port()
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Answer from now on."""
        app = self.receiver.app()
        app.middlewares.append(self._answered)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        """Refuse connections from now on."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.mode == "well":
            return await handler(request)
        if self.mode.isdigit():
            return web.Response(status=int(self.mode), headers={"Location": "/claims"})
        assert request.transport is not None
        if self.mode == "hangs":
            await asyncio.sleep(3600)
        if self.mode == "loses its answer":
            await handler(request)
        if self.mode == "garbage":
            request.transport.write(b"\x16\x03\x01 what is this\r\n\r\n")
        request.transport.abort()
        return web.Response()


@dataclass
class Lab:
    """A service of one or more processes on one database, its senders, its refund system and its clock."""

    folder: Path
    database: Database
    environ: Mapping[str, str]
    roles: Sequence[str]
    refunds: RefundSystem
    load: Load
    server: Server | None
    wire: Wire | None
    began: Instant
    now: Instant
    program: Sequence[str] = ()
    running: dict[str, Running] = field(default_factory=dict)
    senders: list[asyncio.Task[None]] = field(default_factory=list)
    is_clock_held: bool = False
    mended_at_s: float = 0.0
    _ports: dict[str, int] = field(default_factory=dict)
    _owed: set[str] = field(default_factory=set)
    _probes: "itertools.count[int]" = field(default_factory=lambda: itertools.count(900_000_000))

    @property
    def door(self) -> Running:
        """The process that takes webhooks."""
        return self.running["intake"] if "intake" in self.running else self.running[self.roles[0]]

    async def begin(self, role: str) -> None:
        """Start a process, at the port it had before."""
        port = self._ports.setdefault(role, unused_port())
        words = () if role.startswith("all") else ("--role", role)
        self.running[role] = await start(self.folder, self.environ, port, *words, program=self.program)

    async def kill(self, role: str) -> None:
        """End a process as a power cut does."""
        await self.running[role].kill()

    def tell_time(self, now: Instant) -> None:
        """Set the clock of every process."""
        self.now = now
        clock.drive(self.folder / "clock", now)

    async def pass_time(self) -> None:
        """Let the clock run, until cancelled."""
        while True:
            await asyncio.sleep(_STEP_S)
            if not self.is_clock_held:
                self.tell_time(self.now + round(_STEP_S * PACE * SECOND))

    async def plant(self, name: str) -> None:
        """Have learners owed a refund, and tell the service of it until it takes it."""
        planned = outages(self.began, name, OWED_A_TRIAL)
        self._owed |= {f"{name}-{number}" for number in range(OWED_A_TRIAL)}
        while True:
            with suppress(*_NOT_NOW):
                return await plant(self.door.url, *planned)
            await asyncio.sleep(0.1)

    async def send(self, sent: Sent) -> None:
        """Send one request until it is acknowledged."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            await self.load.until_acknowledged(client, sent)

    def mending(self) -> None:
        """Say that from now on the fault is over: here the time to recover begins."""
        self.mended_at_s = clock.stopwatch_s()

    async def well(self) -> float:
        """Wait until a new delivery is acknowledged and read; answer how many seconds after the mending that is."""
        probe = agora(next(self._probes))
        async with asyncio.timeout(_WELL_S_MAX):
            await self.send(probe)
            self.load.acknowledged.append(probe)
            while True:
                if (probe.participant,) in await self._rows(_LAST_SEEN):
                    break
                await asyncio.sleep(_STEP_S)
        return clock.stopwatch_s() - self.mended_at_s

    async def _rows(self, statement: str) -> list[tuple[object, ...]]:
        try:
            return await self.database.rows(statement)
        except (SQLAlchemyError, OSError):
            return []  # it is not back yet

    async def release(self) -> None:
        """Decide as a person at the console does: whatever the refund system turned away goes out again."""
        said = {"decision": "release", "actor": "on call", "reason": "the refund system is well again"}
        keys = {key for (key,) in await self._rows("SELECT case_key FROM claims WHERE state IN ('parked', 'stopped')")}
        async with aiohttp.ClientSession(self.door.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            for key in keys:
                async with client.post(f"/v1/cases/{key}/decision", json=said) as answer:
                    assert answer.status == 200, await answer.text()

    async def sent(self) -> None:
        """Wait until every claim that is due is with the refund system; what is tried again hours later soon is."""
        async with asyncio.timeout(_WELL_S_MAX):
            while True:
                rows = await self._rows("SELECT state FROM claims WHERE kind = 'refund'")
                if len(rows) >= len(self._owed) and {state for (state,) in rows} <= {"accepted"}:
                    return
                await asyncio.sleep(0.1)
                self.tell_time(self.now + MINUTE)

    async def all_read(self) -> None:
        """Wait until no delivery waits to be read."""
        await self._until_none("SELECT 1 FROM deliveries WHERE state = 0 LIMIT 1")

    async def all_readable(self) -> None:
        """Wait until the service read, by itself, whatever it could not read before."""
        await self._until_none("SELECT 1 FROM deliveries WHERE state = 2 LIMIT 1")

    async def _until_none(self, statement: str) -> None:
        async with asyncio.timeout(_WELL_S_MAX):
            while True:
                with suppress(SQLAlchemyError, OSError):  # it is not back yet, and says nothing of its rows
                    if not await self.database.rows(statement):
                        return
                await asyncio.sleep(0.1)

    async def outcome(self, fault: str, recovery_s: Sequence[float]) -> Outcome:
        """Stop the senders, wait until all is read and sent, and compare it with what was acknowledged."""
        self.load.is_over = True
        await asyncio.gather(*self.senders)
        with suppress(TimeoutError):  # what is missing then is counted below
            await self.sent()
            await self.all_read()
        kept = Counter(body for (body,) in await self.database.rows("SELECT body FROM deliveries"))
        told = await self.database.rows("SELECT participant_id FROM observations")
        seen = Counter(str(who) for (who,) in told)
        acknowledged = {sent.participant: sent for sent in self.load.acknowledged}
        receiver = self.refunds.receiver
        messages = [got.message for got in receiver.received.values()]
        claimed = Counter(str(told["learner_id"]) for told in messages if told["kind"] == "refund")
        return Outcome(
            fault=fault,
            store="PostgreSQL" if self.server else "SQLite",
            trials=len(recovery_s),
            acknowledged=len(acknowledged),
            lost=sum(sent.body not in kept for sent in acknowledged.values()),
            doubled=sum(count > 1 for count in kept.values()) + sum(seen[who] != 1 for who in acknowledged),
            due=len(self._owed),
            unsent=len(self._owed - claimed.keys()),
            changed=len(receiver.refused) + sum(claimed.values()) - len(claimed) + len(claimed.keys() - self._owed),
            recovery_s=recovery_s,
        )

    def limit_files(self, most: str) -> None:
        """Let no process of the store write beyond so many bytes of any file, as on a full disk, or ``unlimited``."""
        ours = [one.process.pid for one in self.running.values()]
        pids, user = (ours, None) if self.server is None else self.server.postmaster.pids()
        for pid in pids:
            # Only its own user may limit a process: root lacks the right in many a container.
            is_first = pid == pids[0]  # the others come and go
            command = ["prlimit", f"--pid={pid}", f"--fsize={most}:"]
            subprocess.run(command, check=is_first, user=user, stderr=None if is_first else subprocess.DEVNULL)


@asynccontextmanager
async def lab(
    folder: Path,
    roles: Sequence[str] = ("all",),
    server: Server | None = None,
    *,
    is_wired: bool = False,
    program: Sequence[str] = (),
) -> AsyncIterator[Lab]:
    """Run it all on SQLite in the folder, or on this server, whose tables are empty; with a wire between if wanted."""
    began = int(time.time() * 1000)
    clock.drive(folder / "clock", began)
    refunds = RefundSystem(folder / "clock")
    await refunds.open()
    wire = await Wire.laid(server.port) if server and is_wired else None
    direct = server.url if server else f"sqlite+aiosqlite:///{folder}/qos.sqlite3"
    url = direct.replace(f":{server.port}/", f":{wire.port}/") if server and wire else direct
    environ = _environ(folder, url, refunds.port)
    made = Lab(folder, Database(direct), environ, roles, refunds, Load(""), server, wire, began, began, program)
    for role in roles:
        await made.begin(role)
    made.load.url = made.door.url
    makers = (agora, observations)
    made.senders = [
        asyncio.create_task(made.load.send(make, (number * len(makers) + kind + 1) * 1_000_000))
        for number in range(3)
        for kind, make in enumerate(makers)
    ]
    tasks = [asyncio.create_task(made.pass_time()), *made.senders]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in made.running.values():
            if one.process.returncode is None:
                await one.kill()
        await refunds.close()
        if wire is not None:
            await wire.close()


def _environ(folder: Path, url: str, port: int) -> dict[str, str]:
    return {
        "QOS_DATABASE_URL": url,
        "QOS_CLOCK_FILE": str(folder / "clock"),
        "QOS_AGORA_SECRETS": AGORA,
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CASES_TOKEN": TOKEN,
        "QOS_CLAIMS_URL": f"http://127.0.0.1:{port}/claims",
        "QOS_CLAIMS_SECRETS": WHSEC,
        "QOS_BREAKER_CLAIMS_MIN": "100000",
        "FAULTY_WHILE": str(folder / "bug"),
    }
