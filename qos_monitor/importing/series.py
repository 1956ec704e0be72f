"""Expands one iCalendar series within a window; every instance keeps the name it had before it was moved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import icalendar
import recurring_ical_events

from qos_monitor.importing.calendar_text import Block
from rules.document import Problem
from rules.span import DAY, Instant, Span

Event: TypeAlias = Any
"""A component of the library: its own types make every property one of thirty."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE", "RDATE")
_READ = (*_TIMES, "DURATION", "RRULE")
_A_DAY_MAX = 24
_YEAR_MIN = 1970
_SLACK = 2 * DAY
"""The window is widened by this for the search: floating times have no instant before they have a zone."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One lesson of a series."""

    event: Event
    master: Event
    block: Block
    original: Instant
    """When the rule had it start; what names it."""
    span: Span
    is_recurring: bool


class Series:
    """All events of one UID, already read."""

    def __init__(self, blocks: Sequence[Block], zones: Mapping[str, Block], zone: tzinfo | None) -> None:
        """Read them. Raises whatever the library raises for a text it cannot read."""
        self._blocks = blocks
        self._zone = zone
        texts = [block.text() for block in blocks]
        used = [block.text() for name, block in zones.items() if any(name in text for text in texts)]
        head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:qos-monitor\r\n"
        self._calendar: Event = icalendar.Calendar.from_ical(head + "".join([*used, *texts]) + "END:VCALENDAR\r\n")
        self.events: list[Event] = self._calendar.walk("VEVENT")

    def problems(self, name: str) -> Iterator[Problem]:
        """Find what keeps this series from being expanded, each with its line."""
        for block, event in zip(self._blocks, self.events, strict=True):
            for key, message in self._wrong(event):
                yield Problem(f"{name}:{block.lines_by_name.get(key, block.line)} {key}".strip(), message)
        masters = [
            block for block, event in zip(self._blocks, self.events, strict=True) if "RECURRENCE-ID" not in event
        ]
        if len(masters) > 1:
            first = masters[0].line
            yield Problem(f"{name}:{masters[1].line} UID", f"is already that of the event in line {first}")

    def _wrong(self, event: Event) -> Iterator[tuple[str, str]]:
        if shapes := [*_wrong_shapes(event)]:
            yield from shapes
            return
        for key in _TIMES:
            if message := self._wrong_zone(event, key):
                yield key, message
        if message := _wrong_rule(event):
            yield "RRULE", message

    def _wrong_zone(self, event: Event, key: str) -> str | None:
        for given in _listed(event.get(key)):
            for moment in [entry.dt for entry in getattr(given, "dts", [given])]:
                if not isinstance(moment, datetime) or moment.tzinfo is not None:
                    continue
                if "TZID" in given.params:
                    return f"the zone {given.params['TZID']!r} is neither known nor described in the file"
                if self._zone is None:
                    return "is a floating time: say in which zone it is (--zone)"
        return None

    def instances(self, window: Span) -> Iterator[Instance]:
        """Give every lesson that starts in the window, or would have had it not been moved."""
        low, high = window.start - _SLACK, window.end + _SLACK
        query = recurring_ical_events.of(self._calendar, components=["VEVENT"])
        found = query.between(_EPOCH + timedelta(milliseconds=low), _EPOCH + timedelta(milliseconds=high))
        seen = set()
        for event in [*found, *self._moved()]:
            instance = self._instance(event)
            if instance.original not in seen and (window.holds(instance.original) or window.holds(instance.span.start)):
                seen.add(instance.original)
                yield instance

    def _moved(self) -> list[Event]:
        """List the changed instances, latest edition first: one moved far away is still the class it was."""
        changed = [event for event in self.events if "RECURRENCE-ID" in event]
        return sorted(changed, key=lambda event: -int(event.get("SEQUENCE", 0)))

    def _instance(self, event: Event) -> Instance:
        starts_at = self._instant(event["DTSTART"].dt)
        original = self._instant(event["RECURRENCE-ID"].dt) if "RECURRENCE-ID" in event else starts_at
        index = self._defining(original)
        length = self._length(self.events[index])
        masters = [event for event in self.events if "RECURRENCE-ID" not in event]
        is_recurring = any(key in one for one in self.events for key in ("RRULE", "RDATE", "RECURRENCE-ID"))
        return Instance(
            event=event,
            master=masters[0] if masters else event,
            block=self._blocks[index],
            original=original,
            span=Span(starts_at, max(starts_at, starts_at + length)),
            is_recurring=is_recurring,
        )

    def _defining(self, original: Instant) -> int:
        """Find the event that says how this instance is: its own change (the latest edition), else the rule's."""
        own, rule = [], 0
        for index, event in enumerate(self.events):
            if "RECURRENCE-ID" not in event:
                rule = index
            elif self._instant(event["RECURRENCE-ID"].dt) == original:
                own.append((int(event.get("SEQUENCE", 0)), index))
        return max(own)[1] if own else rule

    def _length(self, event: Event) -> int:
        """Measure a lesson in elapsed time: every instance lasts as long as the first (RFC 5545, 3.8.5.3)."""
        if "DURATION" in event:
            return int(event["DURATION"].dt / timedelta(milliseconds=1))
        return self._instant(event["DTEND"].dt) - self._instant(event["DTSTART"].dt)

    def _instant(self, moment: date | datetime) -> Instant:
        if not isinstance(moment, datetime):
            raise TypeError("a day where a time is wanted")
        placed = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        return (placed.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def is_all_day(event: Event) -> bool:
    """Say whether an event begins on a day instead of at a time."""
    if any(key == "DTSTART" for key, _ in event.errors):
        return False
    start = event.get("DTSTART")
    return start is not None and not isinstance(start, list) and not isinstance(getattr(start, "dt", None), datetime)


def _listed(given: Any) -> list[Any]:  # noqa: ANN401 - a property, or several of one name
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _wrong_shapes(event: Event) -> Iterator[tuple[str, str]]:
    yield from ((key, "cannot be read") for key, _ in event.errors if key in _READ)
    if is_all_day(event):
        yield "DTSTART", "is a day, where the rest of the series has times"
    if "DTSTART" not in event:
        yield "DTSTART", "is missing"
    if ("DTEND" in event) == ("DURATION" in event):
        yield "DTEND", "either this or DURATION is wanted, and not both"
    for key in ("DTSTART", "DTEND", "RECURRENCE-ID", "DURATION", "UID"):
        if isinstance(event.get(key), list):
            yield key, "is there more than once"


def _wrong_rule(event: Event) -> str | None:
    """Refuse rules no timetable has, which would take for ever to expand."""
    for rule in _listed(event.get("RRULE")):
        if rule.get("FREQ", ["?"])[0] not in {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}:
            return "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"
        if any(number < 1 for key in ("INTERVAL", "COUNT") for number in rule.get(key, [])):
            return "INTERVAL and COUNT must be at least 1"
        if event["DTSTART"].dt.year < _YEAR_MIN:
            return f"must begin in {_YEAR_MIN} or later"
        a_day = 1
        for key in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            a_day *= max(1, len(rule.get(key, [])))
        if a_day > _A_DAY_MAX:
            return f"must give at most {_A_DAY_MAX} lessons a day, not {a_day}"
    return None
