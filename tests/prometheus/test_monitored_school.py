"""Ten days of the simulated school in a real Prometheus: every rule and every query tells what it has to, and when."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import asked_panels
import panel_rows
import played_alerts
import prometheus_lab as lab
import pytest
import recorded_past
from recorded_school import ENDS_AT

from qos_monitor.simulation.school import day
from rules.span import HOUR, MINUTE, SECOND, Instant

SOURCE = Path(__file__).parents[2] / "grafana" / "source"
HALF_PAST = 30 * MINUTE
FIRST_DAY = "the first day, when nothing is wrong"
NODE = "the outage of Agora's node bj-7"
CARRIER = "the outage of a carrier, and one account that our own backend refuses"
FORGER = "all is well, but somebody forges webhooks"
LOGIN = "four of five cannot log in"
RESTART = "a LiveKit server restarts in mid-class"
BEGINS: Mapping[str, Instant] = {
    FIRST_DAY: day(0, 16 * HOUR),
    NODE: day(1, 15 * HOUR + HALF_PAST),
    CARRIER: day(4, 16 * HOUR),
    FORGER: day(7, 12 * HOUR),
    LOGIN: day(8, 17 * HOUR + HALF_PAST),
    RESTART: day(9, 19 * HOUR + HALF_PAST),
}
"""When each phase of the play begins (qos_monitor/simulation/faults.py); it ends with the next."""
AGORA_BURNS = {"QosLearnerMinutesBurnFast agora", "QosLearnerMinutesBurnSlow agora"}
LIVEKIT_BURNS = {"QosLearnerMinutesBurnFast livekit", "QosLearnerMinutesBurnSlow livekit"}
NEAR_48_H = {"QosOutageOver24h", "QosOutageOver36h", "QosOutageOver44h"}
FIRES: Mapping[str, set[str]] = {
    FIRST_DAY: set(),
    NODE: {*AGORA_BURNS, *NEAR_48_H, "QosBreakerOpen"},
    CARRIER: {*AGORA_BURNS, *LIVEKIT_BURNS, *NEAR_48_H, "QosBreakerOpen"},
    FORGER: {"QosSignatureFailures agora wrong_signature"},
    LOGIN: {*AGORA_BURNS, *LIVEKIT_BURNS, "QosOutageOver24h", "QosBreakerOpen"},
    RESTART: {*LIVEKIT_BURNS, "QosOutageOver24h", "QosOutageOver36h", "QosBreakerOpen"},
}
"""All that fires in each phase. In the moment nobody can tell that a carrier keeps learners out, no provider: both
burn. The breaker is still open for what the phase before cost. For alerts of nodes and of joins classes are too small.
"""

BY_THE_MACHINE = {"QosIntakeRefusing"}
"""It is right where this machine's disk was busy for three seconds with something else; the play sends again."""
EMPTY = {"Told to come later": "nobody asks for more than their budget"}
"""Panels without a row in every phase, and why."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Prometheus]:
    """A Prometheus that has seen the ten days."""
    with recorded_past.shared(tmp_path_factory) as running:
        yield running


def test_every_recording_rule_has_results(server: lab.Prometheus) -> None:
    names = [rule["record"] for rule in played_alerts.rules("recording.yml")]

    told = {name: server.query(f"count_over_time({name}[10d])", recorded_past.ENDS_S) for name in names}

    assert [name for name, series in told.items() if not series] == []


def test_each_planted_fault_fires_exactly_its_alerts_and_a_healthy_day_none(server: lab.Prometheus) -> None:
    fired = list(played_alerts.firings(server, recorded_past.BEGINS_S, recorded_past.ENDS_S))
    ends = [*list(BEGINS.values())[1:], ENDS_AT]

    for (phase, begins_at), ends_at in zip(BEGINS.items(), ends, strict=True):
        now = [one for one in fired if one.from_s * SECOND < ends_at and one.until_s * SECOND > begins_at]
        told = {str(one) for one in now if one.name not in BY_THE_MACHINE}
        assert told == FIRES[phase], phase


def test_the_refund_system_was_asked_for_just_what_is_owed(server: lab.Prometheus) -> None:
    told = server.query("qos_simulation_claims", recorded_past.ENDS_S)
    claims = {labels["result"]: points[0][1] for labels, points in told}

    assert claims == {"owed": claims["owed"], "right": claims["owed"], "false": 0, "missed": 0}
    assert claims["owed"] > 0


def test_every_query_of_every_panel_gives_rows_in_the_phases_of_the_table(server: lab.Prometheus) -> None:
    asked = asked_panels.table(server, panel_rows.INSTANTS_S)
    found = {(one.uid, one.title, one.query): [number > 0 for number in numbers] for one, numbers in asked.items()}
    kept = {key: [number > 0 for number in numbers] for key, numbers in panel_rows.kept().items()}

    assert {title for (_, title, _), phases in found.items() if not any(phases)} == EMPTY.keys()
    assert found == kept, "PYTHONPATH=.:tests python tests/panel_rows.py"


def test_the_variables_of_dashboards_offer_the_providers_of_the_school(server: lab.Prometheus) -> None:
    span = (recorded_past.BEGINS_S, recorded_past.ENDS_S)
    offered = [
        asked_panels.variables(server, dashboard, span).get("provider") for dashboard in asked_panels.dashboards()
    ]

    assert any(offered)
    assert all(set(one.strip("()").split("|")) >= {"agora", "livekit"} for one in offered if one)


def test_the_page_of_dashboards_has_the_rows_of_every_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOURCE))
    page = importlib.import_module("page")

    assert page.panels() in page.PAGE.read_text(encoding="utf-8"), "python grafana/source/page.py"
    assert "| – |" not in page.panels()
