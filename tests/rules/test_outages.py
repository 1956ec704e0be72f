"""One learner, all classes: anchors, recoveries, gaps and the 48 hours of SPEC 6."""

import pytest
from rules_school import (
    cancelled,
    crowd,
    dropped,
    enrolment,
    hours,
    judged,
    kept_out,
    lesson,
    outages_found,
    present,
    received,
    school,
    seen,
)

from rules.observation import Observation
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant
from rules.world import ScheduledClass

MON = lesson("mon")
A, B = MON.starts_at, MON.ends_at


def _spans(classes: list[ScheduledClass], observations: list[Observation]) -> list[float]:
    return [hours(outage) for outage in outages_found(classes, observations)]


def _both_out(later: ScheduledClass, *between: Observation, blames: str | None = None) -> list[float]:
    """Shut u1 out on Monday and in a later class, and say how long the outages are."""
    second = kept_out(later) if blames is None else kept_out(later, blames=blames)
    return _spans([MON, later], [*kept_out(MON), *second, *between])


# 48 hours


def test_a_millisecond_less_than_48_hours_is_not_owed() -> None:
    def answer(ends: Instant) -> tuple[str, int | float]:
        row = lesson("wed", ends - HOUR)
        outage = outages_found([MON, row], kept_out(MON) + kept_out(row))[0]
        return outage.answer.value, outage.span_s

    assert answer(A + 48 * HOUR - 1) == ("not_yet", 172_799.999)
    assert answer(A + 48 * HOUR) == ("owed", 172_800)


def test_an_outage_without_a_class_anchor_is_never_owed() -> None:
    checks = [seen("check_failed", when, fault="platform") for when in ("Mon 20:10", "Wed 21:00")]
    observations = [*kept_out(MON), *dropped(MON, "Mon 19:42", start="Mon 19:12"), *checks]

    (outage,) = outages_found([MON], observations, "Fri 19:00")

    assert (outage.answer.value, outage.span_s >= 172_800) == ("not_yet", True)
    assert {anchor.kind for anchor in outage.anchors} == {"ATTEMPT"}


def test_anchors_that_begin_less_than_an_hour_apart_are_not_two() -> None:
    # One class of 50 hours, dark but for a moment: two runs that begin 59:50 apart, or an hour.
    def answer(apart: Instant) -> str:
        row = lesson("long", "Mon 19:00", minutes=50 * 60)
        again = A + apart
        observations = [*kept_out(row), *dropped(row, again, start=again - 10 * SECOND)]
        return outages_found([row], observations)[0].answer.value

    assert answer(HOUR - 10 * SECOND) == "not_yet"
    assert answer(HOUR) == "owed"


def test_one_failed_class_never_becomes_48_hours_by_waiting() -> None:
    assert [hours(o) for o in outages_found([MON], kept_out(MON), A + 200 * DAY)] == [1]


# Anchors


def test_a_run_from_the_start_reaches_back_to_its_shut_out_and_at_most_the_join_window() -> None:
    def begins(start: Instant) -> Instant:
        return A - outages_found([MON], kept_out(MON, start=start))[0].starts_at

    assert begins(A - 5 * MINUTE) == 5 * MINUTE
    assert begins(A - 15 * MINUTE) == 15 * MINUTE
    assert begins(A) == 0


def test_a_shut_out_opened_by_a_session_lost_long_before_reaches_back_a_join_window() -> None:
    observations = dropped(MON, A - HOUR, start=A - 2 * HOUR)

    assert outages_found([MON], observations)[0].starts_at == A - 15 * MINUTE


def test_each_unbroken_run_of_lost_slots_is_an_anchor() -> None:
    observations = [*kept_out(MON), *dropped(MON, A + 30 * MINUTE, start=A + 25 * MINUTE)]

    (outage,) = outages_found([MON], observations)

    assert [(a.starts_at - A, a.ends_at - A) for a in outage.anchors] == [
        (0, 25 * MINUTE),
        (30 * MINUTE, 60 * MINUTE),
    ]


def test_time_lost_by_the_learner_is_no_part_of_an_anchor() -> None:
    observations = [
        *kept_out(MON, end=A + 40 * MINUTE)[:2],
        seen("left", A + 41 * MINUTE, MON, session=f"u1-{A + 40 * MINUTE}", fault="learner"),
        seen("join_failed", A + 42 * MINUTE, MON, fault="learner"),
    ]

    (outage,) = outages_found([MON], observations)

    assert [(a.starts_at - A, a.ends_at - A) for a in outage.anchors] == [(0, 40 * MINUTE)]


def test_ten_dark_minutes_by_the_platform_in_a_class_attended_are_an_attempt_anchor() -> None:
    def anchors(length: Instant) -> list[str]:
        return [a.kind for outage in outages_found([MON], kept_out(MON, end=A + length)) for a in outage.anchors]

    assert anchors(10 * MINUTE) == ["ATTEMPT"]
    assert anchors(10 * MINUTE - 10 * SECOND) == []


def test_a_class_called_off_for_a_technical_reason_is_an_anchor_of_its_own_domain() -> None:
    row = lesson("mon", cancelled=cancelled("Mon 12:00", technical=True))

    (outage,) = outages_found([row], [])

    assert [(a.starts_at, a.ends_at, a.domain, a.grade, a.kind) for a in outage.anchors] == [
        (A, B, "class:mon", "A", "CLASS")
    ]


def test_a_check_is_an_anchor_of_a_second_where_the_platform_failed_it() -> None:
    platform = seen("check_failed", "Mon 18:00", fault="platform", source="lab", domains={})
    learner = seen("check_failed", "Mon 18:30", fault="learner")

    (outage,) = outages_found([], [platform, learner], "Tue 18:00")

    assert (outage.span_s, outage.domains) == (1, ("provider:lab",))


# Gaps


def test_anchors_of_one_domain_are_joined_over_a_gap_of_exactly_192_hours() -> None:
    assert _both_out(lesson("x", B + 192 * HOUR)) == [194]
    assert _both_out(lesson("x", B + 192 * HOUR + 1)) == [1, 1]


def test_anchors_of_different_domains_are_joined_over_a_gap_of_exactly_72_hours() -> None:
    assert _both_out(lesson("x", B + 72 * HOUR), blames="account") == [74]
    assert _both_out(lesson("x", B + 72 * HOUR + 1), blames="account") == [1, 1]


# Recoveries


def test_ten_unbroken_good_minutes_are_a_recovery() -> None:
    def spans(minutes: Instant) -> list[float]:
        tue = lesson("tue", "Tue 19:00")
        stay = present(tue, end=tue.starts_at + minutes)
        wed = lesson("wed", "Wed 19:00")
        return _spans([MON, tue, wed], [*kept_out(MON), *stay, *kept_out(wed)])

    assert spans(10 * MINUTE) == [1, 1]
    assert spans(10 * MINUTE - 10 * SECOND) == [49]


def test_impaired_minutes_are_a_recovery_and_unobserved_ones_are_not() -> None:
    tue, wed = lesson("tue", "Tue 19:00"), lesson("wed", "Wed 19:00")
    out, stay = kept_out(MON) + kept_out(wed), present(tue)

    assert _spans([MON, tue, wed], [*out, *stay, received(tue, {"delay_ms": 900})]) == [1, 1]
    touched = received(tue, {}, tue.starts_at - MINUTE, tue.starts_at + 1)
    assert _spans([MON, tue, wed], [*out, *stay, touched]) == [49]


def test_half_of_a_class_shorter_than_twenty_minutes_is_a_recovery() -> None:
    def spans(minutes: float, good: Instant) -> list[float]:
        tue, wed = lesson("tue", "Tue 19:00", minutes=minutes), lesson("wed", "Wed 19:00")
        return _spans([MON, tue, wed], [*kept_out(MON), *present(tue, end=tue.starts_at + good), *kept_out(wed)])

    assert spans(18, 9 * MINUTE) == [1, 1]
    assert spans(18, 9 * MINUTE - 10 * SECOND) == [49]
    assert spans(20, 9 * MINUTE) == [49]


def test_a_check_passed_is_a_recovery_of_what_it_used() -> None:
    wed = lesson("wed", "Wed 19:00")

    assert _both_out(wed, seen("check_passed", "Tue 19:00")) == [1, 1]
    assert _both_out(wed, seen("check_passed", "Tue 19:00", source="agora", domains={})) == [1, 1]
    assert _both_out(wed, seen("check_passed", "Tue 19:00", domains={"provider": "livekit"})) == [49]


def test_a_check_passed_elsewhere_still_separates_different_domains() -> None:
    row = lesson("thu", "Thu 19:00")

    assert _both_out(row, blames="class") == [73]
    assert _both_out(row, seen("check_passed", "Tue 19:00", domains={"provider": "livekit"}), blames="class") == [1, 1]


def test_a_class_of_the_same_enrolment_speaks_for_every_anchor_and_another_for_what_it_used() -> None:
    def spans(course: str) -> list[float]:
        tue = lesson("tue", "Tue 19:00", course=course, teacher="t2", provider="livekit")
        wed = lesson("wed", "Wed 19:00")
        classes = [MON, tue, wed]
        bought = [enrolment(), enrolment("e2", course="art")]
        observations = kept_out(MON) + present(tue, domains={"provider": "livekit"}) + kept_out(wed)
        return [hours(o) for o in judged(school(classes, observations, enrolments=bought)).outages]

    assert spans("math") == [1, 1]
    assert spans("art") == [49]


def test_a_recovery_starting_with_the_next_anchor_is_not_between() -> None:
    wed = lesson("wed", "Wed 19:00")

    assert _both_out(wed, seen("check_passed", "Wed 19:00")) == [49]
    assert _both_out(wed, seen("check_passed", B)) == [1, 1]


def test_a_fix_declared_counts_for_nothing() -> None:
    wed = lesson("wed", "Wed 19:00")
    declared = seen("incident_cleared", "Tue 09:00", None, None, source="status")

    assert _both_out(wed, declared) == [49]


def test_darkness_exactly_thirty_minutes_after_a_recovery_began_voids_it() -> None:
    wed = lesson("wed", "Wed 19:00")
    at = wed.starts_at - 30 * MINUTE

    assert _both_out(wed, seen("check_passed", at)) == [49]
    assert _both_out(wed, seen("check_passed", at - 1)) == [1, 1]


def test_an_anchor_a_recovery_does_not_speak_for_voids_nothing() -> None:
    thu = lesson("thu", "Thu 19:00")
    passed = seen("check_passed", "Tue 19:00", domains={"provider": "livekit"})
    stranger = seen("check_failed", "Tue 19:10", fault="platform", domains={"provider": "zoom"})
    spoken_for = seen("check_failed", "Tue 19:10", fault="platform", domains={"provider": "livekit"})

    assert _both_out(thu, passed, stranger, blames="class") == [1, 49 - 1 / 6]
    assert _both_out(thu, passed, spoken_for, blames="class") == [73]


@pytest.mark.parametrize(("second", "expected"), [("Tue 21:30", [1, 1]), ("Tue 22:00", [49])])
def test_a_cohort_recovers_with_two_healthy_windows_in_a_row(second: str, expected: list[float]) -> None:
    wed = lesson("wed", "Wed 19:00")
    others = crowd("Tue 21:00", 20, 0) + crowd(second, 20, 0)
    observations = kept_out(MON) + kept_out(wed) + others.observations

    assert _spans([MON, wed, *others.classes], observations) == expected


def test_nineteen_healthy_voters_are_no_recovery() -> None:
    wed = lesson("wed", "Wed 19:00")
    others = crowd("Tue 21:00", 20, 0) + crowd("Tue 21:30", 19, 0)

    assert _spans([MON, wed, *others.classes], kept_out(MON) + kept_out(wed) + others.observations) == [49]
