"""Whose fault a loss was where no record says so: SPEC 4, with the edge of each count."""

import pytest
from rules_school import (
    NO_CROWD,
    Crowd,
    cancelled,
    crowd,
    dropped,
    judged,
    kept_out,
    lesson,
    present,
    received,
    record_of,
    school,
    seen,
    told,
)

from rules.observation import Observation
from rules.span import DAY, MINUTE, SECOND
from rules.verdict import Verdict
from rules.world import ScheduledClass

CLASS = lesson("c1")
A, B = CLASS.starts_at, CLASS.ends_at
BJ_7 = {"provider": "agora", "node": "bj-7"}
SH_1 = {"provider": "agora", "node": "sh-1"}
OUT = kept_out(CLASS, fault="unknown", domains=BJ_7)


def _told(own: list[Observation], others: Crowd = NO_CROWD, row: ScheduledClass = CLASS) -> str:
    return told(judged(school([row, *others.classes], own + others.observations)), row.id)


# 4.1 The room


def _room(lost: int, others: int) -> str:
    learners = ["u1", *(f"o{number}" for number in range(others))]
    row = lesson("c1", "Mon 19:00", *learners)
    observations = kept_out(row, fault="unknown")
    for number in range(others):
        who = f"o{number}"
        observations += dropped(row, A + 30 * MINUTE, who, fault="unknown") if number < lost else present(row, who)
    return told(judged(school([row], observations)), "c1")


def test_half_of_three_others_who_lost_half_blame_the_class() -> None:
    assert _room(lost=2, others=3) == "UNABLE_PLATFORM platform B class:c1"
    assert _room(lost=2, others=4) == "UNABLE_PLATFORM platform B class:c1"


def test_less_than_half_of_the_others_or_fewer_than_three_do_not() -> None:
    assert _room(lost=1, others=3) == "UNKNOWN"
    assert _room(lost=2, others=5) == "UNKNOWN"
    assert _room(lost=2, others=2) == "UNKNOWN"


def test_others_without_evidence_are_not_asked() -> None:
    row = lesson("c1", "Mon 19:00", "u1", "o1", "o2", "o3", "absent", "missing")
    lost = [one for who in ("u1", "o1", "o2") for one in kept_out(row, who, fault="unknown")]

    assert told(judged(school([row], [*lost, *present(row, "o3")])), "c1") == "UNABLE_PLATFORM platform B class:c1"


def test_others_who_lost_by_their_own_fault_lost_nothing() -> None:
    row = lesson("c1", "Mon 19:00", "u1", "o1", "o2", "o3")
    others = [one for who in ("o1", "o2", "o3") for one in kept_out(row, who, fault="learner")]

    assert told(judged(school([row], [*kept_out(row, fault="unknown"), *others])), "c1") == "UNKNOWN"


def test_the_room_raises_the_clients_word_to_grade_b() -> None:
    row = lesson("c1", "Mon 19:00", "u1", "o1", "o2", "o3")
    others = [one for who in ("o1", "o2", "o3") for one in kept_out(row, who, fault="unknown")]
    client = kept_out(row, vantage="client")

    assert told(judged(school([row], [*client, *others])), "c1") == "UNABLE_PLATFORM platform B provider:agora"
    assert told(judged(school([row], client)), "c1") == "UNABLE_PLATFORM platform C provider:agora"


# 4.2 The teacher


def test_a_teacher_unusable_in_half_of_the_lost_slots_is_the_platforms() -> None:
    def teacher_bad_for(minutes: int) -> str:
        bad = received(CLASS, {"loss": 0.5}, A, A + minutes * MINUTE, "t1", role="teacher")
        good = received(CLASS, {"loss": 0}, A + minutes * MINUTE, B, "t1", role="teacher")
        return _told([*OUT, *present(CLASS, "t1", role="teacher"), bad, good])

    assert teacher_bad_for(30) == "UNABLE_PLATFORM platform B teacher:t1"
    assert teacher_bad_for(29) == "UNKNOWN"


def test_a_teacher_kept_out_explains_what_those_present_lost() -> None:
    teacher = kept_out(CLASS, "t1", role="teacher")

    assert _told([*present(CLASS), *teacher]) == "UNABLE_PLATFORM platform B teacher:t1"


def test_a_substitute_kept_out_is_told_as_the_teacher_of_the_timetable() -> None:
    assert _told([*present(CLASS), *kept_out(CLASS, "t9", role="teacher")]) == "UNABLE_PLATFORM platform B teacher:t1"


# 4.3 The cohort


def test_five_others_of_whom_three_lost_make_a_node_faulty() -> None:
    others = crowd("Mon 19:00", 5, 3, BJ_7) + crowd("Mon 19:00", 20, 0, SH_1)

    assert _told(OUT, others) == "UNABLE_PLATFORM platform B node:bj-7"


def test_four_others_are_too_few_and_two_lost_are_too_few() -> None:
    healthy = crowd("Mon 19:00", 40, 0, SH_1)

    assert _told(OUT, crowd("Mon 19:00", 4, 4, BJ_7) + healthy) == "UNKNOWN"
    assert _told(OUT, crowd("Mon 19:00", 5, 2, BJ_7) + healthy) == "UNKNOWN"


def test_exactly_a_fifth_lost_is_enough_and_less_is_not() -> None:
    healthy = crowd("Mon 19:00", 60, 0, SH_1)

    assert _told(OUT, crowd("Mon 19:00", 25, 5, BJ_7) + healthy) == "UNABLE_PLATFORM platform B node:bj-7"
    assert _told(OUT, crowd("Mon 19:00", 26, 5, BJ_7) + healthy) == "UNKNOWN"


def test_a_share_five_times_the_usual_is_needed() -> None:
    # 4 % is the most that counts as usual, whatever was lost before: then 20 % is five times it.
    before = crowd(A - 7 * DAY, 100, 19, BJ_7)  # 19 % is no fault
    healthy = crowd("Mon 19:00", 60, 0, SH_1)

    assert _told(OUT, before + crowd("Mon 19:00", 40, 8, BJ_7) + healthy) == "UNABLE_PLATFORM platform B node:bj-7"
    assert _told(OUT, before + crowd("Mon 19:00", 40, 7, BJ_7) + healthy) == "UNKNOWN"


def test_what_was_lost_in_faulty_windows_or_28_days_ago_is_not_usual() -> None:
    def told_after(days: int, lost: int) -> int:
        before = crowd(A - days * DAY, 100, lost, BJ_7)
        others = crowd("Mon 19:00", 5, 3, BJ_7) + crowd("Mon 19:00", 20, 0, SH_1)
        world = school([CLASS, *before.classes, *others.classes], OUT + before.observations + others.observations)
        why = record_of(judged(world), "c1").why
        return int(why.partition("about 1 in ")[2].split()[0])

    assert told_after(28, 2) == 50
    assert told_after(29, 2) == 200
    assert told_after(7, 100) == 200
    assert told_after(7, 10) == 25


def test_the_judged_learner_is_left_out_of_the_count() -> None:
    others = crowd("Mon 19:00", 4, 4, BJ_7) + crowd("Mon 19:00", 20, 0, SH_1)

    answer = judged(school([CLASS, *others.classes], OUT + others.observations))

    assert told(answer, "c1") == "UNKNOWN"  # though with u1 the node has five voters who all lost


def test_a_domain_whose_complement_is_as_bad_is_not_the_cause() -> None:
    # Everybody is lost on every node: what they share is the provider, and login before it by name.
    others = crowd("Mon 19:00", 10, 10, BJ_7) + crowd("Mon 19:00", 10, 10, SH_1)

    assert _told(OUT, others) == "UNABLE_PLATFORM platform B login"


def test_the_provider_is_blamed_where_another_provider_is_well() -> None:
    others = crowd("Mon 19:00", 10, 10, BJ_7) + crowd("Mon 19:00", 10, 10, SH_1)
    elsewhere = Crowd([], [])
    for number in range(10):
        row = lesson(f"x{number}", "Mon 19:00", f"x{number}", provider="livekit")
        elsewhere += Crowd([row], present(row, f"x{number}", domains={"provider": "livekit"}))

    assert _told(OUT, others + elsewhere) == "UNABLE_PLATFORM platform B provider:agora"


def test_of_equally_narrow_domains_the_platforms_go_before_the_carrier() -> None:
    bad = {"provider": "agora", "node": "bj-7", "network": "gd-ct"}
    others = crowd("Mon 19:00", 6, 6, bad) + crowd("Mon 19:00", 20, 0, {**SH_1, "network": "zj-cm"})

    assert _told(kept_out(CLASS, fault="unknown", domains=bad), others) == "UNABLE_PLATFORM platform B node:bj-7"


def test_a_carrier_is_not_blamed_where_the_node_is_bad_without_it() -> None:
    both, node_only = {**BJ_7, "network": "gd-ct"}, {**BJ_7, "network": "bj-cu"}
    others = (
        crowd("Mon 19:00", 6, 6, both)
        + crowd("Mon 19:00", 12, 6, node_only)
        + crowd("Mon 19:00", 60, 0, {**SH_1, "network": "bj-cu"})
    )

    assert _told(kept_out(CLASS, fault="unknown", domains=both), others) == "UNABLE_PLATFORM platform B node:bj-7"


def test_a_carrier_alone_is_the_learners_side() -> None:
    bad = {**BJ_7, "network": "gd-ct"}
    others = (
        crowd("Mon 19:00", 6, 6, bad)
        + crowd("Mon 19:00", 30, 0, {**BJ_7, "network": "bj-cu"})
        + crowd("Mon 19:00", 30, 0, {**SH_1, "network": "bj-cu"})
    )

    assert _told(kept_out(CLASS, fault="unknown", domains=bad), others) == "UNABLE_LEARNER learner B network:gd-ct"


def test_a_class_belongs_to_the_half_hour_it_begins_in() -> None:
    healthy = crowd("Mon 19:00", 20, 0, SH_1)

    assert _told(OUT, crowd("Mon 19:29:59.999", 5, 5, BJ_7) + healthy) == "UNABLE_PLATFORM platform B node:bj-7"
    assert _told(OUT, crowd("Mon 19:30", 5, 5, BJ_7) + healthy) == "UNKNOWN"
    assert _told(OUT, crowd("Mon 18:59:59.999", 5, 5, BJ_7) + healthy) == "UNKNOWN"


def test_several_classes_in_a_window_are_one_vote() -> None:
    row = lesson("c1", "Mon 19:00", minutes=5)
    classes, observations = [row], kept_out(row, fault="unknown", domains=BJ_7)
    for number in range(4):
        for begins in ("Mon 19:00", "Mon 19:10"):
            other = lesson(f"{number} {begins}", begins, f"o{number}", minutes=5)
            classes.append(other)
            observations += kept_out(other, f"o{number}", fault="unknown", domains=BJ_7)

    assert told(judged(school(classes, observations)), "c1") == "UNKNOWN"  # eight classes, but four learners


def test_classes_that_could_not_have_a_verdict_yet_do_not_vote() -> None:
    long = crowd("Mon 19:00", 5, 5, BJ_7, minutes=90) + crowd("Mon 19:00", 20, 0, SH_1)
    world = school([CLASS, *long.classes], OUT + long.observations)

    assert told(judged(world, "Mon 20:44:59.999"), "c1") == "UNKNOWN"
    assert told(judged(world, "Mon 20:45"), "c1") == "UNABLE_PLATFORM platform B node:bj-7"


# 4.4 The last mile


def _rough(start: int, end: int, loss: float = 0.1) -> list[Observation]:
    """Drop at 19:20 for an unknown reason, with loss received between these seconds after 19:00."""
    measured = received(CLASS, {"loss": loss}, A + start * SECOND, A + end * SECOND, domains=BJ_7)
    good = received(CLASS, {"loss": 0}, domains=BJ_7)
    return [*dropped(CLASS, A + 20 * MINUTE, fault="unknown", domains=BJ_7), measured, good]


HEALTHY = crowd("Mon 19:00", 20, 0, BJ_7)


def test_loss_in_the_minute_before_a_drop_is_the_learners_last_mile() -> None:
    assert _told(_rough(0, 19 * 60 + 1), HEALTHY) == "UNABLE_LEARNER learner B"
    assert _told(_rough(0, 19 * 60), HEALTHY) == "UNKNOWN"
    assert _told(_rough(19 * 60, 20 * 60, 0.099), HEALTHY) == "UNKNOWN"


def test_the_last_mile_is_not_shown_without_twenty_who_were_well() -> None:
    assert _told(_rough(0, 1_200), crowd("Mon 19:00", 19, 0, BJ_7)) == "UNKNOWN"


@pytest.mark.parametrize(("size", "lost", "expected"), [(34, 1, "UNABLE_LEARNER learner B"), (33, 1, "UNKNOWN")])
def test_three_percent_lost_is_still_well(size: int, lost: int, expected: str) -> None:
    others = crowd("Mon 19:00", size, lost, BJ_7)

    assert _told(_rough(0, 1_200), others) == expected


def test_a_round_trip_of_half_a_second_shows_the_last_mile_too() -> None:
    slow = received(CLASS, {"rtt_ms": 500}, A, A + 20 * MINUTE, domains=BJ_7)

    assert _told([*dropped(CLASS, A + 20 * MINUTE, fault="unknown", domains=BJ_7), slow], HEALTHY) == (
        "UNABLE_LEARNER learner B"
    )


def test_a_failure_of_the_learners_own_shows_the_last_mile() -> None:
    own = [
        *dropped(CLASS, A + 10 * MINUTE, fault="unknown", domains=BJ_7),
        *present(CLASS, start=A + 50 * MINUTE, end=A + 51 * MINUTE),
        seen("join_failed", A + 55 * MINUTE, CLASS, fault="learner", domains=BJ_7),
    ]

    assert _told(own, HEALTHY) == "UNABLE_LEARNER learner B"


def test_the_last_mile_is_no_answer_where_the_platform_is_faulty() -> None:
    others = crowd("Mon 19:00", 25, 8, BJ_7) + crowd("Mon 19:00", 60, 0, SH_1)

    assert _told(_rough(0, 1_200), others) == "UNABLE_PLATFORM platform B node:bj-7"


# Attendance


def _absent(expected: int, absent: int) -> list[Verdict]:
    learners = [f"u{number}" for number in range(expected)]
    row = lesson("c1", "Mon 19:00", *learners)
    came = [one for who in learners[absent:] for one in present(row, who)]
    answer = judged(school([row], came))
    return [record_of(answer, "c1", who).verdict for who in learners[:absent]]


def test_twenty_expected_are_enough_to_see_that_nobody_could_log_in() -> None:
    assert set(_absent(20, 8)) == {Verdict.UNABLE_PLATFORM}
    assert set(_absent(19, 19)) == {Verdict.NO_SHOW}


def test_absence_must_be_five_times_the_usual() -> None:
    assert set(_absent(40, 10)) == {Verdict.UNABLE_PLATFORM}  # 25 %, usual at least 5 %
    assert set(_absent(41, 10)) == {Verdict.NO_SHOW}


def test_classes_whose_feed_was_silent_do_not_count_as_absence() -> None:
    learners = [f"u{number}" for number in range(40)]
    row = lesson("c1", "Mon 19:00", *learners)
    feed = seen("feed_alive", A, None, None, until=A + MINUTE)

    assert told(judged(school([row], [feed])), "c1", "u0") == "UNKNOWN"


def test_one_who_came_anyway_is_told_login_where_the_deficit_found_it() -> None:
    learners = [f"u{number}" for number in range(40)]
    row, own = lesson("c2", "Mon 19:00", *learners), kept_out(CLASS, fault="unknown")

    assert told(judged(school([CLASS, row], own)), "c1") == "UNABLE_PLATFORM platform B login"


def test_a_class_called_off_before_it_ended_is_not_expected() -> None:
    learners = [f"u{number}" for number in range(40)]
    row = lesson("c2", "Mon 19:00", *learners, cancelled=cancelled(B - 1, "mutual"))
    own = kept_out(CLASS, fault="unknown")

    assert told(judged(school([CLASS, row], own)), "c1") == "UNKNOWN"
