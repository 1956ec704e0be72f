"""How large the database is, and may become."""

import asyncio
import shutil
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.gauging.samples import Samples, alone
from qos_monitor.metrics import standing
from qos_monitor.storage.engine import file_of


async def read(conn: AsyncConnection, engine: AsyncEngine, bytes_max: int) -> Samples:
    """Measure the database; ``bytes_max`` is what the operator allows it, 0 where nothing was said.

    The embedded one may also grow no further than its disk; of a server nobody knows the disk.
    """
    file = file_of(engine)
    if file is None:
        size, room = (
            int((await conn.execute(select(func.pg_database_size(func.current_database())))).scalar_one()),
            None,
        )
    else:
        size, room = await asyncio.to_thread(_measured, file)
    limits = [
        float("inf"),
        *([float(bytes_max)] if bytes_max else []),
        *([float(size + room)] if room is not None else []),
    ]
    return {standing.DATABASE_SIZE: alone(size), standing.DATABASE_LIMIT: alone(min(limits))}


def _measured(file: Path) -> tuple[int, int]:
    """Give what the file and its journal take, and what is free beside them."""
    parts = (file, file.with_name(file.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists()), shutil.disk_usage(file.parent).free
