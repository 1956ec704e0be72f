"""Ten days of the simulated school in a real Prometheus: every panel of every dashboard has something to show."""

import asyncio
import json
import math
from pathlib import Path

import prometheus_lab as lab
import recorded_school

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
EMPTY = {
    "Senders not believed, by reason": "every sender of the play signs rightly",
    "Polls, by result": "the play asks no provider for statistics",
    "Told by polls alone": "as above",
    "Looks at status pages": "the play looks at no status page",
    "Told to come later": "nobody asks for more than their budget",
    "Declared incidents": "no status page is looked at, and nobody declares one",
    "Alerts that fire": "the server of this test has no rules",
}
"""Panels that are rightly empty, and why."""
GIVEN = {
    "$__rate_interval": "1h",
    "$__interval": "10m",
    "$__range": "10d",
    "$provider": ".*",
    "$node": ".*",
    "$instance": ".*",
    "$objective": "0.995",
    "$freeze": "0.03",
    "$minimum": "50",
}


def test_every_panel_returns_data_from_ten_days_of_the_school(tmp_path: Path) -> None:
    end_s = recorded_school.ENDS_AT / 1000
    for file in asyncio.run(recorded_school.record(tmp_path)):
        lab.make_blocks(tmp_path, file)
    points: dict[tuple[str, str], int] = {}
    with lab.prometheus(tmp_path, lookback="15m") as server:
        for dashboard, title, query in _targets():
            found = _points(server, query, end_s)
            print(f"{dashboard} | {title} | {query} | {found}")
            points[dashboard, title] = points.get((dashboard, title), 0) + found
    assert {title for (_, title), found in points.items() if not found} <= EMPTY.keys()
    assert points


def _points(server: lab.Prometheus, query: str, end_s: float) -> int:
    found = server.query_range(query, end_s - 10 * 86_400, end_s, 600)
    return sum(not math.isnan(value) for _, points in found for _, value in points)


def _targets() -> list[tuple[str, str, str]]:
    found = []
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"]
                for name, value in GIVEN.items():
                    query = query.replace(name, value)
                found.append((file.stem, panel["title"], query))
    return found
