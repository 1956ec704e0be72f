"""Reads the roster from plain CSV: one file each for courses, enrolments and classes."""

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo

from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups, day_of
from qos_monitor.importing.table import Columns, Line, lines
from rules.span import parse_instant

_Cell = Callable[[str], object]
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,15}\.\d{1,15}", re.ASCII)

COLUMNS: Mapping[str, Columns] = {
    "courses": Columns(("id",), ("title", "visual_essential")),
    "enrolments": Columns(
        ("id", "learner_id", "course_id", "starts_at", "price_minor", "paid_minor", "currency", "lessons_paid"),
        ("lessons_gift", "lessons_used_before", "price_refunded_minor", "contract_refund_minor"),
    ),
    "classes": Columns(
        ("id", "starts_at", "ends_at", "provider"),
        (
            "course_id",
            "room_id",
            "teacher_id",
            "learner_ids",
            "group",
            "cancelled_at",
            "cancelled_by",
            "cancelled_technical",
        ),
    ),
}
"""Every file's header; a cell of an optional column may be blank."""


def read(bodies: Mapping[str, tuple[str, bytes]], groups: Groups | None = None, zone: tzinfo | None = None) -> Draft:
    """Read files, given as name and bytes by table (``courses``, ``enrolments``, ``classes``).

    ``groups`` fill what a class with a ``group`` leaves blank; ``zone`` tells on which day a class is.
    """
    draft = Draft()
    for table, (name, body) in bodies.items():
        for line in lines(name, body, COLUMNS[table], draft):
            if table == "courses":
                draft.add(table, _course(line), line.place)
            elif table == "enrolments":
                draft.add(table, _enrolment(line), line.place)
            else:
                draft.add(table, _filled(_class(line), line, groups, draft, zone), line.place)
    return draft


def _text(cell: str) -> object:
    return cell or None


def _number(cell: str) -> object:
    """Read a number; what is none stays text, and is refused with the rest of the roster."""
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _DECIMAL.fullmatch(cell) else cell or None


def _count(cell: str) -> object:
    return _number(cell) if cell else 0


def _flag(cell: str) -> object:
    return {"true": True, "false": False, "1": True, "0": False, "": False}.get(cell.lower(), cell)


def _course(line: Line) -> Mapping[str, object]:
    return {
        "id": _text(line.text("id")),
        "title": _text(line.text("title")),
        "visual_essential": _flag(line.text("visual_essential")),
    }


_ENROLMENT: Mapping[str, _Cell] = {
    "id": _text,
    "learner_id": _text,
    "course_id": _text,
    "starts_at": _text,
    "price_minor": _number,
    "paid_minor": _number,
    "currency": _text,
    "lessons_paid": _number,
    "lessons_gift": _count,
    "lessons_used_before": _count,
    "price_refunded_minor": _count,
    "contract_refund_minor": _number,
}


def _enrolment(line: Line) -> Mapping[str, object]:
    return {column: read_cell(line.text(column)) for column, read_cell in _ENROLMENT.items()}


def _class(line: Line) -> dict[str, object]:
    row: dict[str, object] = {
        column: _text(line.text(column))
        for column in ("id", "course_id", "starts_at", "ends_at", "provider", "room_id", "teacher_id")
    }
    row["learner_ids"] = [part.strip() for part in line.text("learner_ids").split(";") if part.strip()]
    row["cancelled"] = None
    if any(line.text(column) for column in ("cancelled_at", "cancelled_by", "cancelled_technical")):
        row["cancelled"] = {
            "at": _text(line.text("cancelled_at")),
            "by": _text(line.text("cancelled_by")),
            "technical": _flag(line.text("cancelled_technical")),
        }
    return row


def _filled(
    row: dict[str, object], line: Line, groups: Groups | None, draft: Draft, zone: tzinfo | None
) -> Mapping[str, object]:
    """Fill from the group what the line leaves blank."""
    name = line.text("group")
    if not name:
        return row
    group = (groups or {}).get(name)
    if group is None:
        why = "is given, but no groups are (--groups)" if groups is None else "is not among the groups given"
        draft.note(f"{line.place} group", why)
        return row
    try:
        day = day_of(parse_instant(line.text("starts_at")), zone)
    except (ValueError, OverflowError):
        return row  # refused with the rest of the roster
    return row | {
        "course_id": row["course_id"] or group.course_id,
        "teacher_id": row["teacher_id"] or group.teacher_on(day),
        "learner_ids": row["learner_ids"] or group.learners_on(day),
    }
