"""PostgreSQL's statistics follow a table that grows fast: autovacuum looks once a minute, with wrong plans till then.

Without statistics a lookup of five hundred keys reads the whole table, for PostgreSQL reckons with two hundred
different ones in it. SQLite needs none of this: without statistics it goes by its indexes.
"""

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage.engine import is_sqlite, reading, writing
from qos_monitor.storage.schema import metadata

GROWN_ROWS: int = 1_000
"""So many rows changed, and half of the table: then it is looked at. That is twenty times in a table's life."""

LARGE_BYTES: int = 256 * 2**20
"""A larger table is autovacuum's: looking at it may take long, and it doubles in weeks, not in seconds."""

_GROWN = text(
    "SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN :ours"
    " AND n_mod_since_analyze > :rows + n_live_tup / 2 AND pg_relation_size(relid) < :bytes ORDER BY relname"
).bindparams(bindparam("ours", expanding=True))


async def follow(engine: AsyncEngine) -> int:
    """Have the tables analysed that changed by half since they were, if not large; answer how many. SQLite: none."""
    if is_sqlite(engine):
        return 0
    async with reading(engine) as conn:
        limits = {"ours": sorted(metadata.tables), "rows": GROWN_ROWS, "bytes": LARGE_BYTES}
        grown = (await conn.execute(_GROWN, limits)).scalars().all()
    for name in grown:
        async with writing(engine) as conn:
            await conn.execute(text(f"ANALYZE {name}"))
    return len(grown)
