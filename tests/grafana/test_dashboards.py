"""The dashboards are what their source says, and ask only for what there is."""

import importlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "grafana" / "dashboards"
MINE = ("live", "outages", "stability", "monitor")


def queries(uid: str) -> list[str]:
    """Every query of a dashboard, its annotations and variables, with times and choices in place of its variables."""
    text = (DASHBOARDS / f"{uid}.json").read_text(encoding="utf-8")
    made = json.loads(text)
    found = [target["expr"] for panel in made["panels"] for target in panel.get("targets", [])]
    found += [mark["target"]["expr"] for mark in made["annotations"]["list"] if "target" in mark]
    chosen = [variable["query"]["query"] for variable in made["templating"]["list"] if variable["type"] == "query"]
    found += [re.sub(r"^label_values\((.*), \w+\)$", r"\1", asked) for asked in chosen]
    return [re.sub(r"\$(__range|__rate_interval)", "5m", expr).replace("$", "") for expr in found]


@pytest.mark.parametrize("name", MINE)
def test_writing_a_dashboard_again_gives_the_same_bytes(name: str) -> None:
    made = importlib.import_module(name).SHEET

    told = importlib.import_module("sheet").encoded(made)

    assert told == (DASHBOARDS / f"qos-{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MINE)
def test_the_typed_model_of_grafana_reads_all_that_is_written(name: str) -> None:
    text = (DASHBOARDS / f"qos-{name}.json").read_text(encoding="utf-8")
    register_default_plugins()

    again = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(json.loads(text)))

    assert importlib.import_module("sheet").tidy(again) == text


@pytest.mark.parametrize("name", MINE)
def test_each_metric_that_is_asked_for_is_one_that_is_told(name: str) -> None:
    documented = set(re.findall(r"`(qos_[a-z_]+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))

    asked = {word for query in queries(f"qos-{name}") for word in re.findall(r"\bqos_[a-z_]+", query)}

    assert {re.sub(r"_(bucket|count|sum)$", "", word) for word in asked} <= documented


@pytest.mark.parametrize("name", MINE)
def test_promtool_reads_each_query(name: str, tmp_path: Path) -> None:
    numbers = {"objective": "0.995", "freeze": "0.03", "minimum": "50"}
    asked = queries(f"qos-{name}")
    for word, number in numbers.items():
        asked = [re.sub(rf"\b{word}\b(?!\")", number, query) for query in asked]
    rules = [{"record": f"asked:query:{at}", "expr": query} for at, query in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}), encoding="utf-8")

    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_the_page_of_dashboards_has_every_panel_and_its_queries() -> None:
    page = importlib.import_module("page")

    _, _, written = page.PAGE.read_text(encoding="utf-8").partition(page.MARK)

    assert written == page.panels(), "python grafana/source/page.py"
