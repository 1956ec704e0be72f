"""What the school's own removals of people mean, and which ending of a session each of them explains."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from collectors.body import OBSERVATION_ID_MAX, capped
from rules.observation import Fault, Kind, Observation, Role
from rules.span import SECOND

SOURCE: str = "backend"
"""Source of what the school's own backend tells of its own acts."""

CODE: str = "kicked: "
"""How the code of a removal begins; the reason follows. Only `SOURCE` uses it."""

NEAR: int = 15 * SECOND
"""How far a removal and the end of the session may lie apart: two clocks, and a client that times out."""

Blame = tuple[Fault, str | None]

REASONS: Mapping[str, Blame] = MappingProxyType(
    {
        "conduct": (Fault.LEARNER, None),  # they brought it on themselves, as if they had gone
        "duplicate_login": (Fault.LEARNER, None),  # they are in on another device
        "class_over": (Fault.PLATFORM, "class"),  # too early: whoever closes a room owes what was left of the class
        "moved": (Fault.PLATFORM, "class"),  # we sent them out, so coming in again is ours to see to
        "mistake": (Fault.PLATFORM, "account"),
    }
)
"""Why somebody is removed: a closed set, each with whose fault it is (decision 0020)."""


def blame(reason: str, role: Role) -> Blame:
    """Tell whose fault a removal is. A teacher's are the platform's, who must get its teacher in (SPEC 4.2)."""
    fault, dimension = REASONS[reason]
    if role is Role.TEACHER and reason in {"conduct", "mistake"}:
        return Fault.PLATFORM, "teacher"
    return fault, dimension


def explained(seen: Iterable[Observation]) -> list[Observation]:
    """Let every removal say why the sessions it ended did end.

    Takes all observations of whole participants of a class, in any order. A removal names no session of the
    provider's, so it is one more ``left`` of each session that ended near it (one a source), at the same instant; where
    none did, of the session still open then. One of the learner's own fault explains only a ``left`` of unknown fault;
    one of the platform's also a ``left`` by the learner's own act, since a client that is told to go goes by itself. A
    removal that explains nothing is left out: they were not there. Without removals everything stays as it is.
    """
    given = list(seen)
    told = [one for one in given if is_removal(one)]
    if not told:
        return given
    result = [one for one in given if not is_removal(one)]
    stays: dict[tuple[str | None, str | None], dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for one in result:
        if one.kind in {Kind.JOINED, Kind.LEFT}:
            stays[one.class_id, one.participant_id][one.source].append(one)
    for removal in told:
        for events in stays[removal.class_id, removal.participant_id].values():
            result += _ended(removal, events)
    return result


def is_removal(seen: Observation) -> bool:
    """Say whether this is the school's word that it removed somebody."""
    return seen.source == SOURCE and seen.kind is Kind.LEFT and (seen.code or "").startswith(CODE)


def _ended(removal: Observation, events: Sequence[Observation]) -> Iterator[Observation]:
    """Give the ``left`` that this removal is in one source, if it ended anything there."""
    explains = {Fault.UNKNOWN, Fault.LEARNER} if removal.fault is Fault.PLATFORM else {Fault.UNKNOWN}
    left = [one for one in events if one.kind is Kind.LEFT]
    near = [one for one in left if one.fault in explains and abs(one.at - removal.at) <= NEAR]
    if near:
        end = min(near, key=lambda one: (abs(one.at - removal.at), one.at, one.id))
        yield _as_left(removal, end, end.at)
    elif not any(abs(one.at - removal.at) <= NEAR for one in left):
        ended = {one.session for one in left}
        before = [one for one in events if one.kind is Kind.JOINED and one.at < removal.at]
        last = max(before, key=lambda one: (one.at, one.id), default=None)
        if last is not None and last.session not in ended:
            yield _as_left(removal, last, removal.at)


def _as_left(removal: Observation, of: Observation, at: int) -> Observation:
    """Word a removal as the end of another source's session; it is known once both are."""
    return replace(
        removal,
        source=of.source,
        id=capped(f"{SOURCE}:{removal.id}", OBSERVATION_ID_MAX),
        at=at,
        session=of.session,
        domains=of.domains,
        recorded_at=max(removal.known_at, of.known_at),
    )
