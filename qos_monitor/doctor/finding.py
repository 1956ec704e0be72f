"""What is found, and how it is told."""

from dataclasses import dataclass
from enum import StrEnum

from rules.span import DAY, HOUR, MINUTE, SECOND


class Level(StrEnum):
    """How bad it is: nothing to do, look at it today, look at it now."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` is what to do, empty where all is well."""

    part: str
    level: Level
    words: str
    advice: str = ""

    def __str__(self) -> str:
        told = f"{self.level.value:<4} {self.part}: {self.words}"
        return f"{told}. {self.advice}" if self.advice else told

    def as_json(self) -> dict[str, str]:
        """Write it for a program."""
        return {"part": self.part, "level": self.level.value, "words": self.words, "advice": self.advice}


def graded(value: float, warn: float, fail: float) -> Level:
    """Grade a number that is the worse the larger it is."""
    return Level.FAIL if value >= fail else Level.WARN if value >= warn else Level.OK


def lasting(span_ms: int) -> str:
    """Write a span in its largest whole unit."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if span_ms >= 2 * unit:
            return f"{span_ms // unit} {name}"
    return f"{max(span_ms, 0) // SECOND} s"
