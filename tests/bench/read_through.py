"""What reading costs from stored deliveries to stored observations, beside `orjson.loads` alone on the same bodies.

`python tests/bench/read_through.py`; run by `make bench`. Agora's notices of learners who join and leave, in rooms that
are on no roster, are read as the service reads them, in its batches, on SQLite and on PostgreSQL. Processor time is
this process's own, without PostgreSQL's; the wall says what waiting for the database adds.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from postgresql_server import served

from collectors.agora.webhook import Agora
from qos_monitor import reading
from qos_monitor.storage import engine as storage
from qos_monitor.storage import statistics
from qos_monitor.storage.tables import WAITING, deliveries
from rules.span import DAY, MINUTE

START, GAP, ROOMS, PEOPLE = 1_793_617_200_000, 10, 500, 20_000
JOINED, LEFT = 103, 104


@dataclass(frozen=True)
class Found:
    """One row of the table; times are of one event, in microseconds."""

    database: str
    events: int
    parse_us: float
    cpu_us: float
    wall_us: float


def _bodies(count: int) -> Iterator[bytes]:
    for number in range(count):
        who, at = number // 2, START + number * GAP
        payload = {"channelName": f"r{who % ROOMS}", "uid": who, "account": f"u{who % PEOPLE}", "clientSeq": at}
        payload |= {"ts": at // 1000, "platform": 7}
        told = {"noticeId": f"n{number}", "productId": 1, "eventType": LEFT if number % 2 else JOINED, "notifyMs": at}
        yield json.dumps(told | {"payload": payload}).encode()


def _delivery(number: int, body: bytes) -> dict[str, object]:
    at = START + number * GAP
    told = {"provider": "agora", "event_id": f"n{number}", "minute": at // MINUTE, "received_at": at}
    return told | {"headers": "{}", "body": body, "state": WAITING}


async def measure(database: str, url: str, count: int) -> Found:
    """Store so many deliveries, and read them all."""
    bodies = list(_bodies(count))
    began_s = time.process_time()
    for body in bodies:
        orjson.loads(body)
    parsed_s = time.process_time() - began_s
    engine = storage.create(url)
    await storage.migrate(engine)
    async with storage.writing(engine) as conn:
        await conn.execute(deliveries.insert(), list(map(_delivery, range(count), bodies)))
    collectors = {"agora": Agora(("a-secret",))}
    wall_s, cpu_s, done = time.perf_counter(), time.process_time(), 0
    while some := await reading.read_waiting(engine, collectors, START + DAY):
        done += some
        await statistics.follow(engine)  # a job of its own, in the service
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    await engine.dispose()
    return Found(database, done, parsed_s / count * 1e6, cpu_s / done * 1e6, wall_s / done * 1e6)


def table(rows: Sequence[Found]) -> str:
    """Write the rows for people."""
    lines = ["| database | events | orjson.loads | reading, CPU | x | events a second of a core | wall |"]
    lines.append("|" + "---|" * 7)
    lines += [
        f"| {row.database} | {row.events:,} | {row.parse_us:.2f} µs | {row.cpu_us:.0f} µs | "
        f"{row.cpu_us / row.parse_us:.0f} | {1e6 / row.cpu_us:,.0f} | {row.wall_us:.0f} µs |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure on both databases, print, keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/qos.sqlite3"
        rows = [asyncio.run(measure("SQLite", url, options.events))]
    with served(is_durable=True) as server:
        rows.append(asyncio.run(measure("PostgreSQL", server.url, options.events)))
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
