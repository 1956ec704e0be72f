"""What was seen, in our words: the one shape every source is translated into (SPEC 2)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from rules.document import Fields, Invalid, Problem
from rules.span import Instant, format_instant


class Kind(StrEnum):
    """What happened."""

    ATTEMPTED = "attempted"
    JOIN_FAILED = "join_failed"
    JOINED = "joined"
    LEFT = "left"
    QUALITY = "quality"
    CHECK_PASSED = "check_passed"
    CHECK_FAILED = "check_failed"
    FEED_ALIVE = "feed_alive"
    INCIDENT_DECLARED = "incident_declared"
    INCIDENT_CLEARED = "incident_cleared"


class Role(StrEnum):
    """Who it happened to."""

    LEARNER = "learner"
    TEACHER = "teacher"


class Vantage(StrEnum):
    """Who saw it."""

    SERVER = "server"
    CLIENT = "client"


class Fault(StrEnum):
    """What the code alone tells about whose fault it was."""

    PLATFORM = "platform"
    LEARNER = "learner"
    UNKNOWN = "unknown"


PLATFORM_DIMENSIONS: tuple[str, ...] = ("login", "provider", "region", "node", "client")
ACCESS_DIMENSION: str = "network"
COHORT_DIMENSIONS: tuple[str, ...] = (*PLATFORM_DIMENSIONS, ACCESS_DIMENSION)
OWN_DIMENSIONS: tuple[str, ...] = ("class", "teacher", "account")
DIMENSIONS: tuple[str, ...] = (*COHORT_DIMENSIONS, *OWN_DIMENSIONS)

METRICS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "audio_frozen": (0, 1),
        "video_frozen": (0, 1),
        "av_offset_ms": (float("-inf"), float("inf")),
        "delay_ms": (0, float("inf")),
        "rtt_ms": (0, float("inf")),
        "jitter_ms": (0, float("inf")),
        "loss": (0, 1),
        "fps": (0, float("inf")),
    }
)
"""The metrics of a quality span with the bounds of each; shares are of the span, 0 to 1."""

OF_A_CLASS = frozenset({Kind.ATTEMPTED, Kind.JOIN_FAILED, Kind.JOINED, Kind.LEFT, Kind.QUALITY})
_PERSON = ("participant_id", "role", "vantage")
_REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    Kind.ATTEMPTED: (*_PERSON, "class_id"),
    Kind.JOIN_FAILED: (*_PERSON, "class_id"),
    Kind.JOINED: (*_PERSON, "class_id", "session"),
    Kind.LEFT: (*_PERSON, "class_id", "session"),
    Kind.QUALITY: (*_PERSON, "class_id", "until"),
    Kind.CHECK_PASSED: _PERSON,
    Kind.CHECK_FAILED: _PERSON,
    Kind.FEED_ALIVE: ("until",),
    Kind.INCIDENT_DECLARED: (),
    Kind.INCIDENT_CLEARED: (),
}
_FORBIDDEN: Mapping[Kind, tuple[str, ...]] = {
    Kind.CHECK_PASSED: ("class_id",),
    Kind.CHECK_FAILED: ("class_id",),
    Kind.FEED_ALIVE: ("participant_id",),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing seen about one participant (or one feed), by one source.

    ``at`` and ``until`` are UTC milliseconds. ``domains`` maps a dimension to a value, ``metrics`` a name of
    METRICS to a finite number. ``recorded_at`` is when we stored it; None means ``until`` or ``at``.
    Raises Invalid at construction where a field contradicts the kind.
    """

    source: str
    id: str
    kind: Kind
    at: Instant
    until: Instant | None = None
    class_id: str | None = None
    participant_id: str | None = None
    role: Role | None = None
    session: str | None = None
    vantage: Vantage | None = None
    fault: Fault = Fault.UNKNOWN
    blames: str | None = None
    code: str | None = None
    domains: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    recorded_at: Instant | None = None

    def __post_init__(self) -> None:
        problems = [Problem(key, message) for key, message in _contradictions(self)]
        if problems:
            raise Invalid(problems)

    @property
    def known_at(self) -> Instant:
        """When it was stored, as far as the observation itself tells."""
        if self.recorded_at is not None:
            return self.recorded_at
        return self.at if self.until is None else self.until

    def as_json(self) -> dict[str, object]:
        """Write every key of the interchange format, so that equal observations give equal text."""
        return {
            "source": self.source,
            "id": self.id,
            "kind": self.kind.value,
            "at": format_instant(self.at),
            "until": None if self.until is None else format_instant(self.until),
            "class_id": self.class_id,
            "participant_id": self.participant_id,
            "role": self.role and self.role.value,
            "session": self.session,
            "vantage": self.vantage and self.vantage.value,
            "fault": None if self.fault is Fault.UNKNOWN else self.fault.value,
            "blames": self.blames,
            "code": self.code,
            "domains": dict(self.domains),
            "metrics": dict(self.metrics),
            "recorded_at": None if self.recorded_at is None else format_instant(self.recorded_at),
        }

    def canonical(self) -> str:
        """Write the canonical JSON by which differing copies are ordered."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _contradictions(seen: Observation) -> Iterable[tuple[str, str]]:
    for key in _REQUIRED[seen.kind]:
        if getattr(seen, key) is None:
            yield key, f"is required where kind is {seen.kind}"
    for key in _FORBIDDEN.get(seen.kind, ()):
        if getattr(seen, key) is not None:
            yield key, f"must be null where kind is {seen.kind}"
    if "until" in _REQUIRED[seen.kind] and seen.until is not None and seen.until <= seen.at:
        yield "until", "must be later than at"


def read_observation(value: object, path: str, problems: list[Problem]) -> Observation | None:
    """Read one observation of the interchange format.

    Every mistake is appended to ``problems`` with its path; None is answered where there was one.
    """
    before = len(problems)
    fields = Fields(value, path, problems)
    given = {
        "source": fields.text("source"),
        "id": fields.text("id"),
        "kind": fields.choice("kind", Kind, _WORDS[Kind]),
        "at": fields.instant("at"),
        "until": fields.instant_or_none("until"),
        "class_id": fields.text_or_none("class_id"),
        "participant_id": fields.text_or_none("participant_id"),
        "role": _optional(fields, "role", Role),
        "session": fields.text_or_none("session"),
        "vantage": _optional(fields, "vantage", Vantage),
        "fault": _optional(fields, "fault", Fault) or Fault.UNKNOWN,
        "blames": _blames(fields),
        "code": fields.text_or_none("code"),
        "domains": _domains(fields.inner("domains")),
        "metrics": _metrics(fields.inner("metrics")),
        "recorded_at": fields.instant_or_none("recorded_at"),
    }
    fields.close()
    if len(problems) > before:
        return None
    try:
        return Observation(**given)  # type: ignore[arg-type]  # each value was read as its field's type above
    except Invalid as invalid:
        problems.extend(Problem(f"{path}.{p.path}".strip("."), p.message) for p in invalid.problems)
        return None


_WORDS: Mapping[type[StrEnum], tuple[str, ...]] = {
    kind: tuple(member.value for member in kind) for kind in (Kind, Role, Vantage, Fault)
}


def _optional(fields: Fields, key: str, kind: type[StrEnum]) -> StrEnum | None:
    return None if fields.take(key) is None else fields.choice(key, kind, _WORDS[kind])


def _blames(fields: Fields) -> str | None:
    return None if fields.take("blames") is None else fields.choice("blames", str, DIMENSIONS)


def _domains(fields: Fields) -> dict[str, str]:
    domains = {key: fields.text(key) for key in fields.names() if key in DIMENSIONS}
    fields.close()
    return domains


def _metrics(fields: Fields) -> dict[str, float]:
    fields.allow(METRICS)
    present = [key for key in fields.names() if key in METRICS and fields.take(key) is not None]
    metrics = {key: fields.number(key, *METRICS[key]) for key in present}
    fields.close()
    return metrics


def chosen(observations: Iterable[Observation]) -> list[Observation]:
    """Keep one copy of each (source, id): the earliest recorded, then the one whose canonical JSON sorts first.

    The result is the same for any order and repetition of the input, and sorted by instant, source and id.
    """
    kept: dict[tuple[str, str], Observation] = {}
    for seen in observations:
        key = (seen.source, seen.id)
        other = kept.get(key)
        if other is None or _precedes(seen, other):
            kept[key] = seen
    return sorted(kept.values(), key=lambda seen: (seen.at, seen.source, seen.id))


def _precedes(seen: Observation, other: Observation) -> bool:
    if seen.known_at != other.known_at:
        return seen.known_at < other.known_at
    return seen != other and seen.canonical() < other.canonical()
