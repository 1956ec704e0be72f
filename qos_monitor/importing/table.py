"""Reads CSV (RFC 4180, UTF-8, with or without BOM): each record with the line it begins at."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qos_monitor.importing.draft import Draft


@dataclass(frozen=True, slots=True)
class Columns:
    """The header a file must have; the order is free."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    are_closed: bool = True
    """Whether a column of another name is a mistake; standards allow extensions, our own files do not."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record, and where it begins (``classes.csv:5``)."""

    place: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Fetch a cell without the blanks around it; empty where the column is not there."""
        return self.cells.get(column, "").strip()


def decoded(name: str, body: bytes, draft: Draft) -> str | None:
    """Decode UTF-8; None, and a noted problem with its line, where it is none."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = 1 + body.count(b"\n", 0, error.start)
        draft.note(f"{name}:{number}", "must be UTF-8")
        return None


def lines(name: str, body: bytes, columns: Columns, draft: Draft) -> list[Line]:
    """Read every record below the header; whatever is wrong is noted in the draft, and its record left out."""
    text = decoded(name, body, draft)
    if text is None:
        return []
    records = _records(name, text, draft)
    first = next(records, None)
    if first is None:
        draft.note(f"{name}:1", "must begin with a line of column names")
        return []
    header = [column.strip() for column in first[1]]
    if not _is_header_good(f"{name}:{first[0]}", header, columns, draft):
        return []
    found = []
    for number, cells in records:
        if len(cells) == len(header):
            found.append(Line(f"{name}:{number}", dict(zip(header, cells, strict=True))))
        else:
            draft.note(f"{name}:{number}", f"must have {len(header)} cells, not {len(cells)}")
    return found


def _records(name: str, text: str, draft: Draft) -> Iterator[tuple[int, list[str]]]:
    """Give records that are not blank; after broken quotes nothing more can be told apart."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        draft.note(f"{name}:{number}", f"is not CSV from here on ({error})")


def _is_header_good(place: str, header: list[str], columns: Columns, draft: Draft) -> bool:
    known = len(draft.problems)
    for column, count in Counter(header).items():
        if count > 1 and column:
            draft.note(place, f"names the column {column!r} {count} times")
        if columns.are_closed and column not in {*columns.required, *columns.optional}:
            wanted = ", ".join((*columns.required, *columns.optional))
            draft.note(place, f"{column[:60]!r} is not a column of this file; its columns are {wanted}")
    for column in columns.required:
        if column not in header:
            draft.note(place, f"the column {column!r} is missing")
    return len(draft.problems) == known
