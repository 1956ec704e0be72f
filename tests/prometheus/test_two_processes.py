"""Two processes on one database, both scraped: what is in the database counts once, what each counted is added up."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import asked_panels
import played_alerts
import prometheus_lab as lab
import pytest
import recorded_past

from qos_monitor.metrics.metric import DATABASE
from qos_monitor.simulation.school import day
from qos_monitor.telemetry import METRICS
from rules.span import HOUR, MINUTE, SECOND

AT_S = day(3, 19 * HOUR + 20 * MINUTE) / SECOND
SPAN = (AT_S - 2 * HOUR / SECOND, AT_S)
IN_DATABASE = {name for metric in METRICS if metric.kept == DATABASE for name in metric.series_names}
ONE, OTHER = 'instance="qos-monitor"', 'instance="qos-monitor-2"'


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[lab.Prometheus, lab.Prometheus]]:
    """One day of the school's outage as told by one process, and as told by two."""
    recorded = (recorded_past.recorded(tmp_path_factory) / "day-+3.txt").read_text(encoding="utf-8").splitlines()[:-1]
    again = [line.replace(ONE, OTHER) for line in recorded if ONE in line]
    with ExitStack() as servers:
        one, two = (
            servers.enter_context(recorded_past.server(past(tmp_path_factory.mktemp("processes"), lines)))
            for lines in (recorded, [*recorded, *again])
        )
        yield one, two


def past(folder: Path, lines: Sequence[str]) -> Path:
    text = folder / "day.txt"
    text.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    lab.make_blocks(folder, text)
    return folder


def is_of_the_database(query: str) -> bool:
    names = set(re.findall(r"(?<![\w:])qos_\w+(?![\w:])", query))
    return bool(names) and names <= IN_DATABASE and not re.search(r"\w:qos_", query)


def told(series: Sequence[lab.Series]) -> dict[frozenset[tuple[str, str]], list[tuple[float, float]]]:
    return {
        frozenset(labels.items()): [(at, round(value, 6)) for at, value in points if not math.isnan(value)]
        for labels, points in series
    }


def test_no_panel_counts_twice_what_is_in_the_database(both: tuple[lab.Prometheus, lab.Prometheus]) -> None:
    asked = 0
    for dashboard in asked_panels.dashboards():
        given = asked_panels.variables(both[0], dashboard, SPAN)
        for panel in filter(lambda one: is_of_the_database(one.query), asked_panels.queries(dashboard)):
            one, two = (told(asked_panels.answer(server, panel, given, SPAN)) for server in both)
            assert one == two, panel
            asked += 1
    assert asked > 50


def test_no_rule_counts_twice_what_is_in_the_database(both: tuple[lab.Prometheus, lab.Prometheus]) -> None:
    every = [*played_alerts.rules("recording.yml"), *played_alerts.rules("alerts.yml")]
    mine = [rule["expr"] for rule in every if is_of_the_database(rule["expr"])]

    for query in mine:
        one, two = (told(server.query_range(query, *SPAN, 60)) for server in both)
        assert one == two, query
    assert len(mine) > 15


def test_what_each_process_counted_is_added_up(both: tuple[lab.Prometheus, lab.Prometheus]) -> None:
    query = 'sum(rate(qos_deliveries_total{result="accepted"}[1h]))'
    (_, [(_, one)]), (_, [(_, two)]) = (server.query(query, AT_S)[0] for server in both)

    assert two == pytest.approx(2 * one)
    assert one > 0
