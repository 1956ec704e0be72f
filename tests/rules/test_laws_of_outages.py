"""Laws of the fold (SPEC 6): failures never shorten the longest outage, recoveries never lengthen it."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rules_school import POLICY
from rules_strategies import MONDAY_EVENING, Choices

from rules.incident import DomainWindows
from rules.outage import Check, History, fold
from rules.record import ATTEMPT, CLASS, Anchor, ClassRecord
from rules.span import DAY, HOUR, MINUTE, Span
from rules.verdict import Shares, Verdict

NODE, PROVIDER, ACCOUNT = "node:bj-7", "provider:agora", "account:u1"
_HOURS = [0, 1, 2, 12, 24, 47, 48, 72, 73, 96, 192, 193, 240, 300, 400]
STRINGS = st.binary(min_size=70, max_size=70)


def _span(choose: Choices) -> Span:
    begins = MONDAY_EVENING + choose.one(_HOURS) * HOUR + choose.one([0, 0, 15 * MINUTE, 30 * MINUTE + 1])
    return Span(begins, begins + choose.one([10 * MINUTE, HOUR]))


def _record(number: int, enrolment_id: str | None, span: Span) -> ClassRecord:
    return ClassRecord(
        learner_id="u1",
        class_id=f"c{number:02}",
        starts_at=span.start,
        ends_at=span.end,
        provider="agora",
        teacher_id="t1",
        enrolment_id=enrolment_id,
        verdict=Verdict.DEGRADED,
        by=None,
        grade=None,
        domain=None,
        shares=Shares(0, 0, 0, 0, 0, span.length),
        why="Made up.",
        anchors=(),
        recoveries=(),
        used=(),
    )


def _failed(choose: Choices, number: int, enrolments: list[str | None]) -> ClassRecord:
    """Make a class with one anchor."""
    span = _span(choose)
    kind, domain, grade = choose.one([CLASS, CLASS, ATTEMPT]), choose.one([NODE, PROVIDER, ACCOUNT]), choose.one("AAC")
    anchor = Anchor(span.start, span.end, f"c{number:02}", kind, domain, grade)
    return replace(_record(number, choose.one(enrolments), span), anchors=(anchor,), used=(PROVIDER, NODE))


def _recovered(choose: Choices, number: int, enrolments: list[str | None]) -> ClassRecord:
    """Make a class with one recovery."""
    span = _span(choose)
    used = choose.one([(), (PROVIDER,), (PROVIDER, NODE)])
    return replace(_record(number, choose.one(enrolments), span), recoveries=(span,), used=used)


def _check(choose: Choices, number: int) -> Check:
    domains = frozenset(choose.one([(), (PROVIDER,), (PROVIDER, NODE)]))
    return Check(f"check-{number}", _span(choose).start, has_passed=True, domains=domains)


def _history(choose: Choices, enrolments: list[str | None], windows: dict[str, DomainWindows]) -> History:
    records = [_failed(choose, number, enrolments) for number in range(choose.one(range(6)))]
    records += [_recovered(choose, number, enrolments) for number in range(20, 20 + choose.one(range(3)))]
    return History(
        learner_id="u1",
        records=records,
        checks=[_check(choose, number) for number in range(choose.one(range(2)))],
        windows=windows,
        enrolled_at={"e1": MONDAY_EVENING - 30 * DAY, "e2": MONDAY_EVENING},
        class_ends=[row.ends_at for row in records],
    )


def _windows(choose: Choices) -> dict[str, DomainWindows]:
    """Make windows in which the two domains of many were faulty or well."""
    found = {}
    for name in (NODE, PROVIDER):
        states: dict[int, str] = {}
        for _ in range(choose.one(range(12))):
            at = MONDAY_EVENING + choose.one(range(-6, 12)) * 6 * HOUR
            word = choose.one([*["faulty"] * 6, "healthy"])
            states[at] = word
            if word == "healthy":
                states[at + 30 * MINUTE] = word
        faulty = tuple(sorted(at for at, word in states.items() if word == "faulty"))
        healthy = tuple(sorted(at for at, word in states.items() if word == "healthy"))
        found[name] = DomainWindows(faulty, healthy)
    return found


def _longest(history: History) -> int:
    folded = fold(history, MONDAY_EVENING + 60 * DAY, POLICY)
    return max((outage.ends_at - outage.starts_at for outage in folded), default=0)


def _with(history: History, record: ClassRecord) -> History:
    return replace(history, records=[*history.records, record])


ANY: list[str | None] = ["e1", "e2", None]


@given(STRINGS)
def test_one_more_anchor_never_shortens_the_longest_outage(string: bytes) -> None:
    choose = Choices(string)
    added = _failed(choose, 99, ANY)
    history = _history(choose, ANY, {})

    assert _longest(_with(history, added)) >= _longest(history)


@given(STRINGS)
def test_one_more_recovery_never_lengthens_the_longest_outage(string: bytes) -> None:
    choose = Choices(string)
    record, check = _recovered(choose, 99, ANY), _check(choose, 99)
    history = _history(choose, ANY, {})

    assert _longest(_with(history, record)) <= _longest(history)
    assert _longest(replace(history, checks=[*history.checks, check])) <= _longest(history)


@given(st.binary(min_size=120, max_size=120))
def test_with_incidents_one_more_anchor_of_the_same_enrolment_shortens_nothing(string: bytes) -> None:
    choose = Choices(string)
    added = _failed(choose, 99, ["e1"])
    history = _history(choose, ["e1"], _windows(choose))

    assert _longest(_with(history, added)) >= _longest(history)


@given(st.binary(min_size=120, max_size=120))
def test_with_incidents_one_more_recovery_of_the_same_enrolment_lengthens_nothing(string: bytes) -> None:
    choose = Choices(string)
    added = _recovered(choose, 99, ["e1"])
    history = _history(choose, ["e1"], _windows(choose))

    assert _longest(_with(history, added)) <= _longest(history)


@given(st.binary(min_size=120, max_size=120))
def test_every_anchor_lies_in_exactly_one_outage_and_outages_never_overlap(string: bytes) -> None:
    choose = Choices(string)
    history = _history(choose, ANY, _windows(choose))

    folded = fold(history, MONDAY_EVENING + 60 * DAY, POLICY)

    held = [anchor for outage in folded for anchor in outage.anchors]
    assert sorted(held) == sorted(anchor for row in history.records for anchor in row.anchors)
    for outage in folded:
        assert outage.starts_at <= min(a.starts_at for a in outage.anchors)
        assert outage.ends_at >= max(a.ends_at for a in outage.anchors)
    for before, after in pairwise(folded):
        assert before.ends_at <= after.starts_at


@given(STRINGS)
def test_silence_after_the_last_anchor_adds_nothing(string: bytes) -> None:
    history = _history(Choices(string), ANY, {})

    spans = [
        [(outage.starts_at, outage.ends_at) for outage in fold(history, MONDAY_EVENING + days * DAY, POLICY)]
        for days in (20, 30, 500)
    ]

    assert spans[0] == spans[1] == spans[2]
