"""Reads Agora's NCS webhooks: bytes in, sightings out. README.md here has the facts and their sources."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from collectors import signing
from collectors.body import (
    EVENT_ID_MAX,
    INTEGER_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    key_of_bytes,
    parsed,
    parsed_or_empty,
    seconds,
    short_text,
    text,
    whole,
)
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.observation import Fault, Kind, Observation, Role, Vantage

_V1, _V2 = "agora-signature", "agora-signature-v2"
_SHAPES: Mapping[str, signing.Shape] = MappingProxyType({_V1: signing.SHA1_HEX, _V2: signing.SHA256_HEX})
_KEPT = frozenset(_SHAPES)

_RTC = 1
OTHER_PRODUCTS: frozenset[int] = frozenset({3, 4, 5, 17})
"""Cloud recording, media pull, media push, conversational AI. Their event numbers overlap with RTC's."""

EVENTS: Mapping[int, Kind | Literal["ignored"]] = MappingProxyType(
    {
        101: "ignored",  # channel create
        102: "ignored",  # channel destroy
        103: Kind.JOINED,  # broadcaster
        104: Kind.LEFT,
        105: Kind.JOINED,  # audience
        106: Kind.LEFT,
        107: Kind.JOINED,  # communication profile, or so the docs say: README, quirks
        108: Kind.LEFT,
        111: "ignored",  # role change to broadcaster
        112: "ignored",  # role change to audience
    }
)
"""What an RTC event type is to us; any other is new."""

LEAVE_REASONS: Mapping[int, tuple[Fault, str | None]] = MappingProxyType(
    {
        0: (Fault.UNKNOWN, None),  # other
        1: (Fault.LEARNER, None),  # quit normally
        2: (Fault.UNKNOWN, None),  # nothing from the client for 10 s: either side's network
        3: (Fault.UNKNOWN, None),  # kicked through the REST API: our own act, never the provider's fault
        4: (Fault.PLATFORM, "provider"),  # Agora's server, e.g. load balancing
        5: (Fault.LEARNER, None),  # the same uid on a new device
        9: (Fault.LEARNER, None),  # several addresses or a VPN on the client
        10: (Fault.UNKNOWN, None),  # nothing from the server for 4 s: either side's network
        12: (Fault.PLATFORM, "login"),  # token wrong or expired: our token service
        99: (Fault.UNKNOWN, None),  # unknown network problem
        999: (Fault.UNKNOWN, None),  # joins and leaves too often: Agora may go silent on them, so not "left"
    }
)
"""The fault the code alone tells, and the dimension it blames; any other reason is new and tells nothing."""

PLATFORMS: Mapping[int, str | None] = MappingProxyType(
    {0: None, 1: "android", 2: "ios", 5: "windows", 6: "linux", 7: "web", 8: "macos"}
)
_LINUX = 6
_RECORDERS: frozenset[int] = frozenset({3, 10})  # on-premise and cloud recording, both on Linux
_MINI_PROGRAM = 8  # also on Linux, and a person

_NAMING = ("channelName", "uid", "clientSeq", "ts")
_SCALARS = (str, int, float)
_TEST_CHANNEL = "test_webhook"  # what the console's "test" button sends


@dataclass(frozen=True, slots=True)
class Agora:
    """Agora's notification service, believed under any of the live secrets.

    Raises ValueError at construction without a secret.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets(self.secrets, "agora")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "agora"

    @property
    def kept_headers(self) -> frozenset[str]:
        """Both signatures, so that a stored delivery can be verified again."""
        return _KEPT

    def verify(self, delivery: Delivery) -> None:
        """Believe the sender if every signature present is right under one secret; V1 alone is accepted.

        Raises Refused. The signature holds no time (docs, signature-verification): a replay is caught by
        `key` and by the observation's id, not here.
        """
        given = [
            (sent.strip(), shape) for name, shape in _SHAPES.items() if (sent := delivery.headers.get(name)) is not None
        ]
        if not given:
            raise Refused("missing_signature")
        is_believed = False
        for secret in self.secrets:
            is_believed |= _fit(given, delivery.body, (secret.encode(),))
        if not is_believed:
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event by its notice and what it is about, not by ``notifyMs``: a re-send has another.

        The notice alone would do if it were unique; every sample of the documentation carries the same one.
        """
        notice = parsed_or_empty(delivery.body)
        notice_id = text(notice.get("noticeId"))
        if notice_id is None:
            return key_of_bytes(delivery.body)
        payload = inner(notice.get("payload"))
        minute = (whole(payload.get("ts"), 0, LATEST_S) or 0) // 60
        return DeliveryKey(minute, capped(f"{notice_id}:{_about(notice, payload)}", EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give 200 with a JSON body; anything else is sent again, three times."""
        return 200, b'{"status":"ok"}', "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one notice. Raises Unreadable where it is not what Agora documents."""
        notice = parsed(delivery.body)
        product = whole(notice.get("productId"), 0, INTEGER_MAX)
        event = whole(notice.get("eventType"), 0, INTEGER_MAX)
        if product is None or event is None:
            raise Unreadable("productId or eventType is missing or not a number")
        if product != _RTC:
            name = f"product {product} event {event}"
            return Reading(ignored=(name,)) if product in OTHER_PRODUCTS else Reading(unknown=(name,))
        kind = EVENTS.get(event)
        if kind is None:
            return Reading(unknown=(f"event {event}",))
        payload = notice.get("payload")
        if not isinstance(payload, dict):
            raise Unreadable("payload is missing or not an object")
        return _of_channel(payload, event, kind)


def build(secrets: tuple[str, ...]) -> Agora:
    """Make the collector from its settings: the NCS secrets that are live. Raises ValueError."""
    return Agora(secrets)


def _fit(given: Iterable[tuple[str, signing.Shape]], body: bytes, secret: tuple[bytes]) -> bool:
    do_all = True
    for sent, shape in given:
        do_all &= signing.fits(sent, body, secret, shape)
    return do_all


def _about(notice: Object, payload: Object) -> str:
    """Digest what makes an event itself. Scalars only: a digest of nested values could fail on depth."""
    values = (notice.get("productId"), notice.get("eventType"), *(payload.get(key) for key in _NAMING))
    named = "\n".join([repr(value) if isinstance(value, _SCALARS) else "-" for value in values])
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _of_channel(payload: Object, event: int, kind: Kind | Literal["ignored"]) -> Reading:
    channel = short_text(payload.get("channelName"))
    if channel is None:
        raise Unreadable("channelName is missing or not a text")
    if channel == _TEST_CHANNEL:
        return Reading(ignored=(_TEST_CHANNEL,))
    if kind == "ignored":
        return Reading(ignored=(f"event {event}",))
    if _is_recorder(payload):
        return Reading(ignored=("recorder",))
    return _of_person(payload, channel, event, kind)


def _is_recorder(payload: Object) -> bool:
    client = whole(payload.get("clientType"), 0, INTEGER_MAX)
    return whole(payload.get("platform"), 0, INTEGER_MAX) == _LINUX and client in _RECORDERS


def _of_person(payload: Object, channel: str, event: int, kind: Kind) -> Reading:
    at = seconds(payload.get("ts"))
    uid = whole(payload.get("uid"), 0, 2**32 - 1)
    order = whole(payload.get("clientSeq"), 0, INTEGER_MAX)
    if at is None or uid is None or order is None:
        raise Unreadable("ts, uid or clientSeq is missing or out of range")
    unknown: list[str] = []
    fault, blames, code = _blame(payload, unknown) if kind is Kind.LEFT else (Fault.UNKNOWN, None, None)
    thread = f"{channel}:{uid}"  # the account may be missing in one of two notices; the uid never is
    seen = Observation(
        source="agora",
        id=capped(f"{thread}:{order}:{event}", OBSERVATION_ID_MAX),
        kind=kind,
        at=at,
        class_id=channel,
        participant_id=short_text(payload.get("account")) or str(uid),
        role=Role.LEARNER,
        session=thread,
        vantage=Vantage.SERVER,
        fault=fault,
        blames=blames,
        code=code,
        domains=_domains(payload, unknown),
    )
    return Reading((Sighting(seen, thread=thread, order=order),), unknown=tuple(unknown))


def _blame(payload: Object, unknown: list[str]) -> tuple[Fault, str | None, str | None]:
    reason = whole(payload.get("reason"), 0, INTEGER_MAX)
    if reason is None:
        unknown.append("reason missing")
        return Fault.UNKNOWN, None, None
    if reason not in LEAVE_REASONS:
        unknown.append(f"reason {reason}")
    fault, blames = LEAVE_REASONS.get(reason, (Fault.UNKNOWN, None))
    return fault, blames, str(reason)


def _domains(payload: Object, unknown: list[str]) -> dict[str, str]:
    domains = {"provider": "agora"}
    platform = whole(payload.get("platform"), 0, INTEGER_MAX)
    if platform is None or platform not in PLATFORMS:
        if "platform" in payload:
            unknown.append("platform" if platform is None else f"platform {platform}")
        return domains
    client = PLATFORMS[platform]
    if platform == _LINUX and whole(payload.get("clientType"), 0, INTEGER_MAX) == _MINI_PROGRAM:
        client = "mini-program"
    if client is not None:
        domains["client"] = client
    return domains
