"""Reads 100ms's webhooks: bytes in, sightings out. README.md here has the facts and their sources."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors import signing
from collectors.body import (
    CODE_MAX,
    EVENT_ID_MAX,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    instant,
    key_of_bytes,
    parsed,
    parsed_or_empty,
    short_text,
    text,
)
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, Instant

_JOINED, _LEFT, _FAILED = "peer.join.success", "peer.leave.success", "peer.join.failure"

IGNORED_EVENTS: frozenset[str] = frozenset(
    {
        "peer.leave.failure",  # left twice, or without having joined: no stay ends by it
        "session.open.success",
        "session.close.success",
        "room.end.success",
        "room.end.failure",
        "role.change.success",
        "role.change.failure",
        "recording.success",
        "recording.failed",
        "beam.started.success",
        "beam.stopped.success",
        "beam.recording.success",
        "beam.failure",
        "hls.started.success",
        "hls.stopped.success",
        "hls.recording.success",
        "hls.failure",
        "transcription.started.success",
        "transcription.success",
        "transcription.failure",
        "client.join.failed",  # this and the next two are of the analytics API, not of webhooks
        "client.connect.failed",
        "client.disconnected",
    }
)

Blame = tuple[Fault, str | None]

LEAVE_REASONS: Mapping[str, Blame] = MappingProxyType(
    {
        "client request": (Fault.LEARNER, None),
        "peer kicked": (Fault.UNKNOWN, None),  # by another peer or through the API: our own act
        "websocket closed": (Fault.UNKNOWN, None),  # silent for 60 s: either side's network, or a killed app
        "ice connection state closed": (Fault.UNKNOWN, None),  # media gone for 60 s: either side's network
        "server removed peer": (Fault.PLATFORM, "provider"),  # an anomaly of their server
    }
)
"""The fault the reason of a leave tells, and the dimension it blames; any other is new and tells nothing."""

JOIN_ERRORS: Mapping[str, Blame] = MappingProxyType(
    {
        "role not allowed": (Fault.PLATFORM, "login"),  # our token names a role the room does not have
        "network disconnection": (Fault.UNKNOWN, None),
        "duplicate peer id": (Fault.LEARNER, None),  # the same client came in twice
        "server overloaded and timeout": (Fault.PLATFORM, "provider"),
    }
)
"""The same for the error of a join that failed, in lower case."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class HundredMs:
    """A 100ms workspace, believed for any of the (header name, value) pairs it was told to send.

    Raises ValueError at construction without a pair.
    """

    pairs: tuple[tuple[str, str], ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets([part for pair in self.pairs for part in pair], "hundredms")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "hundredms"

    @property
    def kept_headers(self) -> frozenset[str]:
        """None: the secret itself is what is sent, and whoever read it from a delivery could send the next one."""
        return frozenset()

    def verify(self, delivery: Delivery) -> None:
        """Believe the sender who knows the value of a secret header. Raises Refused.

        Nothing is signed: the value vouches for the sender, not for a word of the body. Every pair is tried.
        """
        given = [(delivery.headers.get(name, ""), value) for name, value in self.pairs]
        if not any(sent for sent, _ in given):
            raise Refused("missing_signature")
        believed = [signing.equal(sent.strip(), value) for sent, value in given]
        if not any(believed):
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event by its ``id``, which a retry repeats together with ``timestamp``."""
        event = parsed_or_empty(delivery.body)
        event_id = text(event.get("id"))
        if event_id is None:
            return key_of_bytes(delivery.body)
        return DeliveryKey((instant(event.get("timestamp")) or 0) // MINUTE, capped(event_id, EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give an empty 200; anything else is sent again, three times."""
        return 200, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one event. Raises Unreadable where it is not what 100ms documents."""
        event = parsed(delivery.body)
        name = short_text(event.get("type"), CODE_MAX)
        if name is None:
            raise Unreadable("type is missing or not a text")
        if name in IGNORED_EVENTS:
            return Reading(ignored=(name,))
        if name not in (_JOINED, _LEFT, _FAILED):
            return Reading(unknown=(f"event {name}",))
        data = event.get("data")
        if not isinstance(data, dict):
            raise Unreadable("data is missing or not an object")
        return _of_peer(event, name, data)


def build(secrets: tuple[str, ...]) -> HundredMs:
    """Make the collector from its settings, each ``header:value``. Raises ValueError, values not in it."""
    pairs = tuple(pair.partition(":") for pair in secrets)
    if not all(_HEADER.fullmatch(name.strip()) and colon for name, colon, _ in pairs):
        raise ValueError("hundredms needs each secret as header:value, the name of a header and what it must hold")
    return HundredMs(tuple((name.strip().lower(), value.strip()) for name, _, value in pairs))


@dataclass(frozen=True, slots=True)
class _Peer:
    """Whom an event is about."""

    room: str
    peer: str
    person: str


def _of_peer(event: Object, name: str, data: Object) -> Reading:
    room, peer = short_text(data.get("room_id")), short_text(data.get("peer_id"))
    sent_at = instant(event.get("timestamp"))
    entered_at, gone_at = instant(data.get("joined_at")), instant(data.get("left_at"))
    at = {_JOINED: entered_at, _LEFT: gone_at}.get(name) or sent_at
    if room is None or peer is None or at is None:
        raise Unreadable("room_id, peer_id or every time is missing or wrong")
    # Who came without an id of ours is kept by what there is, and stays a stranger to the roster.
    person = short_text(data.get("user_id")) or short_text(data.get("user_data")) or peer
    who = _Peer(room, peer, person)
    unknown = _new_type(data)
    if name == _JOINED:
        return Reading((_seen(who, f"{peer}:joined:{at}", Kind.JOINED, at),), unknown=tuple(unknown))
    if name == _LEFT:
        blame = _blame(data, "reason", LEAVE_REASONS, unknown)
        return Reading((_seen(who, f"{peer}:left:{at}", Kind.LEFT, at, blame),), unknown=tuple(unknown))
    event_id = text(event.get("id")) or f"{peer}:{at}"
    failure = _seen(
        who, f"{event_id}:join_failed", Kind.JOIN_FAILED, at, _blame(data, "error_message", JOIN_ERRORS, unknown)
    )
    if entered_at is None:  # as in the documentation's sample: when it began is not told
        return Reading((failure,), unknown=tuple(unknown))
    attempt = _seen(who, f"{event_id}:attempted", Kind.ATTEMPTED, min(entered_at, at))
    return Reading((attempt, failure), unknown=tuple(unknown))


_Told = tuple[str | None, Fault, str | None]
_NOTHING: _Told = (None, Fault.UNKNOWN, None)


def _seen(who: _Peer, name: str, kind: Kind, at: Instant, told: _Told = _NOTHING) -> Sighting:
    code, fault, blames = told
    return Sighting(
        Observation(
            source="hundredms",
            id=capped(name, OBSERVATION_ID_MAX),
            kind=kind,
            at=at,
            class_id=who.room,
            participant_id=who.person,
            role=Role.LEARNER,
            session=who.peer if kind in (Kind.JOINED, Kind.LEFT) else None,
            vantage=Vantage.SERVER,
            fault=fault,
            blames=blames,
            code=code,
            domains={"provider": "hundredms"},
        )
    )


def _blame(data: Object, key: str, table: Mapping[str, Blame], unknown: list[str]) -> _Told:
    """Look a reason up, however it is spelled; one that is missing or new is counted."""
    words = short_text(data.get(key), CODE_MAX)
    if words is None:
        unknown.append(f"{key} missing")
        return _NOTHING
    blame = table.get(" ".join(words.lower().split()))
    if blame is None:
        unknown.append(f"{key} {words}")
    return (words, *(blame or (Fault.UNKNOWN, None)))


def _new_type(data: Object) -> list[str]:
    """Note a kind of peer that no sample shows; a person at a telephone is one all the same."""
    kind = data.get("type")
    if kind in (None, "", "regular"):
        return []
    return [f"peer type {short_text(kind, CODE_MAX) or '?'}"]
