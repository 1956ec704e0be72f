"""Until when a case must be settled (SPEC 9): working days counted from the day of filing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from rules.policy import Deadlines
from rules.span import Instant

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
    zone = ZoneInfo(terms.zone)
    day0 = (datetime.fromtimestamp(filed_at // 1000, UTC)).astimezone(zone).date()
    last = day0 + timedelta(days=terms.calendar_days_max)
    try:
        target = _working_day(day0, terms.target_days, is_working_day)
        limit = _working_day(day0, terms.limit_days, is_working_day)
    except UnpublishedYear:
        # Early on purpose: make-up weekends of a calendar nobody knows yet can bring the true day forward.
        lead = timedelta(days=terms.provisional_lead_days)
        target = _working_day(day0, terms.target_days, _is_weekday) - lead
        limit = _working_day(day0, terms.limit_days, _is_weekday) - lead
        return Deadline(min(target, last), min(limit, last), is_provisional=True)
    return Deadline(min(target, last), min(limit, last), is_provisional=False)


def review_deadline(filed_at: Instant, terms: Deadlines, is_working_day: WorkingDay) -> Deadline:
    """Count the one day by which a person answers a review; it is target and limit at once."""
    brief = Deadlines(
        zone=terms.zone,
        target_days=terms.review_days,
        limit_days=terms.review_days,
        review_days=terms.review_days,
        calendar_days_max=terms.calendar_days_max,
        provisional_lead_days=terms.provisional_lead_days,
    )
    return deadline(filed_at, brief, is_working_day)


def _is_weekday(day: date) -> bool:
    return day.weekday() < 5


def _working_day(day0: date, count: int, is_working_day: WorkingDay) -> date:
    day = day0
    while count:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day
