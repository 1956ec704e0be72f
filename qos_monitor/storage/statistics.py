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

_GROWN = text(
    "SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN :ours"
    " AND n_mod_since_analyze > :rows + n_live_tup / 2 ORDER BY relname"
).bindparams(bindparam("ours", sorted(metadata.tables), expanding=True), rows=GROWN_ROWS)


async def follow(engine: AsyncEngine) -> int:
    """Have the tables analysed that changed by half since they were; answer how many. SQLite: none."""
    if is_sqlite(engine):
        return 0
    async with reading(engine) as conn:
        grown = (await conn.execute(_GROWN)).scalars().all()
    for name in grown:
        async with writing(engine) as conn:
            await conn.execute(text(f"ANALYZE {name}"))
    return len(grown)
