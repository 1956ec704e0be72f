"""Reads LiveKit's webhooks: bytes in, sightings out. README.md beside it has the facts and their sources.

The raw JSON is read, not the protobuf message: livekit-api turns an enum name it does not know into 0.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import jwt

from collectors import signing
from collectors.body import (
    CODE_MAX,
    EVENT_ID_MAX,
    INTEGER_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    key_of_bytes,
    number,
    parsed,
    parsed_or_empty,
    seconds,
    short_text,
    text,
    whole,
)
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.livekit.tokens import JWS
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

_LEEWAY = MINUTE

IGNORED_EVENTS: frozenset[str] = frozenset(
    {
        "room_started",
        "room_finished",
        "track_published",
        "track_unpublished",
        "egress_started",
        "egress_updated",
        "egress_ended",
        "ingress_started",
        "ingress_ended",
        "agent_job_started",
        "agent_job_ended",
    }
)
_JOINED, _LEFT, _ABORTED = "participant_joined", "participant_left", "participant_connection_aborted"

DISCONNECT_REASONS: tuple[tuple[int, str, Fault], ...] = (
    (0, "UNKNOWN_REASON", Fault.UNKNOWN),
    (1, "CLIENT_INITIATED", Fault.LEARNER),
    (2, "DUPLICATE_IDENTITY", Fault.LEARNER),
    (3, "SERVER_SHUTDOWN", Fault.PLATFORM),
    (4, "PARTICIPANT_REMOVED", Fault.UNKNOWN),  # an API call: our own act
    (5, "ROOM_DELETED", Fault.UNKNOWN),  # the same
    (6, "STATE_MISMATCH", Fault.PLATFORM),  # seems mostly the server's; a client's bug can do it too
    (7, "JOIN_FAILURE", Fault.UNKNOWN),  # message bus or a time-out: the webhook does not tell which
    (8, "MIGRATION", Fault.PLATFORM),  # the cloud moves the session; harmless where a join follows
    (9, "SIGNAL_CLOSE", Fault.UNKNOWN),
    (10, "ROOM_CLOSED", Fault.UNKNOWN),
    (11, "USER_UNAVAILABLE", Fault.UNKNOWN),
    (12, "USER_REJECTED", Fault.UNKNOWN),
    (13, "SIP_TRUNK_FAILURE", Fault.UNKNOWN),
    (14, "CONNECTION_TIMEOUT", Fault.UNKNOWN),
    (15, "MEDIA_FAILURE", Fault.UNKNOWN),
    (16, "AGENT_ERROR", Fault.UNKNOWN),
)
"""Number, name and the fault the reason alone tells (livekit_models.proto; causes in types/interfaces.go)."""

_FAULT_BY_NAME: Mapping[str, Fault] = MappingProxyType({name: fault for _, name, fault in DISCONNECT_REASONS})
_NAME_BY_NUMBER: Mapping[int, str] = MappingProxyType({value: name for value, name, _ in DISCONNECT_REASONS})

_STANDARD: tuple[object, ...] = (None, "STANDARD", 0)  # absent is the default value of protobuf JSON
OTHER_KINDS: Mapping[object, str] = MappingProxyType(
    {1: "INGRESS", 2: "EGRESS", 3: "SIP", 4: "AGENT", 7: "CONNECTOR", 8: "BRIDGE"}
)


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A LiveKit server or project, believed under any of its (API key, secret) pairs.

    A key may be listed twice while its secret is rotated. Raises ValueError at construction without a pair.
    """

    keys: tuple[tuple[str, str], ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets([part for pair in self.keys for part in pair], "livekit")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "livekit"

    @property
    def kept_headers(self) -> frozenset[str]:
        """The token, good for five minutes and for this body alone."""
        return frozenset({"authorization"})

    def verify(self, delivery: Delivery) -> None:
        """Believe a bare HS256 token of a known key whose ``sha256`` is that of the raw body. Raises Refused.

        Its times are held against ``received_at`` with a minute of leeway, so that a stored delivery verifies
        for ever.
        """
        token = delivery.headers.get("authorization", "").strip()
        if not token:
            raise Refused("missing_signature")
        claims = self._claims(token)
        _check_times(claims, delivery.received_at)
        given = claims.get("sha256")
        if not isinstance(given, str) or not signing.equal(given, signing.sha256_base64(delivery.body)):
            raise Refused("wrong_body")

    def _claims(self, token: str) -> Object:
        issuer = text(_unverified(token).get("iss")) or ""
        secrets = [secret for key, secret in self.keys if signing.equal(key, issuer)]
        if not secrets:
            raise Refused("unknown_key")
        for secret in secrets:
            try:
                return _verified(token, secret)
            except jwt.InvalidSignatureError:
                continue
        raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event by its ``id``, which a retry repeats together with ``createdAt``."""
        event = parsed_or_empty(delivery.body)
        event_id = text(event.get("id"))
        if event_id is None:
            return key_of_bytes(delivery.body)
        minute = (whole(event.get("createdAt"), 0, LATEST_S) or 0) // 60
        return DeliveryKey(minute, capped(event_id, EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give an empty 200; only 429 and 5xx are sent again."""
        return 200, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one event. Raises Unreadable where it is not what LiveKit documents."""
        event = parsed(delivery.body)
        name = short_text(event.get("event"), CODE_MAX)
        if name is None:
            raise Unreadable("event is missing or not a text")
        if name in IGNORED_EVENTS:
            return Reading(ignored=(name,))
        if name not in (_JOINED, _LEFT, _ABORTED):
            return Reading(unknown=(f"event {name}",))
        participant = event.get("participant")
        if not isinstance(participant, dict):
            raise Unreadable("participant is missing or not an object")
        return _not_a_person(participant) or _of_person(event, name, participant)


def build(secrets: tuple[str, ...]) -> LiveKit:
    """Make the collector from its settings, each ``key:secret``. Raises ValueError, secrets not in it."""
    if not all(":" in pair for pair in secrets):
        raise ValueError("livekit needs each key as key:secret")
    pairs = (pair.partition(":") for pair in secrets)
    return LiveKit(tuple((key.strip(), secret.strip()) for key, _, secret in pairs))


def _unverified(token: str) -> Object:
    """Take the claims to find whose key it says it is; PyJWT would read every letter of it twice. Raises Refused."""
    try:
        written = token.split(".")[1]
        return parsed(base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)))
    except (IndexError, ValueError, Unreadable):
        raise Refused("malformed_token") from None


def _verified(token: str, secret: str) -> Object:
    """Take the claims of a token that the secret signed. Raises Refused or jwt.InvalidSignatureError."""
    try:
        return parsed(JWS.decode(token, secret, algorithms=["HS256"]))
    except jwt.InvalidSignatureError:
        raise
    except (jwt.PyJWTError, Unreadable, ValueError, TypeError, RecursionError):
        # Beside its own errors PyJWT lets out those of json and of the codecs.
        raise Refused("malformed_token") from None


def _check_times(claims: Object, received_at: Instant) -> None:
    expires = number(claims.get("exp"), 0, INTEGER_MAX)
    begins = 0.0 if "nbf" not in claims else number(claims.get("nbf"), 0, INTEGER_MAX)
    if expires is None or begins is None:
        raise Refused("malformed_token")
    if expires * SECOND + _LEEWAY <= received_at:
        raise Refused("expired")
    if begins * SECOND - _LEEWAY > received_at:
        raise Refused("not_yet_valid")


def _not_a_person(participant: Object) -> Reading | None:
    kind = participant.get("kind")
    if isinstance(kind, bool) or not isinstance(kind, str | int | None):
        return Reading(unknown=("kind",))
    if kind in _STANDARD:
        return None
    name = OTHER_KINDS.get(kind, str(kind)[:CODE_MAX])
    named = (f"kind {name}",)
    return Reading(ignored=named) if name in OTHER_KINDS.values() else Reading(unknown=named)


def _of_person(event: Object, name: str, participant: Object) -> Reading:
    sid, identity = short_text(participant.get("sid")), short_text(participant.get("identity"))
    room = short_text(inner(event.get("room")).get("name"))
    at = seconds(event.get("createdAt"))
    if sid is None or identity is None or room is None or at is None:
        raise Unreadable("createdAt, room.name, participant.sid or participant.identity is missing or wrong")
    domains = {"provider": "livekit"}
    region = short_text(participant.get("region"), CODE_MAX)
    if region is not None:
        domains["region"] = region
    event_id = text(event.get("id")) or f"{sid}:{name}:{at}"

    def seen(kind: Kind, when: Instant, fault: Fault = Fault.UNKNOWN, code: str | None = None) -> Sighting:
        return Sighting(
            Observation(
                source="livekit",
                id=capped(f"{event_id}:{kind}", OBSERVATION_ID_MAX),
                kind=kind,
                at=when,
                class_id=room,
                participant_id=identity,
                role=Role.LEARNER,
                session=sid if kind in (Kind.JOINED, Kind.LEFT) else None,
                vantage=Vantage.SERVER,
                fault=fault,
                blames="provider" if fault is Fault.PLATFORM else None,
                code=code,
                domains=domains,
            )
        )

    if name == _JOINED:
        return Reading((seen(Kind.JOINED, at),))
    unknown: list[str] = []
    code, fault = _reason(participant.get("disconnectReason"), unknown)
    if name == _LEFT:
        return Reading((seen(Kind.LEFT, at, fault, code),), unknown=tuple(unknown))
    attempt = seen(Kind.ATTEMPTED, min(_joined_at(participant) or at, at))
    return Reading((attempt, seen(Kind.JOIN_FAILED, at, fault, code)), unknown=tuple(unknown))


def _reason(given: object, unknown: list[str]) -> tuple[str, Fault]:
    if isinstance(given, bool) or not isinstance(given, str | int | None):
        unknown.append("disconnectReason")
        return "UNKNOWN_REASON", Fault.UNKNOWN
    name = _NAME_BY_NUMBER.get(given, str(given)) if isinstance(given, int) else given or "UNKNOWN_REASON"
    name = short_text(name, CODE_MAX) or "UNKNOWN_REASON"
    if name not in _FAULT_BY_NAME:
        unknown.append(f"disconnectReason {name}")
    return name, _FAULT_BY_NAME.get(name, Fault.UNKNOWN)


def _joined_at(participant: Object) -> Instant | None:
    """Take when signalling began; milliseconds where the server is new enough to send them."""
    exact = whole(participant.get("joinedAtMs"), 1, LATEST_S * SECOND)
    return exact or seconds(participant.get("joinedAt"))
