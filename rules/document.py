"""Reads JSON objects key by key and remembers every mistake with the path of its key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import float_info
from typing import TypeVar

from rules.span import Instant, parse_instant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (``classes[3].ends_at``) and what is wanted there."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(ValueError):  # noqa: N818 - the name says what the input is, as `Refused` and `Unreadable` do
    """Input that does not have the documented shape; holds every problem, not the first alone."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


@dataclass(slots=True)
class Fields:
    """The keys of one JSON object, taken one by one; what is left over at the end is refused.

    A value that is wrong is noted in ``problems`` and replaced by a stand-in of its type, so that one pass finds
    all mistakes. Whoever reads must look at ``problems`` before using the result.
    """

    value: object
    path: str
    problems: list[Problem]
    _seen: set[str] = field(default_factory=set)
    _is_object: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            self.note("", f"must be an object, not {_named(self.value)}")
            self.value = {}
            self._is_object = False

    def note(self, key: str, message: str) -> None:
        """Remember a mistake at this key (or at the object itself, for an empty key).

        What is no object has no keys either: that it is none is the one mistake.
        """
        if self._is_object:
            self.problems.append(Problem(f"{self.path}.{key}".strip(".") if key else self.path, message))

    def take(self, key: str) -> object:
        """Fetch a raw value; a missing key is null."""
        self._seen.add(key)
        assert isinstance(self.value, dict)  # noqa: S101 - made so at construction
        return self.value.get(key)

    def text(self, key: str) -> str:
        """Take a required text that is not empty."""
        given = self.take(key)
        if isinstance(given, str) and given:
            return given
        self.note(key, f"must be a text that is not empty, not {_named(given)}")
        return "?"

    def text_or_none(self, key: str) -> str | None:
        """Take a text or null."""
        given = self.take(key)
        return given if given is None or (isinstance(given, str) and given) else self.text(key)

    def instant(self, key: str) -> Instant:
        """Take a required instant."""
        given = self.take(key)
        if not isinstance(given, str):
            self.note(key, f"must be an instant such as 2026-11-02T11:00:05.120Z, not {_named(given)}")
            return 0
        try:
            return parse_instant(given)
        except ValueError as error:
            self.note(key, str(error))
            return 0

    def instant_or_none(self, key: str) -> Instant | None:
        """Take an instant or null."""
        return None if self.take(key) is None else self.instant(key)

    def whole(self, key: str) -> int:
        """Take a required whole number, 0 or more."""
        given = self.take(key)
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return given
        self.note(key, f"must be a whole number, 0 or more, not {_named(given)}")
        return 0

    def whole_or_none(self, key: str) -> int | None:
        """Take a whole number or null."""
        return None if self.take(key) is None else self.whole(key)

    def number(self, key: str, low: float = float("-inf"), high: float = float("inf")) -> float:
        """Take a required finite number within bounds, both included."""
        given = self.take(key)
        if (
            isinstance(given, int | float)
            and not isinstance(given, bool)
            and low <= given <= high
            and abs(given) <= float_info.max
        ):
            return float(given)
        self.note(key, f"must be a finite number from {low:g} to {high:g}, not {_named(given)}")
        return low if low > float("-inf") else 0.0

    def flag(self, key: str) -> bool:
        """Take a required true or false."""
        given = self.take(key)
        if isinstance(given, bool):
            return given
        self.note(key, f"must be true or false, not {_named(given)}")
        return False

    def choice(self, key: str, kind: Callable[[str], T], allowed: Sequence[str]) -> T:
        """Take one of the allowed words as the given type."""
        given = self.take(key)
        if isinstance(given, str) and given in allowed:
            return kind(given)
        self.note(key, f"must be one of {', '.join(allowed)}, not {_named(given)}")
        return kind(allowed[0])

    def items(self, key: str) -> list[tuple[str, object]]:
        """Take a list that may be missing; gives each entry with its path."""
        given = self.take(key)
        if given is None:
            return []
        if not isinstance(given, list):
            self.note(key, f"must be a list, not {_named(given)}")
            return []
        where = f"{self.path}.{key}".strip(".")
        return [(f"{where}[{index}]", entry) for index, entry in enumerate(given)]

    def inner(self, key: str) -> "Fields":
        """Take an object that may be missing (missing is empty)."""
        given = self.take(key)
        return Fields({} if given is None else given, f"{self.path}.{key}".strip("."), self.problems)

    def names(self) -> list[str]:
        """List the keys present, sorted."""
        assert isinstance(self.value, Mapping)  # noqa: S101 - made so at construction
        return sorted(map(str, self.value))

    def allow(self, keys: Iterable[str]) -> None:
        """Let these keys be there, taken or not."""
        self._seen.update(keys)

    def close(self) -> None:
        """Refuse whatever was not asked for."""
        assert isinstance(self.value, dict)  # noqa: S101 - made so at construction
        if self.value.keys() <= self._seen:
            return
        for key in self.names():
            if key not in self._seen:
                self.note(key, "is not a key of this format")


def _named(given: object) -> str:
    """Say what was given, short enough for a message."""
    if given is None:
        return "null or missing"
    words = repr(given)
    return words if len(words) <= 60 else f"{words[:57]}..."
