"""Rows on their way to the roster: each remembers the line it came from, so that a mistake can be found."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules.document import Invalid, Problem
from rules.world import World, read_roster

_ROW = re.compile(r"(courses|enrolments|classes)\[(\d+)\]", re.ASCII)
_SAID_MAX = 200
"""So many problems are told; a file of another kind has one in every line."""


@dataclass(slots=True)
class Draft:
    """What a reader found: rows in the interchange format, what is wrong, and what it left out on purpose."""

    rows: Mapping[str, list[Mapping[str, object]]] = field(
        default_factory=lambda: {"courses": [], "enrolments": [], "classes": []}
    )
    problems: list[Problem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Entries that are no rows of a roster, such as all-day events, each with its line and the reason."""
    places: dict[str, str] = field(default_factory=dict)
    knows_essence: bool = True
    """Whether ``visual_essential`` of the courses is the file's word; where not, what is stored stays."""
    knows_cancellations: bool = True
    """Whether the file tells by whom and when a class was called off; a calendar tells only that it was."""

    def add(self, table: str, row: Mapping[str, object], place: str) -> None:
        """Take a row of the table, read at this place (``classes.csv:5``)."""
        self.places[f"{table}[{len(self.rows[table])}]"] = place
        self.rows[table].append(row)

    def note(self, place: str, message: str) -> None:
        """Remember what is wrong at this place."""
        self.problems.append(Problem(place, message))

    def roster(self) -> World:
        """Check all rows. Raises Invalid with every problem, in the order of the lines."""
        try:
            world = read_roster(dict(self.rows))
        except Invalid as invalid:
            raise Invalid(_told([*self.problems, *self.placed(invalid.problems)])) from None
        if self.problems:
            raise Invalid(_told(self.problems))
        return world

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Say of each problem where in the files it is, instead of which row."""
        return [Problem(self._path(problem.path), self._with_places(problem.message)) for problem in problems]

    def _path(self, path: str) -> str:
        match = _ROW.match(path)
        if match is None or match[0] not in self.places:
            return path
        column = path[match.end() :].strip(".").replace("cancelled.", "cancelled_")
        return f"{self.places[match[0]]} {column}".strip()

    def _with_places(self, message: str) -> str:
        return _ROW.sub(lambda match: self.places.get(match[0], match[0]), message)


def _told(problems: list[Problem]) -> list[Problem]:
    """Sort by file and line, and cut a list nobody would read."""
    told = sorted(problems, key=lambda problem: _line(problem.path))
    left = len(told) - _SAID_MAX
    return told if left <= 0 else [*told[:_SAID_MAX], Problem("", f"and {left} more problems")]


def _line(path: str) -> tuple[str, int]:
    match = re.match(r"(.*?)[:\[](\d{1,12})\b", path, re.ASCII)
    return (match[1], int(match[2])) if match else (path, 0)
