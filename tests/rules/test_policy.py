"""The numbers in force: read whole or refused whole, and named by what they are."""

from copy import deepcopy
from typing import Any

import pytest
from rules_school import POLICY

from rules import policy
from rules.document import Invalid
from rules.policy import Policy


def _written() -> dict[str, Any]:
    return deepcopy(POLICY.as_json())


def _problems(given: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        policy.read(given)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_the_policy_that_ships_holds_the_numbers_of_the_specification() -> None:
    assert POLICY.outage.owed_s == 172_800
    assert (POLICY.impaired.av_offset_low_ms, POLICY.impaired.av_offset_high_ms) == (-185, 90)
    assert "连续48小时" in POLICY.words.zh


def test_a_policy_written_is_the_policy_read() -> None:
    again = policy.read(POLICY.as_json())

    assert again == POLICY
    assert again.rule_version == POLICY.rule_version


def test_a_share_is_kept_as_the_decimal_it_was_written_as() -> None:
    assert 1000 * POLICY.attribution.usual_floor == 5  # 0.005 as binary would be a hair more


def test_every_wrong_key_is_told_at_once() -> None:
    given = _written()
    del given["time"]["slot_s"]
    given["time"]["slots"] = 10
    given["outage"]["owed_s"] = True
    given["verdict"]["usable_share"] = 1.01
    given["unusable"]["loss"] = float("nan")
    given["deadlines"]["zone"] = ""
    given["remedy"]["review_classes"] = 0
    given["impaired"] = []
    given["extra"] = {}

    problems = _problems(given)

    assert problems.keys() >= {
        "time.slot_s",
        "time.slots",
        "outage.owed_s",
        "verdict.usable_share",
        "unusable.loss",
        "deadlines.zone",
        "remedy.review_classes",
        "impaired",
        "impaired.fps",
        "extra",
    }
    assert problems["time.slot_s"] == "is missing"
    assert problems["outage.owed_s"] == "must be a whole number, 1 or more, not True"
    assert problems["verdict.usable_share"] == "must be a share from 0 to 1, not 1.01"


@pytest.mark.parametrize("given", [None, [], "policy", 1])
def test_a_policy_that_is_no_table_is_refused(given: object) -> None:
    assert _problems(given)[""] == "must be a table"


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "-0.1", "1.5"])
def test_a_share_that_is_none_is_refused_as_it_was_written(number: str) -> None:
    with pytest.raises(Invalid, match=r"verdict\.usable_share: must be a share from 0 to 1"):
        policy.load(f"[verdict]\nusable_share = {number}\n")


def test_numbers_that_contradict_each_other_are_refused() -> None:
    given = _written()
    given["deadlines"]["limit_days"] = 1
    given["attribution"]["usual_floor"] = 0.5

    assert set(_problems(given)) == {"attribution.usual_floor", "deadlines.target_days", "deadlines.review_days"}


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(Invalid, match="not a TOML file"):
        policy.load("version = = 1")


def _with(section: str, key: str, value: object) -> Policy:
    given = _written()
    given[section][key] = value
    return policy.read(given)


def test_a_changed_number_is_a_new_rule() -> None:
    assert _with("outage", "owed_s", 172_799).rule_version != POLICY.rule_version
    assert _with("verdict", "usable_share", 0.51).rule_version != POLICY.rule_version


def test_a_number_spelled_otherwise_is_the_same_rule() -> None:
    assert _with("attribution", "lost_share", 0.5).rule_version == POLICY.rule_version
    assert _with("unusable", "rtt_ms", 2000).rule_version == POLICY.rule_version
