"""The report says what came, what is missing, and what nobody expected."""

from collections import Counter
from dataclasses import replace

from played import KEYS

from qos_monitor.simulation.account import Message
from qos_monitor.simulation.expectations import Due, dues
from qos_monitor.simulation.plan import make
from qos_monitor.simulation.report import Outcome, lines

PLAN = make(1, KEYS)
DUES = dues(PLAN)


def _refund(due: Due) -> Message:
    terms = {"lessons": 48, "lessons_used": 8}
    outage = {"span_s": 176_400, "domains": ["node:bj-7"]}
    return _claim(due, "refund") | {"amount_minor": due.amount_minor, "terms": terms, "outage": outage}


def _compensation(due: Due) -> Message:
    terms = {
        "class_ids": list(due.half_lessons),
        "half_lessons_by_class": dict(due.half_lessons),
        "lessons_credited": sum(due.half_lessons.values()) / 2,
        "bonus_lessons": due.bonus_lessons,
    }
    return _claim(due, "compensation") | {"amount_minor": None, "terms": terms, "outage": None, "tier": "T2"}


def _claim(due: Due, kind: str) -> dict[str, object]:
    who = {"learner_id": due.learner_id, "enrolment_id": due.enrolment_id}
    return who | {"kind": kind, "remedy": kind, "tier": None}


def _messages(due: Due) -> list[Message]:
    messages = [_compensation(due)] if due.half_lessons else []
    return [*messages, _refund(due)] if due.amount_minor else messages


OUTCOME = Outcome(
    plan=PLAN,
    dues=DUES,
    received=[message for due in DUES for message in _messages(due)],
    refused=(),
    why_not={},
    released=(0, 0, 0, 12),
    verdicts=Counter(ATTENDED=10),
    bundle="bundle.json",
    bundle_is_equal=True,
)


def test_a_play_in_which_everything_came_is_right() -> None:
    assert OUTCOME.is_right
    assert "✗" not in "\n".join(lines(OUTCOME))


def test_what_nobody_asked_for_is_named() -> None:
    outcome = replace(OUTCOME, dues=[*DUES, replace(DUES[0], enrolment_id="left-out")])
    assert not outcome.is_right
    assert [one.enrolment_id for one in outcome.missing] == ["left-out"]
    assert "owed and not asked for · left-out" in "\n".join(lines(outcome))


def test_a_claim_that_came_twice_asks_for_too_much() -> None:
    outcome = replace(OUTCOME, received=[*OUTCOME.received, OUTCOME.received[0]])
    assert len(outcome.missing) == len(outcome.surplus) == 1


def test_how_what_is_owed_is_cut_into_claims_does_not_matter() -> None:
    due = next(due for due in DUES if due.bonus_lessons and not due.amount_minor)
    others = [message for one in DUES if one is not due for message in _messages(one)]
    parts = [replace(due, half_lessons={name: count}, bonus_lessons=0) for name, count in due.half_lessons.items()]
    bonus = replace(due, half_lessons={})
    assert replace(OUTCOME, received=[*others, *map(_compensation, [*parts, bonus])]).is_right


def test_an_amount_off_by_one_is_both_owed_and_not_owed() -> None:
    refund = next(due for due in DUES if due.amount_minor)
    dearer = replace(refund, amount_minor=refund.amount_minor + 1)
    outcome = replace(OUTCOME, dues=[dearer if due is refund else due for due in DUES])
    assert [one.amount_minor for one in outcome.missing] == [refund.amount_minor + 1]
    assert [one.amount_minor for one in outcome.surplus] == [refund.amount_minor]


def test_a_claim_the_receiver_refused_is_told_with_its_reason() -> None:
    outcome = replace(OUTCOME, refused=["timestamp", "timestamp"])
    assert not outcome.is_right
    assert "refused · 2 × timestamp" in "\n".join(lines(outcome))


def test_evidence_that_differs_is_not_right() -> None:
    assert not replace(OUTCOME, bundle_is_equal=False).is_right


def test_the_breaker_is_told_with_the_morning_it_was_released() -> None:
    assert "Fri  6 Nov 09:00  12 cases" in "\n".join(lines(OUTCOME))
