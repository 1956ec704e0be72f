"""What a reading gives, and how it is told to Prometheus."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family

from qos_monitor.metrics.metric import Metric
from rules.span import SECOND, Instant

Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """One histogram under one set of labels: how many fell into each bucket, the last without bound, and their sum."""

    counts: Sequence[int]
    total: float


Samples: TypeAlias = dict[Metric, Mapping[Labels, float | Sizes]]


def filled(counted: Mapping[Labels, float], *labels: Iterable[str]) -> dict[Labels, float]:
    """Add a 0 for what there is none of: an alert that waits for a series to appear never sees it rise."""
    zeros = {tuple(map(str, values)): 0.0 for values in product(*labels)}
    return dict(sorted((zeros | dict(counted)).items()))


def alone(value: float) -> Mapping[Labels, float]:
    """Give the one sample of a metric without labels."""
    return {(): float(value)}


def age_s(now: Instant, since: Instant | None) -> float:
    """Tell how long ago that was; 0 for what never was, or is to come."""
    return 0.0 if since is None else max(now - since, 0) / SECOND


def family(metric: Metric, samples: Mapping[Labels, float | Sizes]) -> Family:
    """Write one metric for the library's exposition."""
    if metric.kind == "histogram":
        return _histogram(metric, samples)
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    made = make(metric.name.removesuffix("_total"), metric.meaning, labels=metric.labels)
    for labels, value in samples.items():
        if not isinstance(value, Sizes):
            made.add_metric(labels, value)
    return made


def _histogram(metric: Metric, samples: Mapping[Labels, float | Sizes]) -> Family:
    made = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    bounds = [*(str(float(bound)) for bound in metric.buckets), "+Inf"]
    for labels, sizes in samples.items():
        if isinstance(sizes, Sizes):
            made.add_metric(labels, list(zip(bounds, accumulate(sizes.counts), strict=True)), sizes.total)
    return made
