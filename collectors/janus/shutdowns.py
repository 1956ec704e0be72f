"""What a server's shutdown ends: Janus sends no event for the sessions that go down with it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from collectors.body import OBSERVATION_ID_MAX, capped
from rules.observation import Fault, Kind, Observation
from rules.span import SECOND

SOURCE: str = "janus"
CODE: str = "shutdown"

ALIVE: int = 60 * SECOND
"""How shortly before the shutdown something must have been received in a session; Janus measures every 20 s at most."""

Seat = tuple[str | None, str | None]


def is_shutdown(seen: Observation) -> bool:
    """Say whether this is a server's own word that it is going down."""
    return seen.source == SOURCE and seen.kind is Kind.INCIDENT_DECLARED and seen.code == CODE


def ended(seen: Iterable[Observation], shutdowns: Iterable[Observation]) -> list[Observation]:
    """Let each session that was alive when its server went down end then, by the platform's fault.

    Takes all observations of whole participants of a class, in any order. A session whose ``left`` is known ended
    otherwise; one in which nothing was received shortly before is not known to have been there, and stays as it is.
    """
    given, told = list(seen), [one for one in shutdowns if is_shutdown(one) and "node" in one.domains]
    if not told:
        return given
    left = {(one.class_id, one.participant_id, one.session) for one in given if one.kind is Kind.LEFT}
    received: dict[Seat, list[Observation]] = defaultdict(list)
    for one in given:
        if one.source == SOURCE and one.kind is Kind.QUALITY:
            received[one.class_id, one.participant_id].append(one)
    result = list(given)
    for one in given:
        if one.source != SOURCE or one.kind is not Kind.JOINED:
            continue
        if (one.class_id, one.participant_id, one.session) in left:
            continue
        near = [other for other in told if _went_down_with(one, other, received[one.class_id, one.participant_id])]
        if near:
            result.append(_as_left(one, min(near, key=lambda other: (other.at, other.id))))
    return result


def _went_down_with(joined: Observation, shutdown: Observation, received: Iterable[Observation]) -> bool:
    node, at = shutdown.domains["node"], shutdown.at
    if joined.domains.get("node") != node or joined.at > at:
        return False
    spans = (one for one in received if one.domains.get("node") == node and one.at >= joined.at - ALIVE)
    return any(at - ALIVE <= (one.until or one.at) <= at + SECOND for one in spans)


def _as_left(joined: Observation, shutdown: Observation) -> Observation:
    """Word a shutdown as the end of a session; it is known once both are."""
    return replace(
        joined,
        id=capped(f"{CODE}:{joined.id}", OBSERVATION_ID_MAX),
        kind=Kind.LEFT,
        at=shutdown.at,
        fault=Fault.PLATFORM,
        blames="node",
        code=CODE,
        recorded_at=max(joined.known_at, shutdown.known_at),
    )
