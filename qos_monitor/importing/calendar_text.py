"""Cuts the text of an iCalendar file into its events, and remembers the line of every property.

The library that reads properties knows no lines; and one broken event must not hide the others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qos_monitor.importing.draft import Draft

_NAME = re.compile(r"([A-Za-z0-9-]+)[;:]", re.ASCII)
_BEGIN_OR_END = re.compile(r"(BEGIN|END):\s*([\w-]{1,40})\s*", re.IGNORECASE | re.ASCII)
_NEW_LINE = re.compile(r"\r\n|\n|\r")


@dataclass(slots=True)
class Block:
    """One event or zone: its content lines, unfolded; an event's without those of the alarms inside it."""

    kind: str
    line: int
    is_cancelled: bool = False
    """Whether the whole calendar was sent to call its events off (METHOD:CANCEL)."""
    lines: list[str] = field(default_factory=list)
    lines_by_name: dict[str, int] = field(default_factory=dict)

    def keep(self, number: int, text: str) -> None:
        """Take one content line."""
        self.lines.append(text)
        if match := _NAME.match(text):
            self.lines_by_name.setdefault(match[1].upper(), number)

    def value(self, name: str) -> str | None:
        """Fetch the raw value of a property whose parameters hold no colon (UID, TZID)."""
        for text in self.lines:
            if text[: len(name) + 1].upper() in {f"{name}:", f"{name};"}:
                return text.partition(":")[2].strip()
        return None

    def text(self) -> str:
        """Write it as it stood in the calendar."""
        return "\r\n".join([f"BEGIN:{self.kind}", *self.lines, f"END:{self.kind}", ""])


class Cutter:
    """Goes through one file, line by line."""

    def __init__(self, name: str, draft: Draft) -> None:
        self.events: list[Block] = []
        self.zones: dict[str, Block] = {}
        self._name = name
        self._draft = draft
        self._stack: list[tuple[str, int]] = []
        self._block: Block | None = None
        self._is_cancelled = False

    def cut(self, text: str) -> None:
        """Find every event and zone; whatever does not nest is noted in the draft, and ends the search."""
        number = 0
        for number, line in _unfolded(text):
            match = _BEGIN_OR_END.fullmatch(line)
            if match is None:
                self._take(number, line)
            elif match[1].upper() == "BEGIN":
                self._begin(number, match[2].upper(), line)
            elif not self._end(number, match[2].upper(), line):
                return
        if self._stack:
            kind, begun = self._stack[-1]
            self._draft.note(f"{self._name}:{begun}", f"BEGIN:{kind} has no end: the file seems cut off")
        elif number == 0:
            self._draft.note(f"{self._name}:1", "must be iCalendar, and is empty")

    def _begin(self, number: int, kind: str, line: str) -> None:
        if not self._stack:
            self._is_cancelled = False
            if kind != "VCALENDAR":
                self._draft.note(f"{self._name}:{number}", "must be inside BEGIN:VCALENDAR")
        elif len(self._stack) == 1:
            self._block = Block(kind, number, self._is_cancelled)
        elif self._block is not None and self._block.kind == "VTIMEZONE":
            self._block.keep(number, line)
        self._stack.append((kind, number))

    def _end(self, number: int, kind: str, line: str) -> bool:
        if not self._stack or self._stack.pop()[0] != kind:
            self._draft.note(f"{self._name}:{number}", f"END:{kind} ends nothing that began")
            return False
        if self._block is not None and len(self._stack) == 1:
            self._finish(self._block)
            self._block = None
        elif self._block is not None and self._block.kind == "VTIMEZONE":
            self._block.keep(number, line)
        return True

    def _take(self, number: int, line: str) -> None:
        if not self._stack:
            self._draft.note(
                f"{self._name}:{number}", "must be iCalendar: a line before BEGIN:VCALENDAR or after its end"
            )
        elif self._block is None:
            self._is_cancelled = self._is_cancelled or line.strip().upper() == "METHOD:CANCEL"
        elif len(self._stack) == 2 or self._block.kind == "VTIMEZONE":
            self._block.keep(number, line)

    def _finish(self, block: Block) -> None:
        if block.kind == "VEVENT":
            self.events.append(block)
        elif block.kind == "VTIMEZONE":
            self.zones[block.value("TZID") or ""] = block


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Join folded lines (RFC 5545, 3.1); each comes with the number of its first line, blank ones do not come."""
    begun, parts = 0, [""]
    for number, line in enumerate(_NEW_LINE.split(text), start=1):
        if line[:1] in {" ", "\t"} and begun:
            parts.append(line[1:])
            continue
        if joined := "".join(parts).strip():
            yield begun, joined
        begun, parts = number, [line]
    if joined := "".join(parts).strip():
        yield begun, joined
