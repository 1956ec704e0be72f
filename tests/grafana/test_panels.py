"""What an engineer who runs Grafana looks for in a dashboard's JSON, held for all four."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("grafana/dashboards/*.json")
}
UIDS = ("qos-live", "qos-outages", "qos-stability", "qos-monitor")
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "rules" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
QOS = "https://qos.school.example"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
UNITS = {"locale", "none", "percentunit", "s", "bytes", "ops", "reqps"}
LONG_ENOUGH = {"1d", "7d", "28d", "90d"}
"""Windows that a panel's title or description names; all others are Grafana's to choose."""
VAGUE = re.compile(r"no data|n/a|not scraped$", re.IGNORECASE)
BUILT_IN = {"__range", "__rate_interval"}

each = pytest.mark.parametrize("uid", UIDS)

Json = Mapping[str, Any]


def panels(uid: str) -> list[Json]:
    """The panels of a dashboard without its rows."""
    return [panel for panel in DASHBOARDS[uid]["panels"] if panel["type"] != "row"]


def asked(uid: str) -> Iterator[tuple[Json, str]]:
    """Every panel with each of its queries."""
    for panel in panels(uid):
        for target in panel["targets"]:
            yield panel, target["expr"]


def test_there_are_these_four_dashboards() -> None:
    assert {uid: made["uid"] for uid, made in DASHBOARDS.items()} == {uid: uid for uid in UIDS}


@each
def test_a_dashboard_has_its_head(uid: str) -> None:
    made = DASHBOARDS[uid]

    assert made["schemaVersion"] == 42
    assert made["timezone"] == "browser"
    assert made["graphTooltip"] == 1
    assert re.fullmatch(r"\d+[sm]", made["refresh"])
    assert made["time"]["to"] == "now"
    assert made["description"]
    assert "id" not in made, "an id belongs to one Grafana"


@each
def test_panels_lie_inside_the_grid_and_none_upon_another(uid: str) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[uid]["panels"]:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert all(x < COLUMNS for x, _ in covered), panel["title"]
        assert not covered & cells, panel["title"]
        cells |= covered

    assert len(cells) == COLUMNS * (1 + max(y for _, y in cells)), "a gap in the grid"


@each
def test_panels_are_numbered_once_and_stand_in_the_order_of_their_places(uid: str) -> None:
    placed = [(panel["gridPos"]["y"], panel["gridPos"]["x"], panel["id"]) for panel in DASHBOARDS[uid]["panels"]]

    assert all(above < below for above, below in pairwise(placed))
    assert len({number for _, _, number in placed}) == len(placed)
    assert len({panel["title"] for panel in panels(uid)}) == len(panels(uid))


@each
def test_whatever_asks_prometheus_asks_the_chosen_data_source(uid: str) -> None:
    made = DASHBOARDS[uid]
    variables = made["templating"]["list"]

    assert (variables[0]["name"], variables[0]["type"], variables[0]["query"]) == (
        "datasource",
        *["datasource", "prometheus"],
    )
    for variable in variables:
        assert variable["type"] != "query" or variable["datasource"] == SOURCE, variable["name"]
    for panel in panels(uid):
        assert panel["datasource"] == SOURCE, panel["title"]
        assert all(target["datasource"] == SOURCE for target in panel["targets"]), panel["title"]
    for annotation in made["annotations"]["list"]:
        assert annotation.get("builtIn") or annotation["datasource"] == annotation["target"]["datasource"] == SOURCE


@each
def test_values_of_labels_are_chosen_freely_and_read_anew_with_the_time(uid: str) -> None:
    for variable in DASHBOARDS[uid]["templating"]["list"]:
        if variable["type"] == "query":
            assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")
            assert (variable["refresh"], variable["sort"]) == (2, 1), "on change of the time range; by name"
            assert variable["query"]["query"].startswith("label_values(")
            assert variable["current"]["value"] == "$__all"


def test_a_node_is_chosen_among_those_of_the_chosen_providers() -> None:
    names = [variable["name"] for variable in DASHBOARDS["qos-live"]["templating"]["list"]]
    node = DASHBOARDS["qos-live"]["templating"]["list"][names.index("node")]

    assert names.index("provider") < names.index("node")
    assert 'provider=~"$provider"' in node["query"]["query"]


@each
def test_every_variable_is_used_and_every_used_one_is_there(uid: str) -> None:
    made = DASHBOARDS[uid]
    there = {variable["name"] for variable in made["templating"]["list"]}
    questions = [query for _, query in asked(uid)]
    chained = [variable["query"]["query"] for variable in made["templating"]["list"] if variable["type"] == "query"]

    used = {name for text in (*questions, *chained) for name in re.findall(r"\$\{?(\w+)", text)}

    assert used - BUILT_IN == there - {"datasource"}


@each
def test_several_chosen_values_are_matched_as_a_pattern(uid: str) -> None:
    several = {variable["name"] for variable in DASHBOARDS[uid]["templating"]["list"] if variable.get("multi")}

    for panel, query in asked(uid):
        for label, how, name in re.findall(r'(\w+)(=~|!~|!=|=)"\$(\w+)"', query):
            assert name not in several or how == "=~", (panel["title"], label)


@each
def test_a_rate_is_taken_over_what_grafana_reckons_or_over_a_time_that_the_panel_names(uid: str) -> None:
    for panel, query in asked(uid):
        windows = set(re.findall(r"\[([^\]]+)\]", query))
        chosen = windows - {"$__rate_interval", "$__range"}
        assert chosen <= LONG_ENOUGH, panel["title"]
        told = f"{panel['title']} {panel['description']} {panel.get('options', {})} {panel.get('fieldConfig')}"
        named = {"1d": r"day|24 hours", "7d": r"week|7 days", "28d": r"28 d|28 days", "90d": r"90 d|90 days"}
        assert all(re.search(named[window], told) for window in chosen), panel["title"]


@each
def test_what_every_process_tells_alike_is_not_summed_over_processes(uid: str) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    kept = set(re.findall(r"^\| `(qos_\w+)`", page.partition("## Kept in the database")[2], re.MULTILINE))

    for panel, query in asked(uid):
        alike = [name for name in re.findall(r"\bqos_\w+", query) if re.sub(r"_(bucket|count|sum)$", "", name) in kept]
        assert query.count("max") >= bool(alike), panel["title"]
        assert not re.search(rf"sum( by \([^)]*\))? \((rate|increase)?\(?({'|'.join(alike or ['-'])})\b", query), panel[
            "title"
        ]


@each
def test_a_panel_says_what_it_shows_in_which_unit_and_why_it_may_be_empty(uid: str) -> None:
    for panel in panels(uid):
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 20, panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert len(defaults["noValue"]) > 12, panel["title"]
        assert not VAGUE.search(defaults["noValue"]), panel["title"]


@each
def test_a_panel_that_cannot_be_empty_does_not_say_why_it_is(uid: str) -> None:
    for panel, query in asked(uid):
        assert "vector(" not in query, f"{panel['title']}: it would show 0 where the monitor is not heard"


@each
def test_a_number_has_colours_from_which_value_on(uid: str) -> None:
    for panel in panels(uid):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        assert values[0] is None, panel["title"]
        assert values[1:] == sorted(values[1:]), panel["title"]
        if panel["type"] == "timeseries" and len(steps) > 1:
            assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed", panel["title"]


@each
def test_a_panel_leads_to_a_living_runbook_or_a_page_of_the_console(uid: str) -> None:
    for panel in panels(uid):
        assert panel["links"], panel["title"]
        for link in panel["links"]:
            assert link["targetBlank"], panel["title"]
            _check(link["url"])


@each
def test_links_at_the_top_lead_to_the_other_dashboards_the_console_and_the_runbooks(uid: str) -> None:
    others, *elsewhere = DASHBOARDS[uid]["links"]

    assert (others["type"], others["tags"]) == ("dashboards", ["qos-monitor"])
    assert others["keepTime"]
    assert others["includeVars"]
    assert DASHBOARDS[uid]["tags"] == ["qos-monitor"]
    assert [link["url"] for link in elsewhere] == [f"{QOS}/console/", f"{QOS}/runbooks/"]


@each
def test_alerts_are_marked_on_graphs_and_what_people_write_there_too(uid: str) -> None:
    by_hand, alerts, *_ = DASHBOARDS[uid]["annotations"]["list"]

    assert (by_hand["builtIn"], by_hand["datasource"]["uid"], by_hand["type"]) == (1, "-- Grafana --", "dashboard")
    assert 'alertname=~"Qos.*"' in alerts["target"]["expr"]
    assert alerts["titleFormat"] == "{{alertname}}"


@each
def test_every_link_of_the_alerts_leads_to_one_of_these_dashboards(uid: str) -> None:
    linked = {one["annotations"]["dashboard_url"].rpartition("/d/")[2] for one in ALERTS.values()}

    assert linked <= set(UIDS)
    assert uid in linked


@pytest.mark.parametrize(
    ("uid", "title", "alert"),
    [
        ("qos-monitor", "Judging lag", "QosJudgingBehind"),
        ("qos-monitor", "Age of the outbox", "QosOutboxOld"),
        ("qos-monitor", "Database, of its limit", "QosDatabaseNearFull"),
    ],
)
def test_a_panel_turns_red_where_its_alert_begins(uid: str, title: str, alert: str) -> None:
    (panel,) = (panel for panel in panels(uid) if panel["title"] == title)

    begins = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]

    assert f"> {begins:g}" in ALERTS[alert]["expr"]


@pytest.mark.parametrize("alert", ALERTS)
def test_the_dashboard_that_an_alert_names_has_a_panel_for_it(alert: str) -> None:
    uid = ALERTS[alert]["annotations"]["dashboard_url"].rpartition("/")[2]

    assert any(url.endswith(f"/runbooks/{alert}") for panel in panels(uid) for url in _urls(panel))


@each
def test_the_runbooks_of_panels_are_of_alerts_that_there_are(uid: str) -> None:
    linked = {url.rpartition("/")[2] for panel in panels(uid) for url in _urls(panel) if "/runbooks/" in url}

    assert linked <= ALERTS.keys()


@each
def test_a_quantile_of_nothing_is_no_row_so_that_the_panel_says_why_it_is_empty(uid: str) -> None:
    asked = [target["expr"] for panel in panels(uid) for target in panel.get("targets", [])]

    assert [one for one in asked if "histogram_quantile" in one and not one.endswith(" >= 0")] == []


def _urls(panel: Json) -> list[str]:
    return [link["url"] for link in panel["links"]]


def _check(url: str) -> None:
    """A runbook is a page of docs/runbooks, a page of the console is a route of it."""
    kind, name = re.fullmatch(re.escape(QOS) + r"/(runbooks|console)/(\w*)", url).groups()  # type: ignore[union-attr]  # an odd URL fails here
    if kind == "runbooks":
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists(), url
    else:
        routes = (ROOT / "qos_monitor" / "web" / "console" / "pages.py").read_text(encoding="utf-8")
        assert not name or f'"/console/{name}"' in routes, url
