"""Until when a case must be settled (SPEC 9): working days counted from the day of filing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from rules.document import Invalid, Problem
from rules.policy import Deadlines
from rules.span import SECOND, Instant, format_instant

WorkingDay: TypeAlias = Callable[[date], bool]
"""Says whether a date is a working day; raises UnpublishedYear where nobody knows yet."""


class UnpublishedYear(Exception):  # noqa: N818 - a fact about the calendar, not a fault
    """The authority has not yet published the calendar of this year."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The day aimed at, the last day, and whether a calendar still to be published may move them."""

    target: date
    limit: date
    is_provisional: bool


def deadline(filed_at: Instant, terms: Deadlines, is_working_day: WorkingDay) -> Deadline:
    """Count the target and the limit of a case filed at this instant; day 0 is its day in the zone of the terms."""
    target, target_may_move = _counted(filed_at, terms.target_days, terms, is_working_day)
    limit, limit_may_move = _counted(filed_at, terms.limit_days, terms, is_working_day)
    return Deadline(target, limit, is_provisional=target_may_move or limit_may_move)


def review_deadline(filed_at: Instant, terms: Deadlines, is_working_day: WorkingDay) -> Deadline:
    """Count the one day by which a person answers a review; it is target and limit at once."""
    day, may_move = _counted(filed_at, terms.review_days, terms, is_working_day)
    return Deadline(day, day, is_provisional=may_move)


def _is_weekday(day: date) -> bool:
    return day.weekday() < 5


def _counted(filed_at: Instant, count: int, terms: Deadlines, is_working_day: WorkingDay) -> tuple[date, bool]:
    """Count working days from the day of filing; also say whether a calendar still to come may move the day.

    Raises Invalid where the days it may take are not all within the years 1 to 9999.
    """
    try:
        day0 = datetime.fromtimestamp(filed_at // SECOND, UTC).astimezone(ZoneInfo(terms.zone)).date()
        last = day0 + timedelta(days=terms.calendar_days_max)
    except OverflowError:
        words = f"{format_instant(filed_at)} is too late: what is due then would be due after the year 9999"
        raise Invalid([Problem("as_of", words)]) from None
    try:
        return _working_day(day0, count, last, is_working_day), False
    except UnpublishedYear:
        # Early on purpose: make-up weekends of a calendar nobody knows yet can bring the true day forward.
        early = _working_day(day0, count, last, _is_weekday) - timedelta(days=terms.provisional_lead_days)
        return early, True


def _working_day(day0: date, count: int, last: date, is_working_day: WorkingDay) -> date:
    day = day0
    while count and day < last:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day
