"""The items of a batch, each turned into observations on our clock."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from collectors.beacon import native
from collectors.beacon.codes import CODES, UNKNOWN
from collectors.beacon.getstats import windows
from collectors.beacon.token import Ticket
from collectors.body import CODE_MAX, Object, number, short_text, whole
from rules.observation import Fault, Kind, Observation, Vantage
from rules.span import HOUR, MINUTE, Instant

AGE_MAX: int = 6 * HOUR
"""How long before its receipt an item may have happened; a verdict is firm by then."""
AHEAD_MAX: int = MINUTE
"""How far beyond its receipt an item's time may come out, after its clock was set back."""

NOTES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "unknown": frozenset({"item", "kind", "time", "session", "code", "metric", "snapshot", "span", "excess"}),
        "ignored": frozenset({"counter_reset", "nothing_measured"}),
    }
)
"""What is said of items that could not be used. Closed, since a client writes the rest."""

_EVENTS: Mapping[str, Kind] = MappingProxyType(
    {kind.value: kind for kind in (Kind.ATTEMPTED, Kind.JOIN_FAILED, Kind.JOINED, Kind.LEFT)}
)
_SNAPSHOTS_MAX = 120


@dataclass(frozen=True, slots=True)
class Batch:
    """What holds for every item: whose it is, and what to add to the client's clock to get ours."""

    ticket: Ticket
    name: str
    offset_ms: int
    received_at: Instant
    domains: Mapping[str, str]

    def instant(self, given: object) -> Instant | None:
        """Put a time of the client's clock on ours; None if it is none, or too far from the receipt."""
        client = number(given, -(2**54), 2**54)
        if client is None:
            return None
        at = math.floor(client) + self.offset_ms
        return at if self.received_at - AGE_MAX <= at <= self.received_at + AHEAD_MAX else None


def read_item(batch: Batch, index: int, item: object, notes: list[str]) -> list[Observation]:
    """Read one item; what cannot be used is named in ``notes``."""
    if not isinstance(item, dict):
        notes.append("item")
        return []
    kind = item.get("kind")
    if kind == "stats":
        return list(_of_getstats(batch, index, item, notes))
    if kind == "agora_stats":
        return list(_of_agora(batch, index, item, notes))
    event = _EVENTS.get(kind) if isinstance(kind, str) else None
    if event is None:
        notes.append("kind")
        return []
    return _of_event(batch, index, (event, item), notes)


def _of_event(batch: Batch, index: int, given: tuple[Kind, Object], notes: list[str]) -> list[Observation]:
    kind, item = given
    at, session = batch.instant(item.get("at")), short_text(item.get("session"))
    if at is None:
        notes.append("time")
        return []
    if kind in (Kind.JOINED, Kind.LEFT) and session is None:
        notes.append("session")
        return []
    (fault, blames), code = UNKNOWN, None
    if kind in (Kind.LEFT, Kind.JOIN_FAILED):
        code = _code(item.get("code"))
        if code not in CODES:
            notes.append("code")
        fault, blames = CODES.get(code or "", UNKNOWN)
    return [
        Observation(
            source="beacon",
            id=f"{batch.name}:{index}",
            kind=kind,
            at=at,
            class_id=batch.ticket.class_id,
            participant_id=batch.ticket.learner_id,
            role=batch.ticket.role,
            session=session if kind in (Kind.JOINED, Kind.LEFT) else None,
            vantage=Vantage.CLIENT,
            fault=fault,
            blames=blames if fault is Fault.PLATFORM else None,
            code=code,
            domains=batch.domains,
        )
    ]


def _code(given: object) -> str | None:
    """Take a code; Agora's native SDKs give the same number with either sign."""
    as_number = whole(given, -(10**6), 10**6)
    return short_text(given if as_number is None else str(abs(as_number)), CODE_MAX)


def _of_getstats(batch: Batch, index: int, item: Object, notes: list[str]) -> Iterable[Observation]:
    given = item.get("snapshots", [item.get("previous"), item.get("snapshot")])
    if not isinstance(given, list) or len(given) < 2:
        notes.append("snapshot")
        return
    notes.extend(["excess"] * max(len(given) - _SNAPSHOTS_MAX, 0))
    for place, window in enumerate(windows(given[:_SNAPSHOTS_MAX], notes)):
        span = batch.instant(window.starts), batch.instant(window.ends)
        yield from _quality(batch, f"{batch.name}:{index}:{place}", span, (window.metrics, notes))


def _of_agora(batch: Batch, index: int, item: Object, notes: list[str]) -> Iterable[Observation]:
    span = batch.instant(item.get("at")), batch.instant(item.get("until"))
    length = span[1] - span[0] if span[0] is not None and span[1] is not None else 0
    metrics = native.metrics(item, length, notes) if length > 0 else {}
    yield from _quality(batch, f"{batch.name}:{index}", span, (metrics, notes))


def _quality(
    batch: Batch,
    name: str,
    span: tuple[Instant | None, Instant | None],
    said: tuple[Mapping[str, float], list[str]],
) -> Iterable[Observation]:
    """Give one span, unless nothing was measured: a span without metrics would read as a good one."""
    (at, until), (metrics, notes) = span, said
    if at is None or until is None or until <= at:
        notes.append("time")
    elif not metrics:
        notes.append("nothing_measured")
    else:
        yield Observation(
            source="beacon",
            id=name,
            kind=Kind.QUALITY,
            at=at,
            until=until,
            class_id=batch.ticket.class_id,
            participant_id=batch.ticket.learner_id,
            role=batch.ticket.role,
            vantage=Vantage.CLIENT,
            domains=batch.domains,
            metrics=metrics,
        )
