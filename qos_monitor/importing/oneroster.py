"""Reads OneRoster 1.2 (and 1.1) CSV in bulk: courses, and who is in which course group.

It knows neither single lessons nor prices: those come from a timetable and from enrolments (docs/importing.md).
Columns read 2026-11 in the CSV Binding 1.2.1, imsglobal.org/spec/oneroster/v1p2/bind/csv.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Group, Groups, Member
from qos_monitor.importing.table import Columns, Line, lines

PERSON_COLUMNS: tuple[str, ...] = ("sourcedId", "username", "identifier")
"""What of a user may be the id that the provider and our roster know."""
COURSE_RECORDS: tuple[str, ...] = ("course", "class")
"""Which record of OneRoster is a course of ours: what learners bought."""
_VERSIONS = ("1.2", "1.1")
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "academicSessions": ("sourcedId", "title", "startDate", "endDate"),
    "orgs": ("sourcedId", "name"),
    "courses": ("sourcedId", "title", "orgSourcedId"),
    "classes": ("sourcedId", "title", "courseSourcedId", "schoolSourcedId"),
    "users": ("sourcedId", "username", "enabledUser"),
    "enrollments": ("sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary"),
}
_REFERENCES: Mapping[str, Mapping[str, str]] = {
    "courses": {"orgSourcedId": "orgs"},
    "classes": {"courseSourcedId": "courses", "schoolSourcedId": "orgs", "termSourcedIds": "academicSessions"},
    "users": {"primaryOrgSourcedId": "orgs", "orgSourcedIds": "orgs"},
    "enrollments": {"classSourcedId": "classes", "schoolSourcedId": "orgs", "userSourcedId": "users"},
}
_NEEDED = {"courses", "classes", "users", "enrollments"}
_DATES = ("startDate", "endDate", "beginDate")


@dataclass(frozen=True, slots=True)
class Mapped:
    """How its records become ours."""

    person: str = "sourcedId"
    course: str = "course"


def read(files: Mapping[str, bytes], mapped: Mapped, label: str = "") -> tuple[Draft, Groups]:
    """Read the files of one delivery, by name; ``label`` goes before each name where a problem is told.

    Only whole deliveries (bulk) are taken: what changed since the last one means nothing by itself.
    """
    draft = Draft(knows_essence=False)
    if not _is_bulk(files, draft, label):
        return draft, {}
    tables = {}
    for name, required in _REQUIRED.items():
        if f"{name}.csv" in files:
            read_lines = lines(f"{label}{name}.csv", files[f"{name}.csv"], Columns(required, are_closed=False), draft)
            tables[name] = _by_id(read_lines, draft)
        else:
            tables[name] = {}
    _check(tables, files, draft)
    if not draft.problems:
        return draft, _Reader(tables, mapped, draft).groups()
    return draft, {}


def _is_bulk(files: Mapping[str, bytes], draft: Draft, label: str) -> bool:
    known = len(draft.problems)
    if "manifest.csv" not in files:
        draft.note(f"{label}manifest.csv", "is missing: every delivery of OneRoster has one")
        return False
    said = {}
    for line in lines(f"{label}manifest.csv", files["manifest.csv"], Columns(("propertyName", "value")), draft):
        said[line.text("propertyName")] = line
    version = said.get("oneroster.version")
    if version is None or version.text("value") not in _VERSIONS:
        place = version.place if version else f"{label}manifest.csv"
        draft.note(place, f"oneroster.version must be one of {', '.join(_VERSIONS)}")
    for name in _REQUIRED:
        told = said.get(f"file.{name}")
        mode = told.text("value").lower() if told else "absent"
        place = told.place if told else f"{label}manifest.csv"
        if mode == "absent" and name in _NEEDED:
            draft.note(place, f"file.{name} must be bulk, and is absent")
        elif mode not in {"bulk", "absent"}:
            draft.note(place, f"file.{name} must be bulk, the whole of it, and is {mode[:20]!r}")
        elif mode == "bulk" and f"{name}.csv" not in files:
            draft.note(place, f"file.{name} is bulk, but there is no {name}.csv")
    return len(draft.problems) == known


def _by_id(read_lines: list[Line], draft: Draft) -> dict[str, Line]:
    rows: dict[str, Line] = {}
    for line in read_lines:
        row_id = line.text("sourcedId")
        if not row_id:
            draft.note(f"{line.place} sourcedId", "must not be blank")
        elif row_id in rows:
            draft.note(f"{line.place} sourcedId", f"is already that of {rows[row_id].place}")
        elif line.text("status").lower() in {"", "active"}:
            rows[row_id] = line
        else:
            draft.skipped.append(f"{line.place}: its status is {line.text('status')[:20]}")
    return rows


def _check(tables: Mapping[str, Mapping[str, Line]], files: Mapping[str, bytes], draft: Draft) -> None:
    """Note references to nothing, and dates that are none."""
    for name, rows in tables.items():
        for line in rows.values():
            for column, target in _REFERENCES.get(name, {}).items():
                wanted = [part.strip() for part in line.text(column).split(",") if part.strip()]
                if f"{target}.csv" in files and any(part not in tables[target] for part in wanted):
                    draft.note(f"{line.place} {column}", f"names what is not in {target}.csv")
                if target in _NEEDED and not wanted:
                    draft.note(f"{line.place} {column}", "must not be blank")
            for column in _DATES:
                if line.text(column) and _day(line.text(column)) is None:
                    draft.note(f"{line.place} {column}", "must be a date such as 2026-09-01")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


class _Reader:
    """Makes groups of tables in which every reference is good."""

    def __init__(self, tables: Mapping[str, Mapping[str, Line]], mapped: Mapped, draft: Draft) -> None:
        self._tables = tables
        self._mapped = mapped
        self._draft = draft

    def groups(self) -> Groups:
        """Add every course to the draft, and give the groups by id."""
        for row_id, line in self._tables["courses" if self._mapped.course == "course" else "classes"].items():
            row = {"id": row_id, "title": line.text("title") or None, "visual_essential": False}
            self._draft.add("courses", row, line.place)
        members: dict[str, list[Member]] = {}
        for line in self._tables["enrollments"].values():
            if member := self._member(line):
                members.setdefault(line.text("classSourcedId"), []).append(member)
        return {
            row_id: Group(row_id, self._course_of(row_id, line), line.text("title"), tuple(members.get(row_id, ())))
            for row_id, line in self._tables["classes"].items()
        }

    def _course_of(self, row_id: str, line: Line) -> str:
        return line.text("courseSourcedId") if self._mapped.course == "course" else row_id

    def _member(self, line: Line) -> Member | None:
        role = line.text("role").lower()
        if role not in {"student", "teacher"}:
            self._draft.skipped.append(f"{line.place}: neither student nor teacher")
            return None
        user = self._tables["users"][line.text("userSourcedId")]
        person_id = user.text(self._mapped.person)
        if not person_id:
            self._draft.note(
                f"{user.place} {self._mapped.person}", "must not be blank: it is the person's id (--person)"
            )
            return None
        return Member(
            person_id=person_id,
            is_teacher=role == "teacher",
            is_primary=line.text("primary").lower() == "true",
            first_day=_day(line.text("beginDate")),
            last_day=_day(line.text("endDate")),
        )
