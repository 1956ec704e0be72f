"""How many signed webhooks a second are durable before they are answered, beside a bare endpoint on the same bodies.

Run by `make bench`. The bare endpoint is aiohttp on uvloop that reads the body and answers 204. All servers are up at
once and take turns in shuffled order, each stopped (SIGSTOP) while another has its turn, so that what one still reads
or judges is not paid for by another. A ratio is taken within a round, and the median over the rounds counts: a machine
that others use too slows all of a round alike. CPU is that of the server's own processes, without PostgreSQL's. The
sender is on the same machine, and costs all of them the same.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import asyncpg
import uvloop
from aiohttp import web
from postgresql_server import served
from running import Running, start
from webhook_sender import PATH, SECRET, Run, request, turn

CONNECTIONS: tuple[int, ...] = (16, 64, 256)
BARE = "bare"
MOST_PER_S: int = 45_000  # requests made beforehand for a second; no server here takes so many
SERVERS: Mapping[str, tuple[str, ...]] = {
    "intake": ("--role", "intake"),
    "intake x2": ("--role", "intake", "--workers", "2"),
    "all": (),
}
"""What is measured beside the bare endpoint: the intake alone, two processes of it, one process that does all."""


async def _bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


async def _serve_bare() -> None:
    app = web.Application()
    app.router.add_post(PATH, _bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@dataclass
class Turns:
    """What one server did in its turns at one number of connections."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Served:
    """One server: where it listens, and the process that began it."""

    name: str
    port: int
    pid: int

    def pids(self) -> list[int]:
        """Name its process and every process below it (proc(5))."""
        found = [self.pid]
        for pid in found:
            found += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found

    def cpu_s(self) -> float:
        """Read how much processor time its threads have used."""
        files = [file for pid in self.pids() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def signal(self, number: int) -> None:
        """Send a signal to every process of it."""
        for pid in self.pids():
            os.kill(pid, number)

    @contextmanager
    def going(self) -> Iterator[None]:
        """Let it run for as long as the context lasts."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)


class Numbers:
    """Counts events, so that each is new to every server."""

    def __init__(self) -> None:
        """Begin where the last run of the clock ended: a database may be used again."""
        self._next = 0

    def requests(self, seconds: float) -> list[bytes]:
        """Make requests for a turn of so many seconds."""
        count = int(seconds * MOST_PER_S)
        self._next += count
        return [request(number) for number in range(self._next - count, self._next)]


def one_turn(server: Served, connections: int, requests: Sequence[bytes], seconds: float, into: Turns) -> None:
    """Measure one turn. Raises RuntimeError where not every request was answered 2xx."""
    with server.going():
        used_s = server.cpu_s()
        run: Run = turn(server.port, connections, requests, seconds)
        used_s = server.cpu_s() - used_s
    if run.refused:
        raise RuntimeError(f"{server.name} refused {run.refused} requests; the numbers would mean nothing")
    into.rates.append(len(run.latencies_s) / run.took_s)
    into.cpu_us.append(used_s / len(run.latencies_s) * 1e6)
    into.latencies_s += run.latencies_s


@dataclass(frozen=True)
class Measured:
    """One row of the table: rates and CPU as multiples of the bare endpoint's in the same round, medians."""

    database: str
    server: str
    connections: int
    per_second: float
    ratio: float
    ratio_low: float
    ratio_high: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    cpu: float


def _row(database: str, server: str, connections: int, turns: Turns, bare: Turns) -> Measured:
    ratios = [ours / plain for ours, plain in zip(turns.rates, bare.rates, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    cuts = statistics.quantiles(turns.latencies_s, n=100)
    return Measured(
        database,
        server,
        connections,
        per_second=statistics.median(turns.rates),
        ratio=statistics.median(ratios),
        ratio_low=low,
        ratio_high=high,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        cpu_us=statistics.median(turns.cpu_us),
        cpu=statistics.median(ours / plain for ours, plain in zip(turns.cpu_us, bare.cpu_us, strict=True)),
    )


def measure(database: str, servers: Sequence[Served], options: argparse.Namespace) -> list[Measured]:
    """Let the servers take turns at each number of connections; the bare endpoint is one of them."""
    numbers, order = Numbers(), random.Random(4)  # noqa: S311 - an order of turns, no secret
    rows: list[Measured] = []
    again = numbers.requests(options.seconds)  # to the bare endpoint all are alike
    for server in servers:
        with server.going():
            turn(server.port, 16, numbers.requests(0.3), 0.3)  # what is done once is done
    for connections in options.connections:
        turns = {server.name: Turns() for server in servers}
        for _ in range(options.rounds):
            for server in order.sample(servers, len(servers)):
                requests = again if server.name == BARE else numbers.requests(options.seconds)
                one_turn(server, connections, requests, options.seconds, turns[server.name])
        rows += [_row(database, name, connections, some, turns[BARE]) for name, some in turns.items()]
    return rows


async def _bare_server(stack: AsyncExitStack) -> Served:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--bare", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    stack.push_async_callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout is not None
    return Served(BARE, int(await process.stdout.readline()), process.pid)


async def _service(stack: AsyncExitStack, name: str, words: Sequence[str], url: str) -> Served:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    # Without a limit for a provider: what is asked is how many can be taken, not how many may come.
    environ = {"QOS_AGORA_SECRETS": SECRET, "QOS_TICK_S": "1", "QOS_PROVIDER_RATE": "0"}
    if url:
        environ["QOS_DATABASE_URL"] = url
    service = await start(folder, environ, 0, *words)
    stack.push_async_callback(_ended, service)
    await _listening(service, int(words[words.index("--workers") + 1]) if "--workers" in words else 1)
    return Served(name, service.port, service.process.pid)


async def _listening(service: Running, count: int) -> None:
    """Wait until so many of its processes listen."""
    while True:
        if sum(event["event"] == "listening" for event in service.events()) >= count:
            return
        await asyncio.sleep(0.05)


async def _ended(service: Running) -> None:
    Served("", service.port, service.process.pid).signal(signal.SIGCONT)
    await service.terminate()


async def compared(database: str, urls: Mapping[str, str], options: argparse.Namespace) -> list[Measured]:
    """Start the servers, each with a database of its own, and measure them."""
    async with AsyncExitStack() as stack:
        servers = [await _bare_server(stack)]
        servers += [await _service(stack, name, SERVERS[name], url) for name, url in urls.items()]
        for server in servers:
            server.signal(signal.SIGSTOP)
        return measure(database, servers, options)


async def _databases(url: str, names: Sequence[str]) -> dict[str, str]:
    """Make an empty database for each; gives their URLs."""
    conn = await asyncpg.connect(url.replace("+asyncpg", "").rpartition("/")[0] + "/postgres")
    try:
        for number, _ in enumerate(names):
            await conn.execute(f"CREATE DATABASE bench_{number}")
    finally:
        await conn.close()
    return {name: f"{url.rpartition('/')[0]}/bench_{number}" for number, name in enumerate(names)}


def flush_ms(folder: Path) -> float:
    """Measure what the disk takes to keep 8 KB (fdatasync, median of 100): no commit is shorter."""
    took_s: list[float] = []
    with (folder / "flush").open("wb") as file:
        for _ in range(100):
            os.pwrite(file.fileno(), b"x" * 8192, 0)
            began_s = time.perf_counter()
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s) * 1000


def table(rows: Sequence[Measured]) -> str:
    """Write the rows for people."""
    words = ("", "conns", "server", "per s", "ratio", "quartiles", "p50 ms", "p99 ms", "CPU")
    lines = ["{:11} {:>5} {:10} {:>7} {:>6} {:>11} {:>7} {:>7} {:>5}".format(*words)]
    lines += [
        f"{row.database:11} {row.connections:>5} {row.server:10} {row.per_second:>7,.0f} {row.ratio:>6.2f} "
        f"{row.ratio_low:>5.2f}-{row.ratio_high:<5.2f} {row.p50_ms:>7.1f} {row.p99_ms:>7.1f} {row.cpu:>5.2f}"
        for row in rows
    ]
    found = {(row.server, row.connections): row.ratio for row in rows}
    lines += [
        f"{'':11} {connections:>5} two processes take {found['intake x2', connections] / ratio:.2f} x what one takes"
        for (server, connections), ratio in found.items()
        if server == "intake" and ("intake x2", connections) in found
    ]
    return "\n".join(lines)


async def _on_postgresql(options: argparse.Namespace) -> list[Measured]:
    with served(is_durable=True) as server:
        return await compared("PostgreSQL", await _databases(server.url, list(SERVERS)), options)


def main() -> None:
    """Measure on SQLite, which has one process, then on a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn (0.5)")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each server (12)")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        uvloop.run(_serve_bare())
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    began_s = time.monotonic()
    rows = asyncio.run(compared("SQLite", {"intake": "", "all": ""}, options))
    print(table(rows), flush=True)
    rows += (more := asyncio.run(_on_postgresql(options)))
    print(table(more))
    with tempfile.TemporaryDirectory() as folder:
        flush = flush_ms(Path(folder))
    load = os.getloadavg()[0]
    print(f"in {time.monotonic() - began_s:.0f} s; the load here was {load:.1f}, a flush of the disk {flush:.2f} ms")
    if options.json:
        options.json.write_text(
            json.dumps({"load": load, "flush_ms": flush, "rows": [asdict(row) for row in rows]}, indent=2)
        )


if __name__ == "__main__":
    main()
