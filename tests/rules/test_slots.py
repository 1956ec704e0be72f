"""From observations to slots: sessions, shut-outs and states, with the edge of each rule of SPEC 3."""

from collections.abc import Iterable

import pytest
from rules_school import dropped, judged, kept_out, lesson, present, record_of, school, seen, told

from rules.observation import Observation
from rules.span import MINUTE, SECOND, Instant
from rules.world import ScheduledClass

CLASS = lesson("c1")
A, B = CLASS.starts_at, CLASS.ends_at


def _divided(*observations: Iterable[Observation], row: ScheduledClass = CLASS) -> dict[str, float]:
    """Judge one class and say how it divides, in minutes; what is zero is left out."""
    shares = record_of(judged(school([row], [one for many in observations for one in many])), row.id).shares
    lengths = {name: getattr(shares, name) / MINUTE for name in shares.__slots__}
    return {name: length for name, length in lengths.items() if length}


def _joined(at: Instant, session: str = "s", source: str = "agora", who: str = "u1") -> list[Observation]:
    return [seen("joined", at, CLASS, who, session=session, source=source)]


def _left(
    at: Instant, fault: str = "unknown", session: str = "s", source: str = "agora", vantage: str = "server"
) -> list[Observation]:
    return [seen("left", at, CLASS, session=session, source=source, fault=fault, vantage=vantage)]


# An attempt and the 60 seconds after it


def test_a_join_exactly_60_seconds_after_the_attempt_answers_it() -> None:
    attempt = seen("attempted", A + 60 * SECOND, CLASS)

    assert _divided([attempt], _joined(A + 120 * SECOND)) == {"away": 2, "usable": 58}


def test_a_join_a_millisecond_later_leaves_a_shut_out_from_the_attempt() -> None:
    attempt = seen("attempted", A + 60 * SECOND, CLASS, fault="platform")

    divided = _divided([attempt], _joined(A + 120 * SECOND + 1))

    assert divided == {"away": 1, "lost_platform": 1, "usable": 58}


def test_a_join_at_the_instant_of_the_attempt_answers_it() -> None:
    assert _divided([seen("attempted", A, CLASS)], _joined(A)) == {"usable": 60}


def test_a_join_of_another_source_answers_the_attempt() -> None:
    assert _divided([seen("attempted", A, CLASS, source="app")], _joined(A + 60 * SECOND)) == {"away": 1, "usable": 59}


def test_an_attempt_nothing_follows_is_a_shut_out_to_the_end() -> None:
    assert _divided([seen("attempted", A + 30 * MINUTE, CLASS, fault="platform")]) == {"away": 30, "lost_platform": 30}


# The join window


@pytest.mark.parametrize("kind", ["attempted", "join_failed"])
def test_a_try_counts_from_fifteen_minutes_before_the_class(kind: str) -> None:
    assert _divided([seen(kind, A - 15 * MINUTE, CLASS, fault="platform")]) == {"lost_platform": 60}


@pytest.mark.parametrize("kind", ["attempted", "join_failed"])
def test_a_try_a_millisecond_earlier_counts_for_nothing(kind: str) -> None:
    world = school([CLASS], [seen(kind, A - 15 * MINUTE - 1, CLASS, fault="platform")])

    assert told(judged(world), "c1") == "NO_SHOW"


def test_a_try_counts_until_the_class_ends() -> None:
    last = school([CLASS], [seen("join_failed", B - 1, CLASS, fault="platform")])
    late = school([CLASS], [seen("join_failed", B, CLASS, fault="platform")])

    assert told(judged(last), "c1") != "NO_SHOW"
    assert told(judged(late), "c1") == "NO_SHOW"


def test_a_session_that_holds_at_the_start_is_carried_into_the_slots() -> None:
    assert _divided(_joined(A - 40 * MINUTE)) == {"usable": 60}


def test_a_shut_out_that_holds_at_the_start_is_carried_into_the_slots() -> None:
    assert _divided(kept_out(CLASS, start=A - 10 * MINUTE, end=A + 20 * MINUTE)) == {"lost_platform": 20, "usable": 40}


def test_a_failure_before_a_join_before_the_class_costs_nothing() -> None:
    assert _divided(kept_out(CLASS, start=A - 10 * MINUTE, end=A - 5 * MINUTE)) == {"usable": 60}


# Where a session ends


def test_a_session_ends_at_its_latest_left() -> None:
    divided = _divided(_joined(A), _left(A + 20 * MINUTE, "learner"), _left(A + 30 * MINUTE, "learner"))

    assert divided == {"usable": 30, "away": 30}


def test_a_left_of_one_session_never_closes_another() -> None:
    divided = _divided(_joined(A, "phone"), _joined(A, "tablet"), _left(A + 30 * MINUTE, "platform", "phone"))

    assert divided == {"usable": 60}


def test_a_left_at_the_instant_of_its_join_is_ignored() -> None:
    assert _divided(_joined(A), _left(A, "learner")) == {"usable": 60}


def test_a_left_a_millisecond_after_its_join_counts() -> None:
    assert _divided(_joined(A), _left(A + 1, "learner")) == {"away": 60}


def test_several_joins_of_a_session_start_it_at_the_earliest() -> None:
    divided = _divided(_joined(A + 10 * MINUTE), _joined(A), _left(A + 30 * MINUTE, "learner"))

    assert divided == {"usable": 30, "away": 30}


def test_a_session_without_a_left_runs_to_the_end() -> None:
    assert _divided(_joined(A)) == {"usable": 60}


def test_a_session_without_a_left_runs_to_the_next_join_of_the_same_source() -> None:
    divided = _divided(_joined(A, "one"), _joined(A + 20 * MINUTE, "two"), _left(A + 40 * MINUTE, "learner", "two"))

    assert divided == {"usable": 40, "away": 20}


def test_a_join_of_another_source_ends_no_session() -> None:
    divided = _divided(
        _joined(A, "one"), _joined(A + 20 * MINUTE, "two", "gate"), _joined(A + 30 * MINUTE, "three", "gate")
    )

    assert divided == {"usable": 60}


def test_a_session_without_a_left_ends_with_the_participants_left_from_another_source() -> None:
    divided = _divided(_joined(A, "one"), _joined(A, "two", "gate"), _left(A + 40 * MINUTE, "learner", "two", "gate"))

    assert divided == {"usable": 40, "away": 20}


def test_a_left_of_a_session_never_joined_ends_no_other() -> None:
    divided = _divided(_joined(A, "one"), _left(A + 40 * MINUTE, "learner", "two", "gate"))

    assert divided == {"usable": 60}


def test_the_latest_left_of_a_session_never_joined_opens_a_shut_out() -> None:
    divided = _divided(_left(A + 10 * MINUTE, "platform", "x"), _left(A + 20 * MINUTE, "unknown", "x"))

    assert divided == {"away": 20, "lost_platform": 40}


def test_the_own_act_of_a_session_never_joined_opens_nothing() -> None:
    assert _divided(_left(A + 10 * MINUTE, "learner", "x")) == {"away": 60}


def test_an_end_by_the_learners_own_act_is_away_and_any_other_a_shut_out() -> None:
    assert _divided(_joined(A), _left(A + 30 * MINUTE, "learner")) == {"usable": 30, "away": 30}
    assert _divided(_joined(A), _left(A + 30 * MINUTE, "platform")) == {"usable": 30, "lost_platform": 30}
    assert _divided(_joined(A), _left(A + 30 * MINUTE, "unknown")) == {"usable": 30, "lost_unknown": 30}


def test_the_fault_of_an_end_is_the_earliest_that_is_known() -> None:
    divided = _divided(
        _joined(A), _left(A + 10 * MINUTE), _left(A + 20 * MINUTE, "platform"), _left(A + 30 * MINUTE, "learner")
    )

    assert divided == {"usable": 30, "lost_platform": 30}


def test_the_fault_a_server_tells_goes_before_an_earlier_word_of_a_client() -> None:
    divided = _divided(
        _joined(A), _left(A + 20 * MINUTE, "learner", vantage="client"), _left(A + 30 * MINUTE, "platform")
    )

    assert divided == {"usable": 30, "lost_platform": 30}


# Shut-outs


def test_a_shut_out_lasts_until_the_next_join() -> None:
    assert _divided(kept_out(CLASS, end=A + 25 * MINUTE)) == {"lost_platform": 25, "usable": 35}


def test_a_shut_out_lasts_until_a_session_ends_by_the_learners_own_act() -> None:
    failure = seen("join_failed", A + 10 * MINUTE, CLASS, source="app", fault="platform")

    divided = _divided(_joined(A), _left(A + 30 * MINUTE, "learner"), [failure])

    assert divided == {"usable": 30, "away": 30}


def test_a_shut_out_carries_the_earliest_known_fault_of_its_openers() -> None:
    openers = [
        seen("join_failed", A, CLASS),
        seen("join_failed", A + MINUTE, CLASS, fault="platform"),
        seen("join_failed", A + 2 * MINUTE, CLASS, fault="learner"),
    ]

    assert _divided(openers) == {"lost_platform": 60}


def test_a_servers_word_on_a_shut_out_goes_before_a_clients() -> None:
    openers = [
        seen("join_failed", A, CLASS, fault="learner", vantage="client"),
        seen("join_failed", A + 50 * MINUTE, CLASS, fault="platform", vantage="server"),
    ]

    assert _divided(openers) == {"lost_platform": 60}


def test_an_opener_after_a_join_belongs_to_another_shut_out() -> None:
    divided = _divided(kept_out(CLASS, fault="learner"), _joined(A + 20 * MINUTE), _left(A + 40 * MINUTE, "platform"))

    assert divided == {"lost_learner": 20, "usable": 20, "lost_platform": 20}


def test_a_failed_second_device_costs_nothing_while_the_first_is_in() -> None:
    failure = seen("join_failed", A + 10 * MINUTE, CLASS, source="app", fault="platform")

    assert _divided(_joined(A), [failure]) == {"usable": 60}


# Slots stand for their middle


def test_a_session_that_ends_on_the_middle_of_a_slot_does_not_hold_it() -> None:
    on, after = A + 30 * MINUTE + 5 * SECOND, A + 30 * MINUTE + 5 * SECOND + 1

    assert _divided(_joined(A), _left(on, "learner"))["usable"] == 30
    assert _divided(_joined(A), _left(after, "learner"))["usable"] == 30 + 1 / 6


def test_a_session_that_begins_on_the_middle_of_a_slot_holds_it() -> None:
    assert _divided(_joined(A + 5 * SECOND)) == {"usable": 60}
    assert _divided(_joined(A + 5 * SECOND + 1)) == {"usable": 60 - 1 / 6, "away": 1 / 6}


def test_a_short_last_slot_counts_with_its_own_length() -> None:
    row = lesson("c1", minutes=20.05)  # 3 s beyond the last full slot

    assert _divided(present(row, end=row.starts_at + 20 * MINUTE), row=row) == {"usable": 20, "away": 0.05}


# The teacher


def _teacher(*many: Iterable[Observation]) -> list[Observation]:
    return [one for observations in many for one in observations]


def test_a_class_whose_teacher_the_platform_kept_out_is_lost_to_those_present() -> None:
    teacher = kept_out(CLASS, "t1", end=A + 30 * MINUTE, role="teacher")

    assert _divided(present(CLASS), teacher) == {"lost_platform": 30, "usable": 30}


def test_a_teacher_out_for_an_unknown_reason_who_tries_again_is_the_platforms_doing() -> None:
    teacher = _teacher(
        dropped(CLASS, A + 20 * MINUTE, "t1", fault="unknown", role="teacher"),
        [seen("join_failed", A + 20 * MINUTE, CLASS, "t1", role="teacher")],
    )

    assert _divided(present(CLASS), teacher) == {"usable": 20, "lost_platform": 40}


def test_a_teacher_out_for_an_unknown_reason_who_never_tries_again_is_not() -> None:
    teacher = _teacher(
        [seen("attempted", A - MINUTE, CLASS, "t1", role="teacher")],
        dropped(CLASS, A + 20 * MINUTE, "t1", fault="unknown", role="teacher"),
    )

    assert _divided(present(CLASS), teacher) == {"usable": 60}


def test_a_teacher_whose_own_act_it_was_is_not_the_platforms_doing() -> None:
    teacher = _teacher(
        present(CLASS, "t1", end=A + 20 * MINUTE, role="teacher"),
        kept_out(CLASS, "t1", start=A + 40 * MINUTE, fault="learner", role="teacher"),
    )

    assert _divided(present(CLASS), teacher) == {"usable": 60}


def test_a_substitute_is_the_teacher_too() -> None:
    teacher = _teacher(
        kept_out(CLASS, "t1", role="teacher"), present(CLASS, "t9", start=A + 10 * MINUTE, role="teacher")
    )

    assert _divided(present(CLASS), teacher) == {"lost_platform": 10, "usable": 50}


def test_a_teacher_nobody_saw_says_nothing() -> None:
    assert _divided(present(CLASS)) == {"usable": 60}


def test_what_is_seen_of_nobody_on_the_roster_counts_for_nothing() -> None:
    world = school([CLASS], [*kept_out(CLASS, "stranger"), *kept_out(lesson("elsewhere"))])

    assert told(judged(world), "c1") == "NO_SHOW"
    assert judged(world).outages == ()
