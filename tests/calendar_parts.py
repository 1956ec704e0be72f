"""Builders of calendars, and what is read from them."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from qos_monitor.importing import calendar
from qos_monitor.importing.calendar_options import CalendarOptions
from qos_monitor.importing.draft import Draft
from rules.document import Invalid
from rules.span import parse_instant
from rules.world import ScheduledClass

BERLIN = ZoneInfo("Europe/Berlin")
TEACHER_AND_LEARNERS = ("X-QOS-TEACHER:t1", "X-QOS-LEARNERS:u1,u2")


def options(
    begins: str = "2026-10-01", ends: str = "2026-12-31", zone: ZoneInfo | None = None, **more: object
) -> CalendarOptions:
    """Give options for a window of days."""
    fields: dict[str, Any] = {"course": "math", "provider": "agora", "zone": zone, **more}
    return CalendarOptions(parse_instant(f"{begins}T00:00:00Z"), parse_instant(f"{ends}T00:00:00Z"), **fields)


def event(*lines: str, uid: str = "algebra", people: tuple[str, ...] = TEACHER_AND_LEARNERS) -> str:
    """Write one event."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, *people, "END:VEVENT", ""])


def file(*parts: str, head: str = "") -> bytes:
    """Write a calendar around events."""
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:school\r\n{head}{''.join(parts)}END:VCALENDAR\r\n".encode()


def draft(body: bytes, told: CalendarOptions | None = None) -> Draft:
    """Read a calendar."""
    return calendar.read("t.ics", body, told or options())


def read(body: bytes, told: CalendarOptions | None = None) -> Mapping[str, ScheduledClass]:
    """Read its classes by id."""
    return {row.id: row for row in draft(body, told).roster().classes}


def starts(body: bytes, told: CalendarOptions | None = None) -> list[str]:
    """Read when its classes start, to the minute."""
    return [row.as_json()["starts_at"][:16] for row in read(body, told).values()]  # type: ignore[index]  # the shape of this JSON


def problems(body: bytes, told: CalendarOptions | None = None) -> list[str]:
    """Read what is wrong with it."""
    with pytest.raises(Invalid) as caught:
        read(body, told)
    return [str(problem) for problem in caught.value.problems]


WEEKLY = ("DTSTART;TZID=Europe/Berlin:20261019T183000", "DTEND;TZID=Europe/Berlin:20261019T193000")


def moved(*lines: str) -> bytes:
    """Write a weekly series of which one lesson is changed."""
    change = event("RECURRENCE-ID;TZID=Europe/Berlin:20261026T183000", *lines)
    return file(event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=3"), change)
