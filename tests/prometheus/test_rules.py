"""What Prometheus and Alertmanager say of our rules, and that every alert leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from qos_monitor.telemetry import METRICS

ROOT = Path(__file__).parents[2]
AMLINT = str(Path(sys.executable).with_name("amlint"))
AGREED = ("--ignore", "inhibit-no-equal")  # what holds back a whole school has no label in common: decision 0025
RULES = ROOT / "rules" / "prometheus"


def said(*command: str) -> tuple[int, str]:
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=RULES)
    return told.returncode, told.stdout + told.stderr


def rules(file: str) -> list[dict[str, Any]]:
    read = yaml.safe_load((RULES / file).read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


ALERTS = rules("alerts.yml")


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "rules", "--lint=all", "recording.yml", "alerts.yml"),
        ("promtool", "test", "rules", "tests/lost.yml"),
        ("amtool", "check-config", "alertmanager.example.yml"),
        (AMLINT, "check", "--strict", "--rules", "alerts.yml", *AGREED, "alertmanager.example.yml"),
    ],
    ids=lambda command: " ".join([Path(command[0]).name, *command[1:3]]),
)
def test_their_own_tools_have_nothing_to_say_against_them(command: tuple[str, ...]) -> None:
    code, told = said(*command)

    assert code == 0, told


def test_rules_ask_for_metrics_that_there_are() -> None:
    known = {metric.name for metric in METRICS}
    recorded = {str(rule["record"]) for rule in rules("recording.yml")}
    asked = {
        name
        for rule in [*rules("recording.yml"), *ALERTS]
        for name in re.findall(r"(?<![:\w])(?:\w+:)?qos_\w+(?::\w+)?", str(rule["expr"]))
    }

    base = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked - recorded}
    assert base <= known
    assert {name for name in asked if ":" in name} <= recorded


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_grave_it_is_who_is_hurt_and_where_to_look(alert: dict[str, Any]) -> None:
    name, notes = alert["alert"], alert["annotations"]

    assert alert["labels"]["severity"] in {"page", "ticket", "info"}
    assert set(notes) == {"summary", "description", "dashboard_url", "runbook_url"}
    assert (ROOT / "docs" / "runbooks" / f"{notes['runbook_url'].rpartition('/')[2]}.md").stem == name
    assert (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()
    assert (ROOT / "grafana" / "dashboards" / f"{notes['dashboard_url'].rpartition('/')[2]}.json").is_file()


def test_every_runbook_is_of_a_living_alert_and_says_its_severity() -> None:
    pages = {page.stem: page.read_text("utf-8") for page in (ROOT / "docs" / "runbooks").glob("Qos*.md")}

    assert set(pages) == {alert["alert"] for alert in ALERTS}
    told = {name: re.search(r"^Severity: (\w+)", page, re.MULTILINE) for name, page in pages.items()}
    assert {name: found and found[1] for name, found in told.items()} == {
        alert["alert"]: alert["labels"]["severity"] for alert in ALERTS
    }


def test_every_alert_is_made_to_fire_and_to_be_silent() -> None:
    files = [yaml.safe_load(file.read_text("utf-8")) for file in (RULES / "tests").glob("*.yml")]
    asked = [
        (one["alertname"], bool(one["exp_alerts"]))
        for file in files
        for t in file["tests"]
        for one in t.get("alert_rule_test", [])
    ]

    assert set(asked) == {(alert["alert"], fires) for alert in ALERTS for fires in (True, False)}
