"""Working days in China, and the years nobody has published yet."""

from datetime import date

import pytest

from qos_monitor.claims.calendar import is_working_day_in_china
from rules import policy
from rules.deadline import UnpublishedYear, deadline
from rules.span import parse_instant


@pytest.mark.parametrize(
    ("day", "is_worked"),
    [
        ("2026-11-23", True),
        ("2026-11-28", False),
        ("2026-02-14", True),  # a Saturday that makes up for the Spring Festival
        ("2026-02-22", False),
        ("2026-10-01", False),
        ("2026-10-10", True),  # a Saturday again
    ],
)
def test_days_are_worked_as_the_state_council_says(day: str, *, is_worked: bool) -> None:
    assert is_working_day_in_china(date.fromisoformat(day)) is is_worked


@pytest.mark.parametrize("year", [2003, 2027, 2030])
def test_a_year_not_published_is_refused_not_guessed(year: int) -> None:
    with pytest.raises(UnpublishedYear, match=str(year)):
        is_working_day_in_china(date(year, 3, 1))


@pytest.mark.parametrize(
    ("filed", "target", "limit"),
    [
        ("2026-11-23T02:00:00Z", "2026-11-26", "2026-11-30"),
        ("2026-02-12T02:00:00Z", "2026-02-24", "2026-02-26"),
        ("2026-02-22T02:00:00Z", "2026-02-26", "2026-02-28"),
        ("2026-09-30T02:00:00Z", "2026-10-10", "2026-10-13"),
    ],
)
def test_the_deadlines_of_the_specification_hold(filed: str, target: str, limit: str) -> None:
    due = deadline(parse_instant(filed), policy.default().deadlines, is_working_day_in_china)

    assert (due.target.isoformat(), due.limit.isoformat(), due.is_provisional) == (target, limit, False)


def test_a_deadline_that_reaches_an_unpublished_year_is_provisional_and_early() -> None:
    due = deadline(parse_instant("2026-12-30T02:00:00Z"), policy.default().deadlines, is_working_day_in_china)

    assert (due.target.isoformat(), due.limit.isoformat(), due.is_provisional) == ("2027-01-02", "2027-01-04", True)
