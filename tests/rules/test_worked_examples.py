"""The worked examples of SPEC 11, row by row: the facts of each as a whole world, judged."""

import pytest
from rules_dossiers import dossiers
from rules_school import (
    NO_CROWD,
    POLICY,
    Crowd,
    cases_of,
    crowd,
    dropped,
    enrolment,
    judged,
    kept_out,
    lesson,
    local,
    outages_of,
    present,
    record_of,
    school,
    seen,
    told,
)

from qos_monitor.claims.calendar import is_working_day_in_china
from rules.observation import Observation
from rules.span import DAY, HOUR, parse_instant
from rules.statistics import adjusted, upper_tail
from rules.verdict import Verdict
from rules.world import ScheduledClass

MONDAY_CLASS = lesson("mon")
TUESDAY_CLASS = lesson("tue", "Tue 19:00")
WEDNESDAY_CLASS = lesson("wed", "Wed 19:00")
EARLY_WEDNESDAY_CLASS = lesson("wed", "Wed 18:00")
THURSDAY_CLASS = lesson("thu", "Thu 19:00")
FRIDAY_CLASS = lesson("fri", "Fri 19:00")
BJ_7 = {"provider": "agora", "node": "bj-7"}
SH_1 = {"provider": "agora", "node": "sh-1"}


def test_1_two_classes_shut_out_with_nothing_between_are_49_hours_and_owed() -> None:
    world = school(
        [MONDAY_CLASS, WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS) + kept_out(WEDNESDAY_CLASS),
    )

    answer = judged(world, is_working_day=is_working_day_in_china)

    assert outages_of(answer) == [(49, "owed")]
    assert cases_of(answer) == ["refund"]
    assert answer.cases[0].amount_minor == 280_000
    assert (answer.cases[0].due_target, answer.cases[0].due_limit) == ("2026-11-10", "2026-11-12")


def test_2_one_class_shut_out_and_a_later_one_attended_is_one_hour() -> None:
    world = school([MONDAY_CLASS, THURSDAY_CLASS], kept_out(MONDAY_CLASS) + present(THURSDAY_CLASS))

    answer = judged(world)

    assert outages_of(answer) == [(1, "clear")]
    assert cases_of(answer) == ["T2 mon"]


def test_3_exactly_48_hours_are_owed() -> None:
    world = school(
        [MONDAY_CLASS, EARLY_WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS) + kept_out(EARLY_WEDNESDAY_CLASS),
    )

    answer = judged(world)

    assert outages_of(answer) == [(48, "owed")]
    assert cases_of(answer) == ["refund"]


def test_4_ten_seconds_less_than_48_hours_are_not_owed() -> None:
    world = school(
        [MONDAY_CLASS, EARLY_WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS) + kept_out(EARLY_WEDNESDAY_CLASS, end="Wed 18:59:50"),
    )

    answer = judged(world)

    assert [outage.span_s for outage in answer.outages] == [172_790]
    assert outages_of(answer)[0][1] == "not_yet"
    assert cases_of(answer) == ["T3 mon"]


def test_5_a_class_attended_between_makes_two_outages() -> None:
    world = school(
        [MONDAY_CLASS, TUESDAY_CLASS, WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS) + present(TUESDAY_CLASS) + kept_out(WEDNESDAY_CLASS),
    )

    answer = judged(world)

    assert [span for span, _ in outages_of(answer)] == [1, 1]
    assert cases_of(answer) == ["T3 mon"]


def _node_fault_on_monday_and_wednesday() -> Crowd:
    """Node bj-7 is bad at both classes and well from Monday 21:00; sh-1 is well all the time."""
    return (
        crowd("Mon 19:00", 24, 9, BJ_7)
        + crowd("Mon 19:00", 60, 0, SH_1)
        + crowd("Mon 21:00", 24, 0, BJ_7)
        + crowd("Mon 21:30", 24, 0, BJ_7)
        + crowd("Wed 19:00", 24, 9, BJ_7)
        + crowd("Wed 19:00", 60, 0, SH_1)
    )


def test_6_a_node_that_was_well_between_makes_two_outages() -> None:
    others = _node_fault_on_monday_and_wednesday()
    own = [
        *kept_out(MONDAY_CLASS, fault="unknown", domains=BJ_7),
        *kept_out(WEDNESDAY_CLASS, fault="unknown", domains=BJ_7),
    ]

    answer = judged(school([MONDAY_CLASS, WEDNESDAY_CLASS, *others.classes], own + others.observations))

    assert told(answer, "mon") == told(answer, "wed") == "UNABLE_PLATFORM platform B node:bj-7"
    assert [span for span, _ in outages_of(answer)] == [1, 1]
    assert cases_of(answer) == ["T3 mon"]


def test_7_the_health_of_a_node_says_nothing_about_an_account() -> None:
    others = _node_fault_on_monday_and_wednesday()
    own = [
        *kept_out(MONDAY_CLASS, blames="account", domains=BJ_7),
        *kept_out(WEDNESDAY_CLASS, blames="account", domains=BJ_7),
    ]

    answer = judged(school([MONDAY_CLASS, WEDNESDAY_CLASS, *others.classes], own + others.observations))

    assert [outage.domains for outage in answer.outages if outage.learner_id == "u1"] == [("account:u1",)]
    assert outages_of(answer) == [(49, "owed")]
    assert cases_of(answer) == ["refund"]


def test_8_an_incident_widens_one_class_to_50_hours() -> None:
    when = ("Mon 08:00", "Mon 20:00", "Tue 08:00", "Tue 20:00", "Wed 08:00", "Wed 09:30")
    others = sum((crowd(begins, 6, 6, {"login": "sso"}) for begins in when), NO_CROWD)
    own = kept_out(TUESDAY_CLASS, blames="login")

    answer = judged(school([TUESDAY_CLASS, *others.classes], own + others.observations))

    assert outages_of(answer) == [(50, "owed")]
    assert (answer.outages[0].starts_at, answer.outages[0].ends_at) == (local("Mon 08:00"), local("Wed 10:00"))
    assert len(answer.outages[0].anchors) == 1
    assert cases_of(answer) == ["refund"]


def test_9_a_no_show_between_is_neutral() -> None:
    world = school(
        [MONDAY_CLASS, WEDNESDAY_CLASS, FRIDAY_CLASS],
        kept_out(MONDAY_CLASS, blames="account") + kept_out(FRIDAY_CLASS, blames="account"),
    )

    answer = judged(world)

    assert told(answer, "wed") == "NO_SHOW"
    assert outages_of(answer) == [(97, "owed")]


def test_10_trouble_with_the_own_wifi_lengthens_nothing() -> None:
    world = school(
        [MONDAY_CLASS, WEDNESDAY_CLASS, FRIDAY_CLASS],
        kept_out(MONDAY_CLASS) + kept_out(WEDNESDAY_CLASS, fault="learner") + present(FRIDAY_CLASS),
    )

    answer = judged(world)

    assert told(answer, "wed") == "UNABLE_LEARNER learner A"
    assert outages_of(answer) == [(1, "clear")]
    assert cases_of(answer) == ["T2 mon"]


def test_11_fifteen_good_minutes_and_darkness_again_are_no_recovery() -> None:
    world = school(
        [MONDAY_CLASS, WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS) + dropped(MONDAY_CLASS, "Mon 19:50", start="Mon 19:35") + kept_out(WEDNESDAY_CLASS),
    )

    answer = judged(world)

    assert told(answer, "mon") == "UNABLE_PLATFORM platform A provider:agora"
    assert outages_of(answer) == [(49, "owed")]


def test_12_a_recovery_that_lasts_ends_the_outage() -> None:
    world = school(
        [MONDAY_CLASS, WEDNESDAY_CLASS],
        kept_out(MONDAY_CLASS, end="Mon 19:35") + kept_out(WEDNESDAY_CLASS),
    )

    answer = judged(world)

    assert told(answer, "mon") == "UNABLE_PLATFORM platform A provider:agora"
    assert [(round(span * 60), said) for span, said in outages_of(answer)] == [(35, "clear"), (60, "not_yet")]
    assert cases_of(answer) == ["T3 mon"]


def test_13_failed_checks_without_a_class_owe_nothing() -> None:
    checks = [seen("check_failed", when, fault="platform") for when in ("Mon 19:00", "Wed 19:00")]

    answer = judged(school([], checks), "Thu 19:00")

    assert [outage.span_s for outage in answer.outages] == [48 * 3600 + 1]
    assert outages_of(answer)[0][1] == "not_yet"
    assert cases_of(answer) == []


def test_14_a_wall_clock_that_jumps_lengthens_nothing() -> None:
    saturday = lesson("sat", parse_instant("2026-03-28T19:00:00+01:00"))
    monday = lesson("mon", parse_instant("2026-03-30T18:30:00+02:00"))
    bought = enrolment(starts_at=saturday.starts_at - 30 * DAY)

    answer = judged(school([saturday, monday], kept_out(saturday) + kept_out(monday), enrolments=[bought]))

    assert outages_of(answer) == [(47.5, "not_yet")]
    assert cases_of(answer) == ["T3 sat"]


def _eight_classes_of_eight(days_ago: int, absent: int) -> tuple[list[ScheduledClass], list[Observation]]:
    begins = local("Mon 19:00") - days_ago * DAY
    learners = [f"u{number}" for number in range(64)]
    classes = [
        lesson(f"{days_ago}-{room}", begins, *learners[8 * room : 8 * room + 8], teacher=f"t{room}")
        for room in range(8)
    ]
    where = {who: row for row in classes for who in row.learner_ids}
    return classes, [observed for who in learners[absent:] for observed in present(where[who], who)]


def test_15_a_login_that_lets_nobody_leave_a_trace_is_presumed_at_fault() -> None:
    classes, observations = _eight_classes_of_eight(0, absent=51)
    for days_ago in range(1, 29):  # 12 % usually do not come: 215 of 28 x 64 = 1,792
        before, seen_then = _eight_classes_of_eight(days_ago, absent=8 if days_ago <= 19 else 7)
        classes, observations = classes + before, observations + seen_then

    answer = judged(school(classes, observations, enrolments=[enrolment(who="u0")]))

    tonight = [row for row in answer.records if row.class_id.startswith("0-")]
    missing = [row for row in tonight if row.verdict is Verdict.UNABLE_PLATFORM]
    assert len(tonight) == 64
    assert len(missing) == 51
    assert {(row.by, row.grade, row.domain) for row in missing} == {("platform", "B", "login")}
    assert all(row.shares.as_json()["lost_platform"] == 1 for row in missing)
    assert sum(row.verdict is Verdict.NO_SHOW for row in answer.records if row not in tonight) == 215
    assert cases_of(answer, "u0") == ["T2 0-0"]


def test_16_nine_of_24_others_on_one_node_blame_the_node() -> None:
    others = (
        crowd(MONDAY_CLASS.starts_at - 7 * DAY, 250, 3, BJ_7)  # p0 = 3 of 250 = 1.2 %
        + crowd("Mon 19:00", 24, 9, BJ_7)
        + sum((crowd("Mon 19:00", 5, 0, {"provider": "agora", "node": f"n{number}"}) for number in range(43)), NO_CROWD)
    )
    own = kept_out(MONDAY_CLASS, fault="unknown", domains=BJ_7)
    world = school([MONDAY_CLASS, *others.classes], own + others.observations)

    answer = judged(world)

    cohort = dossiers(world, answer.as_of, POLICY)["u1"].surroundings["mon"].cohort
    assert cohort is not None
    tails = {
        name: upper_tail(count.voters, count.lost, float(cohort.usual[name]))
        for name, count in cohort.counts.items()
        if count.voters >= 5
    }
    assert len(tails) == 46
    assert f"{tails['node:bj-7']:.1e}" == "5.7e-12"
    assert f"{adjusted(tails)['node:bj-7']:.1e}" == "2.6e-10"
    assert told(answer, "mon") == "UNABLE_PLATFORM platform B node:bj-7"
    assert "24 other learners used node:bj-7 at that time; 9 lost" in record_of(answer, "mon").why
    assert "about 1 in 83 usually" in record_of(answer, "mon").why


def test_17_three_others_are_too_few_to_tell() -> None:
    others = crowd("Mon 19:00", 3, 2)
    own = kept_out(MONDAY_CLASS, fault="unknown")

    answer = judged(school([MONDAY_CLASS, *others.classes], own + others.observations))

    assert told(answer, "mon") == "UNKNOWN"
    assert outages_of(answer) == []
    assert cases_of(answer) == ["T2 mon"]


def test_18_a_carrier_that_fails_over_every_node_is_the_learners_side() -> None:
    def on(node: int, network: str) -> dict[str, str]:
        return {"provider": "agora", "node": f"n{node}", "network": network}

    lost_on_the_carrier = (4, 4, 4, 3, 3)  # 18 of 60, spread over 5 nodes
    others = NO_CROWD
    for node in range(5):
        others += crowd("Mon 19:00", 12, lost_on_the_carrier[node], on(node, "gd-ct"))
        others += crowd("Mon 19:00", 229 if node < 4 else 228, 3 if node < 4 else 2, on(node, f"other-{node}"))
    own = kept_out(MONDAY_CLASS, fault="unknown", domains=on(0, "gd-ct"))

    answer = judged(school([MONDAY_CLASS, *others.classes], own + others.observations))

    assert len(others.classes) == 60 + 1_144
    assert told(answer, "mon") == "UNABLE_LEARNER learner B network:gd-ct"
    assert outages_of(answer) == []
    assert cases_of(answer) == []


@pytest.mark.parametrize("later_h", [0, 1, 24, 24 * 60])
def test_the_first_example_stays_owed_under_the_same_key_whenever_it_is_judged_again(later_h: int) -> None:
    world = school([MONDAY_CLASS, WEDNESDAY_CLASS], kept_out(MONDAY_CLASS) + kept_out(WEDNESDAY_CLASS))

    first, again = judged(world), judged(world, local("Thu 02:00") + later_h * HOUR)

    assert [case.case_key for case in first.cases] == [case.case_key for case in again.cases]
