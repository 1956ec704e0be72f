"""Every query of every dashboard, asked as Grafana does: variables filled, a range or one instant."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_lab as lab

DASHBOARDS = Path(__file__).parents[1] / "grafana" / "dashboards"
_STEPS = 300
_STEP_S_MIN = 600
_RATE_INTERVAL = "1h"
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+), *)?(?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a panel as it stands in the dashboard."""

    uid: str
    title: str
    query: str
    is_instant: bool


def dashboards() -> list[dict[str, Any]]:
    """Read them all, by uid."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(DASHBOARDS.glob("*.json"))]


def queries(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """List the queries of one dashboard in the order of its panels."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield Asked(dashboard["uid"], panel["title"], target["expr"], bool(target.get("instant")))


def range_s(dashboard: Mapping[str, Any]) -> int:
    """Read how far back a dashboard looks when it is opened."""
    found = re.fullmatch(r"now-(\d+)([mhd])", dashboard["time"]["from"])
    assert found is not None
    return int(found[1]) * _UNITS[found[2]]


def variables(server: lab.Prometheus, dashboard: Mapping[str, Any], span: tuple[float, float]) -> dict[str, str]:
    """Fill the variables: of a query all its values, as when every one is ticked; of others what is chosen at first."""
    given = {"__range": f"{range_s(dashboard)}s", "__rate_interval": _RATE_INTERVAL, "__interval": f"{_STEP_S_MIN}s"}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]
            asked = _LABEL_VALUES.fullmatch(query["query"] if isinstance(query, dict) else query)
            assert asked is not None, query
            values = server.label_values(asked["label"], filled(asked["selector"], given), *span)
            given[variable["name"]] = f"({'|'.join(map(_escaped, values))})"
        elif variable["type"] != "datasource":
            given[variable["name"]] = str(variable["current"]["value"])
    return given


def filled(query: str, given: Mapping[str, str]) -> str:
    """Put values in place of variables."""
    query = re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", lambda found: given[found[1] or found[2]], query)
    assert "$" not in query, query
    return query


def answer(
    server: lab.Prometheus, asked: Asked, given: Mapping[str, str], span: tuple[float, float]
) -> list[lab.Series]:
    """Ask one query over a span, or at its end."""
    query, (start_s, end_s) = filled(asked.query, given), span
    if asked.is_instant:
        return server.query(query, end_s)
    return server.query_range(query, start_s, end_s, max((end_s - start_s) / _STEPS, _STEP_S_MIN))


def rows(found: Sequence[lab.Series]) -> int:
    """Count the series with at least one number."""
    return sum(any(not math.isnan(value) for _, value in points) for _, points in found)


def table(server: lab.Prometheus, instants_s: Sequence[float]) -> dict[Asked, list[int]]:
    """Ask every query at each of these instants."""
    found: dict[Asked, list[int]] = {}
    for dashboard in dashboards():
        for end_s in instants_s:
            span = (end_s - range_s(dashboard), end_s)
            given = variables(server, dashboard, span)
            for asked in dict.fromkeys(queries(dashboard)):
                found.setdefault(asked, []).append(rows(answer(server, asked, given, span)))
    return found


def _escaped(value: str) -> str:
    """Escape for a regular expression inside a string of PromQL."""
    return re.escape(value).replace("\\-", "-").replace("\\", "\\\\")
