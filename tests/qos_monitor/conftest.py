"""What the tests of the service share: a migrated database of its own for each test, on either server."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from database import Database
from postgresql_server import Server, served
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Give a real PostgreSQL, started once for all tests of this process."""
    with served() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give an empty database with every table, once on SQLite and once on PostgreSQL."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        async with server.engine() as made:
            yield made
        return
    async with _embedded(tmp_path / "qos.sqlite3") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Give an empty database for a service of its own process, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return Database(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    server: Server = request.getfixturevalue("postgresql")
    async with server.engine():
        return Database(server.url)


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give an empty SQLite database with every table, for what only SQLite does."""
    async with _embedded(tmp_path / "embedded.sqlite3") as made:
        yield made


@asynccontextmanager
async def _embedded(file: Path) -> AsyncIterator[AsyncEngine]:
    made = storage.create(f"sqlite+aiosqlite:///{file}")
    await storage.migrate(made)
    try:
        yield made
    finally:
        await made.dispose()
