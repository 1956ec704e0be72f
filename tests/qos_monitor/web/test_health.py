"""Readiness: the database answers, and judging keeps up."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from aiohttp.test_utils import make_mocked_request
from service_parts import MONDAY, SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.gauges import Gauges
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import windows
from qos_monitor.telemetry import Telemetry
from qos_monitor.web.health import LAG_S_MAX, Health
from rules.span import SECOND


async def ready(engine: AsyncEngine, stopping: Callable[[], bool] = lambda: False) -> tuple[int, list[str]]:
    health = Health(Telemetry([]), Gauges(engine, dict), SetClock(), stopping)
    answer = await health.ready(make_mocked_request("GET", "/readyz"))
    assert isinstance(answer.body, bytes)
    return answer.status, json.loads(answer.body)["problems"]


async def due_since(engine: AsyncEngine, seconds: float) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(windows.insert(), [{"window": 1, "due_at": MONDAY - int(seconds * SECOND)}])


async def test_a_database_that_answers_and_no_lag_is_ready(engine: AsyncEngine) -> None:
    await due_since(engine, LAG_S_MAX)

    assert await ready(engine) == (200, [])


async def test_a_lag_beyond_the_limit_is_not_ready(engine: AsyncEngine) -> None:
    await due_since(engine, LAG_S_MAX + 0.001)

    assert await ready(engine) == (503, ["judging_lag"])


async def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")

    assert await ready(engine) == (503, ["database"])
    await engine.dispose()


async def test_a_service_about_to_stop_is_not_ready(engine: AsyncEngine) -> None:
    assert await ready(engine, lambda: True) == (503, ["stopping"])


async def test_many_who_ask_at_once_are_answered_from_one_reading(engine: AsyncEngine) -> None:
    answers = await asyncio.gather(*(ready(engine) for _ in range(5)))

    assert {status for status, _ in answers} == {200}
