"""Reads OneRoster 1.2 (and 1.1) over REST: the same records as its CSV, page by page.

Paging and media types read 2026-11 in the Rostering REST/JSON binding 1.2, imsglobal.org/spec/oneroster/v1p2/bind/rest.
"""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yarl import URL

from qos_monitor.errors import InputError
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups
from qos_monitor.importing.oneroster import REQUIRED
from qos_monitor.importing.oneroster_records import TABLES, Mapped, Records
from qos_monitor.importing.remote import PAGES_MAX, Answer, Remote, told
from qos_monitor.importing.table import Line
from rules.document import Invalid, Problem

SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
LIMIT_MAX: int = 10_000
_MEDIA = ("application/json",)
_READINGS_MAX = 3
_RECORDS_MAX = 5_000_000
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "orgs": ("name",),
    "academicSessions": ("title", "startDate", "endDate"),
    "courses": ("title",),
    "classes": ("title",),
    "users": ("username", "identifier", "enabledUser"),
    "enrollments": ("role", "primary", "beginDate", "endDate"),
}
_LINKS: Mapping[str, Mapping[str, str]] = {
    "courses": {"org": "orgSourcedId"},
    "classes": {"course": "courseSourcedId", "school": "schoolSourcedId"},
    "enrollments": {"class": "classSourcedId", "school": "schoolSourcedId", "user": "userSourcedId"},
}


class _Shifting(Exception):  # noqa: N818 - not an error: the collection changed while it was read
    """What was read does not fit together."""


@dataclass(slots=True)
class Collection:
    """One collection while its pages come in. Pure: it says which offset to ask next."""

    name: str
    limit: int
    rows: list[object]
    ids: set[str]
    total: int | None = None

    def take(self, answer: Answer, path: str) -> int | None:
        """Take a page; answer the offset of the next, None where this was the last.

        Raises Invalid where it is no page, and _Shifting where the collection changed between two pages.
        """
        value = answer.value
        page = value.get(self.name) if isinstance(value, dict) else None
        if not isinstance(page, list):
            raise Invalid([Problem(path, f"must hold a list under {self.name!r}")])
        if self.rows and answer.total != self.total:
            raise _Shifting
        self.total = answer.total
        new = [row["sourcedId"] for row in page if isinstance(row, dict) and isinstance(row.get("sourcedId"), str)]
        if not self.ids.isdisjoint(new):
            raise _Shifting
        self.ids.update(new)
        self.rows += page
        if len(self.rows) > _RECORDS_MAX:
            raise Invalid([Problem(path, f"must hold at most {_RECORDS_MAX} records")])
        return self._next(answer, len(page))

    def _next(self, answer: Answer, length: int) -> int | None:
        """Go by the link, else by the total, else until a page is empty: a server may give less than it was asked."""
        here = len(self.rows)
        if length == 0:
            if here < (self.total or 0):
                raise _Shifting
            return None
        if "next" in answer.links:
            return here
        if self.total is not None:
            return here if here < self.total else None
        return None if answer.links else here


async def fetched(remote: Remote, base: URL, limit: int, *, is_active_only: bool) -> Mapping[str, list[object]]:
    """Fetch every collection that is read, whole. Raises InputError, Invalid or SourceTrouble."""
    records = {}
    for name in TABLES:
        for reading in range(_READINGS_MAX):
            try:
                records[name] = await _whole(remote, base, Collection(name, limit, [], set()), is_active_only)
                break
            except _Shifting:
                if reading + 1 == _READINGS_MAX:
                    message = f"changed between two pages, {_READINGS_MAX} times over: try when nobody works on it"
                    raise InputError([Problem(told(base / name), message)]) from None
    return records


async def _whole(remote: Remote, base: URL, collection: Collection, is_active_only: bool) -> list[object]:  # noqa: FBT001 - passed on
    url = base / collection.name
    offset: int | None = 0
    for _ in range(PAGES_MAX):
        query = {"limit": str(collection.limit), "offset": str(offset)}
        if is_active_only:
            query["filter"] = "status='active'"
        answer = await remote.get(url.with_query(query), _MEDIA)
        offset = collection.take(answer, f"{told(url)} offset={offset}")
        if offset is None:
            return collection.rows
    raise InputError([Problem(told(url), f"must come in at most {PAGES_MAX} pages")])


def read(records: Mapping[str, Sequence[object]], mapped: Mapped) -> tuple[Draft, Groups, Mapping[str, list[Line]]]:
    """Read the records of every collection, each named by its place (``users[17]``); give the lines they became too.

    What is wrong is noted in the draft, and then there are no groups.
    """
    draft = Draft(knows_essence=False)
    found = Records(draft)
    lines = {}
    for name in TABLES:
        read_lines = [_line(name, index, row, draft) for index, row in enumerate(records.get(name, ()))]
        lines[name] = [line for line in read_lines if line is not None]
        found.put(name, lines[name])
    found.check()
    return draft, {} if draft.problems else found.groups(mapped), lines


def _line(table: str, index: int, row: object, draft: Draft) -> Line | None:
    """Make one record what its line in the CSV would be."""
    place = f"{table}[{index}]"
    if not isinstance(row, dict):
        draft.note(place, "must be an object")
        return None
    cells = {key: _text(row.get(key), f"{place} {key}", draft) for key in ("sourcedId", "status", *_TEXTS[table])}
    for key, column in _LINKS.get(table, {}).items():
        cells[column] = _linked(row.get(key), f"{place} {key}", draft)
    if table == "classes":
        terms = row.get("terms")
        given = [_linked(term, f"{place} terms", draft) for term in (terms if isinstance(terms, list) else ())]
        cells["termSourcedIds"] = ",".join(one for one in given if "," not in one)
    return Line(place, cells)


def _text(value: object, place: str, draft: Draft) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    draft.note(place, "must be a text")
    return ""


def _linked(value: object, place: str, draft: Draft) -> str:
    """Read ``{"href", "sourcedId", "type"}``."""
    if value is None:
        return ""
    given = value.get("sourcedId") if isinstance(value, dict) else None
    if isinstance(given, str):
        return given
    draft.note(place, "must be an object with a sourcedId")
    return ""


def as_delivery(lines: Mapping[str, Sequence[Line]]) -> bytes:
    """Write what was read as a CSV delivery in a zip, to be used as the groups of a timetable."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        modes = "".join(f"file.{name},bulk\r\n" for name in TABLES)
        manifest = f"propertyName,value\r\nmanifest.version,1.0\r\noneroster.version,1.2\r\n{modes}"
        packed.writestr(_entry("manifest.csv"), manifest)
        for name in TABLES:
            packed.writestr(_entry(f"{name}.csv"), _sheet(name, lines.get(name, ())))
    return body.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # its date is 1980: the same records make the same bytes


def _sheet(table: str, rows: Sequence[Line]) -> str:
    links = _LINKS.get(table, {}).values()
    more = ("termSourcedIds",) if table == "classes" else ()
    columns = list(dict.fromkeys(("sourcedId", "status", *REQUIRED[table], *_TEXTS[table], *links, *more)))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows([{column: row.text(column) for column in columns} for row in rows])
    return text.getvalue()
