"""What a large school costs at a scrape: the number of series does not grow with it, and learners now are found."""

from big_school import NODES, NOW, PROVIDERS, BigSchool
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.gauges import Gauges
from qos_monitor.gauging import live
from qos_monitor.storage import engine as storage
from qos_monitor.telemetry import Telemetry
from rules import policy as policies

SERIES_MAX = 5_000


async def scraped(engine: AsyncEngine) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges = Gauges(engine, lambda: dict.fromkeys(PROVIDERS, NOW))
    registry.register(gauges)
    await gauges.refresh(NOW)
    return registry


def series(*registries: CollectorRegistry) -> int:
    exposed = b"".join(generate_latest(registry) for registry in registries).decode()
    return sum(not line.startswith("#") for line in exposed.splitlines())


async def test_three_providers_and_twenty_nodes_stay_within_the_limit_of_series(engine: AsyncEngine) -> None:
    await BigSchool(learners=2_000, in_class=400).fill(engine)
    counted = Telemetry([*PROVIDERS, "beacon", "observations"])

    assert 1_500 < series(await scraped(engine), counted.registry) < SERIES_MAX


async def test_learners_of_the_classes_that_run_are_in_struggling_or_shut_out(engine: AsyncEngine) -> None:
    await BigSchool(learners=500, in_class=400).fill(engine)

    told = await scraped(engine)

    def now(state: str) -> float:
        found = [
            told.get_sample_value("qos_learners_now", {"provider": provider, "node": node, "state": state})
            for provider in PROVIDERS
            for node in (*NODES, "none")
        ]
        return sum(value for value in found if value is not None)

    out = sum(n % 10 == 0 for n in range(400))
    struggling = sum(n % 7 == 0 and n % 10 != 0 for n in range(400))
    assert (now("shut_out"), now("struggling"), now("in")) == (out, struggling, 400 - out - struggling)
    assert now("absent") == 0


async def test_no_reading_looks_at_every_verdict_or_every_learner(embedded: AsyncEngine) -> None:
    await BigSchool(learners=500, in_class=100).fill(embedded)
    asked: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    event.listen(embedded.sync_engine, "before_cursor_execute", listen)
    await scraped(embedded)

    assert asked
    whole = [statement for statement in asked if "FROM verdicts" in statement or "FROM enrolments" in statement]
    assert [statement for statement in whole if "LIMIT" not in statement] == []


async def test_learners_now_are_found_by_the_classes_that_run(embedded: AsyncEngine) -> None:
    statement = live.statement("sqlite", policies.default(), NOW)
    compiled = statement.compile(embedded.sync_engine, compile_kwargs={"literal_binds": True})
    async with storage.reading(embedded) as conn:
        plan = [row[3] for row in await conn.execute(text(f"EXPLAIN QUERY PLAN {compiled}".replace(":", "\\:")))]

    assert any("ix_classes_running" in step for step in plan)
    assert not any(step.startswith(f"SCAN {table}") for step in plan for table in ("observations", "class_learners"))
