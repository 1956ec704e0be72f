"""A second judge, written from the specification alone and as plainly as can be, to differ from the first by mistake.

It shares no code with `rules`: whole numbers of milliseconds, exact fractions, a list of slots, and loops. This module
reads a world in the interchange format and keeps what was known at an instant.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

Json = Mapping[str, Any]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WINDOW = 30 * MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> int:
    """Read an instant as milliseconds since 1970."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def written(at: int) -> str:
    """Write an instant."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def domain_of(dimension: str, value: str) -> str:
    """Write a domain; login is one whatever its value."""
    return "login" if dimension == "login" else f"{dimension}:{value}"


@dataclass(frozen=True)
class Seen:
    """An observation, and its canonical text."""

    source: str
    id: str
    kind: str
    at: int
    until: int
    class_id: str | None
    who: str | None
    role: str | None
    session: str | None
    vantage: str | None
    fault: str
    blames: str | None
    domains: Mapping[str, str]
    metrics: Mapping[str, float]
    recorded: int
    text: str


@dataclass(frozen=True)
class Lesson:
    """A class; ``off`` is when it was called off, by whom, and whether for a technical reason."""

    id: str
    course: str
    a: int
    b: int
    provider: str
    teacher: str
    learners: tuple[str, ...]
    off: tuple[int, str, bool] | None
    visual: bool

    @property
    def length(self) -> int:
        """How long it is."""
        return self.b - self.a

    @property
    def window(self) -> int:
        """The half hour it belongs to."""
        return self.a // WINDOW * WINDOW

    def was_off(self, before: int) -> bool:
        """Say whether it was called off before an instant."""
        return self.off is not None and self.off[0] < before

    def blamed(self, seen: Seen) -> str:
        """Name the domain a platform fault lies with."""
        own = {"account": seen.who, "class": self.id, "teacher": self.teacher}
        return blamed(seen, own, self.provider)


def blamed(seen: Seen, own: Mapping[str, str | None], provider: str) -> str:
    """Name the domain a platform fault lies with, in a class or in a check."""
    dimension = seen.blames or "provider"
    value = seen.domains.get(dimension) or own.get(dimension)
    if dimension == "login":
        return "login"
    return f"{dimension}:{value}" if value else f"provider:{provider}"


@dataclass(frozen=True)
class Purchase:
    """An enrolment."""

    id: str
    learner: str
    course: str
    start: int
    row: Json


class Known:
    """A world as it was known at T."""

    def __init__(self, world: Json, as_of: int) -> None:
        self.T = as_of
        visual = {row["id"] for row in world["courses"] if row["visual_essential"]}
        self.lessons = {row["id"]: _lesson(row, visual, as_of) for row in world["classes"]}
        self.purchases = [_purchase(row) for row in world["enrolments"]]
        self.learners = {who for lesson in self.lessons.values() for who in lesson.learners}
        self.learners |= {bought.learner for bought in self.purchases}
        self.of_learner: dict[tuple[str, str], list[Seen]] = {}
        self.of_teacher: dict[str, list[Seen]] = {}
        self.checks: dict[str, list[Seen]] = {}
        self.feeds: dict[str, list[tuple[int, int]]] = {}
        for seen in _chosen(map(_seen, world["observations"]), as_of):
            self._keep(seen)

    def _keep(self, seen: Seen) -> None:
        lesson = self.lessons.get(seen.class_id or "")
        if seen.kind == "feed_alive":
            self.feeds.setdefault(seen.source, []).append((seen.at, seen.until))
        elif seen.kind.startswith("check_"):
            if seen.role == "learner" and seen.who in self.learners:
                self.checks.setdefault(seen.who, []).append(seen)
        elif lesson is not None and seen.role == "teacher":
            self.of_teacher.setdefault(lesson.id, []).append(seen)
        elif lesson is not None and seen.who in lesson.learners:
            self.of_learner.setdefault((seen.who, lesson.id), []).append(seen)

    def listed(self) -> list[Lesson]:
        """List the classes that could have a verdict."""
        return [lesson for lesson in self.lessons.values() if lesson.b + 15 * MINUTE <= self.T]

    def is_firm(self, lesson: Lesson) -> bool:
        """Say whether the verdict of a class is firm."""
        return lesson.b + 6 * HOUR <= self.T

    def used(self, who: str, lesson: Lesson) -> set[str]:
        """Name the domains a learner used in a class."""
        seen = self.of_learner.get((who, lesson.id), [])
        return {f"provider:{lesson.provider}"} | {domain_of(*item) for one in seen for item in one.domains.items()}

    def bought(self, who: str, lesson: Lesson) -> Purchase | None:
        """Find the enrolment of a class."""
        mine = [p for p in self.purchases if (p.learner, p.course) == (who, lesson.course) and p.start <= lesson.a]
        return max(mine, key=lambda p: p.start, default=None)

    def is_fed(self, lesson: Lesson) -> bool:
        """Say whether the provider's feed covered 95 % of a class, or never says that it is alive."""
        spans = self.feeds.get(lesson.provider)
        if not spans:
            return True
        covered, reach = 0, lesson.a
        for start, end in sorted(spans):
            low, high = max(start, reach), min(end, lesson.b)
            if high > low:
                covered, reach = covered + high - low, high
        return Fraction(covered, lesson.length) >= Fraction(95, 100)


def _lesson(row: Json, visual: set[str], as_of: int) -> Lesson:
    off = None
    if row["cancelled"] is not None and instant(row["cancelled"]["at"]) <= as_of:
        off = (instant(row["cancelled"]["at"]), row["cancelled"]["by"], row["cancelled"]["technical"])
    return Lesson(
        id=row["id"],
        course=row["course_id"],
        a=instant(row["starts_at"]),
        b=instant(row["ends_at"]),
        provider=row["provider"],
        teacher=row["teacher_id"],
        learners=tuple(row["learner_ids"]),
        off=off,
        visual=row["course_id"] in visual,
    )


def _purchase(row: Json) -> Purchase:
    return Purchase(row["id"], row["learner_id"], row["course_id"], instant(row["starts_at"]), row)


def _seen(row: Json) -> Seen:
    at = instant(row["at"])
    until = at if row["until"] is None else instant(row["until"])
    return Seen(
        source=row["source"],
        id=row["id"],
        kind=row["kind"],
        at=at,
        until=until,
        class_id=row["class_id"],
        who=row["participant_id"],
        role=row["role"],
        session=row["session"],
        vantage=row["vantage"],
        fault=row["fault"] or "unknown",
        blames=row["blames"],
        domains=row["domains"],
        metrics=row["metrics"],
        recorded=until if row["recorded_at"] is None else instant(row["recorded_at"]),
        text=json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    )


def _chosen(observations: Iterable[Seen], as_of: int) -> list[Seen]:
    copies: dict[tuple[str, str], list[Seen]] = {}
    for seen in observations:
        if seen.recorded <= as_of:
            copies.setdefault((seen.source, seen.id), []).append(seen)
    return [min(group, key=lambda seen: (seen.recorded, seen.text)) for group in copies.values()]
