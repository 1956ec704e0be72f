"""What only a thread tells, in the provider's own order: sessions of joins and leaves, differences of totals."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from collectors.contract import Sighting
from rules.observation import Kind, Observation
from rules.span import SECOND

GONE: str = "gone"
"""Code of a leave that only says that nothing is left to leave: after another leave it ends nothing."""

GAP_MAX: int = 30 * SECOND
"""How far a span may reach back to the one before it; further, something is missing in between."""

PACKETS_MIN: int = 20
"""Of fewer packets no share is taken."""

_TOTALS = re.compile(r"lost ([0-9]{1,19}) of ([0-9]{1,19})")


def settled(thread: Iterable[Sighting]) -> list[Sighting]:
    """Read a thread that is known whole, in any order, repeats included; the result never depends on either.

    Reading a result again changes nothing.
    """
    return list(_differences(named(thread)))


def named(thread: Iterable[Sighting]) -> list[Sighting]:
    """Give every join of one thread its own session, and every leave the session of the last join before it.

    Takes all sightings of one thread in any order, repeats included; the result never depends on the order.
    A leave before every join gets a session of its own, so that it never closes another; so does one of code
    GONE that follows another leave, so that its fault is not taken for that leave's.
    """
    session, is_over = None, False
    result = []
    for sighting in sorted(thread, key=_place):
        seen = sighting.observation
        if seen.kind is Kind.JOINED:
            session, is_over = f"{sighting.thread}#{sighting.order}", False
        elif seen.kind is not Kind.LEFT:
            result.append(sighting)
            continue
        name = session or f"{sighting.thread}#before-{sighting.order}"
        if seen.kind is Kind.LEFT:
            name = f"{sighting.thread}#after-{sighting.order}" if is_over and seen.code == GONE else name
            is_over = True
        result.append(replace(sighting, observation=replace(seen, session=name)))
    return result


def totals(lost: int, of: int) -> str:
    """Write running totals the way `settled` reads them."""
    return f"lost {lost} of {of}"


def _differences(thread: Iterable[Sighting]) -> Iterator[Sighting]:
    """Let each span begin where the one before it ended, and lose what was lost since."""
    before: Observation | None = None
    last: Observation | None = None
    for sighting in thread:
        seen = sighting.observation
        if seen.kind is Kind.QUALITY and (match := _TOTALS.fullmatch(seen.code or "")):
            if last is not None and last.id != seen.id:  # else it is told twice
                before = last
            yield replace(sighting, observation=_since(before, seen, (int(match[1]), int(match[2]))))
            last = seen
        else:
            yield sighting


def _since(before: Observation | None, seen: Observation, now: tuple[int, int]) -> Observation:
    at, metrics = seen.at, {name: value for name, value in seen.metrics.items() if name != "loss"}
    lost, of = now
    if before is not None and before.until is not None and seen.until is not None:
        if 0 < seen.until - before.until <= GAP_MAX:
            at = before.until
        match = _TOTALS.fullmatch(before.code or "")
        earlier = (int(match[1]), int(match[2])) if match else (0, 0)
        if earlier[0] <= lost and earlier[1] <= of:  # else the counters began anew
            lost, of = lost - earlier[0], of - earlier[1]
    if of >= PACKETS_MIN:
        metrics["loss"] = min(lost / of, 1.0)
    return replace(seen, at=at, metrics=metrics)


def _place(sighting: Sighting) -> tuple[int, int, str, str]:
    seen = sighting.observation
    return (sighting.order, seen.at, seen.kind.value, seen.id)
