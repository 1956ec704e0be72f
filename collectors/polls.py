"""What a provider's statistics are asked for, and how what only they tell joins what webhooks told."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from collectors.contract import Sighting
from rules.observation import Kind, Observation
from rules.span import SECOND, Instant

POLLED: tuple[str, ...] = ("agora", "livekit", "trtc", "zoom")
"""Providers whose statistics or presence we can ask for."""

CODE: str = "polled"
"""Code of a join or leave that a poll told; no webhook has it."""

OWN: str = "polled:"
"""How a polled session begins whose provider's webhooks name sessions in another way, or not at all. A polled session
that does not begin so has the name that webhooks give it, and goes by that name alone."""

JOIN_NEAR: int = 2 * SECOND
LEAVE_NEAR: int = 15 * SECOND
"""How far a polled event and a webhook of the same event may lie apart. A leave is told by webhook only when the
provider gives up waiting (Agora: 10 s), and both are in whole seconds."""

_NEAR: Mapping[Kind, int] = {Kind.JOINED: JOIN_NEAR, Kind.LEFT: LEAVE_NEAR}


@dataclass(frozen=True, slots=True)
class Sitting:
    """One class as far as a poll needs it: the provider's room, when, and who teaches."""

    room_id: str
    starts_at: Instant
    ends_at: Instant
    teacher_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask. ``name`` is the same whenever the same is asked; ``asked`` is kept with the answer.

    Who asks is not in it: that is the matter of an authorizer, which may sign method, path, params and body.
    """

    path: str
    params: Mapping[str, str]
    name: str
    at: Instant
    asked: str
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is to be asked yet; look again at this instant."""

    at: Instant


class Said(StrEnum):
    """What an answer means for what is asked next; a closed set, fit for a metric label."""

    GOOD = "good"
    TOO_FAST = "too_fast"  # ask again in a moment
    SPENT = "spent"  # nothing more today, by UTC
    NOT_READY = "not_ready"  # the data is not there yet
    STALE = "stale"  # to be asked in another way, as a list whose place is no longer known
    GONE = "gone"  # the data is no longer there
    REFUSED = "refused"  # the key or the plan does not allow it
    BROKEN = "broken"  # not what is documented
    UNAVAILABLE = "unavailable"  # no answer, or a server in trouble


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan allows: requests, and when a class may be asked about.

    Usually that is from ``delay_ms`` after its end until ``kept_ms`` after it, when the data is gone. Where
    ``lead_ms`` is given, presence is asked for while the class runs, from so long before its beginning; what was
    not asked by ``kept_ms`` after its end nobody can tell any more.
    """

    per_second: int
    per_day: int
    kept_ms: int
    delay_ms: int
    lead_ms: int | None = None

    def first_at(self, starts_at: Instant, ends_at: Instant) -> Instant:
        """Tell from when a class may be asked about."""
        return ends_at + self.delay_ms if self.lead_ms is None else starts_at - self.lead_ms


class Statistics(Protocol):
    """The statistics of one provider: what to ask next, and what the answer is. Pure, like a collector."""

    @property
    def provider(self) -> str:
        """The provider as classes name it."""

    @property
    def reader(self) -> str:
        """The provider under which answers are stored as deliveries."""

    @property
    def limits(self) -> Limits:
        """What the plan allows."""

    def next(self, sitting: Sitting, progress: str, now: Instant) -> Request | Later | None:
        """Say what to ask next, or when; None when all of it was answered. The first progress is an empty text."""

    def said(self, status: int, body: bytes) -> Said:
        """Say what an answer means."""

    def after(self, sitting: Sitting, progress: str, request: Request, body: bytes) -> str:
        """Give the progress after a good or stale answer to this request, which `next` named."""

    def probe(self, now: Instant) -> Request:
        """Name one question that changes nothing and costs little, to find out whether we may ask."""


def reconciled(seen: Iterable[Observation]) -> list[Observation]:
    """Let polled joins and leaves fill what webhooks left out, and never tell what they told a second time.

    Takes all observations of whole participants of a class, in any order. A polled event that a webhook told too is
    left out, and the webhook's takes the polled session's name, so that a join of one and a leave of the other meet;
    so do all leaves of a session whose join did.
    Without polled events everything stays as it is.
    """
    given = list(seen)
    people = {_person(one) for one in given if one.code == CODE and one.kind in _NEAR}
    if not people:
        return given
    of_one: dict[tuple[str, str | None, str | None], list[Observation]] = defaultdict(list)
    result = []
    for one in given:
        if one.kind in _NEAR and _person(one) in people:
            of_one[_person(one)].append(one)
        else:
            result.append(one)
    for events in of_one.values():
        result += _merged(events)
    return result


def twins(polled: Sequence[Observation], told: Sequence[Observation], near: int) -> dict[int, int]:
    """Pair events of one kind and one participant, nearest first, each once; answer places in both."""
    distances = sorted(
        (abs(one.at - other.at), one.at, one.id, other.id, place, twin)
        for place, one in enumerate(polled)
        for twin, other in enumerate(told)
        if abs(one.at - other.at) <= near
    )
    pairs: dict[int, int] = {}
    for *_, place, twin in distances:
        if place not in pairs and twin not in pairs.values():
            pairs[place] = twin
    return pairs


def alive(source: str, name: str, at: Instant, until: Instant) -> Sighting:
    """Say that a provider's feed was alive over [at, until), since it answered for it; one row for each ``name``."""
    seen = Observation(source, f"polled:alive:{name}", Kind.FEED_ALIVE, at, until, code=CODE)
    return Sighting(seen, placed=True)


def counted(seen: Iterable[Observation]) -> tuple[int, int]:
    """Count polled joins and leaves: those that webhooks told too, and those that only polling found."""
    given = list(seen)
    every = sum(one.code == CODE and one.kind in _NEAR for one in given)
    alone = sum(one.code == CODE and one.kind in _NEAR for one in reconciled(given))
    return every - alone, alone


def _person(seen: Observation) -> tuple[str, str | None, str | None]:
    return (seen.source, seen.class_id, seen.participant_id)


def _merged(events: Sequence[Observation]) -> list[Observation]:
    """Join the polled and the told events of one person; see `reconciled`."""
    joined, left = (_paired(events, kind) for kind in (Kind.JOINED, Kind.LEFT))
    renamed = {told.session: polled.session for told, polled in joined.pairs}
    still_open = {one.session for one in joined.told}
    result = [*joined.polled, *joined.told, *left.polled]
    result += [replace(told, session=polled.session) for told, polled in joined.pairs]
    result += [replace(told, session=renamed.get(told.session, told.session)) for told in left.told]
    for told, polled in left.pairs:
        # It ends two sessions where that of the webhooks has a join that no poll shows.
        if told.session in still_open and told.session != polled.session:
            result += [told, replace(told, id=polled.id, session=polled.session)]
        else:
            result.append(replace(told, session=polled.session))
    return result


@dataclass(frozen=True, slots=True)
class _Paired:
    pairs: Sequence[tuple[Observation, Observation]]
    told: Sequence[Observation]
    polled: Sequence[Observation]


def _paired(events: Sequence[Observation], kind: Kind) -> _Paired:
    polled = [one for one in events if one.kind is kind and one.code == CODE]
    told = [one for one in events if one.kind is kind and one.code != CODE]
    pairs = _matched(polled, told, _NEAR[kind])
    return _Paired(
        [(told[twin], polled[place]) for place, twin in pairs.items()],
        [one for twin, one in enumerate(told) if twin not in pairs.values()],
        [one for place, one in enumerate(polled) if place not in pairs],
    )


def _matched(polled: Sequence[Observation], told: Sequence[Observation], near: int) -> dict[int, int]:
    """Pair by the session's name where polls and webhooks share it, else by time; answer places in both."""
    named = {one.session: place for place, one in reversed(list(enumerate(told)))}
    shared = {place: one for place, one in enumerate(polled) if not (one.session or "").startswith(OWN)}
    pairs = {place: named[one.session] for place, one in shared.items() if one.session in named}
    loose = [place for place in range(len(polled)) if place not in shared]
    open_told = [place for place in range(len(told)) if place not in pairs.values()]
    near_ones = twins([polled[place] for place in loose], [told[place] for place in open_told], near)
    return pairs | {loose[place]: open_told[twin] for place, twin in near_ones.items()}
