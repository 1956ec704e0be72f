"""Holds the records of OneRoster by ``sourcedId``, however they came, and makes courses and groups of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Group, Groups, Member
from qos_monitor.importing.table import Line

PERSON_COLUMNS: tuple[str, ...] = ("sourcedId", "username", "identifier")
"""What of a user may be the id that the provider and our roster know."""
COURSE_RECORDS: tuple[str, ...] = ("course", "class")
"""Which record of OneRoster is a course of ours: what learners bought."""
TABLES: tuple[str, ...] = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
"""What is read; each is named by those after it alone."""
NEEDED = {"courses", "classes", "users", "enrollments"}
_REFERENCES: Mapping[str, Mapping[str, str]] = {
    "courses": {"orgSourcedId": "orgs"},
    "classes": {"courseSourcedId": "courses", "schoolSourcedId": "orgs", "termSourcedIds": "academicSessions"},
    "users": {"primaryOrgSourcedId": "orgs", "orgSourcedIds": "orgs"},
    "enrollments": {"classSourcedId": "classes", "schoolSourcedId": "orgs", "userSourcedId": "users"},
}
_DATES = ("startDate", "endDate", "beginDate")
_FLAGS = ("primary", "enabledUser")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d:\d\d.*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mapped:
    """How its records become ours."""

    person: str = "sourcedId"
    course: str = "course"


@dataclass(slots=True)
class Records:
    """Every record that stands, by table; what is wrong, and what was left out, goes to the draft."""

    draft: Draft
    standing: dict[str, dict[str, Line]] = field(default_factory=dict)
    gone: dict[str, set[str]] = field(default_factory=dict)
    """Ids that are known and stand no more: who names one is left out, and made no mistake."""
    partial: set[str] = field(default_factory=set)
    """Tables of which only changes came: what they do not name may be there all the same."""

    def put(self, table: str, rows: Iterable[Line], *, is_delta: bool = False) -> None:
        """Take the rows of a table: all of it, or with ``is_delta`` what changed since."""
        if not is_delta:
            self.standing[table], self.gone[table] = {}, set()
            self.partial.discard(table)
        elif table not in self.standing:
            self.standing[table], self.gone[table] = {}, set()
            self.partial.add(table)
        seen: dict[str, Line] = {}
        for line in rows:
            row_id = line.text("sourcedId")
            if not row_id:
                self.draft.note(f"{line.place} sourcedId", "must not be blank")
            elif row_id in seen:
                self.draft.note(f"{line.place} sourcedId", f"is already that of {seen[row_id].place}")
            else:
                seen[row_id] = line
                self._settle(table, row_id, line)

    def _settle(self, table: str, row_id: str, line: Line) -> None:
        status = line.text("status").lower()
        if status in {"", "active"}:
            self.standing[table][row_id] = line
            self.gone[table].discard(row_id)
        elif status in {"tobedeleted", "inactive"}:
            self._leave_out(table, row_id, f"{line.place}: its status is {status}")
        else:
            self.draft.note(f"{line.place} status", "must be active or tobedeleted")

    def _leave_out(self, table: str, row_id: str, told: str) -> None:
        self.standing[table].pop(row_id, None)
        self.gone[table].add(row_id)
        self.draft.skipped.append(told)

    def check(self) -> None:
        """Note references to nothing, dates and flags that are none; leave out who belongs to what was left out."""
        for table in TABLES:
            for row_id, line in list(self.standing.get(table, {}).items()):
                self._check_values(line)
                for column, target in _REFERENCES.get(table, {}).items():
                    self._check_reference(table, row_id, column, target)

    def _check_reference(self, table: str, row_id: str, column: str, target: str) -> None:
        line = self.standing[table].get(row_id)
        if line is None:
            return
        wanted = [part.strip() for part in line.text(column).split(",") if part.strip()]
        if target in NEEDED and not wanted:
            self.draft.note(f"{line.place} {column}", "must not be blank")
        if target not in self.standing:
            return
        missing = [part for part in wanted if part not in self.standing[target]]
        if any(part not in self.gone[target] for part in missing) and target not in self.partial:
            self.draft.note(f"{line.place} {column}", f"names what is not in {target}")
        elif missing and target in NEEDED:
            self._leave_out(table, row_id, f"{line.place}: its {column} is not here, or is left out")

    def _check_values(self, line: Line) -> None:
        for column in _DATES:
            if line.text(column) and day(line.text(column)) is None:
                self.draft.note(f"{line.place} {column}", "must be a date such as 2026-09-01")
        for column in _FLAGS:
            if line.text(column).lower() not in {"", "true", "false"}:
                self.draft.note(f"{line.place} {column}", "must be true or false")
        modified = line.text("dateLastModified")
        if modified and day(modified) is None:
            self.draft.note(f"{line.place} dateLastModified", "must be an instant such as 2026-09-01T08:00:00.000Z")
        first, last = day(line.text("beginDate")), day(line.text("endDate"))
        if first is not None and last is not None and last < first:
            self.draft.note(f"{line.place} endDate", "must not be before beginDate")

    def groups(self, mapped: Mapped) -> Groups:
        """Add every course to the draft, and give the groups by id; to be called where nothing is wrong."""
        for row_id, line in self.standing.get("courses" if mapped.course == "course" else "classes", {}).items():
            row = {"id": row_id, "title": line.text("title") or None, "visual_essential": False}
            self.draft.add("courses", row, line.place)
        members: dict[str, list[Member]] = {}
        for line in self.standing.get("enrollments", {}).values():
            if member := self._member(line, mapped.person):
                members.setdefault(line.text("classSourcedId"), []).append(member)
        return {
            row_id: _group(row_id, line, members.get(row_id, ()), mapped)
            for row_id, line in self.standing.get("classes", {}).items()
        }

    def _member(self, line: Line, column: str) -> Member | None:
        role = line.text("role").lower()
        if role not in {"student", "teacher"}:
            self.draft.skipped.append(f"{line.place}: neither student nor teacher")
            return None
        user = self.standing["users"][line.text("userSourcedId")]
        person_id = user.text(column)
        if not person_id:
            self.draft.note(f"{user.place} {column}", "must not be blank: it is the person's id (--person)")
            return None
        return Member(
            person_id=person_id,
            is_teacher=role == "teacher",
            is_primary=line.text("primary").lower() == "true",
            first_day=day(line.text("beginDate")),
            last_day=day(line.text("endDate")),
        )


def _group(row_id: str, line: Line, members: Sequence[Member], mapped: Mapped) -> Group:
    course_id = line.text("courseSourcedId") if mapped.course == "course" else row_id
    return Group(row_id, course_id, line.text("title"), tuple(members))


def day(text: str) -> date | None:
    """Read the day of a date, or of a date with a time as it is written there; None where it is neither."""
    match = _DATE.fullmatch(text)
    try:
        return None if match is None else datetime.fromisoformat(text).date()
    except ValueError:
        return None
