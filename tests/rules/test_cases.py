"""What is owed for what: refunds, compensation and reviews of SPEC 7, and which absorbs which."""

import hashlib

import pytest
from rules_school import (
    When,
    cancelled,
    cases_of,
    enrolment,
    judged,
    kept_out,
    lesson,
    local,
    outages_of,
    present,
    received,
    record_of,
    school,
    seen,
)

from rules.judge import Judgement
from rules.observation import Observation
from rules.remedy import case_key
from rules.span import DAY, HOUR, MINUTE
from rules.verdict import Verdict
from rules.world import ScheduledClass

MON, WED = lesson("mon"), lesson("wed", "Wed 19:00")
A = MON.starts_at


def test_a_key_is_the_hash_of_what_the_case_is_about() -> None:
    about = '["refund","学员1","e1","c1"]'

    assert case_key("refund", "学员1", "e1", "c1") == hashlib.sha256(about.encode()).hexdigest()


def test_a_class_degraded_by_the_platform_is_credited_by_half() -> None:
    answer = judged(school([MON], kept_out(MON, end=A + 20 * MINUTE)))

    assert cases_of(answer) == ["T1 mon"]
    assert answer.cases[0].terms["lessons_credited"] == 0.5
    assert (answer.cases[0].amount_minor, answer.cases[0].due_target, answer.cases[0].due_limit) == (None, None, None)


def test_a_class_degraded_by_the_learner_or_nobody_is_not() -> None:
    assert cases_of(judged(school([MON], kept_out(MON, end=A + 20 * MINUTE, fault="learner")))) == []
    assert cases_of(judged(school([MON], kept_out(MON, end=A + 20 * MINUTE, fault="unknown")))) == []


def test_a_lost_class_is_given_back_with_a_make_up_and_seven_days() -> None:
    answer = judged(school([MON], kept_out(MON)))

    assert cases_of(answer) == ["T2 mon"]
    assert answer.cases[0].terms == {
        "class_ids": ["mon"],
        "lessons_credited": 1,
        "makeup_lessons": 1,
        "bonus_lessons": 0,
        "validity_extended_s": 7 * 86_400,
    }


def _apart(length: int) -> Judgement:
    """Lose two classes of this enrolment that begin so far apart, with a good one between."""
    other, middle = lesson("other", A + length), lesson("between", A + 2 * DAY)
    return judged(school([MON, middle, other], kept_out(MON) + present(middle) + kept_out(other)))


def test_classes_that_begin_exactly_seven_days_apart_are_linked() -> None:
    assert cases_of(_apart(7 * DAY)) == ["T3 mon"]
    assert cases_of(_apart(7 * DAY + 1)) == ["T2 mon", "T2 other"]


def test_a_linked_set_is_one_case_with_one_bonus_lesson() -> None:
    (case,) = _apart(7 * DAY).cases

    assert case.terms["class_ids"] == ["mon", "other"]
    assert (case.terms["makeup_lessons"], case.terms["bonus_lessons"]) == (2, 1)
    assert case.terms["validity_extended_s"] == 14 * 86_400


def test_links_go_on_from_class_to_class() -> None:
    rows = [lesson(f"c{number}", A + number * 6 * DAY) for number in range(3)]
    between = [lesson(f"g{number}", A + number * 6 * DAY + DAY) for number in range(3)]
    observations = [one for row in rows for one in kept_out(row)] + [one for row in between for one in present(row)]

    assert [case for case in cases_of(judged(school([*rows, *between], observations))) if case != "review"] == ["T3 c0"]


def test_classes_of_different_enrolments_are_not_linked() -> None:
    art = lesson("art", "Tue 19:00", course="art")
    good = [lesson("m2", "Mon 21:00"), lesson("a2", "Tue 21:00", course="art")]
    observations = [*kept_out(MON), *kept_out(art), *present(good[0]), *present(good[1])]
    world = school([MON, art, *good], observations, enrolments=[enrolment(), enrolment("e2", course="art")])

    assert cases_of(judged(world)) == ["T2 mon", "T2 art"]


def test_a_single_class_in_an_outage_of_exactly_24_hours_is_linked() -> None:
    def tier(check: When) -> list[str]:
        failed = seen("check_failed", check, fault="platform")
        return cases_of(judged(school([MON], [*kept_out(MON), failed]), "Thu 19:00"))

    assert tier("Tue 18:59:59") == ["T3 mon"]
    assert tier("Tue 18:59:58.999") == ["T2 mon"]


def test_classes_more_than_seven_days_apart_are_linked_by_an_outage_that_is_not_owed() -> None:
    other = lesson("other", MON.ends_at + 190 * HOUR)
    answer = judged(school([MON, other], kept_out(MON, vantage="client") + kept_out(other, vantage="client")))

    assert outages_of(answer) == [(192, "review")]
    assert cases_of(answer) == ["T3 mon", "review"]


def test_a_refund_absorbs_compensation_and_count_reviews_of_its_enrolment() -> None:
    rows = [lesson(f"c{day}", A + day * DAY) for day in range(3)]
    degraded, art = lesson("d", A + 6 * DAY), lesson("art", A + 6 * DAY + 2 * HOUR, course="art")
    observations = [one for row in rows for one in kept_out(row)]
    observations += kept_out(degraded, end=degraded.starts_at + 20 * MINUTE)
    observations += kept_out(art, end=art.starts_at + 20 * MINUTE)
    world = school([*rows, degraded, art], observations, enrolments=[enrolment(), enrolment("e2", course="art")])

    assert cases_of(judged(world)) == ["refund", "T1 art"]


def test_an_enrolment_is_refunded_once_however_many_outages_are_owed() -> None:
    rows = [MON, WED, lesson("sat", "Sat 19:00"), lesson("x", A + 10 * DAY), lesson("y", A + 12 * DAY)]
    observations = [one for row in rows if row.id != "sat" for one in kept_out(row)] + present(rows[2])

    answer = judged(school(rows, observations))

    assert [said for _, said in outages_of(answer)] == ["owed", "owed"]
    assert [(case.kind, case.lineage) for case in answer.cases] == [("refund", "mon")]


def _second_course(length: int, provider: str, blames: str) -> list[str]:
    """Make an owed outage of this length in math, while art is taken through this provider; name who is refunded."""
    last = lesson("last", A + length - HOUR)
    art = lesson("art", A - 3 * DAY, course="art", provider=provider)
    observations = [
        *kept_out(MON, blames=blames),
        *kept_out(last, blames=blames),
        *present(art, domains={"provider": provider}),
    ]
    bought = [enrolment(), enrolment("e2", course="art")]
    answer = judged(school([MON, last, art], observations, enrolments=bought))
    return [case.enrolment_id for case in answer.cases if case.kind == "refund"]


def test_from_168_hours_on_every_enrolment_that_used_the_domain_is_refunded() -> None:
    assert set(_second_course(168 * HOUR, "agora", "provider")) == {"e1", "e2"}
    assert _second_course(168 * HOUR - 1, "agora", "provider") == ["e1"]


def test_an_enrolment_that_used_another_provider_is_not() -> None:
    assert _second_course(168 * HOUR, "livekit", "provider") == ["e1"]


@pytest.mark.parametrize("blames", ["account", "login"])
def test_login_and_the_account_are_used_by_every_enrolment(blames: str) -> None:
    assert set(_second_course(168 * HOUR, "livekit", blames)) == {"e1", "e2"}


# Reviews for the count


def _went(kind: str, row: ScheduledClass) -> list[Observation]:
    """Say what was seen of a class that went so, and of a good check an hour after it."""
    of_the_class = {
        "good": present(row),
        "unable": kept_out(row),
        "unknown": kept_out(row, fault="unknown"),
        "degraded": kept_out(row, end=row.starts_at + 20 * MINUTE),
        "absent": [],
        "off": [],
    }
    return [*of_the_class[kind], seen("check_passed", row.ends_at + HOUR)]


def _course(*kinds: str, days_between: int = 5, first_days_ago: int = 50) -> Judgement:
    """Judge a course whose classes went so."""
    rows, observations = [], []
    for number, kind in enumerate(kinds):
        begins = A - first_days_ago * DAY + number * days_between * DAY
        row = lesson(f"c{number:02}", begins, cancelled=cancelled(begins - 1, "mutual") if kind == "off" else None)
        rows.append(row)
        observations += _went(kind, row)
    return judged(school(rows, observations), A)


def _lineages(answer: Judgement) -> list[str]:
    return [case.lineage for case in answer.cases if case.kind == "review"]


def test_three_unable_by_the_platform_are_reviewed() -> None:
    assert _lineages(_course("unable", "good", "unable", "good", "unable")) == ["c00"]
    assert _lineages(_course("unable", "good", "unable", "good", "good")) == []


def test_three_unknown_are_reviewed() -> None:
    assert _lineages(_course("good", "unknown", "unknown", "unknown")) == ["c01"]
    assert _lineages(_course("good", "unknown", "unknown", "unable")) == []


def test_five_unable_or_degraded_are_reviewed() -> None:
    assert _lineages(_course("degraded", "unable", "degraded", "degraded", "unable")) == ["c00"]
    assert _lineages(_course("degraded", "unable", "degraded", "good", "unable")) == []


def test_only_the_last_ten_classes_count_and_those_called_off_are_left_out() -> None:
    nine = ["good"] * 7 + ["unable", "unable"]

    assert _lineages(_course("unable", *nine)) == ["c00"]
    assert _lineages(_course("unable", "good", *nine)) == []
    assert _lineages(_course("unable", "off", "off", *nine, days_between=4)) == ["c00"]


def test_only_classes_begun_in_the_last_60_days_count() -> None:
    assert _lineages(_course("unable", "unable", "unable", first_days_ago=60)) == ["c00"]
    assert _lineages(_course("unable", "unable", "unable", first_days_ago=61)) == []


def test_a_no_show_counts_as_a_class() -> None:
    answer = _course("unable", *["absent"] * 8, "unable", "unable", days_between=4)

    assert [row.verdict for row in answer.records][1:9] == [Verdict.NO_SHOW] * 8
    assert _lineages(answer) == []


def test_a_count_review_carries_the_amount_a_refund_would_have() -> None:
    answer = _course("unable", "good", "unable", "good", "unable")

    review = next(case for case in answer.cases if case.kind == "review")
    assert (review.amount_minor, review.currency) == (260_000, "CNY")  # 22 of 48 lessons used
    assert review.terms["class_ids"] == ["c00", "c02", "c04"]
    assert review.due_target == review.due_limit


# Enrolments


def test_a_class_without_an_enrolment_is_judged_and_opens_no_case() -> None:
    answer = judged(school([MON, WED], kept_out(MON) + kept_out(WED), enrolments=[]))

    assert outages_of(answer) == [(49, "owed")]
    assert answer.cases == ()


def test_a_class_belongs_to_the_latest_enrolment_begun_by_then() -> None:
    bought = [
        enrolment("old", starts_at=A - 9 * DAY),
        enrolment("new", starts_at=A),
        enrolment("later", starts_at=A + 1),
        enrolment("other", course="art", starts_at=A),
    ]

    assert record_of(judged(school([MON], enrolments=bought)), "mon").enrolment_id == "new"


def test_an_outage_over_two_enrolments_refunds_both() -> None:
    bought = [enrolment("old"), enrolment("new", starts_at="Tue 12:00", used=0)]

    answer = judged(school([MON, WED], kept_out(MON) + kept_out(WED), enrolments=bought))

    assert [(case.enrolment_id, case.lineage, case.amount_minor) for case in answer.cases] == [
        ("new", "mon", 480_000),
        ("old", "mon", 280_000),
    ]


def test_a_provisional_class_opens_no_case_but_weighs_in_the_amount() -> None:
    late = lesson("late", "Thu 20:00")
    world = school([MON, WED, late], kept_out(MON) + kept_out(WED) + present(late))

    answer = judged(world, "Thu 21:15")

    assert record_of(answer, "late").verdict is Verdict.ATTENDED
    assert [(case.kind, case.amount_minor) for case in answer.cases] == [("refund", 270_000)]


def test_impaired_time_of_unknown_cause_is_degraded_by_nobody_and_owes_nothing() -> None:
    bad = received(MON, {"av_offset_ms": 5_000})

    answer = judged(school([MON], [*present(MON), bad]))

    assert (record_of(answer, "mon").verdict, record_of(answer, "mon").by) == (Verdict.DEGRADED, None)
    assert answer.cases == ()


def test_a_refund_is_filed_at_the_instant_of_judging() -> None:
    answer = judged(school([MON, WED], kept_out(MON) + kept_out(WED)), "Fri 09:00:00.001")

    case = answer.cases[0].as_json()
    assert (case["filed_at"], case["due_target"], case["due_limit"]) == (
        "2026-11-06T01:00:00.001Z",
        "2026-11-11",
        "2026-11-13",
    )
    assert local("Fri 09:00") + 1 == answer.cases[0].filed_at
    assert answer.cases[0].lineage_at == A
