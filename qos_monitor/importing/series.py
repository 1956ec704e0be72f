"""Expands one iCalendar series within a window; every instance keeps the name it had before it was moved."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
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
        with warnings.catch_warnings():  # names such as /freeassociation.sourceforge.net/Asia/Shanghai are guessed well
            warnings.simplefilter("ignore")
            self._calendar: Event = icalendar.Calendar.from_ical(head + "".join([*used, *texts]) + "END:VCALENDAR\r\n")
        self.events: list[Event] = self._calendar.walk("VEVENT")
        masters = [index for index, event in enumerate(self.events) if "RECURRENCE-ID" not in event]
        self._rule = masters[0] if masters else None

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
        changed = self._changed()
        ranges = sorted((at, index) for at, index in changed.items() if _is_range(self.events[index]))
        found = [self._instance(index, at) for at, index in changed.items()]
        for at, start in self._by_rule(window, ranges):
            if at not in changed:
                index = max((one for one in ranges if one[0] <= at), default=(0, self._rule))[1]
                assert index is not None  # noqa: S101 - only a rule gives instances
                found.append(self._instance(index, at, start))
        for instance in sorted(found, key=lambda one: one.original):
            if window.holds(instance.original) or window.holds(instance.span.start):
                yield instance

    def _changed(self) -> dict[Instant, int]:
        """Find the event that says how a changed instance is, by when it was to be; the latest edition counts."""
        found: dict[Instant, tuple[int, int]] = {}
        for index, event in enumerate(self.events):
            if "RECURRENCE-ID" in event:
                at = self._instant(self._named(event))
                found[at] = max(found.get(at, (-1, 0)), (int(event.get("SEQUENCE", 0)), index))
        return {at: index for at, (_, index) in found.items()}

    def _named(self, event: Event) -> date | datetime:
        """Say which instance an event changes; a day names the one that starts at the time of the first."""
        named: date | datetime = event["RECURRENCE-ID"].dt
        first = None if self._rule is None else self.events[self._rule]["DTSTART"].dt
        if isinstance(named, datetime) or not isinstance(first, datetime):
            return named
        return datetime.combine(named, first.timetz())

    def _by_rule(self, window: Span, ranges: Sequence[tuple[Instant, int]]) -> Iterator[tuple[Instant, Instant]]:
        """Expand the rule alone: when each lesson was to be, and when it is after the changes of all that follow."""
        if self._rule is None:
            return
        shifts = {index: self._shift(index) for _, index in ranges}
        slack = _SLACK + max((abs(shift) // timedelta(milliseconds=1) for shift in shifts.values()), default=0)
        alone = self._calendar.copy()
        alone.subcomponents = [*self._calendar.walk("VTIMEZONE"), self.events[self._rule]]
        query = recurring_ical_events.of(alone, components=["VEVENT"])
        low, high = (_EPOCH + timedelta(milliseconds=at) for at in (window.start - slack, window.end + slack))
        for event in query.between(low, high):
            begun = event["DTSTART"].dt
            at = self._instant(begun)
            index = max((one for one in ranges if one[0] <= at), default=(0, None))[1]
            yield at, at if index is None else self._instant(begun + shifts[index])

    def _shift(self, index: int) -> timedelta:
        """Measure by how much a change moves what follows, by the wall clock of the rule's own zone."""
        named, starts = self._named(self.events[index]), self.events[index]["DTSTART"].dt
        zone = None if self._rule is None else self.events[self._rule]["DTSTART"].dt.tzinfo
        walls = [
            (moment if moment.tzinfo is None else moment.astimezone(zone)).replace(tzinfo=None)
            for moment in (starts, named)
            if isinstance(moment, datetime)
        ]
        return walls[0] - walls[1]

    def _instance(self, index: int, original: Instant, start: Instant | None = None) -> Instance:
        event = self.events[index]
        starts_at = start if start is not None else self._instant(event["DTSTART"].dt)
        length = self._periods().get(starts_at) or self._length(event)
        is_recurring = any(key in one for one in self.events for key in ("RRULE", "RDATE", "RECURRENCE-ID"))
        return Instance(
            event=event,
            master=event if self._rule is None else self.events[self._rule],
            block=self._blocks[index],
            original=original,
            span=Span(starts_at, max(starts_at, starts_at + length)),
            is_recurring=is_recurring,
        )

    def _periods(self) -> dict[Instant, int]:
        """Find the lessons that a RDATE names with an end of their own."""
        found = {}
        for listed in _listed(None if self._rule is None else self.events[self._rule].get("RDATE")):
            for entry in getattr(listed, "dts", ()):
                if isinstance(entry.dt, tuple):
                    begun, end = entry.dt
                    at = self._instant(begun)
                    found[at] = (
                        end // timedelta(milliseconds=1) if isinstance(end, timedelta) else self._instant(end) - at
                    )
        return found

    def _length(self, event: Event) -> int:
        """Measure a lesson in elapsed time: every instance lasts as long as the first (RFC 5545, 3.8.5.3)."""
        if not _has_end(event) and self._rule is not None:
            event = self.events[self._rule]  # a lesson called off may leave its end out
        if "DURATION" in event:
            return int(event["DURATION"].dt / timedelta(milliseconds=1))
        return self._instant(event["DTEND"].dt) - self._instant(event["DTSTART"].dt)

    def _instant(self, moment: date | datetime) -> Instant:
        if not isinstance(moment, datetime):
            raise TypeError("a day where a time is wanted")
        placed = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        return (placed.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def settle_until(event: Event, floating: tzinfo | None = None) -> None:
    """Say in UTC until when a rule holds, where that is written as a day or as a time without a zone.

    RFC 5545, 3.3.10 wants UTC; calendars that write the local time mean the event's own zone, and a day as a whole.
    Where the event itself floats, the end does too: one in UTC is put on the clock of the zone of floating times.
    """
    zone = getattr(getattr(event.get("DTSTART"), "dt", None), "tzinfo", None)
    for rule in _listed(event.get("RRULE")):
        for until in rule.get("UNTIL", [])[:1]:
            last = until if isinstance(until, datetime) else datetime.combine(until, time(23, 59, 59))
            if last.tzinfo is None and zone is not None:
                last = last.replace(tzinfo=zone).astimezone(UTC)
            elif last.tzinfo is not None and zone is None and floating is not None:
                last = last.astimezone(floating).replace(tzinfo=None)
            rule["UNTIL"] = [last]


def _is_range(event: Event) -> bool:
    return str(event["RECURRENCE-ID"].params.get("RANGE", "")).upper() == "THISANDFUTURE"


def _has_end(event: Event) -> bool:
    return "DTEND" in event or "DURATION" in event


def _is_off(event: Event) -> bool:
    return str(event.get("STATUS", "")).strip().upper() == "CANCELLED"


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
    may_lack_end = "RECURRENCE-ID" in event and _is_off(event)
    if ("DTEND" in event) == ("DURATION" in event) and not (may_lack_end and not _has_end(event)):
        yield "DTEND", "either this or DURATION is wanted, and not both"
    for key in ("DTSTART", "DTEND", "RECURRENCE-ID", "DURATION", "UID"):
        if isinstance(event.get(key), list):
            yield key, "is there more than once"
    yield from _wrong_days(event)


def _wrong_days(event: Event) -> Iterator[tuple[str, str]]:
    """Find days where times are wanted, and what is no more read since RFC 5545."""
    if not isinstance(getattr(event.get("DTEND"), "dt", datetime.min), datetime):  # noqa: DTZ901 - only its type counts
        yield "DTEND", "is a day, where DTSTART is a time"
    for listed in _listed(event.get("RDATE")):
        if any(not isinstance(entry.dt, datetime | tuple) for entry in getattr(listed, "dts", ())):
            yield "RDATE", "is a day, where DTSTART is a time"
    if "EXRULE" in event:
        yield "EXRULE", "is not read: it was taken out of iCalendar in 2009; EXDATE is"


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
