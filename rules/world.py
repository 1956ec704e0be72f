"""The interchange format, version 1 (SPEC 2): JSON in, typed values out, every mistake with the path of its key."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from rules.document import Fields, Invalid, Problem
from rules.observation import Observation, read_observation
from rules.span import DAY, Instant, Span, format_instant

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
CLASS_LENGTH_MAX: int = 7 * DAY
"""Longer than any lesson; each class is cut into slots, and their number must have a limit."""

CANCELLERS: tuple[str, ...] = ("learner", "platform", "mutual")


@dataclass(frozen=True, slots=True)
class Course:
    """What is taught; where the picture is essential, a frozen picture makes a slot unusable."""

    id: str
    title: str | None
    visual_essential: bool

    def as_json(self) -> dict[str, object]:
        """Write the row in the interchange format."""
        return {"id": self.id, "title": self.title, "visual_essential": self.visual_essential}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One learner's purchase of one course; amounts in minor units of the currency (ISO 4217)."""

    id: str
    learner_id: str
    course_id: str
    starts_at: Instant
    price_minor: int
    paid_minor: int
    currency: str
    lessons_paid: int
    lessons_gift: int
    lessons_used_before: Fraction
    price_refunded_minor: int
    contract_refund_minor: int | None

    def as_json(self) -> dict[str, object]:
        """Write the row in the interchange format."""
        row: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        row["starts_at"] = format_instant(self.starts_at)
        row["lessons_used_before"] = plain_number(self.lessons_used_before)
        return row


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Who called a class off, when, and whether for a technical reason."""

    at: Instant
    by: str
    is_technical: bool

    def as_json(self) -> dict[str, object]:
        """Write the object in the interchange format."""
        return {"at": format_instant(self.at), "by": self.by, "technical": self.is_technical}


@dataclass(frozen=True, slots=True)
class ScheduledClass:
    """One live lesson on the timetable; ``room_id`` is the provider's own name of the room."""

    id: str
    course_id: str
    starts_at: Instant
    ends_at: Instant
    provider: str
    room_id: str | None
    teacher_id: str
    learner_ids: tuple[str, ...]
    cancelled: Cancellation | None = None

    @property
    def span(self) -> Span:
        """``[a, b)``."""
        return Span(self.starts_at, self.ends_at)

    def as_json(self) -> dict[str, object]:
        """Write the row in the interchange format."""
        return {
            "id": self.id,
            "course_id": self.course_id,
            "starts_at": format_instant(self.starts_at),
            "ends_at": format_instant(self.ends_at),
            "provider": self.provider,
            "room_id": self.room_id,
            "teacher_id": self.teacher_id,
            "learner_ids": list(self.learner_ids),
            "cancelled": None if self.cancelled is None else self.cancelled.as_json(),
        }


@dataclass(frozen=True, slots=True)
class World:
    """Everything a judgement looks at."""

    courses: tuple[Course, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    classes: tuple[ScheduledClass, ...] = ()
    observations: tuple[Observation, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Write the world in the interchange format."""
        return {
            "courses": [row.as_json() for row in self.courses],
            "enrolments": [row.as_json() for row in self.enrolments],
            "classes": [row.as_json() for row in self.classes],
            "observations": [row.as_json() for row in self.observations],
        }


def plain_number(value: Fraction) -> int | float:
    """Write a count of lessons as JSON: whole where it is whole."""
    return value.numerator if value.denominator == 1 else float(value)


def read_world(value: object) -> World:
    """Read a world. Raises Invalid with every problem; unknown keys are problems too."""
    return _read(value, with_observations=True)


def read_roster(value: object) -> World:
    """Read a world without observations, as the roster API takes it. Raises Invalid with every problem."""
    return _read(value, with_observations=False)


def _read(value: object, *, with_observations: bool) -> World:
    problems: list[Problem] = []
    fields = Fields(value, "", problems)
    courses = [_course(Fields(entry, path, problems)) for path, entry in fields.items("courses")]
    enrolments = [_enrolment(Fields(entry, path, problems)) for path, entry in fields.items("enrolments")]
    classes = [_class(Fields(entry, path, problems)) for path, entry in fields.items("classes")]
    observations: list[Observation | None] = []
    if with_observations:
        observations = [read_observation(entry, path, problems) for path, entry in fields.items("observations")]
    fields.close()
    if not problems:
        problems.extend(_repeated("courses", courses))
        problems.extend(_repeated("enrolments", enrolments))
        problems.extend(_repeated("classes", classes))
        problems.extend(_rival_enrolments(enrolments))
    if problems:
        raise Invalid(problems)
    seen = tuple(observation for observation in observations if observation is not None)
    return World(tuple(courses), tuple(enrolments), tuple(classes), seen)


def _course(fields: Fields) -> Course:
    course = Course(
        id=fields.text("id"), title=fields.text_or_none("title"), visual_essential=fields.flag("visual_essential")
    )
    fields.close()
    return course


def _enrolment(fields: Fields) -> Enrolment:
    enrolment = Enrolment(
        id=fields.text("id"),
        learner_id=fields.text("learner_id"),
        course_id=fields.text("course_id"),
        starts_at=fields.instant("starts_at"),
        price_minor=fields.whole("price_minor"),
        paid_minor=fields.whole("paid_minor"),
        currency=fields.text("currency"),
        lessons_paid=fields.whole("lessons_paid"),
        lessons_gift=fields.whole("lessons_gift"),
        lessons_used_before=_lessons(fields, "lessons_used_before"),
        price_refunded_minor=fields.whole("price_refunded_minor"),
        contract_refund_minor=fields.whole_or_none("contract_refund_minor"),
    )
    if isinstance(fields.take("currency"), str) and not _CURRENCY.fullmatch(enrolment.currency):
        fields.note("currency", f"must be an ISO 4217 code such as CNY, not {enrolment.currency!r}")
    if isinstance(fields.take("lessons_paid"), int) and enrolment.lessons_paid + enrolment.lessons_gift < 1:
        fields.note("lessons_paid", "must make at least one lesson together with lessons_gift")
    fields.close()
    return enrolment


def _lessons(fields: Fields, key: str) -> Fraction:
    """Take a count of lessons, 0 or more; halves occur (a lesson degraded by the platform weighs one half)."""
    given = fields.take(key)
    if isinstance(given, float) and 0 <= given < float("inf"):
        return Fraction(str(given))
    return Fraction(fields.whole(key))


def _class(fields: Fields) -> ScheduledClass:
    known = len(fields.problems)
    row = ScheduledClass(
        id=fields.text("id"),
        course_id=fields.text("course_id"),
        starts_at=fields.instant("starts_at"),
        ends_at=fields.instant("ends_at"),
        provider=fields.text("provider"),
        room_id=fields.text_or_none("room_id"),
        teacher_id=fields.text("teacher_id"),
        learner_ids=_learner_ids(fields),
        cancelled=None if fields.take("cancelled") is None else _cancellation(fields.inner("cancelled")),
    )
    if len(fields.problems) == known:
        _check_length(row, fields)
    fields.close()
    return row


def _check_length(row: ScheduledClass, fields: Fields) -> None:
    if row.ends_at <= row.starts_at:
        fields.note("ends_at", "must be later than starts_at")
    if row.ends_at - row.starts_at > CLASS_LENGTH_MAX:
        fields.note("ends_at", f"must be within {CLASS_LENGTH_MAX // DAY} days of starts_at: a class is one lesson")


def _learner_ids(fields: Fields) -> tuple[str, ...]:
    given = fields.items("learner_ids")
    for path, entry in given:
        if not isinstance(entry, str) or not entry:
            fields.problems.append(Problem(path, f"must be a text that is not empty, not {entry!r}"))
    ids = [entry for _, entry in given if isinstance(entry, str)]
    for learner_id, count in Counter(ids).items():
        if count > 1:
            fields.note("learner_ids", f"names {learner_id!r} {count} times")
    return tuple(ids)


def _cancellation(fields: Fields) -> Cancellation:
    cancellation = Cancellation(
        at=fields.instant("at"), by=fields.choice("by", str, CANCELLERS), is_technical=fields.flag("technical")
    )
    fields.close()
    return cancellation


class _Row(Protocol):
    @property
    def id(self) -> str: ...


_R = TypeVar("_R", bound=_Row)


def _repeated(name: str, rows: Iterable[_R]) -> Iterable[Problem]:
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row.id in first:
            yield Problem(f"{name}[{index}].id", f"{row.id!r} is already the id of {name}[{first[row.id]}]")
        first.setdefault(row.id, index)


def _rival_enrolments(enrolments: Iterable[Enrolment]) -> Iterable[Problem]:
    first: dict[tuple[str, str, Instant], str] = {}
    for index, row in enumerate(enrolments):
        key = (row.learner_id, row.course_id, row.starts_at)
        if key in first:
            message = f"the same learner and course start at the same instant as in enrolment {first[key]!r}"
            yield Problem(f"enrolments[{index}].starts_at", message)
        first.setdefault(key, row.id)


def enrolment_finder(enrolments: Iterable[Enrolment]) -> Callable[[str, ScheduledClass], Enrolment | None]:
    """Make the function (learner id, class) → enrolment: that course's with the latest start not after the class's."""
    groups: dict[tuple[str, str], list[Enrolment]] = {}
    for row in sorted(enrolments, key=lambda row: row.starts_at):
        groups.setdefault((row.learner_id, row.course_id), []).append(row)

    def find(learner_id: str, scheduled: ScheduledClass) -> Enrolment | None:
        begun = [
            row for row in groups.get((learner_id, scheduled.course_id), ()) if row.starts_at <= scheduled.starts_at
        ]
        return begun[-1] if begun else None

    return find


def by_id(rows: Iterable[_R]) -> Mapping[str, _R]:
    """Index rows by their id."""
    return {row.id: row for row in rows}
