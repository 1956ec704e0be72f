"""Deliveries in which people stand, and where in the database a text stands, for the tests of forgetting."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from claim_parts import FILED
from service_parts import SpokenCollector, row, sighting
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery, Reading
from qos_monitor import reading
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import WAITING, deliveries, metadata


@dataclass
class Lists:
    """A collector whose deliveries list several sightings, each as SpokenCollector words one."""

    spoken: SpokenCollector

    provider: str = "agora"
    kept_headers: frozenset[str] = frozenset()

    def read(self, delivery: Delivery) -> Reading:
        """See each of them."""
        return Reading(tuple(sighting(**one) for one in json.loads(delivery.body)))

    def __getattr__(self, name: str) -> object:
        return getattr(self.spoken, name)


async def take(engine: AsyncEngine, provider: str, *bodies: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Let deliveries come from one provider."""
    async with storage.writing(engine) as conn:
        same = {"provider": provider, "received_at": FILED, "headers": json.dumps(headers or {}), "state": WAITING}
        rows = [row(deliveries, event_id=sha256(body).hexdigest(), body=body, **same) for body in bodies]
        await conn.execute(deliveries.insert(), rows)


async def read(engine: AsyncEngine) -> None:
    """Read all that waits."""
    collectors = {"agora": Lists(SpokenCollector())}
    while await reading.read_waiting(engine, collectors, FILED):  # type: ignore[arg-type]  # it passes on the rest
        pass


async def everything(engine: AsyncEngine) -> dict[str, str]:
    """Write every row of every table."""
    async with storage.reading(engine) as conn:
        return {
            name: "\n".join(str(tuple(one)) for one in (await conn.execute(select(table))).all())
            for name, table in metadata.tables.items()
        }


async def places(engine: AsyncEngine, *names: str) -> set[str]:
    """Name the tables in which one of these texts stands."""
    return {table for table, rows in (await everything(engine)).items() if any(name in rows for name in names)}
