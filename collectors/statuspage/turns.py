"""How the updates of one incident become declarations and all-clears."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from rules.observation import Kind
from rules.span import Instant

IS_OPEN: Mapping[str, bool | None] = MappingProxyType(
    {
        "investigating": True,
        "identified": True,
        "monitoring": True,  # a fix is in place, and nobody says yet that it holds
        "in_progress": True,  # of a maintenance
        "verifying": True,
        "resolved": False,
        "postmortem": False,
        "completed": False,
        "scheduled": None,  # announced, not begun
        "update": None,  # in feeds: more words, the same state
    }
)
"""Every state an update may have: trouble, none, or nothing said about it."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as a page tells it: ``updates`` oldest first, ``begun_at`` where the page says it apart."""

    id: str
    words: str
    updates: tuple[tuple[Instant, str], ...]
    begun_at: Instant | None = None


class Turn(NamedTuple):
    """The ``number``-th beginning or end of an incident; one that is opened again has more than one of each."""

    kind: Kind
    number: int
    at: Instant


def turns(incident: Incident) -> Iterator[Turn]:
    """Give every beginning and every end, in order; one that was written down when it was over has both at once."""
    number, is_open, begun = 0, False, 0
    for at, word in sorted(incident.updates, key=lambda update: update[0]):
        state = IS_OPEN.get(word)
        if state is None or (state == is_open and number > 0):
            continue
        if not is_open:
            number += 1
            begun = incident.begun_at if number == 1 and incident.begun_at is not None else at
            yield Turn(Kind.INCIDENT_DECLARED, number, begun)
        if not state:
            yield Turn(Kind.INCIDENT_CLEARED, number, max(at, begun))
        is_open = state


def strange(incidents: Iterable[Incident]) -> Iterator[str]:
    """Name the states that no table has."""
    for incident in incidents:
        yield from (f"status {word}"[:60] for _, word in incident.updates if word not in IS_OPEN)
