"""What is read from the database for a scrape: outages, money, claims, and what keeps up or does not."""

import asyncio
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from service_parts import MONDAY, row
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import clock
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.gauges import Gauges, Watched
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import cases, claims, deliveries, outages, windows
from qos_monitor.web.health import STALE_AFTER_S
from rules.span import HOUR, SECOND


async def read(engine: AsyncEngine, watched: Watched | None = None, heard_at: int = MONDAY) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges = Gauges(engine, lambda: {"agora": heard_at}, watched)
    registry.register(gauges)
    await gauges.refresh(MONDAY)
    return registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


async def fill(engine: AsyncEngine) -> None:
    """Put one of everything into the database, as of Monday 19:00 in Shanghai."""
    in_outages = [
        ("u1", MONDAY - 47 * HOUR, 100_00, "not_yet", "CNY"),
        ("u1", MONDAY - HOUR, 10_00, "not_yet", "CNY"),
        ("u2", MONDAY - 36 * HOUR, 1_00, "not_yet", "CNY"),
        ("u3", MONDAY, 5_00, "clear", "CNY"),
        ("u4", MONDAY - HOUR, 700, "review", "JPY"),
    ]
    outage_rows = [
        row(outages, learner_id=who, starts_at=at, projected_minor=minor, answer=answer, projected_currency=code)
        for who, at, minor, answer, code in in_outages
    ]
    in_cases = [("k1", "filed", "2026-11-01"), ("k2", "held", "2026-11-03"), ("k3", "filed", "2026-11-04")]
    case_rows = [
        row(cases, case_key=key, kind="refund", state=state, due_limit=limit) for key, state, limit in in_cases
    ]
    case_rows.append(row(cases, case_key="k4", kind="refund", state="paid", due_limit="2026-10-01"))
    money = {"amount_minor": 2_50, "currency": "CNY", "kind": "refund"}
    claim_rows = [
        row(claims, claim_key="k1", state="ready", created_at=MONDAY - 30 * SECOND, ready_at=MONDAY, **money),
        row(claims, claim_key="k2", state="paid", ready_at=MONDAY, **money),
        row(claims, claim_key="k3", state="waiting", ready_at=None, **money),
        row(claims, claim_key="k4", state="accepted", ready_at=MONDAY, **{**money, "kind": "review"}),
    ]
    async with storage.writing(engine) as conn:
        await conn.execute(deliveries.insert(), [row(deliveries)])
        await conn.execute(windows.insert(), [{"window": 1, "due_at": MONDAY - 7 * SECOND}])
        await conn.execute(outages.insert(), outage_rows)
        await conn.execute(cases.insert(), case_rows)
        for one in claim_rows:
            await conn.execute(claims.insert(), [one])


async def test_the_pulse_tells_what_waits_and_for_how_long(engine: AsyncEngine) -> None:
    await fill(engine)

    told = await read(engine, heard_at=MONDAY - 9 * SECOND)

    assert value(told, "qos_judging_lag_seconds") == 7
    assert value(told, "qos_deliveries_waiting") == 1
    assert value(told, "qos_outbox_claims") == 1
    assert value(told, "qos_outbox_oldest_seconds") == 30
    assert value(told, "qos_feed_silence_seconds", provider="agora") == 9


async def test_a_learner_counts_by_the_oldest_open_outage_and_money_by_each(engine: AsyncEngine) -> None:
    await fill(engine)

    told = await read(engine)

    assert value(told, "qos_learners_in_open_outage", age="under_48h") == 1
    assert value(told, "qos_learners_in_open_outage", age="under_44h") == 1
    assert value(told, "qos_learners_in_open_outage", age="under_6h") == 0
    assert value(told, "qos_open_outage_money", age="under_48h", currency="CNY") == 100
    assert value(told, "qos_open_outage_money", age="under_6h", currency="CNY") == 10
    assert value(told, "qos_open_outage_money", age="over_48h", currency="CNY") == 0


async def test_liability_grows_with_the_outages_that_come_of_age(engine: AsyncEngine) -> None:
    await fill(engine)

    told = await read(engine)

    by_hour = [value(told, "qos_liability_money", ahead=ahead, currency="CNY") for ahead in ("0h", "6h", "12h", "24h")]
    assert by_hour == [0, 100, 101, 101]
    assert value(told, "qos_liability_money", ahead="0h", currency="JPY") == 700


async def test_open_cases_count_by_how_near_their_limit_day_is(engine: AsyncEngine) -> None:
    await fill(engine)

    told = await read(engine)

    assert value(told, "qos_cases", kind="refund", state="filed") == 2
    assert value(told, "qos_cases", kind="review", state="held") == 0
    assert value(told, "qos_cases_due", kind="refund", due="overdue") == 1
    assert value(told, "qos_cases_due", kind="refund", due="soon") == 1
    assert value(told, "qos_cases_due", kind="refund", due="later") == 1


async def test_what_was_filed_is_counted_once_and_reviews_cost_nothing(engine: AsyncEngine) -> None:
    await fill(engine)

    told = await read(engine)

    assert value(told, "qos_claims", kind="refund", state="paid") == 1
    assert value(told, "qos_claims_filed_total", kind="refund") == 2
    assert value(told, "qos_claims_filed_total", kind="review") == 1
    assert value(told, "qos_filed_money_total", kind="refund", currency="CNY") == 5
    assert value(told, "qos_filed_money_total", kind="review", currency="CNY") == 0


async def test_money_is_told_as_none_filed_before_the_first_claim_of_an_open_outage(engine: AsyncEngine) -> None:
    at_stake = {"answer": "not_yet", "projected_minor": 5_00, "projected_currency": "EUR"}
    async with storage.writing(engine) as conn:
        await conn.execute(outages.insert(), [row(outages, learner_id="u1", starts_at=MONDAY - HOUR, **at_stake)])

    registry = await read(engine)

    assert value(registry, "qos_filed_money_total", kind="refund", currency="EUR") == 0


async def test_the_breaker_is_open_where_one_claim_more_would_wait(engine: AsyncEngine) -> None:
    await fill(engine)

    calm = await read(engine)
    full = await read(engine, Watched(breaker=BreakerLimits(claims_min=3)))
    dear = await read(engine, Watched(breaker=BreakerLimits(sum_minor={"CNY": 5_00})))

    assert value(calm, "qos_breaker_open") == 0
    assert value(full, "qos_breaker_open") == 1
    assert value(dear, "qos_breaker_open") == 1


async def test_the_calendar_is_known_to_the_end_of_the_last_year_published(engine: AsyncEngine) -> None:
    told = await read(engine)

    until = value(told, "qos_calendar_published_until_timestamp_seconds")
    assert until == datetime(2026, 12, 31, 16, tzinfo=UTC).timestamp()


async def test_the_database_may_grow_as_far_as_its_disk_or_the_operator_lets_it(embedded: AsyncEngine) -> None:
    free, bound = await read(embedded), await read(embedded, Watched(bytes_max=1_000_000))

    size = value(free, "qos_database_size_bytes")
    assert size is not None
    assert size > 100_000
    limit = value(free, "qos_database_limit_bytes")
    assert limit is not None
    assert limit > size
    assert value(bound, "qos_database_limit_bytes") == 1_000_000


async def test_two_scrapes_in_a_moment_read_the_database_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qos_monitor.gauges._REST_S", 3600.0)  # a moment, however busy the machine is
    gauges = Gauges(engine, dict)
    await gauges.refresh(MONDAY)
    await fill(engine)

    await gauges.refresh(MONDAY)

    assert gauges.lag_s() == 0


async def test_a_scrape_does_not_wait_for_a_long_reading_but_gets_the_last_one(engine: AsyncEngine) -> None:
    gauges = Gauges(engine, dict)
    registry = CollectorRegistry()
    registry.register(gauges)

    await gauges.refresh(MONDAY, patience_s=0)

    assert value(registry, "qos_judging_lag_seconds") == 0
    assert value(registry, "qos_breaker_open") is None
    await gauges.refresh(MONDAY)
    assert value(registry, "qos_breaker_open") == 0
    await gauges.stop()


async def test_a_reading_that_fails_when_nobody_waits_any_more_is_told_in_the_log_once(
    embedded: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with storage.writing(embedded) as conn:
        await conn.execute(text("DROP TABLE tallies"))
    gauges = Gauges(embedded, dict)

    await asyncio.gather(*(gauges.refresh(MONDAY, patience_s=0) for _ in range(3)))
    for _ in range(1_000):
        if caplog.records:
            break
        await asyncio.sleep(0.01)

    assert [record.message for record in caplog.records] == ["database_silent"]


async def test_however_slow_a_reading_was_what_is_shown_is_not_left_to_grow_old(
    embedded: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_s = [1_000.0]
    monkeypatch.setattr(clock, "stopwatch_s", lambda: passed_s[0])
    gauges = Gauges(embedded, dict)

    def pass_slowly(*_: object) -> None:
        passed_s[0] += 5

    event.listen(embedded.sync_engine, "before_cursor_execute", pass_slowly)
    await gauges.refresh(MONDAY)
    event.remove(embedded.sync_engine, "before_cursor_execute", pass_slowly)
    passed_s[0] += STALE_AFTER_S / 2
    await gauges.refresh(MONDAY + int((passed_s[0] - 1_000) * SECOND))

    assert passed_s[0] > 1_000 + STALE_AFTER_S / 2 + 100
    assert gauges.age_s() == 0


async def test_a_clock_that_was_set_forward_ends_the_rest_between_two_readings(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qos_monitor.gauges._REST_S", 3600.0)
    gauges = Gauges(engine, dict)
    await gauges.refresh(MONDAY)
    await fill(engine)

    await gauges.refresh(MONDAY + 600 * SECOND)

    assert gauges.lag_s() == 607
