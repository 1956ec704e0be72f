"""What the tests of the service share: a migrated database in a file of its own."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give an empty database with every table: a SQLite file, or the PostgreSQL that TEST_POSTGRESQL_URL names."""
    url = os.environ.get("TEST_POSTGRESQL_URL")
    made = storage.create(url or f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    if url is not None:
        async with storage.writing(made) as conn:
            await conn.execute(text("DROP SCHEMA public CASCADE"))
            await conn.execute(text("CREATE SCHEMA public"))
    await storage.migrate(made)
    yield made
    await made.dispose()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give an empty SQLite database with every table, for what only SQLite does."""
    made = storage.create(f"sqlite+aiosqlite:///{tmp_path}/embedded.sqlite3")
    await storage.migrate(made)
    yield made
    await made.dispose()
