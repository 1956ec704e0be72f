"""Until when a case must be settled: the rows of SPEC 9, and a year nobody has published."""

from dataclasses import replace
from datetime import date

import pytest
from rules_school import POLICY

from qos_monitor.claims.calendar import is_working_day_in_china
from rules.deadline import Deadline, UnpublishedYear, deadline, review_deadline
from rules.document import Invalid
from rules.span import Instant, parse_instant

TERMS = POLICY.deadlines


def _morning(day: str) -> Instant:
    return parse_instant(f"{day}T10:00:00+08:00")


def _due(filed: Instant) -> Deadline:
    return deadline(filed, TERMS, is_working_day_in_china)


def test_filed_on_an_ordinary_monday() -> None:
    assert _due(_morning("2026-11-23")) == Deadline(date(2026, 11, 26), date(2026, 11, 30), is_provisional=False)


def test_filed_before_spring_festival_a_make_up_saturday_counts() -> None:
    assert _due(_morning("2026-02-12")) == Deadline(date(2026, 2, 24), date(2026, 2, 26), is_provisional=False)


def test_filed_on_a_holiday_a_make_up_saturday_is_the_limit() -> None:
    assert _due(_morning("2026-02-22")) == Deadline(date(2026, 2, 26), date(2026, 2, 28), is_provisional=False)


def test_filed_before_national_day() -> None:
    assert _due(_morning("2026-09-30")) == Deadline(date(2026, 10, 10), date(2026, 10, 13), is_provisional=False)


def test_the_day_of_filing_is_shanghais() -> None:
    last, first = parse_instant("2026-11-23T15:59:59.999Z"), parse_instant("2026-11-23T16:00:00Z")

    assert (_due(last).target, _due(first).target) == (date(2026, 11, 26), date(2026, 11, 27))


def test_a_count_that_reaches_an_unpublished_year_is_weekdays_less_two_days_and_provisional() -> None:
    due = _due(_morning("2026-12-28"))  # Mon; target Thu 31 is published, the limit is Mon 4 January less 2

    assert due == Deadline(date(2026, 12, 31), date(2027, 1, 2), is_provisional=True)


def test_a_count_wholly_in_an_unpublished_year_is_provisional_altogether() -> None:
    due = _due(_morning("2027-02-01"))  # Mon

    assert due == Deadline(date(2027, 2, 2), date(2027, 2, 6), is_provisional=True)


def test_the_calendar_raises_for_a_year_not_published() -> None:
    with pytest.raises(UnpublishedYear, match="2027"):
        is_working_day_in_china(date(2027, 3, 1))


def test_no_deadline_is_more_than_fifteen_calendar_days_away() -> None:
    due = deadline(_morning("2026-11-23"), TERMS, lambda day: day >= date(2026, 12, 7))

    assert due == Deadline(date(2026, 12, 8), date(2026, 12, 8), is_provisional=False)


def test_a_review_has_one_day_the_second() -> None:
    due = review_deadline(_morning("2026-11-23"), TERMS, is_working_day_in_china)

    assert due == Deadline(date(2026, 11, 25), date(2026, 11, 25), is_provisional=False)


@pytest.mark.parametrize("filed", ["9999-12-31T23:59:59.999Z", "9999-12-20T00:00:00Z"])
def test_a_deadline_after_the_year_9999_is_refused_in_words(filed: str) -> None:
    with pytest.raises(Invalid, match=r"as_of: 9999-12-.* is too late"):
        _due(parse_instant(filed))


def test_another_zone_is_a_setting() -> None:
    evening = parse_instant("2026-11-23T15:00:00-05:00")  # already Tuesday in Shanghai
    there = replace(TERMS, zone="America/New_York")

    assert deadline(evening, there, is_working_day_in_china).target == date(2026, 11, 26)
    assert _due(evening).target == date(2026, 11, 27)
