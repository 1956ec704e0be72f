"""What panels answer where the right answer is known: asked of promtool, with a few series made up for it."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
CHOSEN = {
    "$__rate_interval": "10m",
    "$__range": "1h",
    "$provider": ".*",
    "$node": ".*",
    "$instance": ".*",
    "$objective": "0.99",
    "$minimum": "50",
}
AGES = {"under_6h": 1, "under_24h": 2, "under_36h": 4, "under_44h": 8, "under_48h": 16, "over_48h": 32}
HEARD = {"qos_reading_age_seconds": "5x120"}


def question(uid: str, title: str, number: int = 0) -> str:
    """A panel's query with values in place of its variables."""
    panels = json.loads((DASHBOARDS / f"{uid}.json").read_text(encoding="utf-8"))["panels"]
    (asked,) = (panel["targets"][number]["expr"] for panel in panels if panel["title"] == title)
    for name, value in CHOSEN.items():
        asked = asked.replace(name, value)
    return re.sub(r"\[(28|90)d\]", "[1h]", asked)


def answers(folder: Path, series: Mapping[str, str], *wanted: tuple[str, Mapping[str, float]]) -> None:
    """Let promtool ask each question two hours on, with a sample a minute until then, and compare the answers."""
    play = [{"series": name, "values": values} for name, values in series.items()]
    tests = [
        {
            "expr": asked,
            "eval_time": "2h",
            "exp_samples": [{"labels": of, "value": found} for of, found in told.items()],
        }
        for asked, told in wanted
    ]
    file = folder / "answers.yml"
    file.write_text(yaml.safe_dump({"tests": [{"interval": "1m", "input_series": play, "promql_expr_test": tests}]}))

    run = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("hours", "learners"), [(24, 60), (36, 56), (44, 48), (48, 32)])
def test_who_is_out_for_so_many_hours_or_more_is_everybody_who_is(hours: int, learners: int, tmp_path: Path) -> None:
    told = {
        f'qos_learners_in_open_outage{{age="{age}", instance="{process}"}}': f"{count}x120"
        for age, count in AGES.items()
        for process in ("a", "b")
    }

    answers(tmp_path, told, (question("qos-outages", f"Out for {hours} h or more"), {"{}": learners}))


def test_at_night_nobody_is_shut_out_and_over_a_dead_monitor_nothing_is_known(tmp_path: Path) -> None:
    asked = question("qos-live", "Shut out")

    answers(tmp_path, HEARD, (asked, {"{}": 0}))
    answers(tmp_path, {"up": "0x120"}, (asked, {}))


def test_the_share_shut_out_is_of_all_who_are_owed_a_class_and_of_one_process(tmp_path: Path) -> None:
    states = {"in": 60, "struggling": 15, "shut_out": 20, "absent": 5}
    told = {
        f'qos_learners_now{{provider="agora", node="{node}", state="{state}", instance="{process}"}}': f"{count}x120"
        for state, count in states.items()
        for node in ("n1", "n2")
        for process in ("a", "b")
    }

    answers(
        tmp_path,
        told,
        (question("qos-live", "Share shut out"), {"{}": 0.2}),
        (question("qos-live", "Learners owed"), {"{}": 200}),
        (
            question("qos-live", "Shut out, by provider and node"),
            {'{provider="agora", node="n1"}': 0.2, '{provider="agora", node="n2"}': 0.2},
        ),
    )


def test_a_budget_is_used_up_where_the_objective_is_just_kept(tmp_path: Path) -> None:
    told = {
        'qos_owed_learner_seconds_total{provider="agora", node="n1"}': "0+1000x120",
        'qos_delivered_learner_seconds_total{provider="agora", node="n1"}': "0+990x120",
        'qos_owed_learner_seconds_total{provider="zoom", node="n1"}': "0+1000x120",
        'qos_delivered_learner_seconds_total{provider="zoom", node="n1"}': "0+980x120",
    }

    kept, broken = '{provider="agora"}', '{provider="zoom"}'
    answers(
        tmp_path,
        told,
        (f"round({question('qos-stability', 'By provider')}, 0.0001)", {kept: 0.99, broken: 0.98}),
        (f"round({question('qos-stability', 'By provider', 1)}, 0.0001)", {kept: 0, broken: -1}),
        (f"round({question('qos-stability', 'Budget left, 28 days')}, 0.0001)", {"{}": -0.5}),
    )


def test_a_release_that_fails_twice_as_often_has_a_risk_of_2(tmp_path: Path) -> None:
    told = {
        f'qos_release_learner_classes_total{{release="{release}", outcome="{outcome}"}}': f"0+{count}x120"
        for release, failed in (("1.0", 10), ("1.1", 20))
        for outcome, count in (("failed", failed), ("served", 100 - failed))
    }

    title = "Relative risk of a release against the rest"
    risks = {'{release="1.0"}': 0.5, '{release="1.1"}': 2}
    answers(tmp_path, told, (f"round({question('qos-stability', title)}, 0.001)", risks))
    shares = {'{release="1.0"}': 0.1, '{release="1.1"}': 0.2}
    answers(tmp_path, told, (f"round({question('qos-stability', title, 3)}, 0.001)", shares))


def test_refunds_missed_are_told_once_the_play_is_over(tmp_path: Path) -> None:
    told = {
        f'qos_simulation_claims{{result="{result}"}}': f"{count}x120" for result, count in (("owed", 8), ("missed", 2))
    }
    asked = question("qos-monitor", "Missed refunds, simulated school")

    answers(tmp_path, {**told, "qos_simulation_over": "0x120"}, (asked, {}))
    answers(tmp_path, {**told, "qos_simulation_over": "1x120"}, (asked, {"{}": 0.25}))
