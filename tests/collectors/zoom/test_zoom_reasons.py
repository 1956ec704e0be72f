"""The sentences in which Zoom says why somebody left."""

import pytest
from collector_specimens import unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors.zoom.reasons import REASONS, UNRECOGNISED, told
from rules.observation import Fault

SPELLINGS = [
    "Jill Chill left the meeting.<br>Reason: {}",
    "Jill Chill left the meeting. Reason : {}",
    "Jill Chill left the meeting.<br/>\nReason:{}",
    "Jill Chill left the meeting.&lt;br&gt;Reason: <b>{}</b>",
    "Jill Chill got disconnected from the meeting.<BR>REASON:  {}",
    "Reason: {}",
    "{}",
    "  {}  ",
    "Jill Chill left the session.<br>Reason: {}",
    "Jill Chill left the meeting - {}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("wording", "fault", "blames"), REASONS)
def test_every_reason_is_known_in_every_spelling(spelling: str, wording: str, fault: Fault, blames: str | None) -> None:
    reason = told(spelling.format(f"{wording[0].upper()}{wording[1:]}."))

    assert (reason.code, reason.fault, reason.blames, reason.is_known) == (wording, fault, blames, True)


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("Jill Chill left the meeting.", Fault.LEARNER),
        ("Jill Chill left the session.", Fault.LEARNER),
        ("Jill Chill got disconnected from the meeting.", Fault.UNKNOWN),
        ("Exceeded free meeting minutes limit.", Fault.PLATFORM),
        ("Host did not join.", Fault.PLATFORM),
        ("Host ended the session.", Fault.UNKNOWN),
    ],
)
def test_the_dashboards_own_words_are_known(sentence: str, fault: Fault) -> None:
    assert (told(sentence).fault, told(sentence).is_known) == (fault, True)


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Host did not join left the meeting.", "left the meeting"),
        ("x. Reason: Host did not join left the meeting.", "left the meeting"),
        ("Host did not join<br> left the meeting.<br>Reason: Removed by host.", "removed by host"),
        ("left the meeting. Reason: Host did not join. left the meeting.", "left the meeting"),
        ("Host did not join got disconnected from the meeting.", "got disconnected from the meeting"),
    ],
)
def test_a_name_chosen_to_read_like_a_reason_is_none(sentence: str, code: str) -> None:
    assert told(sentence).code == code


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Jill left the meeting.<br>Reason: Abducted.", "Abducted"),
        ("Reason: Abducted", "Abducted"),
        ("Jill Chill was abducted", UNRECOGNISED),
        ("Reason:", UNRECOGNISED),
        ("...", UNRECOGNISED),
    ],
)
def test_a_new_reason_is_kept_in_its_own_words_but_never_with_a_name(sentence: str, code: str) -> None:
    reason = told(sentence)

    assert (reason.code, reason.fault, reason.is_known) == (code, Fault.UNKNOWN, False)


@unhurried
@given(st.text(max_size=300), st.sampled_from(["left", "got disconnected from"]))
def test_no_name_makes_a_plain_leave_the_platforms(name: str, deed: str) -> None:
    assert told(f"{name} {deed} the meeting.").fault is not Fault.PLATFORM


@unhurried
@given(st.text())
def test_any_text_has_a_code_that_can_be_stored(sentence: str) -> None:
    assert 0 < len(told(sentence).code) <= 100
    assert "\x00" not in told(sentence).code
