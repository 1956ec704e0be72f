"""What a scrape costs: `python tests/bench/scrape_cost.py 1000 100000 1000000` (learners, at most 20 000 in class)."""

import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from big_school import NOW, PROVIDERS, BigSchool
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from qos_monitor.gauges import Gauges
from qos_monitor.storage import engine as storage
from qos_monitor.telemetry import Telemetry

_TIMES = 10


async def measure(learners: int) -> str:
    """Fill a database, read it once, scrape it ten times; tell the median."""
    with tempfile.TemporaryDirectory() as folder:
        engine = storage.create(f"sqlite+aiosqlite:///{Path(folder) / 'big.sqlite3'}")
        await storage.migrate(engine)
        await BigSchool(learners, min(learners, 20_000)).fill(engine)
        counted = Telemetry([*PROVIDERS, "beacon", "observations"])
        gauges, registry = Gauges(engine, lambda: dict.fromkeys(PROVIDERS, NOW)), CollectorRegistry()
        registry.register(gauges)
        started = perf_counter()
        await gauges.refresh(NOW)
        reading_s = perf_counter() - started
        times = sorted([await _scrape(counted.registry, registry) for _ in range(_TIMES)])
        text = (generate_latest(counted.registry) + generate_latest(registry)).decode()
        series = sum(not line.startswith("#") for line in text.splitlines())
        await engine.dispose()
    return f"| {learners:,} | {series:,} | {1000 * times[_TIMES // 2]:.0f} ms | {1000 * reading_s:.0f} ms |"


async def _scrape(*registries: CollectorRegistry) -> float:
    started = perf_counter()
    for registry in registries:
        generate_latest(registry)
    return perf_counter() - started


async def _run(sizes: list[int]) -> None:
    print("| learners | series | a scrape | a reading, in the background |\n|---|---|---|---|", flush=True)
    for size in sizes:
        print(await measure(size), flush=True)


if __name__ == "__main__":
    asyncio.run(_run([int(size) for size in sys.argv[1:]] or [1_000]))
