"""How large the database is, and may become."""

import asyncio
import shutil
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.gauging.samples import Samples, alone
from qos_monitor.metrics import standing
from qos_monitor.storage.engine import file_of
from qos_monitor.storage.tables import deliveries, observations, verdicts
from rules.observation import Kind
from rules.span import SECOND


async def oldest(conn: AsyncConnection) -> Samples:
    """Say how far back what is deleted in time reaches; each part is a look at where an index begins."""
    first = select(deliveries.c.received_at).order_by(deliveries.c.seq).limit(1)
    received = (await conn.execute(first)).scalar()
    old = select(verdicts.c.recorded_at).where(~verdicts.c.current).order_by(verdicts.c.recorded_at).limit(1)
    seen = [select(func.min(observations.c.at)).where(observations.c.kind == kind.value) for kind in Kind]
    judged, *kinds = (await conn.execute(select(*(one.scalar_subquery() for one in (old, *seen))))).one()
    ages = {"deliveries": received, "observations": min((at for at in kinds if at), default=0), "verdicts": judged}
    return {standing.OLDEST_KEPT: {(table,): (at or 0) / SECOND for table, at in ages.items()}}


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
