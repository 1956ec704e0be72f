"""Reads what Zoom's QSS events measured: texts with units, per medium and direction, into quality spans."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from collectors.body import Object, inner, instant, number, short_text
from rules.span import MINUTE, Instant

Direction = Literal["received", "sent"]

TYPES: Mapping[str, tuple[str, Direction]] = MappingProxyType(
    {
        **{f"{medium}_output": (medium, "received") for medium in ("audio", "video", "as")},
        **{f"{medium}_input": (medium, "sent") for medium in ("audio", "video", "as")},
        **{
            f"{medium}_device_to_{to}": (medium, "received")
            for medium in ("audio", "video", "as")
            for to in ("crc", "rwg")
        },
        **{
            f"{medium}_device_from_{to}": (medium, "sent")
            for medium in ("audio", "video", "as")
            for to in ("crc", "rwg")
        },
    }
)
"""A type's medium ("as" is the shared screen) and direction, seen from the client: README, quirks."""

IGNORED_TYPES: frozenset[str] = frozenset(
    {"cpu_usage", "cpu_pressure_level", "audio_quality", "video_quality", "as_quality", "wifi_rssi"}
)
_BESIDE = frozenset({"date_time", "type", "details", "rc_reason"})

DETAILS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss": ("avg_loss",),
        "rtt_ms": ("latency", "avg_latency"),  # Zoom has the receiver return the packet's time: there and back
        "jitter_ms": ("jitter", "avg_jitter"),
        "fps": ("frame_rate", "avg_frame_rate"),
    }
)
"""Our metric and the details it is read from: averages, for one bad packet is no bad minute."""

_UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "loss": {"%": 0.01, "": 0.01},
        "rtt_ms": {"ms": 1, "": 1, "s": 1_000},
        "jitter_ms": {"ms": 1, "": 1, "s": 1_000},
        "fps": {"fps": 1, "": 1},
    }
)
_MAX: Mapping[str, float] = MappingProxyType({"loss": 1, "rtt_ms": 3_600_000, "jitter_ms": 3_600_000, "fps": 1_000})
_QUANTITY = re.compile(r"([0-9]{1,12}(?:[.,][0-9]{1,12})?)\s*([A-Za-z%]{0,5})")

ENTRIES_MAX: int = 500
PERIOD: int = MINUTE
"""How much of the time before it a measurement speaks for: Zoom sends about one a minute."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one moment's entries say of ``[at, until)``; ``types`` names them."""

    at: Instant
    until: Instant
    types: tuple[str, ...]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Entry:
    at: Instant | None
    type: str
    details: Object


def minutes(person: Object, sent_at: Instant, unknown: list[str]) -> list[Measured]:
    """Read a running report: each moment speaks for the time since the one before, a minute at most."""
    moments: dict[Instant, list[_Entry]] = defaultdict(list)
    for entry in _entries(person, unknown):
        moments[sent_at if entry.at is None else entry.at].append(entry)
    times = sorted(moments)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    length = min([PERIOD, *gaps])
    return [found for at in times for found in _measured(at - length, at, moments[at], unknown)]


def summary(person: Object, unknown: list[str]) -> list[Measured]:
    """Read a summary of the whole stay; nothing where it does not say when that was, for a guess is no evidence."""
    entries = list(_entries(person, unknown))
    begins, ends = instant(person.get("join_time")), instant(person.get("leave_time"))
    if begins is None or ends is None or ends <= begins:
        return []
    return _measured(begins, ends, entries, unknown)


def types_of(person: Object) -> tuple[str, ...]:
    """Name the types and moments of a report, so that two of one moment are not taken for one."""
    return tuple(sorted(f"{entry.at}{entry.type}" for entry in _entries(person, [])))


def _entries(person: Object, unknown: list[str]) -> Iterable[_Entry]:
    """Walk the entries: ``qos`` lists one type each, ``user_qos`` (as in the REST API) one moment each."""
    given = person.get("qos", person.get("user_qos"))
    listed = given if isinstance(given, list) else [given] if isinstance(given, dict) else []
    if len(listed) > ENTRIES_MAX:
        unknown.append("qos excess")
    for listing in listed[:ENTRIES_MAX]:
        entry = inner(listing)
        at = instant(entry.get("date_time"))
        typed = {str(entry["type"]): entry.get("details")} if "type" in entry else entry
        for name, details in typed.items():
            if name in TYPES:
                yield _Entry(at, name, inner(details))
            elif name not in IGNORED_TYPES | _BESIDE:
                unknown.append(f"qos type {short_text(name, 80)}")


def _measured(at: Instant, until: Instant, entries: Iterable[_Entry], unknown: list[str]) -> list[Measured]:
    told: dict[tuple[str, Direction], dict[str, float]] = {}
    types = []
    for entry in entries:
        metrics = _metrics(entry, unknown)
        if metrics:
            types.append(entry.type)
            told[TYPES[entry.type]] = _worse(told.get(TYPES[entry.type], {}), metrics)
    metrics = {}
    for medium in ("audio", "video", "as"):
        # What was sent speaks for a medium of which nothing was received: it is the same way to Zoom.
        metrics = _worse(metrics, told.get((medium, "received")) or told.get((medium, "sent"), {}))
    return [Measured(at, until, tuple(sorted(types)), metrics)] if metrics else []


def _metrics(entry: _Entry, unknown: list[str]) -> dict[str, float]:
    metrics = {}
    for metric, names in DETAILS.items():
        for name in names:
            value = _quantity(metric, entry.details.get(name), unknown)
            if value is not None:
                metrics[metric] = value
    if metrics.get("fps") == 0 or entry.type.startswith("as_"):
        # No frame at all is a camera switched off, and a still slide needs none.
        metrics.pop("fps", None)
    return metrics


def _quantity(metric: str, given: object, unknown: list[str]) -> float | None:
    """Take "134 ms", "0.0%", "27.15kbps" or a bare number; "" and null are not measured."""
    if given is None or given == "":
        return None
    written = given if isinstance(given, str) else number(given, 0, 1e12)
    parts = _QUANTITY.fullmatch(str(written)[:40].strip())
    scale = _UNITS[metric].get(parts[2].lower()) if parts else None
    if parts is None or scale is None:
        unknown.append(f"qos value of {metric}")
        return None
    return number(float(parts[1].replace(",", ".")) * scale, 0, _MAX[metric])


def _worse(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Keep the worse of each metric: the fewer frames, the more of everything else."""
    worst = dict(one)
    for metric, value in other.items():
        pick = min if metric == "fps" else max
        worst[metric] = pick(worst.get(metric, value), value)
    return worst
