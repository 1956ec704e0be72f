"""The few numbers that say whether we keep up: each a look into an index."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.gauging.samples import Samples, age_s, alone
from qos_monitor.metrics import standing
from qos_monitor.storage.tables import WAITING, claims, deliveries, learners, windows
from rules.span import Instant


async def read(conn: AsyncConnection, now: Instant) -> Samples:
    """Read what waits, and for how long."""
    oldest_window = await _one(conn, select(func.min(windows.c.due_at)).where(windows.c.due_at <= now))
    oldest_look = await _one(conn, select(func.min(learners.c.look_again_at)).where(learners.c.look_again_at <= now))
    waiting = select(func.count()).select_from(deliveries).where(deliveries.c.state == WAITING)
    ready = claims.c.state == "ready"
    outbox = select(func.count(), func.min(claims.c.created_at)).where(ready)
    depth, oldest_claim = (await conn.execute(outbox)).one()
    return {
        standing.JUDGING_LAG: alone(max(age_s(now, oldest_window), age_s(now, oldest_look))),
        standing.WAITING_DELIVERIES: alone(await _one(conn, waiting) or 0),
        standing.OUTBOX_DEPTH: alone(depth),
        standing.OUTBOX_AGE: alone(age_s(now, oldest_claim)),
    }


async def _one(conn: AsyncConnection, statement: Any) -> int | None:  # noqa: ANN401 - any select of one number
    value: int | None = (await conn.execute(statement)).scalar_one()
    return value
