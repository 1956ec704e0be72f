"""A database from before the table of spans gets it filled from what was told."""

from alembic import command
from service_parts import row
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import feed_spans, observations

_LATER = {"named", "unmapped"}  # columns that 0002 does not have


async def test_what_feeds_said_before_there_were_spans_is_united_by_the_migration(engine: AsyncEngine) -> None:
    told = [
        ("agora", 30, 40),
        ("agora", 0, 10),
        ("agora", 10, 20),
        ("agora", 2, 5),
        ("agora", 41, 50),
        ("agora", 35, 41),
        ("app", 5, 6),
        ("app", 5, 9),
        ("app", 12, 13),
        ("app", 12, 13),
    ]
    rows = [
        row(observations, source=source, id=f"f{number}", kind="feed_alive", at=at, until=until)
        for number, (source, at, until) in enumerate(told)
    ]
    rows.append(row(observations, source="app", id="q", kind="quality", at=0, until=100))
    async with storage.writing(engine) as conn:
        await conn.run_sync(lambda sync: command.downgrade(storage.migrations(connection=sync), "0002"))
        columns = {column.name: column for column in observations.columns if column.name not in _LATER}
        for one in rows:
            given = {name: value for name, value in one.items() if name in columns} | {"thread_order": 0}
            await conn.execute(insert(observations).values(given))

    await storage.migrate(engine)

    async with storage.reading(engine) as conn:
        found = [
            tuple(one) for one in await conn.execute(select(feed_spans).order_by(feed_spans.c.source, "starts_at"))
        ]
    assert found == [("agora", 0, 20), ("agora", 30, 50), ("app", 5, 9), ("app", 12, 13)]
