"""What the READMEs say is what the code does."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.agora.webhook import LEAVE_REASONS
from collectors.beacon.codes import CODES, Blame
from collectors.beacon.items import AGE_MAX, AHEAD_MAX, NOTES
from collectors.beacon.webhook import ITEMS_MAX
from collectors.hundredms.webhook import JOIN_ERRORS
from collectors.hundredms.webhook import LEAVE_REASONS as HUNDREDMS_REASONS
from collectors.janus.events import HANGUPS
from collectors.janus.statistics import PERIOD
from collectors.livekit.webhook import DISCONNECT_REASONS
from collectors.threads import GAP_MAX, PACKETS_MIN
from collectors.trtc.causes import CAUSES, FAILURES, LEAVES
from collectors.trtc.webhook import EVENTS, EXIT_REASONS
from collectors.twilio.codes import ERROR_CODES
from collectors.zoom.quality import DETAILS
from collectors.zoom.reasons import REASONS
from rules.observation import Fault
from rules.span import HOUR, MINUTE, SECOND

ROOT = Path(__file__).parents[2] / "collectors"


def rows(provider: str, heading: str) -> list[list[str]]:
    """Take the cells of the table that begins with this heading."""
    text = (ROOT / provider / "README.md").read_text()
    table = text[text.index(heading) :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def blame(words: str) -> Blame:
    """Read "platform, login" and the like."""
    fault, _, dimension = words.partition(", ")
    return Fault(fault), dimension or None


def test_every_agora_reason_is_in_the_table_with_its_fault() -> None:
    told = {int(row[0]): blame(row[2]) for row in rows("agora", "| leave reason |") if row[0].isdecimal()}

    assert told == dict(LEAVE_REASONS)


def test_every_livekit_reason_is_in_the_table_with_its_fault() -> None:
    told = {}
    for given, fault, _ in rows("livekit", "| disconnectReason |"):
        for name in re.findall(r"[A-Z_]{6,}", given):
            told[name] = blame(fault)[0]
    sip = {name for number, name, _ in DISCONNECT_REASONS if 11 <= number <= 13}  # one row for all three

    assert told == {name: fault for _, name, fault in DISCONNECT_REASONS if name not in sip}


def test_every_trtc_event_and_exit_reason_is_in_the_tables() -> None:
    told = {int(row[0]): blame(row[2]) for row in rows("trtc", "| exit reason |") if row[0].isdecimal()}
    events = {int(number) for row in rows("trtc", "| event |") for number in re.findall(r"\b\d{3}\b", row[0])}

    assert told == dict(EXIT_REASONS)
    assert events == {event for _, event in EVENTS}


def test_every_event_and_cause_of_trtcs_statistics_is_in_the_tables_with_its_fault() -> None:
    events = {row[0]: blame(row[1]) for row in rows("trtc", "| statistics' event |") if row[0][0].isdecimal()}
    causes = {int(row[0]): blame(row[1]) for row in rows("trtc", "| cause of a slow entry |")}

    leaves = {f"{event}/{one}": (fault, None) for (event, one), fault in LEAVES.items()}
    assert events == leaves | {f"{event}/{one}": means for (event, one), means in FAILURES.items()}
    assert causes == dict(CAUSES)


@pytest.mark.parametrize(
    ("heading", "table"),
    [("| reason of a leave |", HUNDREDMS_REASONS), ("| error of a failed join |", JOIN_ERRORS)],
)
def test_every_hundredms_reason_is_in_the_table_with_its_fault(heading: str, table: Mapping[str, Blame]) -> None:
    told = {row[0].strip("`"): blame(row[1]) for row in rows("hundredms", heading) if row[0].startswith("`")}

    assert told == dict(table)


def test_every_beacon_code_is_in_the_table_with_its_fault() -> None:
    told = {
        code: blame(fault)
        for fault, codes in rows("beacon", "| fault | codes |")[:-1]
        for code in re.findall(r"`([^`]+)`", codes)
    }

    assert told == dict(CODES)


@pytest.mark.parametrize("word", sorted(NOTES["unknown"] | NOTES["ignored"]))
def test_every_word_of_an_item_that_could_not_be_used_is_told(word: str) -> None:
    assert f"`{word}`" in (ROOT / "beacon" / "README.md").read_text()


def test_the_beacons_limits_are_told() -> None:
    text = (ROOT / "beacon" / "README.md").read_text()

    assert (AGE_MAX, AHEAD_MAX) == (6 * HOUR, MINUTE)
    assert "**6 hours before** or **1 minute after**" in text
    assert f"at most {ITEMS_MAX}" in text


def test_every_zoom_reason_and_metric_is_in_its_table() -> None:
    reasons = [(row[0], *blame(row[1])) for row in rows("zoom", "| leave reason holds |")[:-1]]
    metrics = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in rows("zoom", "| metric |")}

    assert reasons == list(REASONS)
    assert metrics == {f"`{metric}`": list(names) for metric, names in DETAILS.items()}


def test_every_twilio_error_code_is_in_the_table_with_its_fault() -> None:
    told = {
        int(code): blame(fault)
        for codes, fault, _ in rows("twilio", "| error code |")
        for code in re.findall(r"\b[0-9]{5}\b", codes)
    }

    assert told == dict(ERROR_CODES)


def test_every_janus_hangup_is_in_the_table_with_what_it_is_to_us_and_its_fault() -> None:
    told = {
        reason: (set(kinds.split(" and ")), Fault(fault))
        for given, kinds, fault, _ in rows("janus", "| hangup reason |")
        for reason in re.findall(r"`([^`]+)`", given)
    }

    assert told == {reason: ({kind.value for kind in kinds}, fault) for reason, (kinds, fault) in HANGUPS.items()}


def test_the_lengths_of_janus_spans_are_told() -> None:
    text = (ROOT / "janus" / "README.md").read_text()

    assert (PERIOD, GAP_MAX, PACKETS_MIN) == (5 * SECOND, 30 * SECOND, 20)
    assert "the 5 s before it" in text
    assert "at most 30 s back" in text
    assert "fewer than 20 packets" in text
