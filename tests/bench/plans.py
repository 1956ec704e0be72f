"""How each hot statement is carried out at a real size, on both databases, and what each index is used for.

``python tests/bench/plans.py [PAIRS] [sqlite|postgresql ...]`` with tests/ on PYTHONPATH: a school of so many
(learner, class) pairs (160 000, which are a million observations), judged once, then everything the service does all
day. Prints each statement that reads a big table whole, the slowest ones, and on PostgreSQL how often each index was
used and its size.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence

from hot_paths import BIG, HotPaths
from lessons import Lessons
from postgresql_server import served
from sqlalchemy import Connection, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import clock
from qos_monitor.retention import Periods, Retention
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import metadata
from rules.span import DAY, Instant

REPEATS = 3
MANY = 5_000
"""A table of fewer rows is read whole in a few milliseconds, and PostgreSQL does so."""
_USED = """
SELECT s.relname, s.indexrelname, s.idx_scan, pg_relation_size(s.indexrelid) / 1048576.0
FROM pg_stat_user_indexes s ORDER BY s.idx_scan, s.indexrelname
"""


async def measured(engine: AsyncEngine, pairs: int) -> None:
    """Fill, judge, watch, explain."""
    school = Lessons(pairs)
    started = clock.stopwatch_s()
    await school.fill(engine)
    await school.due_all(engine)
    print(f"filled in {clock.stopwatch_s() - started:.0f} s", flush=True)
    hot = HotPaths(engine, school.over_at, is_small=False)
    await hot.run()
    if engine.dialect.name == "postgresql":
        async with storage.writing(engine) as conn:
            await conn.execute(text("ANALYZE"))
    big = await _of_many_rows(engine)
    print(
        f"{len(hot.seen)} statements; of the tables with more than {MANY} rows ({', '.join(sorted(big))}) read whole:"
    )
    for part, statement, step in await hot.steps():
        if step.is_whole and step.table in big:
            print(f"  {part}: {step.table}: {step.how}: {' '.join(statement.split())[:160]}")
    await _slowest(engine, hot)
    if engine.dialect.name == "postgresql":
        async with storage.reading(engine) as conn:
            for table, name, used, size in await conn.execute(text(_USED)):
                print(f"  {used:>9} uses {size:>8.1f} MB  {table}.{name}")
    await _retained(engine, school.over_at)


async def _of_many_rows(engine: AsyncEngine) -> set[str]:
    async with storage.reading(engine) as conn:
        counted = {name: select(func.count()).select_from(metadata.tables[name]) for name in BIG}
        return {name for name, statement in counted.items() if (await conn.execute(statement)).scalar_one() > MANY}


async def _slowest(engine: AsyncEngine, hot: HotPaths) -> None:
    timed = []
    async with engine.connect() as conn:
        for part, statement, given in hot.seen.values():
            if statement.lstrip().startswith(("SELECT", "WITH")) and "FOR UPDATE" not in statement:
                timed.append((await conn.run_sync(_timed, statement, given), part, statement))
    print("slowest, in milliseconds:")
    for took_s, part, statement in sorted(timed, reverse=True)[:12]:
        print(f"  {took_s * 1000:8.1f}  {part}: {' '.join(statement.split())[:140]}")


def _timed(conn: Connection, statement: str, given: object) -> float:
    took = []
    for _ in range(REPEATS):
        started = clock.stopwatch_s()
        conn.exec_driver_sql(statement, given).fetchall()  # type: ignore[arg-type]  # as the driver took them before
        took.append(clock.stopwatch_s() - started)
    return statistics.median(took)


async def _retained(engine: AsyncEngine, over_at: Instant) -> None:
    class Later:
        def now(self) -> Instant:
            return over_at + 402 * DAY

    async with storage.writing(engine) as conn:
        await conn.execute(text("UPDATE cases SET state = 'paid'"))  # an open case keeps its windows
        await conn.execute(text("UPDATE outages SET answer = 'clear'"))
        await conn.execute(text("UPDATE windows SET due_at = NULL"))
    gone: dict[str, int] = {}
    keeper = Retention(
        engine, Later(), Periods(90, 400, 400), (), lambda name, rows: gone.update({name: gone.get(name, 0) + rows})
    )
    pieces, started = [], clock.stopwatch_s()
    for _ in range(300):
        begun = clock.stopwatch_s()
        await keeper.run()
        pieces.append(clock.stopwatch_s() - begun)
    pieces.sort()
    took_s, middle, most = clock.stopwatch_s() - started, pieces[len(pieces) // 2], pieces[int(len(pieces) * 0.99)]
    print(f"retention: {sum(gone.values())} rows in {took_s:.1f} s, {len(pieces)} pieces: {gone}")
    print(f"  a piece: median {middle * 1000:.0f} ms, 99 % {most * 1000:.0f} ms")


async def _on_sqlite(pairs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = storage.create(f"sqlite+aiosqlite:///{folder}/plans.sqlite3")
        await storage.migrate(engine)
        await measured(engine, pairs)
        await engine.dispose()


def main(given: Sequence[str]) -> None:
    """Measure both databases, or those named."""
    pairs = next((int(word) for word in given if word.isdigit()), 160_000)
    wanted = [word for word in given if not word.isdigit()] or ["sqlite", "postgresql"]
    if "sqlite" in wanted:
        print("== sqlite")
        asyncio.run(_on_sqlite(pairs))
    if "postgresql" in wanted:
        print("== postgresql")
        with served() as server:

            async def on_server() -> None:
                async with server.engine() as engine:
                    await measured(engine, pairs)

            asyncio.run(on_server())


if __name__ == "__main__":
    main(sys.argv[1:])
