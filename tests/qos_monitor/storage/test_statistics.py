"""PostgreSQL is told to look at a table that grew before autovacuum would, so that it knows how its keys lie."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from postgresql_server import USER, Server
from service_parts import row
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage
from qos_monitor.storage import statistics
from qos_monitor.storage.statistics import GROWN_ROWS, follow
from qos_monitor.storage.tables import observations

_KNOWN = text("SELECT n_distinct FROM pg_stats WHERE tablename = 'observations' AND attname = 'id'")


@pytest.fixture
async def unknown(postgresql: Server) -> AsyncIterator[AsyncEngine]:
    """Give a database of its own: what PostgreSQL counted of other tests' rows outlives them. Autovacuum leaves it."""
    name = "statistics"
    conn = await asyncpg.connect(host="127.0.0.1", port=postgresql.port, user=USER, database=USER)
    await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await conn.execute(f"CREATE DATABASE {name}")
    engine = storage.create(postgresql.url.rpartition("/")[0] + f"/{name}")
    await storage.migrate(engine)
    async with storage.writing(engine) as own:
        await own.execute(text("ALTER TABLE observations SET (autovacuum_enabled = off)"))
    yield engine
    await engine.dispose()
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def grow(engine: AsyncEngine, count: int, first: int = 0) -> None:
    rows = [row(observations, source="agora", id=f"n{number}") for number in range(first, first + count)]
    async with storage.writing(engine) as conn:
        await conn.execute(observations.insert(), rows)


async def followed(engine: AsyncEngine, within_s: float = 30) -> int:
    """Wait until PostgreSQL counted what was written, which takes it a second, and have it looked at."""
    async with asyncio.timeout(within_s):
        while True:
            if done := await follow(engine):
                return done
            await asyncio.sleep(0.1)


async def known(engine: AsyncEngine) -> float | None:
    """Ask what PostgreSQL believes of the ids: -1 is that all differ, None that it never looked."""
    async with storage.reading(engine) as conn:
        return (await conn.execute(_KNOWN)).scalar_one_or_none()


async def test_a_table_that_grew_is_looked_at_once(unknown: AsyncEngine) -> None:
    await grow(unknown, 3 * GROWN_ROWS)
    assert await known(unknown) is None

    assert await followed(unknown) == 1

    assert await known(unknown) == -1
    assert await follow(unknown) == 0


async def test_a_large_table_is_left_to_autovacuum(unknown: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await grow(unknown, 3 * GROWN_ROWS)
    assert await followed(unknown) == 1
    await grow(unknown, 9 * GROWN_ROWS, first=3 * GROWN_ROWS)

    with monkeypatch.context() as patched:
        patched.setattr(statistics, "LARGE_BYTES", 1)
        with pytest.raises(TimeoutError):
            await followed(unknown, within_s=3)

    assert await followed(unknown) == 1


async def test_sqlite_goes_by_its_indexes_and_is_asked_nothing(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")

    assert await follow(engine) == 0
