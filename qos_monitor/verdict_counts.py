"""What a verdict adds to the counters: once, when it first becomes firm; what changes later is a correction."""

from collections import Counter
from collections.abc import Iterable

from qos_monitor.metrics import tallied
from qos_monitor.metrics.labels import MEDIA, NETWORK, NODE, NONE, RELEASE
from qos_monitor.tallying import Counts
from rules.observation import Fault, Kind, Observation
from rules.record import ClassRecord
from rules.span import SECOND, Instant
from rules.verdict import Verdict

_DIMENSIONS = {NODE: "node", RELEASE: "client", NETWORK: "network"}
"""The dimension of a domain that each label is about."""


def firm(record: ClassRecord, seen: Iterable[Observation]) -> Counts:
    """Count a verdict that became firm; ``seen`` are the learner's observations there."""
    counts = Counts()
    counts.add(tallied.FIRM_VERDICTS, record.provider, record.verdict.value)
    owed, delivered = seconds_of(record)
    if owed:
        _add(counts, record, owed, delivered)
    for medium, share in _frozen(seen).items():
        counts.observe(tallied.FREEZE, share, record.provider, medium)
    return counts


def corrected(before: ClassRecord | None, after: ClassRecord | None) -> Counts:
    """Count what a later verdict changes of a firm one; None where the class or the learner left the roster."""
    counts = Counts()
    for of, old, new in zip(("owed", "delivered"), seconds_of(before), seconds_of(after), strict=True):
        known = after or before
        if known is not None and old != new:
            counts.add(tallied.CORRECTED, known.provider, of, "up" if new > old else "down", count=abs(new - old))
    return counts


def seconds_of(record: ClassRecord | None) -> tuple[int, int]:
    """Give the milliseconds owed and, of these, delivered; of a class that is cancelled nothing is owed.

    Not delivered is what was lost to the platform, or to a cause nobody knows: the platform carries the doubt.
    """
    if record is None or record.verdict is Verdict.CANCELLED:
        return 0, 0
    owed = record.ends_at - record.starts_at
    return owed, owed - record.shares.lost_platform - record.shares.lost_unknown


def outcome_of(record: ClassRecord) -> str:
    """Say whether the platform failed this learner in this class, as far as anybody knows."""
    if record.verdict is Verdict.UNKNOWN:
        return "unknown"
    is_failed = record.verdict is Verdict.UNABLE_PLATFORM or record.is_degraded_by_platform
    return "failed" if is_failed else "served"


def _add(counts: Counts, record: ClassRecord, owed: int, delivered: int) -> None:
    outcome = outcome_of(record)
    by = (
        ((record.provider, used(record, NODE)), tallied.OWED, tallied.DELIVERED, tallied.LEARNER_CLASSES),
        ((used(record, RELEASE),), tallied.RELEASE_OWED, tallied.RELEASE_DELIVERED, tallied.RELEASE_CLASSES),
        ((used(record, NETWORK),), tallied.NETWORK_OWED, tallied.NETWORK_DELIVERED, tallied.NETWORK_CLASSES),
    )
    for labels, of_owed, of_delivered, of_classes in by:
        counts.add(of_owed, *labels, count=owed)
        counts.add(of_delivered, *labels, count=delivered)
        counts.add(of_classes, *labels, outcome)
    for fault in Fault:
        counts.add(tallied.LOST, record.provider, fault.value, count=getattr(record.shares, f"lost_{fault.value}"))


def used(record: ClassRecord, label: str) -> str:
    """Name the node, release or network of a learner in a class: the one that is blamed, else the first by name."""
    start = f"{_DIMENSIONS[label]}:"
    names = [record.domain] if record.domain and record.domain.startswith(start) else sorted(record.used)
    return next((name.removeprefix(start) for name in names if name.startswith(start)), NONE)


def _frozen(seen: Iterable[Observation]) -> dict[str, float]:
    """Give the share of a learner's measured time that was frozen, of each medium that was measured."""
    watched: Counter[str] = Counter()
    frozen: dict[str, float] = dict.fromkeys(MEDIA, 0.0)
    for one in seen:
        if one.kind is not Kind.QUALITY or one.until is None:
            continue
        for medium in MEDIA:
            share = one.metrics.get(f"{medium}_frozen")
            if share is not None:
                watched[medium] += one.until - one.at
                frozen[medium] += share * (one.until - one.at)
    return {medium: frozen[medium] / length for medium, length in watched.items()}


def lag_s(waited_until: Instant, seen: Iterable[Observation], now: Instant) -> float:
    """Tell how long a verdict could have been given before it was.

    That is since its time came (``waited_until``) or, if later, since the learner's last observation was stored.
    """
    return max(now - max((waited_until, *(one.recorded_at or one.at for one in seen))), 0) / SECOND
