"""Names sessions where the provider does not: a thread of joins and leaves, in the provider's own order."""

from collections.abc import Iterable
from dataclasses import replace

from collectors.contract import Sighting
from rules.observation import Kind


def named(thread: Iterable[Sighting]) -> list[Sighting]:
    """Give every join of one thread its own session, and every leave the session of the last join before it.

    Takes all sightings of one thread in any order, repeats included; the result never depends on the order.
    A leave before every join gets a session of its own, so that it never closes another.
    """
    session = None
    result = []
    for sighting in sorted(thread, key=_place):
        seen = sighting.observation
        if seen.kind is Kind.JOINED:
            session = f"{sighting.thread}#{sighting.order}"
        elif seen.kind is not Kind.LEFT:
            result.append(sighting)
            continue
        name = session or f"{sighting.thread}#before-{sighting.order}"
        result.append(replace(sighting, observation=replace(seen, session=name)))
    return result


def _place(sighting: Sighting) -> tuple[int, int, str, str]:
    seen = sighting.observation
    return (sighting.order, seen.at, seen.kind.value, seen.id)
