"""Readiness: the database answers, and judging keeps up."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from service_parts import MONDAY, SetClock, row
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import clock
from qos_monitor.errors import StorageTrouble
from qos_monitor.gauges import Gauges
from qos_monitor.intake import COLUMNS
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries, learners, windows
from qos_monitor.storage.writer import Writer
from qos_monitor.telemetry import Telemetry
from qos_monitor.web.health import LAG_S_MAX, STALE_AFTER_S, Health
from rules.span import SECOND


async def ready(engine: AsyncEngine, **troubles: Callable[[], bool]) -> tuple[int, list[str]]:
    health = Health(Telemetry([]), Gauges(engine, dict), SetClock(), troubles)
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


async def test_a_learner_long_overdue_is_a_lag_too(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        overdue = MONDAY - int((LAG_S_MAX + 0.001) * SECOND)
        await conn.execute(learners.insert(), [row(learners, id="u1", look_again_at=overdue)])
    await due_since(engine, 1)

    assert await ready(engine) == (503, ["judging_lag"])


async def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")

    assert await ready(engine) == (503, ["database"])
    await engine.dispose()


@pytest.mark.parametrize("word", ["stopping", "jobs", "writing"])
async def test_a_trouble_somebody_tells_of_is_not_ready(engine: AsyncEngine, word: str) -> None:
    assert await ready(engine, **{word: lambda: True}) == (503, [word])
    assert await ready(engine, **{word: lambda: False}) == (200, [])


async def test_a_service_that_cannot_write_is_not_ready_until_it_can(embedded: AsyncEngine) -> None:
    writer = Writer(embedded, deliveries, COLUMNS)
    writer.start()
    delivery = ("agora", 7, "e1", 1_000, "{}", b"{}", 0)
    async with storage.writing(embedded) as conn:
        await conn.execute(text("ALTER TABLE deliveries RENAME TO away"))
    with pytest.raises(StorageTrouble):
        await writer.put(delivery)
    async with storage.writing(embedded) as conn:
        await conn.execute(text("ALTER TABLE away RENAME TO deliveries"))

    assert await ready(embedded, writing=writer.has_trouble) == (503, ["writing"])

    await writer.put(delivery)
    assert await ready(embedded, writing=writer.has_trouble) == (200, [])
    await writer.stop()


@pytest.mark.parametrize(("age_s", "status"), [(STALE_AFTER_S, 200), (STALE_AFTER_S + 1, 503)])
async def test_gauges_of_a_database_that_is_silent_are_shown_for_ten_minutes_and_then_the_scrape_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, status: int
) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")
    monkeypatch.setattr(clock, "stopwatch_s", lambda: 1_000.0)
    health = Health(Telemetry([]), Gauges(engine, dict), SetClock(), {})
    monkeypatch.setattr(clock, "stopwatch_s", lambda: 1_000.0 + age_s)

    answers = [await health.metrics(make_mocked_request("GET", f"/metrics{asked}")) for asked in ("?from=database", "")]
    await engine.dispose()

    assert [answer.status for answer in answers] == [status, 200]


async def test_who_asks_first_for_long_waits_for_a_reading_however_little_patience_others_have(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_s = [1_000.0]
    monkeypatch.setattr(clock, "stopwatch_s", lambda: passed_s[0])
    monkeypatch.setattr("qos_monitor.web.health.PATIENCE_S", 0.0)
    health = Health(Telemetry([]), Gauges(engine, dict), SetClock(), {})
    passed_s[0] += STALE_AFTER_S + 1

    answer = await health.metrics(make_mocked_request("GET", "/metrics?from=database"))

    assert answer.status == 200


async def test_many_who_ask_at_once_are_answered_from_one_reading(engine: AsyncEngine) -> None:
    answers = await asyncio.gather(*(ready(engine) for _ in range(5)))

    assert {status for status, _ in answers} == {200}
