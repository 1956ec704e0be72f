"""What the tests of the service share: a migrated database in a file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give an empty database with every table."""
    made = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    await storage.migrate(made)
    yield made
    await made.dispose()
