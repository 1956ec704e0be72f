"""What a refund is: the rows of SPEC 8, and the edges of the formula."""

from fractions import Fraction

import pytest
from rules_school import dropped, enrolment, judged, kept_out, lesson, local, present, school

from rules.judge import Judgement
from rules.money import Money, refund
from rules.observation import Observation
from rules.span import DAY
from rules.world import Enrolment, ScheduledClass


def _asked(bought: Enrolment) -> int:
    return refund(bought, ()).money.minor


def test_row_1_twenty_of_48_lessons_used() -> None:
    assert _asked(enrolment(price=480_000, lessons=48, used=20)) == 280_000


def test_row_2_the_one_rounding_is_up() -> None:
    assert _asked(enrolment(price=199_900, lessons=30, used=11)) == 126_604


def test_row_3_gift_lessons_count_as_lessons() -> None:
    assert _asked(enrolment(price=960_000, lessons=80, gift=16, used=40)) == 560_000


def test_row_5_what_was_refunded_before_is_taken_off() -> None:
    assert _asked(enrolment(price=480_000, lessons=48, used=36, refunded=100_000)) == 20_000


@pytest.mark.parametrize(("used", "expected"), [(35, 50_000), (42, 0)])
def test_row_6_a_discount_shortens_what_is_left_to_refund(used: int, expected: int) -> None:
    assert _asked(enrolment(price=600_000, paid=400_000, lessons=60, used=used)) == expected


def test_row_7_a_currency_without_minor_units_rounds_to_whole_ones() -> None:
    owed = refund(enrolment(price=59_800, lessons=24, used=7, currency="JPY"), ())

    assert owed.money == Money(42_359, "JPY")


def _course_of_25_classes() -> tuple[list[ScheduledClass], list[Observation]]:
    """18 attended, 2 no-shows, 1 degraded by the platform, 2 unable by it, and 2 more of its weight 0."""
    classes: list[ScheduledClass] = []
    observations: list[Observation] = []
    first = local("Mon 19:00") - 40 * DAY
    for number in range(23):
        row = lesson(f"c{number:02}", first + number * DAY)
        classes.append(row)
        if number < 18:
            observations += present(row)
        elif number == 20:
            observations += kept_out(row, end=row.starts_at + 20 * 60_000)
        elif number > 20:
            observations += kept_out(row)
    return classes, observations


def _review_amount(answer: Judgement) -> tuple[int | None, object]:
    case = next(case for case in answer.cases if case.kind in ("refund", "review"))
    return case.amount_minor, case.terms["classes"]


def test_row_4_each_verdict_has_its_weight() -> None:
    classes, observations = _course_of_25_classes()
    extra = [lesson("x1", "Mon 19:00"), lesson("x2", "Wed 19:00")]
    bought = enrolment(price=450_000, lessons=50, used=0)
    world = school([*classes, *extra], [*observations, *kept_out(extra[0]), *kept_out(extra[1])], enrolments=[bought])

    answer = judged(world)

    assert _review_amount(answer) == (
        265_500,
        {"ATTENDED × 1": 18, "DEGRADED by platform × 0.5": 1, "NO_SHOW × 1": 2, "UNABLE_PLATFORM × 0": 4},
    )


def test_a_case_carries_every_term_so_that_a_person_can_redo_it() -> None:
    classes = [lesson("mon"), lesson("wed", "Wed 19:00")]
    bought = enrolment(
        price=199_900, paid=150_000, lessons=30, gift=2, used=Fraction(21, 2), refunded=10_000, contract=5
    )

    answer = judged(school(classes, [*kept_out(classes[0]), *kept_out(classes[1])], enrolments=[bought]))

    terms = answer.cases[0].terms
    assert {name: terms[name] for name in terms if name not in ("outage", "alternatives")} == {
        "price_minor": 199_900,
        "paid_minor": 150_000,
        "price_refunded_minor": 10_000,
        "contract_refund_minor": 5,
        "lessons_paid": 30,
        "lessons_gift": 2,
        "lessons": 32,
        "lessons_used_before": 10.5,
        "lessons_used": 10.5,
        "classes": {"UNABLE_PLATFORM × 0": 2},
        "left_minor": 140_000,
        "formula": "ceil(150000 - 199900 * 10.5 / 32 - 10000), at least 5, from 0 to 140000",
    }
    assert terms["alternatives"] == {"makeup_lessons": 2, "bonus_lessons": 1, "validity_extended_s": 49 * 3600}
    assert answer.cases[0].amount_minor == 74_408  # 74,407.8125


def test_a_contract_that_promises_more_is_kept() -> None:
    assert _asked(enrolment(price=480_000, lessons=48, used=40, contract=100_000)) == 100_000


def test_no_contract_refunds_more_than_was_paid_and_not_refunded() -> None:
    assert _asked(enrolment(price=480_000, lessons=48, used=40, contract=900_000, refunded=30_000)) == 450_000


def test_nothing_is_left_where_more_was_refunded_than_paid() -> None:
    assert _asked(enrolment(price=480_000, paid=100_000, lessons=48, used=0, refunded=200_000)) == 0


def test_more_lessons_used_than_bought_ask_nothing_back() -> None:
    assert _asked(enrolment(lessons=48, used=60)) == 0


def test_a_fraction_of_a_minor_unit_is_the_learners() -> None:
    assert _asked(enrolment(price=3, lessons=3_000, used=2_999)) == 1


def test_money_is_never_negative() -> None:
    with pytest.raises(ValueError, match="never negative"):
        Money(-1, "CNY")


def test_half_a_lesson_is_the_weight_of_a_class_the_platform_degraded() -> None:
    rows = [lesson("deg", "Sun 19:00"), lesson("mon"), lesson("wed", "Wed 19:00")]
    observed = dropped(rows[0], "Sun 19:45") + kept_out(rows[1]) + kept_out(rows[2])

    answer = judged(school(rows, observed, enrolments=[enrolment(price=100, lessons=50, used=0)]))

    assert _review_amount(answer) == (99, {"DEGRADED by platform × 0.5": 1, "UNABLE_PLATFORM × 0": 2})
