"""Metrics: all declared in one place, closed labels, and what a process counts for itself."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from service_parts import sighting

from qos_monitor.metrics.labels import AGE_BUCKETS_H, CLOSED, CURRENCIES_MAX, OPEN_MAX, PER_METRIC, PROVIDER
from qos_monitor.metrics.metric import Metric
from qos_monitor.reading import Report
from qos_monitor.telemetry import EVERY_METRIC, METRICS, Telemetry

SERIES_MAX = 1000
PEOPLE = {"learner", "learner_id", "class", "class_id", "participant", "room", "url", "error"}
UNITS = {
    "seconds": ("_seconds", "_seconds_total"),
    "learner-seconds": ("_learner_seconds_total",),
    "seconds since 1970": ("_timestamp_seconds",),
    "bytes": ("_bytes",),
    "ratio": ("_ratio",),
    "currency units": ("_money", "_money_total"),
}


def value(counted: Telemetry, name: str, **labels: str) -> float | None:
    return counted.registry.get_sample_value(name, labels)


def test_deliveries_and_observations_are_counted_by_who_delivered_them() -> None:
    counted = Telemetry(["agora"])
    seen = [("agora", sighting(name).observation) for name in ("a", "b")]

    counted.read(Report({("agora", "read"): 2}, {"agora": 1}, seen))

    assert value(counted, "qos_observations_total", provider="agora", kind="joined") == 2
    assert value(counted, "qos_observations_total", provider="agora", kind="left") == 0
    assert value(counted, "qos_events_unknown_total", provider="agora") == 1
    assert value(counted, "qos_deliveries_read_total", provider="agora", result="read") == 2


def test_what_waits_for_the_disk_is_asked_anew_at_each_scrape() -> None:
    counted = Telemetry([])
    waiting = [1, 2, 3]
    counted.queue(lambda: len(waiting), 4096)

    assert value(counted, "qos_intake_queue_rows") == 3
    waiting.clear()
    assert value(counted, "qos_intake_queue_rows") == 0
    assert value(counted, "qos_intake_queue_limit_rows") == 4096


def test_what_there_is_none_of_is_0_and_no_series_tells_when_it_was_made() -> None:
    counted = Telemetry(["agora"])

    assert value(counted, "qos_deliveries_total", provider="agora", result="invalid") == 0
    assert value(counted, "qos_deliveries_refused_total", provider="agora", reason="wrong_signature") == 0
    assert value(counted, "qos_intake_duration_seconds_count", route="webhooks") == 0
    assert "_created" not in generate_latest(counted.registry).decode()


@pytest.mark.parametrize("metric", EVERY_METRIC, ids=lambda metric: metric.name)
def test_a_name_ends_in_its_unit_and_a_counter_in_total(metric: Metric) -> None:
    assert metric.name.startswith("qos_")
    assert metric.meaning
    assert metric.unit
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    endings = tuple(ending for known in UNITS.values() for ending in known)
    wanted = UNITS.get(metric.unit)
    assert metric.name.endswith(wanted) if wanted else not metric.name.endswith(endings)
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("metric", EVERY_METRIC, ids=lambda metric: metric.name)
def test_every_label_is_a_closed_set_or_bounded_and_never_a_person(metric: Metric) -> None:
    for name in metric.labels:
        known = PER_METRIC.get((metric.name, name), CLOSED.get(name, ()))
        assert known or name in {*OPEN_MAX, "currency", "version", "rule_version"}
    assert not PEOPLE & set(metric.labels)
    assert CURRENCIES_MAX < 20


def test_a_name_is_declared_once() -> None:
    assert len({metric.name for metric in EVERY_METRIC}) == len(EVERY_METRIC)
    assert set(METRICS) < set(EVERY_METRIC)
    assert {name for name, _ in PER_METRIC} <= {metric.name for metric in EVERY_METRIC}
    assert PROVIDER in OPEN_MAX


def test_what_one_process_counts_stays_within_the_limit() -> None:
    counted = Telemetry(["agora", "livekit", "beacon", "observations"])

    assert len(lines(counted.registry)) < SERIES_MAX


def lines(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("age_h", "bucket"),
    [
        (0, "under_6h"),
        (5.99, "under_6h"),
        (6, "under_24h"),
        (35.99, "under_36h"),
        (36, "under_44h"),
        (44, "under_48h"),
        (47.99, "under_48h"),
        (48, "over_48h"),
    ],
)
def test_ages_fall_into_buckets_at_their_bounds(age_h: float, bucket: str) -> None:
    assert next(name for name, bound in AGE_BUCKETS_H if age_h < bound) == bucket
