"""Instants, half-open spans and the slots a class is cut into (SPEC 1)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Instant: TypeAlias = int
"""UTC, milliseconds since 1970. Whole numbers keep every comparison of SPEC exact."""

SECOND: int = 1_000
MINUTE: int = 60 * SECOND
HOUR: int = 60 * MINUTE
DAY: int = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)


def parse_instant(text: str) -> Instant:
    """Read an RFC 3339 instant; digits beyond the millisecond are cut off.

    Raises ValueError, with words for a person, where the zone is missing or the date does not exist.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an instant such as 2026-11-02T11:00:05.120Z (Z or an offset is needed)")
    year, month, day, hour, minute, second, fraction, _, sign, off_h, off_min = match.groups()
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date and time that exists: {error}") from None
    offset = timedelta(hours=int(off_h or 0), minutes=int(off_min or 0))
    if offset >= timedelta(days=1) or int(off_min or 0) >= 60:
        raise ValueError(f"{text!r} has an offset that does not exist")
    try:
        whole = local + offset if sign == "-" else local - offset
    except OverflowError:
        raise ValueError(f"{text!r} lies outside the years 1 to 9999") from None
    return (whole - _EPOCH) // timedelta(milliseconds=1) + int((fraction or "0")[:3].ljust(3, "0"))


def format_instant(at: Instant) -> str:
    """Write an instant as ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    whole = (_EPOCH + timedelta(milliseconds=at)).replace(tzinfo=None)
    return f"{whole.isoformat(timespec='milliseconds')}Z"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """``[start, end)``, never negative; an empty one covers nothing."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a span from {format_instant(self.start)} ends before, at {format_instant(self.end)}")

    @property
    def length(self) -> int:
        """Elapsed milliseconds."""
        return self.end - self.start

    def meets(self, other: "Span") -> bool:
        """Say whether the two share at least one instant."""
        return max(self.start, other.start) < min(self.end, other.end)

    def holds(self, at: Instant) -> bool:
        """Say whether the instant lies inside."""
        return self.start <= at < self.end


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Merge spans that overlap or touch; the result is sorted and the same for any order or repetition."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.length):
        if merged and span.start <= merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = Span(merged[-1].start, span.end)
        else:
            merged.append(span)
    return tuple(merged)


def covered(spans: Iterable[Span], within: Span) -> int:
    """Measure how many milliseconds of ``within`` the spans cover together."""
    cut = (Span(max(s.start, within.start), min(s.end, within.end)) for s in spans if s.meets(within))
    return sum(span.length for span in united(cut))


@dataclass(frozen=True, slots=True)
class Grid:
    """A class cut into slots from its start; a set of slots is one whole number, bit *i* for slot *i*.

    A slot stands for its middle instant: a span covers the slot if it holds that instant. The last slot may be
    short. ``slot_ms`` is even, so that every middle but the last is a whole millisecond.
    """

    span: Span
    slot_ms: int

    @property
    def count(self) -> int:
        """How many slots there are, a short last one included."""
        return -(-self.span.length // self.slot_ms)

    @property
    def all(self) -> int:
        """The set of every slot."""
        return (1 << self.count) - 1

    def start(self, index: int) -> Instant:
        """The instant the slot begins."""
        return self.span.start + index * self.slot_ms

    def end(self, index: int) -> Instant:
        """The instant the slot ends."""
        return min(self.start(index + 1), self.span.end)

    def mask(self, span: Span) -> int:
        """Give the set of slots whose middle the span holds."""
        low, high = self._first_from(span.start), self._first_from(span.end)
        return ((1 << high) - 1) & ~((1 << low) - 1) if high > low else 0

    def _first_from(self, at: Instant) -> int:
        """Find the first slot whose middle is not before the instant; `count` where there is none."""
        last = self.count - 1
        index = max(0, -(-(at - self.span.start - self.slot_ms // 2) // self.slot_ms))
        if index >= last:
            middle_doubled = self.start(last) + self.span.end
            return last if 2 * at <= middle_doubled else last + 1
        return index

    def length(self, slots: int) -> int:
        """Measure how many milliseconds the slots last together."""
        last = self.count - 1
        short = self.slot_ms - (self.end(last) - self.start(last)) if slots >> last & 1 else 0
        return slots.bit_count() * self.slot_ms - short

    def runs(self, slots: int) -> Iterator[Span]:
        """Give each unbroken run of slots as a span, first to last."""
        base = 0
        while slots:
            gap = (slots & -slots).bit_length() - 1
            slots >>= gap
            size = (~slots & (slots + 1)).bit_length() - 1
            yield Span(self.start(base + gap), self.end(base + gap + size - 1))
            slots >>= size
            base += gap + size
