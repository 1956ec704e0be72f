"""Places everything seen anew after the templates changed: in pieces, from where the last one ended."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import naming, observing
from qos_monitor.storage.engine import reading, upsert, writing
from qos_monitor.storage.tables import cursors, templates
from qos_monitor.templates import Template
from rules.span import Instant

PIECE: int = 1_000
"""Observations placed anew in one transaction: webhooks wait behind it, for a fifth of a second at most."""

_CURSOR = "remap"
_DONE = -1  # no row is: from the beginning


async def adopt(engine: AsyncEngine, given: Iterable[Template]) -> bool:
    """Put these templates in force, for every process on this database; say whether they are others than before.

    If so, `remap` begins anew: until it has ended, what was seen before stands where the old ones put it.
    """
    wanted = {(one.what, one.provider, one.text) for one in given}
    async with writing(engine) as conn:
        await naming.moving(conn)
        if {tuple(row) for row in await conn.execute(select(templates))} == wanted:
            return False
        await conn.execute(delete(templates))
        if wanted:
            rows = [dict(zip(templates.c.keys(), row, strict=True)) for row in sorted(wanted)]
            await conn.execute(upsert(conn.dialect.name, templates), rows)  # another process may start just now
        await again(conn)
    return True


async def again(conn: AsyncConnection) -> None:
    """Have `remap` begin at the first observation."""
    await conn.execute(delete(cursors).where(cursors.c.name == _CURSOR))


async def remap(engine: AsyncEngine, now: Instant) -> int:
    """Place the next piece anew; answer 0 where everything was. A crash in between repeats a piece, which is harmless.

    What moves is marked to be judged again.
    """
    async with reading(engine) as conn:
        if await _after(conn) == _DONE:
            return 0
    async with writing(engine) as conn:
        seq = await _after(conn)
        reached = _DONE if seq == _DONE else await observing.remap_after(conn, seq, PIECE, now)
        value = _DONE if reached is None else reached
        await conn.execute(upsert(conn.dialect.name, cursors), {"name": _CURSOR, "value": value})
    return 0 if value == _DONE else PIECE


async def _after(conn: AsyncConnection) -> int:
    value: int | None = (await conn.execute(select(cursors.c.value).where(cursors.c.name == _CURSOR))).scalar()
    return 0 if value is None else value


async def is_whole(engine: AsyncEngine) -> bool:
    """Say whether everything seen was placed by the templates in force."""
    async with reading(engine) as conn:
        return await _after(conn) == _DONE
