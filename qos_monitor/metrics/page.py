"""Writes docs/metrics.md: ``python -m qos_monitor.metrics.page > docs/metrics.md``."""

from collections.abc import Iterable, Iterator

from qos_monitor.metrics import labels
from qos_monitor.metrics.metric import DATABASE, PROCESS, SIMULATION, Metric
from qos_monitor.telemetry import EVERY_METRIC

_HEAD = """\
# Metrics

Every metric of `GET /metrics`. The page is written from the code (`python -m qos_monitor.metrics.page`), and a test
holds them together. Names end in their unit (seconds, bytes, ratio; money is in units of its currency, such as yuan)
and counters in `_total`. Labels are closed sets: never a learner, a room or an error's text.

Where several processes run against one database, every process answers for itself what it counted, and all answer alike
what is in the database. So that nothing is counted twice, scrape each process with `/metrics?from=process`, and one of
them (or the address in front of them) with `/metrics?from=database`; a single process needs neither. With
`serve --workers N` each process has a port of its own for that, from `QOS_METRICS_PORT` on (docs/operations.md).
What is in the database outlives restarts: its counters never begin anew.
"""

_SECTIONS = {
    PROCESS: (
        "Counted by each process",
        "`from=process`; beside these, the process's own: `process_*`, `python_gc_*` and `python_info`.",
    ),
    DATABASE: ("Kept in the database", "`from=database`; alike in every process."),
    SIMULATION: (
        "Told by the simulated school",
        "At `/metrics` of the demo's refund system: `qos-monitor demo` knows what its plan owes.",
    ),
}


def text() -> str:
    """Write the whole page."""
    return "\n".join([*_lines()]) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for kept, (title, words) in _SECTIONS.items():
        yield from (f"## {title}", "", words, "", "| name | type | unit | labels | meaning |", "|---|---|---|---|---|")
        yield from (_row(metric) for metric in EVERY_METRIC if metric.kept == kept)
        yield ""
    yield from _values()


def _row(metric: Metric) -> str:
    names = ", ".join(metric.labels) or "–"
    bounds = f" (le {', '.join(f'{bound:g}' for bound in metric.buckets)})" if metric.buckets else ""
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {names} | {metric.meaning}{bounds} |"


def _values() -> Iterator[str]:
    yield from ("## The values of labels", "", "| label | of | values |", "|---|---|---|")
    for name, values in sorted(labels.CLOSED.items()):
        yield f"| {name} | every metric | {_listed(values)} |"
    for (metric, name), values in labels.PER_METRIC.items():
        yield f"| {name} | `{metric}` | {_listed(values)} |"
    for name, most in labels.OPEN_MAX.items():
        yield f"| {name} | every metric kept in the database | {most} at most, first come, then `other` |"
    yield "| provider | every metric of a process | those configured |"
    yield f"| currency | money | codes of ISO 4217 in use, {labels.CURRENCIES_MAX} at most, the first by name |"
    yield from ("", _OPEN)


_OPEN = """\
The values the world names (nodes, releases, networks, providers) are kept in the database, so that they are
the same after a restart and in every process. What finds no room is counted under `other`, and in
`qos_labels_folded_total`; a value unused for 28 days makes room for a new one. `none` is what nobody told: a learner
who never got in used no node."""


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


if __name__ == "__main__":
    print(text(), end="")
