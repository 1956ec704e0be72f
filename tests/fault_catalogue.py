"""Everything that is broken on purpose: each entry breaks it once, and mends it, as often as it is asked."""

import asyncio
import itertools
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
from fault_lab import Lab, Outcome, lab
from postgresql_server import NAME, USER, Server
from under_load import AGORA, Sent, agora, signed_by_agora

from qos_monitor.storage import engine as storage
from rules.span import HOUR

HERE = Path(__file__).parent
SPLIT = ("intake", "worker")
DAYS_DOWN_H = 72

Break = Callable[[Lab, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break it. ``roles`` are the processes that run; ``is_wired`` puts a wire before PostgreSQL."""

    name: str
    breaks: Break
    stores: Sequence[str] = ("postgresql",)
    roles: Sequence[str] = ("all",)
    is_wired: bool = False
    trials: int = 3
    """How often the full run breaks it."""
    program: Sequence[str] = ()

    async def run(self, trials: int, server: Server | None, seed: int = 2026) -> Outcome:
        """Break it so many times under load, at moments drawn from the seed, and compare at the end."""
        chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        async with _opened(self, server) as broken:
            recovery_s = []
            for trial in range(trials):
                await broken.plant(f"owed{trial}")
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                broken.mended_at_s = 0.0
                await self.breaks(broken, chance)
                if not broken.mended_at_s:
                    broken.mending()
                recovery_s.append(await broken.well())
            return await broken.outcome(self.name, recovery_s)


@asynccontextmanager
async def _opened(fault: Fault, server: Server | None) -> AsyncIterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="qos-fault-") as folder:
        given = (Path(folder), fault.roles, server)
        async with lab(*given, is_wired=fault.is_wired, program=fault.program) as made:
            yield made


# --- processes ----------------------------------------------------------------------------------------------


def kill(role: str) -> Break:
    """End a process with SIGKILL, and start it again."""

    async def breaks(broken: Lab, _chance: random.Random) -> None:
        await broken.kill(role)
        broken.mending()
        await broken.begin(role)

    return breaks


async def kill_database(broken: Lab, chance: random.Random) -> None:
    """End every process of PostgreSQL with SIGKILL; start it again after a while."""
    assert broken.server is not None
    broken.server.postmaster.kill()
    await asyncio.sleep(chance.uniform(0.1, 1.0))
    broken.mending()
    broken.server.postmaster.start()


# --- the database -------------------------------------------------------------------------------------------


async def disk_full(broken: Lab, _chance: random.Random) -> None:
    """Let nothing be written beyond where the files end now, for two seconds."""
    broken.limit_files("0")
    await asyncio.sleep(2)
    if broken.server is not None and broken.server.postmaster.has_ended():
        broken.mending()
        broken.server.postmaster.start()  # as whoever keeps it running would: it ends where it cannot write its log
    else:
        broken.limit_files("unlimited")


async def read_only(broken: Lab, _chance: random.Random) -> None:
    """Make every transaction read-only for two seconds, as a fail-over to a standby does."""
    await _administer(broken, "ALTER SYSTEM SET default_transaction_read_only = on")
    await asyncio.sleep(2)
    await _administer(broken, "ALTER SYSTEM RESET default_transaction_read_only")


async def _administer(broken: Lab, statement: str) -> None:
    assert broken.server is not None
    conn = await asyncpg.connect(host="127.0.0.1", port=broken.server.port, user=USER, database=NAME)
    try:
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute(statement)
        await conn.execute("SELECT pg_reload_conf()")
    finally:
        await conn.close()


async def locked(broken: Lab, _chance: random.Random) -> None:
    """Hold SQLite's one write lock from outside for six seconds, longer than anybody waits for it."""
    engine = storage.create(broken.database.url)
    async with storage.writing(engine):
        await asyncio.sleep(6)
    await engine.dispose()


async def slow(broken: Lab, _chance: random.Random) -> None:
    """Let everything said to the database wait five seconds, for twenty seconds."""
    assert broken.wire is not None
    broken.wire.delay_s = 5.0
    await asyncio.sleep(20)
    broken.wire.delay_s = 0.0


async def cut_in_commit(broken: Lab, chance: random.Random) -> None:
    """Drop every connection right after something was said, so that nobody hears whether it was committed."""
    assert broken.wire is not None
    for _ in range(5):
        broken.wire.is_cut_after_next = True
        await asyncio.sleep(chance.uniform(0.02, 0.1))


async def silent(broken: Lab, chance: random.Random) -> None:
    """Swallow whatever is said to the database for a while, and what is said on the same connections ever after."""
    assert broken.wire is not None
    broken.wire.is_dead = True
    await asyncio.sleep(chance.uniform(5.0, 15.0))
    broken.wire.is_dead = False


# --- the refund system --------------------------------------------------------------------------------------


async def down_for_three_days(broken: Lab, _chance: random.Random) -> None:
    """Refuse connections for 72 hours of the service's clock."""
    await broken.refunds.close()
    await broken.plant(f"owed-while-down-{broken.now}")
    broken.is_clock_held = True
    for _ in range(DAYS_DOWN_H):
        broken.tell_time(broken.now + HOUR)
        await asyncio.sleep(0.05)
    broken.is_clock_held = False
    await broken.refunds.open()


def answering(mode: str, *, is_final: bool = False) -> Break:
    """Let it answer so for two seconds; where that is its last word (409, 410), a person lets the claims go again."""

    async def breaks(broken: Lab, _chance: random.Random) -> None:
        broken.refunds.mode = mode
        await broken.plant(f"owed-while-{mode.replace(' ', '-')}-{broken.now}")
        await asyncio.sleep(2)
        broken.refunds.mode = "well"
        if is_final:
            await broken.well()
            await broken.release()

    return breaks


# --- the clock, the senders, the code -----------------------------------------------------------------------


async def clock_back(broken: Lab, _chance: random.Random) -> None:
    """Set the clock back by an hour."""
    broken.tell_time(broken.now - HOUR)
    await asyncio.sleep(0.5)


async def two_schedulers(broken: Lab, chance: random.Random) -> None:
    """Let two processes do everything at once for a while, with work for both."""
    await broken.plant(f"owed-to-two-{broken.now}")
    await asyncio.sleep(chance.uniform(1.0, 2.0))


async def paused(broken: Lab, chance: random.Random) -> None:
    """Stop one of two processes with SIGSTOP, for a minute of the service's clock or for several, and let it go on."""
    role = chance.choice(broken.roles)
    broken.running[role].process.send_signal(signal.SIGSTOP)
    planted = asyncio.create_task(broken.plant(f"owed-while-paused-{broken.now}"))
    await asyncio.sleep(chance.choice([1.0, 5.0, 15.0]))
    broken.running[role].process.send_signal(signal.SIGCONT)
    broken.mending()
    await planted


async def ten_times_the_usual(broken: Lab, _chance: random.Random) -> None:
    """Send from sixty more connections, ten times as many as ever, for two seconds."""
    numbers, ends_at = itertools.count(500_000_000), asyncio.get_running_loop().time() + 2

    async def more() -> None:
        async with aiohttp.ClientSession() as client:
            while asyncio.get_running_loop().time() < ends_at:
                sent = agora(next(numbers))
                await broken.load.until_acknowledged(client, sent)
                broken.load.acknowledged.append(sent)

    await asyncio.gather(*(more() for _ in range(60)))


async def poisoned(broken: Lab, _chance: random.Random) -> None:
    """Send what is signed, and is nothing that can be read."""
    for number, body in enumerate(
        (b"\xff\x00", b"[" * 90_000, b'{"noticeId": 7}', b'{"eventType": "103", "payload": []}')
    ):
        unique = body + b" " * (number + 1) + str(broken.now).encode()
        await broken.send(Sent("/webhooks/agora", unique, signed_by_agora(unique), ""))


async def bug(broken: Lab, _chance: random.Random) -> None:
    """Let Agora's collector fail on whatever it reads for a second; once it is mended all of that is read."""
    flag = broken.folder / "bug"
    flag.touch()
    await asyncio.sleep(1)
    flag.unlink()
    broken.mending()
    await broken.well()
    await broken.all_readable()


FAULTS: tuple[Fault, ...] = (
    Fault("kill -9, all in one", kill("all"), ("sqlite", "postgresql"), trials=20),
    Fault("kill -9, intake", kill("intake"), roles=SPLIT, trials=20),
    Fault("kill -9, worker", kill("worker"), roles=SPLIT, trials=20),
    Fault("kill -9, database", kill_database, roles=SPLIT, trials=20),
    Fault("connections cut in mid-commit", cut_in_commit, is_wired=True, trials=20),
    Fault("disk full", disk_full, ("sqlite", "postgresql")),
    Fault("database read-only", read_only),
    Fault("database locked by others", locked, ("sqlite",)),
    Fault("database silent", silent, is_wired=True, trials=5),
    Fault("database slow, 5 s a statement", slow, is_wired=True, trials=1),
    Fault("refund system down 3 days", down_for_three_days, ("sqlite", "postgresql"), trials=1),
    *(Fault(f"refund system: {mode}", answering(mode), ("sqlite",)) for mode in ("500", "301", "garbage", "hangs")),
    Fault("refund system: loses its answer", answering("loses its answer"), ("sqlite",)),
    Fault("refund system: 409", answering("409", is_final=True), ("sqlite",)),
    Fault("refund system: 410", answering("410", is_final=True), ("sqlite",)),
    Fault("clock back by an hour", clock_back, ("sqlite", "postgresql")),
    Fault("two schedulers at once", two_schedulers, roles=("all", "all again")),
    Fault("one of two processes stopped", paused, roles=("all", "all again"), trials=20),
    Fault("10 times the usual load", ten_times_the_usual, ("sqlite", "postgresql")),
    Fault("poisoned deliveries", poisoned, ("sqlite",)),
    Fault("a bug in a collector", bug, ("sqlite",), program=(str(HERE / "faulty_service.py"),)),
)

__all__ = ["AGORA", "FAULTS", "Fault"]
