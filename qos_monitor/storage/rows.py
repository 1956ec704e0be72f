"""Rows of the tables to values of the rules, and back."""

import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from sqlalchemy import Row

from collectors.contract import Sighting
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, Instant
from rules.world import Cancellation, Course, Enrolment, ScheduledClass

Values = dict[str, object]
_T = TypeVar("_T")

WINDOW: int = 30 * MINUTE
"""Length of a window of classes, aligned to 1970 (SPEC 4.3)."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

_IN_MAX = 500  # names in one IN (…); both databases take far more, but plan worse


def window_of(starts_at: Instant) -> int:
    """Number the window a class belongs to by its start."""
    return starts_at // WINDOW


def chunks(values: Iterable[_T], size: int = _IN_MAX) -> Iterator[list[_T]]:
    """Cut into lists fit for one IN (…)."""
    left = list(values)
    for start in range(0, len(left), size):
        yield left[start : start + size]


def canonical(value: object) -> str:
    """Write JSON in the one form hashes are taken over: sorted keys, no spaces, UTF-8, no NaN."""
    return _ENCODER.encode(value)


def is_plain(text: str | None, length_max: int) -> bool:
    """Say whether both databases take this text: neither too long, nor with NUL or half characters in it."""
    if text is None:
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return len(text) <= length_max and "\0" not in text


def course_values(course: Course) -> Values:
    """Write a course as its row."""
    return {"id": course.id, "title": course.title, "visual_essential": course.visual_essential}


def course_of(row: Row[Any]) -> Course:
    """Read a row of courses."""
    return Course(row.id, row.title, row.visual_essential)


def enrolment_values(enrolment: Enrolment) -> Values:
    """Write an enrolment as its row."""
    values: Values = {name: getattr(enrolment, name) for name in enrolment.__slots__}
    return values | {"lessons_used_before": str(enrolment.lessons_used_before)}


def enrolment_of(row: Row[Any]) -> Enrolment:
    """Read a row of enrolments."""
    fields = {name: getattr(row, name) for name in Enrolment.__slots__}
    return Enrolment(**fields | {"lessons_used_before": Fraction(row.lessons_used_before)})


def class_values(scheduled: ScheduledClass) -> Values:
    """Write a class as its row; its learners are rows of their own."""
    off = scheduled.cancelled
    return {
        "id": scheduled.id,
        "course_id": scheduled.course_id,
        "starts_at": scheduled.starts_at,
        "ends_at": scheduled.ends_at,
        "provider": scheduled.provider,
        "room_id": scheduled.room_id,
        "teacher_id": scheduled.teacher_id,
        "cancelled_at": None if off is None else off.at,
        "cancelled_by": None if off is None else off.by,
        "cancelled_technical": None if off is None else off.is_technical,
        "window": window_of(scheduled.starts_at),
    }


def class_of(row: Row[Any], learner_ids: Sequence[str]) -> ScheduledClass:
    """Read a row of classes."""
    off = None
    if row.cancelled_at is not None:
        off = Cancellation(row.cancelled_at, row.cancelled_by, row.cancelled_technical)
    return ScheduledClass(
        id=row.id,
        course_id=row.course_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        provider=row.provider,
        room_id=row.room_id,
        teacher_id=row.teacher_id,
        learner_ids=tuple(learner_ids),
        cancelled=off,
    )


def observation_values(seen: Observation) -> Values:
    """Write an observation as the columns that both share."""
    return {
        "source": seen.source,
        "id": seen.id,
        "kind": seen.kind.value,
        "at": seen.at,
        "until": seen.until,
        "class_id": seen.class_id,
        "participant_id": seen.participant_id,
        "role": None if seen.role is None else seen.role.value,
        "session": seen.session,
        "vantage": None if seen.vantage is None else seen.vantage.value,
        "fault": seen.fault.value,
        "blames": seen.blames,
        "code": seen.code,
        "domains": canonical(dict(seen.domains)),
        "metrics": canonical(dict(seen.metrics)),
        "recorded_at": seen.known_at,
    }


def observation_of(row: Row[Any]) -> Observation:
    """Read a row of observations whose class is known (or that needs none)."""
    return _observation(row)


def sighting_of(row: Row[Any]) -> Sighting:
    """Read a row of observations as the collector first gave it, in the provider's own names."""
    first: dict[str, Any] = {}
    if row.room_id is not None:
        named = row.participant_id if row.named is None else row.named
        first |= {"class_id": row.room_id, "role": row.role and Role.LEARNER, "participant_id": named}
    if row.thread is not None:
        first |= {"session": row.thread}
    seen = _observation(row, **first)
    return Sighting(seen, placed=row.room_id is None, thread=row.thread, order=row.thread_order)


def _observation(row: Row[Any], **instead: Any) -> Observation:  # noqa: ANN401 - fields of several types
    fields: dict[str, Any] = {
        "source": row.source,
        "id": row.id,
        "kind": Kind(row.kind),
        "at": row.at,
        "until": row.until,
        "class_id": row.class_id,
        "participant_id": row.participant_id,
        "role": None if row.role is None else Role(row.role),
        "session": row.session,
        "vantage": None if row.vantage is None else Vantage(row.vantage),
        "fault": Fault(row.fault),
        "blames": row.blames,
        "code": row.code,
        "domains": json.loads(row.domains),
        "metrics": json.loads(row.metrics),
        "recorded_at": row.recorded_at,
    }
    return Observation(**fields | instead)
