"""Polled joins and leaves fill what webhooks left out, and never tell anything twice."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collectors.polls import CODE, JOIN_NEAR, LEAVE_NEAR, counted, reconciled
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

START: Instant = 1_790_000_000_000


def event(kind: str, at: int, session: str, *, code: str | None = None, fault: str = "unknown") -> Observation:
    return Observation(
        source="agora",
        id=f"{session}:{kind}:{at}",
        kind=Kind(kind),
        at=START + at,
        class_id="c1",
        participant_id="u1",
        role=Role.LEARNER,
        session=session,
        vantage=Vantage.SERVER,
        fault=Fault(fault),
        code=code,
    )


def polled(kind: str, at: int, session: str = "polled:s1") -> Observation:
    return event(kind, at, session, code=CODE)


def told(seen: list[Observation]) -> list[tuple[str, int, str | None, str]]:
    return sorted((one.kind.value, one.at - START, one.session, one.fault.value) for one in seen)


def test_without_polls_everything_stays_as_it_is() -> None:
    seen = [event("joined", 0, "r1:7#1"), event("left", MINUTE, "r1:7#1", code="1", fault="learner")]

    assert reconciled(seen) == seen


def test_a_session_told_by_both_is_one_session_with_the_webhooks_fault() -> None:
    seen = [event("joined", 0, "r1:7#1"), event("left", MINUTE, "r1:7#1", code="1", fault="learner")]

    merged = reconciled([*seen, polled("joined", SECOND), polled("left", MINUTE - SECOND)])

    assert told(merged) == [("joined", 0, "polled:s1", "unknown"), ("left", MINUTE, "polled:s1", "learner")]


def test_sessions_that_polls_and_webhooks_name_alike_are_one_however_far_apart_they_were_told() -> None:
    seen = [event("joined", 9 * SECOND, "PA_1"), event("left", 10 * MINUTE, "PA_1", code="1", fault="learner")]

    merged = reconciled([*seen, polled("joined", 0, "PA_1"), polled("left", 11 * MINUTE, "PA_1")])

    assert told(merged) == [("joined", 9 * SECOND, "PA_1", "unknown"), ("left", 10 * MINUTE, "PA_1", "learner")]
    assert counted([*seen, polled("joined", 0, "PA_1"), polled("left", 11 * MINUTE, "PA_1")]) == (2, 0)


def test_sessions_that_polls_and_webhooks_would_name_alike_are_two_however_near_they_are() -> None:
    merged = reconciled([event("joined", 0, "PA_1"), polled("joined", SECOND, "PA_2")])

    assert told(merged) == [("joined", 0, "PA_1", "unknown"), ("joined", SECOND, "PA_2", "unknown")]


def test_a_leave_whose_join_only_webhooks_told_is_told_once() -> None:
    seen = [event("joined", 0, "PA_1"), event("left", MINUTE, "PA_1", code="1", fault="learner")]

    assert reconciled([*seen, polled("left", MINUTE, "PA_1")]) == seen


def test_a_leave_that_only_the_poll_shows_closes_the_session_that_the_webhook_opened() -> None:
    merged = reconciled([event("joined", 0, "r1:7#1"), polled("joined", 0), polled("left", MINUTE)])

    assert told(merged) == [("joined", 0, "polled:s1", "unknown"), ("left", MINUTE, "polled:s1", "unknown")]


def test_a_join_that_only_the_poll_shows_opens_the_session_that_the_webhook_closed() -> None:
    left = event("left", MINUTE, "r1:7#before-2", code="1", fault="learner")

    merged = reconciled([left, polled("joined", 0), polled("left", MINUTE)])

    assert told(merged) == [("joined", 0, "polled:s1", "unknown"), ("left", MINUTE, "polled:s1", "learner")]


def test_a_leave_and_a_join_lost_between_two_sessions_keep_them_apart() -> None:
    webhooks = [event("joined", 0, "r1:7#1"), event("left", 9 * MINUTE, "r1:7#1", code="1", fault="learner")]
    polls = [
        polled("joined", 0, "polled:a"),
        polled("left", 2 * MINUTE, "polled:a"),
        polled("joined", 5 * MINUTE, "polled:b"),
        polled("left", 9 * MINUTE, "polled:b"),
    ]

    assert told(reconciled([*webhooks, *polls])) == [
        ("joined", 0, "polled:a", "unknown"),
        ("joined", 5 * MINUTE, "polled:b", "unknown"),
        ("left", 2 * MINUTE, "polled:a", "unknown"),
        ("left", 9 * MINUTE, "polled:b", "learner"),
    ]


def test_a_leave_told_long_before_the_poll_shows_one_keeps_its_fault() -> None:
    webhooks = [event("joined", 0, "r1:7#1"), event("left", MINUTE, "r1:7#1", code="1", fault="learner")]

    merged = reconciled([*webhooks, polled("joined", 0), polled("left", 2 * MINUTE)])

    assert told(merged) == [
        ("joined", 0, "polled:s1", "unknown"),
        ("left", MINUTE, "polled:s1", "learner"),
        ("left", 2 * MINUTE, "polled:s1", "unknown"),
    ]


def test_a_reconnect_that_only_webhooks_tell_leaves_no_session_open() -> None:
    webhooks = [
        event("joined", 0, "r1:7#1"),
        event("left", MINUTE, "r1:7#1", code="4", fault="platform"),
        event("joined", MINUTE + 5 * SECOND, "r1:7#2"),
        event("left", 9 * MINUTE, "r1:7#2", code="1", fault="learner"),
    ]

    merged = reconciled([*webhooks, polled("joined", 0), polled("left", 9 * MINUTE)])

    assert told(merged) == [
        ("joined", 0, "polled:s1", "unknown"),
        ("joined", MINUTE + 5 * SECOND, "r1:7#2", "unknown"),
        ("left", MINUTE, "polled:s1", "platform"),
        ("left", 9 * MINUTE, "polled:s1", "learner"),
        ("left", 9 * MINUTE, "r1:7#2", "learner"),
    ]
    assert counted([*webhooks, polled("joined", 0), polled("left", 9 * MINUTE)]) == (2, 0)


def test_what_lies_at_the_bound_is_the_same_event_and_what_lies_beyond_is_another() -> None:
    webhook = [event("joined", 0, "r1:7#1"), event("left", MINUTE, "r1:7#1")]

    assert counted([*webhook, polled("joined", JOIN_NEAR), polled("left", MINUTE + LEAVE_NEAR)]) == (2, 0)
    assert counted([*webhook, polled("joined", JOIN_NEAR + 1), polled("left", MINUTE + LEAVE_NEAR + 1)]) == (0, 2)


def test_one_webhook_is_never_the_twin_of_two_polled_events() -> None:
    seen = [
        event("joined", 0, "r1:7#1"),
        polled("joined", SECOND, "polled:a"),
        polled("joined", 2 * SECOND, "polled:b"),
    ]

    assert counted(seen) == (1, 1)


def test_another_person_is_never_a_twin() -> None:
    other = replace(event("joined", 0, "r1:8#1"), participant_id="u2")

    assert counted([other, polled("joined", 0)]) == (0, 1)
    assert other in reconciled([other, polled("joined", 0)])


@st.composite
def lives(draw: st.DrawFn) -> list[Observation]:
    seen = []
    for number in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["joined", "left"]))
        at = draw(st.integers(0, 60)) * SECOND
        seen.append(event(kind, at, f"r1:7#{number}") if draw(st.booleans()) else polled(kind, at, f"polled:{number}"))
    return seen


@given(lives(), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_no_webhook_is_lost(seen: list[Observation], order: random.Random) -> None:
    shuffled = list(seen)
    order.shuffle(shuffled)

    assert told(reconciled(shuffled)) == told(reconciled(seen))
    assert {one.id for one in seen if one.code != CODE} <= {one.id for one in reconciled(seen) if one.code != CODE}
    assert len({one.id for one in reconciled(seen)}) == len(reconciled(seen))
    assert sum(counted(seen)) == sum(one.code == CODE for one in seen)


@given(st.integers(1, 4), st.sets(st.integers(0, 7)), st.integers(-1, 1))
def test_whichever_webhooks_are_lost_every_session_has_its_join_and_its_leave(
    sessions: int, lost: set[int], skew: int
) -> None:
    webhooks, polls = [], []
    for number in range(sessions):
        start, end = 4 * number * MINUTE, (4 * number + 2) * MINUTE
        webhooks += [event("joined", start, f"r1:7#{number}"), event("left", end, f"r1:7#{number}", code="1")]
        name = f"polled:{number}"
        polls += [polled("joined", start + skew * SECOND, name), polled("left", end + skew * SECOND, name)]
    kept = [one for place, one in enumerate(webhooks) if place not in lost]

    merged = reconciled([*kept, *polls])

    assert sorted((one.session, one.kind.value) for one in merged) == [
        (f"polled:{number}", kind) for number in range(sessions) for kind in ("joined", "left")
    ]
    assert counted([*kept, *polls]) == (len(kept), len(webhooks) - len(kept))
