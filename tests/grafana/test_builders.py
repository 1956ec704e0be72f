"""What the builders of dashboards make of a panel's words."""

import json
from dataclasses import replace
from typing import Any

import pytest

import sheet
from look import BAD, GOOD, OF_WORDS, PLAIN, WARN
from panel import Panel, Shape
from qos_monitor.metrics.labels import AGES, DUE, FAULTS, STATES_NOW, VERDICTS
from sheet import Sheet

PANEL = Panel("Lost", "What was lost, and why.", "locale", [("lost", "{{fault}}")], "Nothing was lost", Shape.LINES)


def made(panel: Panel) -> dict[str, Any]:
    """The JSON of one panel on a dashboard of its own."""
    one = Sheet("qos-trial", "Trial", "For a test.", "now-1h", (("Row", (panel,)),), "1m")
    found: dict[str, Any] = json.loads(sheet.encoded(one))["panels"][1]
    return found


def overrides(panel: Panel) -> dict[str, dict[str, Any]]:
    """What is overridden for which series or columns."""
    return {
        one["matcher"]["options"]: {wish["id"]: wish["value"] for wish in one["properties"]}
        for one in made(panel)["fieldConfig"]["overrides"]
    }


def test_a_table_has_a_column_for_each_query_and_no_time() -> None:
    asks = [("a", "Share"), ("b", "Hours")]

    organized = made(replace(PANEL, shape=Shape.TABLE, asks=asks))["transformations"][1]["options"]

    assert organized["renameByName"] == {"Value #A": "Share", "Value #B": "Hours"}
    assert organized["excludeByName"] == {"Time": True}


def test_a_table_of_labels_alone_shows_no_value() -> None:
    organized = made(replace(PANEL, shape=Shape.TABLE, asks=[("a", "")]))["transformations"][1]["options"]

    assert organized["excludeByName"] == {"Time": True, "Value": True}


@pytest.mark.parametrize(
    ("steps", "descends"), [(((None, BAD), (0.99, GOOD)), False), (((None, GOOD), (2, BAD)), True)]
)
def test_the_worst_of_a_table_stands_first(steps: tuple[tuple[float | None, str], ...], *, descends: bool) -> None:
    table = made(replace(PANEL, shape=Shape.TABLE, asks=[("a", "Share")], steps=steps))

    assert table["options"]["sortBy"] == [{"desc": descends, "displayName": "Share"}]


def test_a_column_may_have_a_unit_colours_and_a_link_of_its_own() -> None:
    panel = replace(
        PANEL,
        shape=Shape.TABLE,
        asks=[("a", "Share"), ("b", "Hours"), ("c", "Left")],
        units={"Hours": "locale"},
        paints={"Left": ((None, BAD), (0, GOOD))},
        leads={"alertname": "https://there.example/${__value.text}"},
    )

    found = overrides(panel)

    assert found["Hours"] == {"unit": "locale", "decimals": 0}
    assert found["Left"]["thresholds"]["steps"] == [{"value": None, "color": BAD}, {"value": 0, "color": GOOD}]
    assert found["alertname"]["links"][0]["url"] == "https://there.example/${__value.text}"


def test_a_word_has_its_colour_wherever_a_legend_ends_in_it() -> None:
    found = overrides(replace(PANEL, colours=("platform",)))

    assert found == {r"/(^|\s)platform$/": {"color": {"mode": "fixed", "fixedColor": BAD}}}


@pytest.mark.parametrize("words", [STATES_NOW, FAULTS, AGES, DUE, VERDICTS])
def test_every_value_of_a_label_that_is_coloured_has_a_colour_of_its_own(words: tuple[str, ...]) -> None:
    assert len({OF_WORDS[word] for word in words}) == len(words)


def test_words_stand_in_place_of_numbers() -> None:
    panel = made(replace(PANEL, shape=Shape.NUMBER, words={"0": "closed", "1": "open"}))

    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert {value: shown["text"] for value, shown in mapping["options"].items()} == {"0": "closed", "1": "open"}


def test_lines_of_what_should_be_high_end_at_1_and_tell_their_lowest() -> None:
    high, low = (made(replace(PANEL, steps=((None, first), (0.9, WARN)))) for first in (BAD, GOOD))

    assert (high["fieldConfig"]["defaults"]["max"], low["fieldConfig"]["defaults"]["min"]) == (1, 0)
    assert (high["options"]["legend"]["calcs"], low["options"]["legend"]["calcs"]) == (
        ["lastNotNull", "min"],
        ["lastNotNull", "max"],
    )


def test_a_number_without_thresholds_has_no_colour() -> None:
    assert made(replace(PANEL, shape=Shape.NUMBER))["options"]["colorMode"] == "none"
    assert made(replace(PANEL, shape=Shape.NUMBER, steps=((None, PLAIN),)))["options"]["colorMode"] == "value"


def test_links_lead_to_the_runbook_and_the_console() -> None:
    links = made(replace(PANEL, runbooks=("QosDown",), console="cases"))["links"]

    assert [link["url"] for link in links] == [
        "https://qos.school.example/runbooks/QosDown",
        "https://qos.school.example/console/cases",
    ]
    assert all("placement" not in link for link in links)
