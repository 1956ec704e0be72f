"""Working days in mainland China, as the State Council publishes them, make-up weekends included (SPEC 9)."""

from datetime import date

import chinese_calendar

from rules.deadline import UnpublishedYear


def is_working_day_in_china(day: date) -> bool:
    """Say whether people in China work on that day.

    Raises UnpublishedYear for a year whose calendar the library does not have. Its own check is not relied on
    alone: it goes by the latest holiday it knows, and the calendar of one year may already name the first days
    of the next. A year is published once its National Day is there.
    """
    if date(day.year, 10, 1) not in chinese_calendar.holidays:
        raise UnpublishedYear(f"the working days of {day.year} are not published")
    return bool(chinese_calendar.is_workday(day))
