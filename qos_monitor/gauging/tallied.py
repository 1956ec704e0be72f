"""Reads the tallies back as counters and histograms, with zeros where nothing was counted yet."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.gauging.samples import Labels, Samples, Sizes
from qos_monitor.metrics import tallied
from qos_monitor.metrics.labels import CLOSED, OPEN_MAX, PER_METRIC, PROVIDER
from qos_monitor.metrics.metric import Metric
from qos_monitor.metrics.standing import VERDICTS_NOW
from qos_monitor.storage.tables import tallies
from qos_monitor.tallying import SUM, Vocabulary, words_of

Rows = Mapping[str, Mapping[Labels, int]]

METRICS: tuple[Metric, ...] = (
    *(metric for metric in tallied.METRICS if metric not in (tallied.FILED, tallied.FILED_MONEY)),
    VERDICTS_NOW,
)
"""Those that have tallies; the others of the catalogue are read from what they count."""


async def read(conn: AsyncConnection, words: Vocabulary) -> Samples:
    """Read every tally whose labels have room."""
    rows: dict[str, dict[Labels, int]] = {}
    for row in await conn.execute(select(tallies)):
        rows.setdefault(row.name, {})[tuple(json.loads(row.labels))] = row.value
    return {
        metric: _sizes(metric, rows, words) if metric.buckets else _counts(metric, rows, words) for metric in METRICS
    }


def _counts(metric: Metric, rows: Rows, words: Vocabulary) -> dict[Labels, float]:
    known = {
        labels: count for labels, count in rows.get(metric.name, {}).items() if words.knows(words_of(metric, labels))
    }
    wanted = _wanted(metric, known, words)
    return {labels: known.get(labels, 0) / metric.parts for labels in sorted(wanted | known.keys())}


def _sizes(metric: Metric, rows: Rows, words: Vocabulary) -> dict[Labels, float | Sizes]:
    buckets = rows.get(metric.name, {})
    sums = rows.get(metric.name + SUM, {})
    known = [labels for labels in sums if words.knows(words_of(metric, labels))]
    places = range(len(metric.buckets) + 1)
    return {
        labels: Sizes([buckets.get((*labels, str(place)), 0) for place in places], sums.get(labels, 0) / metric.parts)
        for labels in sorted(_wanted(metric, known, words) | set(known))
    }


def _wanted(metric: Metric, known: Iterable[Labels], words: Vocabulary) -> set[Labels]:
    """Give every set of labels that is to be told even at 0: the open labels as known, the closed ones in full."""
    open_places = [place for place, name in enumerate(metric.labels) if name in OPEN_MAX]
    opened = {tuple(labels[place] for place in open_places) for labels in known}
    if [metric.labels[place] for place in open_places] == [PROVIDER]:
        opened |= {(provider,) for provider in words.values(PROVIDER)}
    if not open_places:
        opened.add(())
    return {labels for some in opened for labels in product(*_choices(metric, open_places, some))}


def _choices(metric: Metric, open_places: Sequence[int], opened: Sequence[str]) -> list[tuple[str, ...]]:
    given = dict(zip(open_places, opened, strict=True))
    return [
        (given[place],) if place in given else PER_METRIC.get((metric.name, name), CLOSED.get(name, ()))
        for place, name in enumerate(metric.labels)
    ]
