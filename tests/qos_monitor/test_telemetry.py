"""Metrics: all declared in one place, closed labels, and what is counted."""

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from service_parts import MONDAY, row, sighting
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import telemetry
from qos_monitor.gauges import Gauges
from qos_monitor.reading import Report
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import cases, claims, classes, deliveries, outages, verdicts, windows
from qos_monitor.telemetry import METRICS, Telemetry
from rules.span import HOUR, MINUTE, SECOND

SERIES_MAX = 1000


def value(counted: Telemetry, name: str, **labels: str) -> float | None:
    return counted.registry.get_sample_value(name, labels)


def report(*sightings: object) -> Report:
    seen = [("agora", one.observation) for one in sightings]  # type: ignore[attr-defined]  # a Sighting
    return Report({("agora", "read"): len(seen)}, {"agora": 1}, seen)


def test_what_was_seen_is_counted_by_kind_fault_and_medium() -> None:
    counted = Telemetry(["agora"])

    counted.read(
        report(
            sighting("a", "attempted", session=None),
            sighting("b", "join_failed", session=None, fault="platform"),
            sighting(
                "c",
                "quality",
                session=None,
                until=MONDAY + 10 * SECOND,
                metrics={"audio_frozen": 0.25, "av_offset_ms": -185.0},
            ),
        )
    )

    assert value(counted, "qos_observations_total", provider="agora", kind="quality") == 1
    assert value(counted, "qos_join_attempts_total", provider="agora") == 1
    assert value(counted, "qos_join_failures_total", provider="agora", fault="platform") == 1
    assert value(counted, "qos_join_failures_total", provider="agora", fault="learner") == 0
    assert value(counted, "qos_frozen_seconds_total", medium="audio") == 2.5
    assert value(counted, "qos_watched_seconds_total", medium="audio") == 10
    assert value(counted, "qos_watched_seconds_total", medium="video") == 0
    assert value(counted, "qos_av_offset_milliseconds_bucket", le="-185.0") == 1
    assert value(counted, "qos_av_offset_milliseconds_bucket", le="-500.0") == 0
    assert value(counted, "qos_events_unknown_total", provider="agora") == 1
    assert value(counted, "qos_deliveries_read_total", provider="agora", result="read") == 3


async def test_every_metric_that_is_served_is_declared_and_the_other_way_round(engine: AsyncEngine) -> None:
    counted = Telemetry(["agora"])
    counted.built("1", "2")
    counted.refused("agora", "wrong_signature")
    counted.page_looked_at("agora", "changed")
    gauges = Gauges(engine, lambda: {"agora": MONDAY}, ["agora"])
    counted.registry.register(gauges)
    await gauges.refresh(MONDAY)

    families = text_string_to_metric_families(generate_latest(counted.registry).decode())
    served = {sample.name for family in families for sample in family.samples if sample.name.startswith("qos_")}

    plain = {name.removesuffix("_bucket") for name in served}
    declared = {metric.name for metric in METRICS}
    assert {name for name in plain if not name.endswith(("_count", "_sum"))} - {
        name.removesuffix("_total") for name in declared
    } <= declared
    assert declared - served - {"qos_av_offset_milliseconds"} == {"qos_projected_liability_minor"}


async def test_what_there_is_none_of_is_0_and_no_series_tells_when_it_was_made(engine: AsyncEngine) -> None:
    counted = Telemetry(["agora"])
    gauges = Gauges(engine, dict)
    counted.registry.register(gauges)
    await gauges.refresh(MONDAY)

    assert value(counted, "qos_cases", kind="review", state="held") == 0
    assert value(counted, "qos_claims", kind="withdrawal", state="ready") == 0
    assert value(counted, "qos_verdicts", verdict="UNKNOWN", firm="no") == 0
    assert value(counted, "qos_deliveries_total", provider="agora", result="invalid") == 0
    assert "_created" not in generate_latest(counted.registry).decode()


def test_names_are_in_base_units_and_labels_are_never_a_person() -> None:
    people = {"learner", "learner_id", "class", "class_id", "participant", "room", "url", "error"}

    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("qos_")
        assert metric.meaning
        assert not people & set(metric.labels)
        assert metric.name.endswith("_total") == (metric.kind == "counter")


def test_series_stay_within_the_limit() -> None:
    counted = Telemetry(["agora", "livekit", "beacon", "observations"])

    lines = [line for line in generate_latest(counted.registry).decode().splitlines() if not line.startswith("#")]

    assert len(lines) < SERIES_MAX


async def fill(engine: AsyncEngine) -> None:
    """Put one of everything into the database, as of Monday 19:00."""
    shares = canonical({"shares_ms": {"lost_platform": 30 * MINUTE, "lost_unknown": 15 * MINUTE}})
    in_outages = [
        ("u1", MONDAY - 47 * HOUR, 100, "not_yet"),
        ("u1", MONDAY - HOUR, 10, "not_yet"),
        ("u2", MONDAY - 48 * HOUR, 1, "not_yet"),
        ("u3", MONDAY, 5, "clear"),
    ]
    judged = [("u1", True, "UNABLE_PLATFORM", shares), ("u2", True, "ATTENDED", "{}"), ("u3", False, "NO_SHOW", "{}")]
    async with storage.writing(engine) as conn:
        await conn.execute(deliveries.insert(), [row(deliveries)])
        await conn.execute(windows.insert(), [{"window": 1, "due_at": MONDAY - 7 * SECOND}])
        await conn.execute(classes.insert(), [row(classes, id="c1", starts_at=MONDAY, ends_at=MONDAY + 60 * MINUTE)])
        await conn.execute(cases.insert(), [row(cases, kind="refund", state="filed")])
        await conn.execute(
            outages.insert(),
            [
                row(
                    outages,
                    learner_id=who,
                    starts_at=at,
                    projected_minor=minor,
                    answer=answer,
                    projected_currency="CNY",
                )
                for who, at, minor, answer in in_outages
            ],
        )
        await conn.execute(
            verdicts.insert(),
            [
                row(verdicts, learner_id=who, class_id="c1", firm=firm, verdict=kind, body=body, current=True)
                for who, firm, kind, body in judged
            ],
        )
        await conn.execute(
            claims.insert(),
            [
                row(claims, claim_key="k1", kind="refund", state="ready", created_at=MONDAY - 30 * SECOND),
                row(claims, claim_key="k2", kind="refund", state="paid"),
            ],
        )


async def test_gauges_tell_what_is_true_in_the_database(engine: AsyncEngine) -> None:
    await fill(engine)
    counted = Telemetry(["agora"])
    gauges = Gauges(engine, lambda: {"agora": MONDAY - 9 * SECOND})
    counted.registry.register(gauges)

    await gauges.refresh(MONDAY)

    assert value(counted, "qos_feed_silence_seconds", provider="agora") == 9
    assert value(counted, "qos_judging_lag_seconds") == 7
    assert gauges.lag_s() == 7
    assert value(counted, "qos_deliveries_waiting") == 1
    assert value(counted, "qos_outbox_claims") == 1
    assert value(counted, "qos_outbox_oldest_seconds") == 30
    assert value(counted, "qos_learners_in_open_outage", age="under_48h") == 1
    assert value(counted, "qos_learners_in_open_outage", age="over_48h") == 1
    assert value(counted, "qos_learners_in_open_outage", age="under_6h") == 0
    assert value(counted, "qos_projected_liability_minor", currency="CNY") == 111
    assert value(counted, "qos_verdicts", verdict="UNABLE_PLATFORM", firm="yes") == 1
    assert value(counted, "qos_verdicts", verdict="NO_SHOW", firm="no") == 1
    assert value(counted, "qos_cases", kind="refund", state="filed") == 1
    assert value(counted, "qos_claims", kind="refund", state="paid") == 1
    assert value(counted, "qos_learner_minutes_owed") == 120
    assert value(counted, "qos_learner_minutes_delivered") == 75


async def test_two_scrapes_in_a_moment_read_the_database_once(engine: AsyncEngine) -> None:
    gauges = Gauges(engine, dict)
    await gauges.refresh(MONDAY)
    await fill(engine)

    await gauges.refresh(MONDAY)

    assert gauges.lag_s() == 0


@pytest.mark.parametrize(
    ("age_h", "bucket"), [(0, "under_6h"), (5.99, "under_6h"), (6, "under_24h"), (47.99, "under_48h"), (48, "over_48h")]
)
def test_ages_fall_into_buckets_at_their_bounds(age_h: float, bucket: str) -> None:
    assert next(name for name, bound in telemetry.AGE_BUCKETS_H if age_h < bound) == bucket
