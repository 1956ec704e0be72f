"""The database of a service that runs as a process of its own, looked at from outside."""

from dataclasses import dataclass

from sqlalchemy import text

from qos_monitor.storage import engine as storage


@dataclass(frozen=True)
class Database:
    """Where it is, as settings say it."""

    url: str

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Read what a statement selects."""
        engine = storage.create(self.url)
        try:
            async with storage.reading(engine) as conn:
                return [tuple(row) for row in await conn.execute(text(statement))]
        finally:
            await engine.dispose()
