"""What the observations of one participant in one class merge to: a semilattice (SPEC 3).

Sets are united, spans are united, slot sets are OR-ed; so repeats, any order, partial batches and any partition over
workers give the same evidence, and it can be stored and merged again after a restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from rules.observation import ACCESS_DIMENSION, OF_A_CLASS, OWN_DIMENSIONS, Fault, Kind, Observation, Vantage
from rules.policy import AttributionTerms, Impaired, Policy, Unusable
from rules.span import MINUTE, SECOND, Grid, Instant, Span, united
from rules.world import ScheduledClass

LOGIN: str = "login"
"""The one domain of everything before the room: it counts as the same whatever its value."""


def domain(dimension: str, value: str) -> str:
    """Write a domain as ``dimension:value``; login is one domain whatever its value."""
    return LOGIN if dimension == LOGIN else f"{dimension}:{value}"


def dimension_of(name: str) -> str:
    """Read the dimension back from a written domain."""
    return name.partition(":")[0]


def is_access(name: str) -> bool:
    """Say whether the domain is the learner's own way in (carrier and province), not the platform's."""
    return dimension_of(name) == ACCESS_DIMENSION


class Cause(NamedTuple):
    """What one observation tells of whose fault it was; ``domain`` is set for a platform fault only."""

    fault: Fault
    vantage: Vantage
    domain: str | None

    @property
    def grade(self) -> str:
        """A for a server record, C for the client's word."""
        return "A" if self.vantage is Vantage.SERVER else "C"


class Entry(NamedTuple):
    """A ``joined``."""

    at: Instant
    source: str
    participant_id: str
    session: str


class Exit(NamedTuple):
    """A ``left``."""

    at: Instant
    source: str
    participant_id: str
    session: str
    cause: Cause


class Try(NamedTuple):
    """An ``attempted`` or a ``join_failed``; an attempt seldom names a cause."""

    at: Instant
    cause: Cause


def blamed(seen: Observation, own: dict[str, str], provider: str) -> str:
    """Name the domain a platform fault of this observation lies with.

    ``own`` gives the values of the domains that need no telling (class, teacher, account). Without a value for the
    dimension named, it is the provider.
    """
    dimension = seen.blames or "provider"
    value = seen.domains.get(dimension) or own.get(dimension)
    if dimension == LOGIN:
        return LOGIN
    return domain(dimension, value) if value else domain("provider", provider)


def cause_of(seen: Observation, own: dict[str, str], provider: str) -> Cause:
    """Read the cause one observation names."""
    where = blamed(seen, own, provider) if seen.fault is Fault.PLATFORM else None
    return Cause(seen.fault, seen.vantage or Vantage.CLIENT, where)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known of one participant (or of the teachers together) in one class.

    ``used`` holds the written domains of the observations. ``is_seen`` says that there is evidence at all: tries
    outside the join window and whatever came after the class are none. ``unusable``, ``impaired`` and
    ``covered`` are slot sets of the class.
    ``rough`` are the spans in which the last mile showed; ``is_measured`` says that a quality span meets the class.
    """

    entries: frozenset[Entry] = frozenset()
    exits: frozenset[Exit] = frozenset()
    attempts: frozenset[Try] = frozenset()
    failures: frozenset[Try] = frozenset()
    used: frozenset[str] = frozenset()
    unusable: int = 0
    impaired: int = 0
    covered: int = 0
    rough: tuple[Span, ...] = ()
    is_measured: bool = False
    is_seen: bool = False

    def __bool__(self) -> bool:
        return self.is_seen

    def __or__(self, other: "Evidence") -> "Evidence":
        """Merge: idempotent, commutative and associative."""
        return Evidence(
            self.entries | other.entries,
            self.exits | other.exits,
            self.attempts | other.attempts,
            self.failures | other.failures,
            self.used | other.used,
            self.unusable | other.unusable,
            self.impaired | other.impaired,
            self.covered | other.covered,
            united(chain(self.rough, other.rough)),
            self.is_measured or other.is_measured,
            self.is_seen or other.is_seen,
        )


NOTHING: Evidence = Evidence()


def gather(
    observations: Iterable[Observation], scheduled: ScheduledClass, policy: Policy, *, visual_essential: bool
) -> Evidence:
    """Merge the observations of one participant (or of the teachers) of this class.

    Takes chosen copies (`observation.chosen`) only. Attempts and failures outside the join window count for nothing.
    """
    reader = _Reader(scheduled, policy, visual_essential=visual_essential)
    for seen in observations:
        reader.take(seen)
    return reader.evidence()


class _Reader:
    """Collects in mutable sets what `Evidence` then freezes; the same as merging one by one, and faster."""

    def __init__(self, scheduled: ScheduledClass, policy: Policy, *, visual_essential: bool) -> None:
        self._class = scheduled
        self._policy = policy
        self._visual_essential = visual_essential
        self._grid = Grid(scheduled.span, policy.time.slot_s * SECOND)
        self._window = Span(scheduled.starts_at - policy.time.join_window_min * MINUTE, scheduled.ends_at)
        self._entries: set[Entry] = set()
        self._exits: set[Exit] = set()
        self._attempts: set[Try] = set()
        self._failures: set[Try] = set()
        self._used: set[str] = set()
        self._unusable = self._impaired = self._covered = 0
        self._rough: list[Span] = []
        self._is_measured = self._is_seen = False

    def take(self, seen: Observation) -> None:
        if seen.kind not in OF_A_CLASS:
            return
        self._used.update(domain(key, value) for key, value in seen.domains.items() if key not in OWN_DIMENSIONS)
        if seen.kind in (Kind.ATTEMPTED, Kind.JOIN_FAILED) and not self._window.holds(seen.at):
            return
        self._is_seen |= seen.at < self._class.ends_at
        person = seen.participant_id or ""
        if seen.kind is Kind.ATTEMPTED:
            self._attempts.add(Try(seen.at, self._cause(seen)))
        elif seen.kind is Kind.JOIN_FAILED:
            self._failures.add(Try(seen.at, self._cause(seen)))
        elif seen.kind is Kind.JOINED:
            self._entries.add(Entry(seen.at, seen.source, person, seen.session or ""))
        elif seen.kind is Kind.LEFT:
            self._exits.add(Exit(seen.at, seen.source, person, seen.session or "", self._cause(seen)))
        else:
            self._measure(seen)

    def _cause(self, seen: Observation) -> Cause:
        own = {
            "class": self._class.id,
            "teacher": self._class.teacher_id,
            "account": seen.participant_id or "",
        }
        return cause_of(seen, own, self._class.provider)

    def _measure(self, seen: Observation) -> None:
        span = Span(seen.at, seen.until or seen.at)
        self._is_measured |= span.meets(self._class.span)
        slots = self._grid.mask(span)
        self._covered |= slots
        if _is_unusable(seen, self._policy.unusable, visual_essential=self._visual_essential):
            self._unusable |= slots
        elif _is_impaired(seen, self._policy.impaired):
            self._impaired |= slots
        if _shows_last_mile(seen, self._policy.attribution):
            self._rough.append(span)

    def evidence(self) -> Evidence:
        return Evidence(
            frozenset(self._entries),
            frozenset(self._exits),
            frozenset(self._attempts),
            frozenset(self._failures),
            frozenset(self._used),
            self._unusable,
            self._impaired,
            self._covered,
            united(self._rough),
            self._is_measured,
            self._is_seen,
        )


def _is_unusable(seen: Observation, limits: Unusable, *, visual_essential: bool) -> bool:
    metrics = seen.metrics
    return (
        metrics.get("audio_frozen", 0) >= limits.audio_frozen
        or (visual_essential and metrics.get("video_frozen", 0) >= limits.video_frozen)
        or metrics.get("loss", 0) >= limits.loss
        or metrics.get("rtt_ms", 0) >= limits.rtt_ms
    )


def _is_impaired(seen: Observation, limits: Impaired) -> bool:
    metrics = seen.metrics
    return (
        metrics.get("audio_frozen", 0) >= limits.audio_frozen
        or metrics.get("video_frozen", 0) >= limits.video_frozen
        or metrics.get("fps", limits.fps) < limits.fps
        or any(metrics.get(name, 0) > getattr(limits, name) for name in ("loss", "rtt_ms", "jitter_ms", "delay_ms"))
        or not limits.av_offset_low_ms <= metrics.get("av_offset_ms", 0) <= limits.av_offset_high_ms
    )


def _shows_last_mile(seen: Observation, terms: AttributionTerms) -> bool:
    metrics = seen.metrics
    return metrics.get("loss", 0) >= terms.last_mile_loss or metrics.get("rtt_ms", 0) >= terms.last_mile_rtt_ms
