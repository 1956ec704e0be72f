"""Reads OneRoster 1.2 (and 1.1) CSV: courses, and who is in which course group.

It knows neither single lessons nor prices: those come from a timetable and from enrolments (docs/importing.md).
Columns read 2026-11 in the CSV Binding 1.2.1, imsglobal.org/spec/oneroster/v1p2/bind/csv.
"""

from collections.abc import Mapping

from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups
from qos_monitor.importing.oneroster_records import NEEDED, TABLES, Mapped, Records
from qos_monitor.importing.table import Columns, Line, lines

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "academicSessions": ("sourcedId", "title", "startDate", "endDate"),
    "orgs": ("sourcedId", "name"),
    "courses": ("sourcedId", "title", "orgSourcedId"),
    "classes": ("sourcedId", "title", "courseSourcedId", "schoolSourcedId"),
    "users": ("sourcedId", "username", "enabledUser"),
    "enrollments": ("sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary"),
}
_EVERYWHERE = "sourcedId status dateLastModified"
STANDARD: Mapping[str, frozenset[str]] = {
    table: frozenset(f"{_EVERYWHERE} {columns}".split())
    for table, columns in {
        "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
        "orgs": "name type identifier parentSourcedId",
        "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
        "classes": "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds subjects"
        " subjectCodes periods",
        "users": "enabledUser orgSourcedIds role username userIds givenName familyName middleName identifier email sms"
        " phone agentSourcedIds grades password userMasterIdentifier resourceSourcedIds preferredGivenName"
        " preferredMiddleName preferredFamilyName primaryOrgSourcedId pronouns",
        "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
    }.items()
}
"""The columns of 1.2 and 1.1 together; a column beside these is an extension, told and not used."""
_VERSIONS = ("1.2", "1.1")
_MODES = ("absent", "bulk", "delta")


def read(files: Mapping[str, bytes], mapped: Mapped, label: str = "") -> tuple[Draft, Groups]:
    """Read the files of one delivery, by name; ``label`` goes before each name where a problem is told."""
    return read_all([(label, files)], mapped)


def read_all(
    deliveries: list[tuple[str, Mapping[str, bytes]]], mapped: Mapped, *, must_be_whole: bool = False
) -> tuple[Draft, Groups]:
    """Read deliveries one upon the other, each a label and its files: a bulk one, and those of what changed since.

    ``must_be_whole``: changes to a bulk delivery that is not among them are a mistake, since the groups would lack
    most of their people.
    """
    draft = Draft(knows_essence=False)
    records = Records(draft)
    for label, files in deliveries:
        modes = _modes(files, draft, label)
        for name in TABLES if modes is not None else ():
            if modes and modes[name] != "absent":
                read_lines = _lines(f"{label}{name}.csv", files[f"{name}.csv"], name, draft)
                records.put(name, read_lines, is_delta=modes[name] == "delta")
    records.check()
    if must_be_whole:
        for name in sorted(records.partial & NEEDED):
            draft.note(f"{deliveries[0][0]}{name}.csv", "is a delta: give the bulk delivery it changes before it")
    return draft, {} if draft.problems else records.groups(mapped)


def _lines(path: str, body: bytes, name: str, draft: Draft) -> list[Line]:
    found = lines(path, body, Columns(REQUIRED[name], are_closed=False), draft)
    extra = sorted(column for column in (found[0].cells if found else ()) if column and column not in STANDARD[name])
    if extra:
        draft.skipped.append(f"{path}:1: not used: {', '.join(extra)[:200]}")
    return found


def _modes(files: Mapping[str, bytes], draft: Draft, label: str) -> Mapping[str, str] | None:
    """Read the manifest: whether each table is absent, whole (bulk) or changes (delta); None where it is wrong."""
    known = len(draft.problems)
    if "manifest.csv" not in files:
        draft.note(f"{label}manifest.csv", "is missing: every delivery of OneRoster has one")
        return None
    said = {}
    columns = Columns(("propertyName", "value"), are_closed=False)
    for line in lines(f"{label}manifest.csv", files["manifest.csv"], columns, draft):
        said[line.text("propertyName")] = line
    _check_version(said.get("oneroster.version"), f"{label}manifest.csv", draft)
    modes = {name: _mode(said.get(f"file.{name}"), name, files, draft) for name in TABLES}
    if "delta" not in modes.values():
        for name in sorted(NEEDED):
            if modes[name] == "absent":
                told = said.get(f"file.{name}")
                draft.note(told.place if told else f"{label}manifest.csv", f"file.{name} must be bulk, and is absent")
    _tell_unused(files, modes, draft, label)
    return modes if len(draft.problems) == known else None


def _check_version(line: Line | None, path: str, draft: Draft) -> None:
    if line is None or line.text("value") not in _VERSIONS:
        draft.note(line.place if line else path, f"oneroster.version must be one of {', '.join(_VERSIONS)}")


def _mode(line: Line | None, name: str, files: Mapping[str, bytes], draft: Draft) -> str:
    mode = line.text("value").lower() if line else "absent"
    if line is None or mode == "absent":
        return "absent"
    if mode not in _MODES:
        draft.note(line.place, f"file.{name} must be one of {', '.join(_MODES)}")
    elif f"{name}.csv" not in files:
        draft.note(line.place, f"file.{name} is {mode}, but there is no {name}.csv")
    return mode


def _tell_unused(files: Mapping[str, bytes], modes: Mapping[str, str], draft: Draft, label: str) -> None:
    for file in sorted(files):
        name = file.removesuffix(".csv")
        if name not in modes and name != "manifest":
            draft.skipped.append(f"{label}{file}: not used")
        elif modes.get(name) == "absent":
            draft.skipped.append(f"{label}{file}: not used, since the manifest says it is absent")
