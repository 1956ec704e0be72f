"""The words of a claim say what that claim asks for, and no more."""

from dataclasses import replace

from qos_monitor.claims import words
from qos_monitor.claims.lifecycle import ClaimKind
from qos_monitor.claims.words import Said
from rules.remedy import COMPENSATION

FIRST = Said(ClaimKind.COMPENSATION, COMPENSATION, "T3", None, None, None, 0, "The platform failed a class.")


def test_a_first_compensation_gives_all_of_its_tier() -> None:
    assert "one bonus lesson. The platform failed a class." in words.en(FIRST)
    assert words.zh(FIRST).endswith("另赠一节课。")


def test_a_supplement_of_lessons_says_that_a_part_was_given_before() -> None:
    more = replace(FIRST, kind=ClaimKind.SUPPLEMENT)

    assert "Earlier claims of the case gave a part of it; only the rest is asked for here." in words.en(more)
    assert words.zh(more).endswith("其中一部分此前已申请,本次只补其余。")
