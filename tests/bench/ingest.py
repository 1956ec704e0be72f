"""How many signed webhooks a second are durable before they are answered, beside a bare endpoint on the same bodies.

Run by `make bench`. Both servers are processes of their own and take turns, so that a busy machine is busy for both;
what counts is their ratio. The sender is one more process on the same machine and costs both the same.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop
from aiohttp import web
from postgresql_server import served
from running import running

SECRET = "an-agora-secret"
PATH = "/webhooks/agora"
CONNECTIONS: tuple[int, ...] = (16, 64, 256)


def request(number: int) -> bytes:
    """Write one signed Agora notice, as bytes on the wire; every number is another event."""
    at = 1_793_617_200_000 + number
    payload = {
        "channelName": f"r{number % 500}",
        "uid": number,
        "account": f"u{number}",
        "clientSeq": at,
        "ts": at // 1000,
    }
    body = json.dumps(
        {
            "noticeId": f"n{number}",
            "productId": 1,
            "eventType": 103,
            "notifyMs": at,
            "payload": payload | {"platform": 7},
        }
    ).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Agora-Signature-V2: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Run:
    """One turn of one server."""

    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0


class Sender(asyncio.Protocol):
    """One connection that sends the next request when the last one was answered."""

    def __init__(self, run: Run, following: Callable[[], bytes | None]) -> None:
        """Count into this run; ``following`` gives None when it is over."""
        self._run = run
        self._following = following
        self._held = b""
        self._sent_at = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by birth
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take an answer, and send the next."""
        self._held += data
        head, found, rest = self._held.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._held = b""
        self._run.latencies_s.append(time.perf_counter() - self._sent_at)
        self._run.refused += not head.startswith(b"HTTP/1.1 2")
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; before the time it is a failure."""
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server hung up"))

    def _send(self) -> None:
        wanted = self._following()
        if wanted is None:
            self.over.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(wanted)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def turn(port: int, connections: int, requests: Sequence[bytes], seconds: float) -> tuple[Run, float]:
    """Send for so long, over so many connections; gives what was answered and how long it took.

    Raises RuntimeError where the requests run out: a repeat would be cheaper than an event that is new.
    """
    run, waiting, ends_at = Run(), iter(requests), time.perf_counter() + seconds

    def following() -> bytes | None:
        if time.perf_counter() >= ends_at:
            return None
        wanted = next(waiting, None)
        if wanted is None:
            raise RuntimeError("more requests must be made beforehand for so long a turn")
        return wanted

    loop, began = asyncio.get_running_loop(), time.perf_counter()
    made = [await loop.create_connection(lambda: Sender(run, following), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.gather(*(sender.over for _, sender in made))
    return run, time.perf_counter() - began


async def _bare(request: web.Request) -> web.Response:
    json.loads(await request.read())
    return web.Response(body=b"{}", content_type="application/json")


async def _serve_bare() -> None:
    app = web.Application()
    app.router.add_post(PATH, _bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def bare() -> AsyncIterator[tuple[int, int]]:
    """Run the bare endpoint; gives its port and process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--bare", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield port, process.pid
    finally:
        process.kill()
        await process.wait()


def cpu_s(pid: int) -> float:
    """Read how much processor time a process has used (proc(5))."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


@dataclass(frozen=True)
class Measured:
    """What one server did over all its turns at one number of connections."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def measure(url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Let both servers take turns at each number of connections; gives one row each."""
    found: list[dict[str, object]] = []
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        environ = {"QOS_AGORA_SECRETS": SECRET, "QOS_TICK_S": "1", "QOS_LOG_LEVEL": "error"}
        if url:
            environ["QOS_DATABASE_URL"] = url
        async with running(Path(folder), environ | {"QOS_LOG_LEVEL": "info"}) as service, bare() as (port, pid):
            servers = {"bare": (port, pid), "service": (service.port, service.process.pid)}
            for connections in options.connections:
                runs: dict[str, list[tuple[Run, float, float]]] = {name: [] for name in servers}
                for _ in range(options.rounds):
                    for name, (at, who) in servers.items():
                        requests = [request(number + one) for one in range(int(options.seconds * 40_000))]
                        number += len(requests)
                        used = cpu_s(who)
                        run, took = await turn(at, connections, requests, options.seconds)
                        runs[name].append((run, took, cpu_s(who) - used))
                rows = {name: _summed(some) for name, some in runs.items()}
                found.append({"connections": connections, **{name: row.__dict__ for name, row in rows.items()}})
    return found


def _summed(runs: Sequence[tuple[Run, float, float]]) -> Measured:
    latencies = sorted(one for run, _, _ in runs for one in run.latencies_s)
    if sum(run.refused for run, _, _ in runs):
        raise RuntimeError("not every request was answered 2xx; the numbers would mean nothing")
    cuts = statistics.quantiles(latencies, n=100)
    return Measured(
        per_second=len(latencies) / sum(took for _, took, _ in runs),
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        cpu_us=sum(used for _, _, used in runs) / len(latencies) * 1e6,
    )


def table(name: str, rows: Sequence[dict[str, object]]) -> str:
    """Write the rows of one database for people."""
    lines = [
        f"{name:12} {'conns':>5} {'bare/s':>8} {'events/s':>9} {'ratio':>6} {'p50 ms':>7} {'p99 ms':>7} {'CPU':>5}"
    ]
    for row in rows:
        plain, ours = row["bare"], row["service"]
        assert isinstance(plain, dict)
        assert isinstance(ours, dict)
        lines.append(
            f"{'':12} {row['connections']:>5} {plain['per_second']:>8,.0f} {ours['per_second']:>9,.0f} "
            f"{ours['per_second'] / plain['per_second']:>6.2f} {ours['p50_ms']:>7.1f} {ours['p99_ms']:>7.1f} "
            f"{ours['cpu_us'] / plain['cpu_us']:>5.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure on SQLite, then on a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn (2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (3)")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.bare:
            runner.run(_serve_bare())
            return
        found = {"sqlite": runner.run(measure("", options))}
        print(table("SQLite", found["sqlite"]), flush=True)
        with served(is_durable=True) as server:
            found["postgresql"] = runner.run(measure(server.url, options))
        print(table("PostgreSQL", found["postgresql"]))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
