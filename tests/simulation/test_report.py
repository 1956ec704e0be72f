"""The report says what came, what is missing, and what nobody expected."""

from collections import Counter
from dataclasses import replace

from played import KEYS

from qos_monitor.simulation.expectations import Expected, claims
from qos_monitor.simulation.plan import make
from qos_monitor.simulation.report import Message, Outcome, lines

PLAN = make(1, KEYS)
EXPECTED = claims(PLAN)


def _message(one: Expected) -> Message:
    return {
        "learner_id": one.learner_id,
        "enrolment_id": one.enrolment_id,
        "kind": one.kind,
        "tier": one.tier,
        "amount_minor": one.amount_minor,
        "outage": {"span_s": 176_400, "domains": ["node:bj-7"]},
        "terms": {"lessons": 48, "lessons_used": 8, "class_ids": ["g01-d01"]},
    }


OUTCOME = Outcome(
    plan=PLAN,
    expected=EXPECTED,
    received=[_message(one) for one in EXPECTED],
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


def test_a_claim_that_did_not_come_is_named() -> None:
    outcome = replace(OUTCOME, received=OUTCOME.received[1:])
    assert not outcome.is_right
    assert outcome.missing == [EXPECTED[0]]
    assert f"missing · {EXPECTED[0].learner_id}" in "\n".join(lines(outcome))


def test_a_claim_that_came_twice_is_one_too_many() -> None:
    twice = [*OUTCOME.received, OUTCOME.received[0]]
    assert replace(OUTCOME, received=twice).surplus == [OUTCOME.received[0]]


def test_an_amount_off_by_one_is_both_missing_and_not_expected() -> None:
    refund = next(one for one in EXPECTED if one.kind == "refund")
    others = [_message(one) for one in EXPECTED if one is not refund]
    wrong = _message(replace(refund, amount_minor=(refund.amount_minor or 0) + 1))
    outcome = replace(OUTCOME, received=[*others, wrong])
    assert (outcome.missing, outcome.surplus) == ([refund], [wrong])


def test_evidence_that_differs_is_not_right() -> None:
    assert not replace(OUTCOME, bundle_is_equal=False).is_right


def test_the_breaker_is_told_with_the_morning_it_was_released() -> None:
    assert "Fri  6 Nov 09:00 · 12 cases" in "\n".join(lines(OUTCOME))
