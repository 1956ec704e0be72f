"""Reads a timetable from iCalendar (RFC 5545): each lesson in a window becomes a class with a name that lasts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from qos_monitor.importing.calendar_options import CalendarOptions, rendered
from qos_monitor.importing.calendar_text import Block, Cutter
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import day_of
from qos_monitor.importing.series import Event, Instance, Series, is_all_day, settle_until
from qos_monitor.importing.table import decoded
from rules.span import Instant, Span, format_instant

_COMMA = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"\\(.)")
_WITHIN_LETTER = re.compile(rb"(\r?\n[ \t])([\x80-\xbf]+)")
"""A fold between the bytes of one letter, which RFC 5545, 3.1 allows: it is put after the letter."""
_NO_LEARNER = {"CHAIR", "NON-PARTICIPANT"}
_NO_PERSON = {"ROOM", "RESOURCE", "GROUP"}


def read(name: str, body: bytes, options: CalendarOptions) -> Draft:
    """Read every lesson that starts in the window, or would have had it not been moved.

    All-day events, and those of another category, are skipped and told; whatever is wrong is noted with its line.
    """
    draft = Draft(knows_cancellations=False)
    text = decoded(name, _WITHIN_LETTER.sub(rb"\2\1", body), draft)
    if text is None:
        return draft
    cutter = Cutter(name, draft)
    cutter.cut(text)
    series: dict[str, list[Block]] = {}
    for block in cutter.events:
        if uid := block.value("UID"):
            series.setdefault(uid, []).append(block)
        else:
            draft.note(f"{name}:{block.line} UID", "is missing: without it the class would get a new name each time")
    for uid, blocks in series.items():
        _Reader(name, uid, options, draft).read(blocks, cutter.zones)
    return draft


class _Reader:
    """Reads one series into the draft."""

    def __init__(self, name: str, uid: str, options: CalendarOptions, draft: Draft) -> None:
        self._name = name
        self._uid = uid
        self._options = options
        self._draft = draft

    def read(self, blocks: list[Block], zones: Mapping[str, Block]) -> None:
        blocks = self._latest(blocks)
        place = f"{self._name}:{blocks[0].line}"
        try:
            series = Series(blocks, zones, self._options.zone)
            if reason := self._reason_to_skip(series):
                self._draft.skipped.append(f"{place}: {reason}")
                return
            problems = [*series.problems(self._name)]
            self._draft.problems.extend(problems)
            if not problems:
                for event in series.events:
                    settle_until(event, self._options.zone)
                window = Span(self._options.begins_at, self._options.ends_at)
                for instance in series.instances(window):
                    self._add(instance)
        except Exception as error:  # noqa: BLE001 - two libraries raise whatever a broken event makes them stumble over
            self._draft.note(place, f"this event cannot be read ({type(error).__name__})")

    def _latest(self, blocks: list[Block]) -> list[Block]:
        """Leave out older editions (SEQUENCE) of the same event, as exports that append carry them along."""
        whole = [block for block in blocks if block.value("RECURRENCE-ID") is None]
        ranked = sorted(whole, key=_edition)
        older = [block for block in ranked[:-1] if _edition(block) < _edition(ranked[-1])]
        for block in older:
            self._draft.skipped.append(f"{self._name}:{block.line}: a later edition is in line {ranked[-1].line}")
        return [block for block in blocks if block not in older]

    def _reason_to_skip(self, series: Series) -> str | None:
        if all(is_all_day(event) for event in series.events):
            return "an all-day event is no lesson"
        wanted = self._options.category
        if wanted is not None and not any(wanted in _categories(event) for event in series.events):
            return f"not of the category {wanted}"
        return None

    def _add(self, instance: Instance) -> None:
        values = self._values(instance)
        place = f"{self._name}:{instance.block.line}"
        row: dict[str, object] = {
            "id": rendered(self._options.class_id, values),
            "course_id": _own(instance, "COURSE") or rendered(self._options.course, values),
            "starts_at": format_instant(instance.span.start),
            "ends_at": format_instant(instance.span.end),
            "provider": _own(instance, "PROVIDER") or rendered(self._options.provider, values),
            "room_id": _own(instance, "ROOM") or rendered(self._options.room, values),
            "teacher_id": _own(instance, "TEACHER") or rendered(self._options.teacher, values),
            "learner_ids": _parts(_all(instance, "X-QOS-LEARNERS")),
            "cancelled": self._cancelled(instance),
        }
        self._fill_from_group(row, instance, values, place)
        self._fill_from_guests(row, instance)
        if not row["learner_ids"]:
            self._draft.note(f"{place} learner_ids", "names nobody: X-QOS-LEARNERS, ATTENDEE or a group is wanted")
        self._draft.add("classes", row, place)

    def _values(self, instance: Instance) -> Mapping[str, str]:
        start = datetime.fromtimestamp(instance.original / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        categories = [*_categories(instance.event), *_categories(instance.master)]
        return {
            "uid": self._uid,
            "start": start,
            "day": day_of(instance.original, instance.master["DTSTART"].dt.tzinfo or self._options.zone).strftime(
                "%Y%m%d"
            ),
            "instance": f"-{start}" if instance.is_recurring else "",
            "summary": str(instance.event.get("SUMMARY", "")),
            "location": str(instance.event.get("LOCATION", "")),
            "category": categories[0] if categories else "",
        }

    def _cancelled(self, instance: Instance) -> Mapping[str, object] | None:
        is_cancelled = str(instance.event.get("STATUS", "")).strip().upper() == "CANCELLED"
        if not (is_cancelled or instance.block.is_cancelled):
            return None
        return {
            "at": format_instant(_told_at(instance)),
            "by": (_own(instance, "CANCELLED-BY") or "platform").lower(),
            "technical": (_own(instance, "CANCELLED-TECHNICAL") or "").upper() == "TRUE",
        }

    def _fill_from_group(
        self, row: dict[str, object], instance: Instance, values: Mapping[str, str], place: str
    ) -> None:
        name = _own(instance, "GROUP") or rendered(self._options.group, values)
        if name is None:
            return
        group = self._options.groups.get(name)
        if group is None:
            self._draft.note(f"{place} group", "names a group that is not among those given (--groups)")
            return
        own_zone = instance.event["DTSTART"].dt.tzinfo
        day = day_of(instance.span.start, self._options.zone or own_zone)
        row["course_id"] = row["course_id"] or group.course_id
        row["teacher_id"] = row["teacher_id"] or group.teacher_on(day)
        row["learner_ids"] = row["learner_ids"] or group.learners_on(day)

    def _fill_from_guests(self, row: dict[str, object], instance: Instance) -> None:
        """Take the organizer (else the chair) for the teacher, and whoever else was asked for the learners."""
        organizers = _all(instance, "ORGANIZER")
        guests = [guest for guest in _all(instance, "ATTENDEE") if _param(guest, "CUTYPE") not in _NO_PERSON]
        chairs = [guest for guest in guests if _param(guest, "ROLE") == "CHAIR"]
        if row["teacher_id"] is None:
            row["teacher_id"] = next((self._person(one) for one in [*organizers, *chairs]), None)
        if not row["learner_ids"]:
            learners = [self._person(guest) for guest in guests if _param(guest, "ROLE") not in _NO_LEARNER]
            row["learner_ids"] = [one for one in dict.fromkeys(learners) if one and one != row["teacher_id"]]

    def _person(self, address: Any) -> str:  # noqa: ANN401 - the library's vCalAddress, which is a str in some editions
        text = re.sub("^mailto:", "", str(address).strip(), flags=re.IGNORECASE)
        return text.rpartition("@")[0] or text if self._options.is_local_part else text


def _edition(block: Block) -> int:
    given = block.value("SEQUENCE") or ""
    return int(given[:9]) if given.isascii() and given.isdigit() else 0


def _all(instance: Instance, name: str) -> list[Any]:
    """Fetch every property of a name: those of the instance, else those of its series."""
    given = instance.event.get(name, instance.master.get(name))
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _own(instance: Instance, name: str) -> str | None:
    given = _all(instance, f"X-QOS-{name}")
    return _ESCAPED.sub(r"\1", str(given[0])).strip() or None if given else None


def _parts(given: list[Any]) -> list[str]:
    """Split lists at their commas; a comma of an id is escaped, as in any iCalendar text."""
    parts = [part for one in given for part in _COMMA.split(str(one))]
    return [text for part in parts if (text := _ESCAPED.sub(r"\1", part).strip())]


def _param(given: Any, name: str) -> str:  # noqa: ANN401 - the library's vCalAddress
    return str(given.params.get(name, "")).upper()


def _categories(event: Event) -> list[str]:
    given = event.get("CATEGORIES")
    listed = given if isinstance(given, list) else [] if given is None else [given]
    return [str(category) for one in listed for category in getattr(one, "cats", [one])]


def _told_at(instance: Instance) -> Instant:
    """Say when it was called off, as well as a calendar knows: its last change, else its making, else the start.

    Exports that make DTSTAMP anew each time change nothing: a cancellation that is stored stays as it is.
    """
    for name in ("LAST-MODIFIED", "DTSTAMP"):
        moment = getattr(instance.event.get(name), "dt", None)
        if isinstance(moment, datetime):
            placed = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return int(placed.timestamp()) * 1000
    return instance.original
