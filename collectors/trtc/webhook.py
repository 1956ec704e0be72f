"""Reads TRTC's room and media callbacks: bytes in, sightings out. README.md here has the facts and their sources."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from collectors import signing
from collectors.body import (
    EARLIEST_S,
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
    whole,
)
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

_SIGN, _APP = "sign", "sdkappid"
_THREAD_MAX = 240
_ROOM_NUMBER_MAX = 2**32 - 1

EVENTS: Mapping[tuple[int, int], Kind | Literal["ignored"]] = MappingProxyType(
    {
        (1, 101): "ignored",  # room created
        (1, 102): "ignored",  # room dismissed; everybody in it gets a 104 of their own, or so it seems
        (1, 103): Kind.JOINED,
        (1, 104): Kind.LEFT,
        (1, 105): "ignored",  # role changed
        (2, 201): "ignored",  # camera started
        (2, 202): "ignored",  # camera stopped: by hand alone, an exit sends none
        (2, 203): "ignored",  # microphone started
        (2, 204): "ignored",  # microphone stopped
        (2, 205): "ignored",  # second stream (screen) started
        (2, 206): "ignored",  # second stream stopped
    }
)
"""What (EventGroupId, EventType) is to us; any other of these groups is new."""

OTHER_GROUPS: frozenset[int] = frozenset({3, 4})
"""Cloud recording, relay to a CDN: other services with callbacks of their own."""

ENTER_REASONS: Mapping[int, str] = MappingProxyType(
    {1: "normal", 2: "network switch", 3: "retry after time-out", 4: "cross-room"}
)
RECONNECTS: frozenset[int] = frozenset({2, 3})
"""Reasons to enter that tell of trouble before."""

EXIT_REASONS: Mapping[int, tuple[Fault, str | None]] = MappingProxyType(
    {
        1: (Fault.LEARNER, None),  # quit
        2: (Fault.UNKNOWN, None),  # time-out: either side's network, or a killed process on Android
        3: (Fault.UNKNOWN, None),  # removed through the API: our own act, never the provider's fault
        4: (Fault.UNKNOWN, None),  # cross-room connection ended: an operator's act
        5: (Fault.LEARNER, None),  # the process was killed
    }
)
"""The fault the reason alone tells, and the dimension it blames; any other is new and tells nothing."""

USER_TYPES: Mapping[int, str | None] = MappingProxyType({1: "web", 2: "mini-program", 3: None})
"""The client a user type names; 3 is a native SDK, and TERMINALS tell which."""

TERMINALS: Mapping[int, str | None] = MappingProxyType({1: "windows", 2: "android", 3: "ios", 4: "linux", 100: None})


@dataclass(frozen=True, slots=True)
class Trtc:
    """TRTC's callback service, believed under any of the live keys.

    Raises ValueError at construction without a key.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets(self.secrets, "trtc")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "trtc"

    @property
    def kept_headers(self) -> frozenset[str]:
        """The signature, and the application the event is of: the body does not name it."""
        return frozenset({_SIGN, _APP})

    def verify(self, delivery: Delivery) -> None:
        """Believe a ``Sign`` that one of the keys gives; Tencent can be told not to sign, we cannot. Raises Refused.

        The signature holds no time: a replay is caught by `key` and by the observation's id, not here.
        """
        given = delivery.headers.get(_SIGN, "").strip()
        if not given:
            raise Refused("missing_signature")
        keys = [secret.encode() for secret in self.secrets]
        if not signing.fits(given, delivery.body, keys, signing.SHA256_BASE64):
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event by what, where, who and when: it has no id, and ``CallbackTs`` is the sender's clock."""
        notice = parsed_or_empty(delivery.body)
        told = inner(notice.get("EventInfo"))
        event, at = whole(notice.get("EventType"), 0, INTEGER_MAX), _instant(told)
        if event is None or at is None:
            return key_of_bytes(delivery.body)
        about = "\x00".join(str(part) for part in (_room(told), short_text(told.get("UserId")), event, at))
        return DeliveryKey(at // MINUTE, f"{event}:{hashlib.sha256(about.encode()).hexdigest()}")

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give 200 with the JSON Tencent advises, far below its 2 000 bytes; anything else is sent again."""
        return 200, b'{"code":0}', "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one callback. Raises Unreadable where it is not what Tencent documents."""
        notice = parsed(delivery.body)
        group = whole(notice.get("EventGroupId"), 0, INTEGER_MAX)
        event = whole(notice.get("EventType"), 0, INTEGER_MAX)
        if group is None or event is None:
            raise Unreadable("EventGroupId or EventType is missing or not a number")
        if group in OTHER_GROUPS:
            return Reading(ignored=(f"group {group} event {event}",))
        kind = EVENTS.get((group, event))
        if kind is None:
            return Reading(unknown=(f"group {group} event {event}",))
        if kind == "ignored":
            return Reading(ignored=(f"event {event}",))
        told = notice.get("EventInfo")
        if not isinstance(told, dict):
            raise Unreadable("EventInfo is missing or not an object")
        return _of_person(told, event, kind)


def build(secrets: tuple[str, ...]) -> Trtc:
    """Make the collector from its settings: the callback keys that are live. Raises ValueError."""
    return Trtc(secrets)


def _instant(told: Object) -> Instant | None:
    exact = whole(told.get("EventMsTs"), EARLIEST_S * SECOND, LATEST_S * SECOND)
    return seconds(told.get("EventTs")) if exact is None else exact


def _room(told: Object) -> str | None:
    """Take the room as text; the numbers 100 and "100" are one room to us: README, quirks."""
    given = told.get("RoomId")
    if isinstance(given, str):
        return short_text(given)
    number = whole(given, 1, _ROOM_NUMBER_MAX)
    return None if number is None else str(number)


def _of_person(told: Object, event: int, kind: Kind) -> Reading:
    room, user, at = _room(told), short_text(told.get("UserId")), _instant(told)
    if room is None or user is None or at is None:
        raise Unreadable("RoomId, UserId or EventMsTs is missing or out of range")
    ignored: list[str] = []
    unknown: list[str] = []
    code, fault, blames = _left(told, unknown) if kind is Kind.LEFT else _entered(told, ignored, unknown)
    thread = f"{room}/{user}"  # no slash is allowed in a TRTC room or user
    seen = Observation(
        source="trtc",
        id=capped(f"{thread}:{at}:{event}", OBSERVATION_ID_MAX),
        kind=kind,
        at=at,
        class_id=room,
        participant_id=user,
        role=Role.LEARNER,
        session=capped(thread, _THREAD_MAX),
        vantage=Vantage.SERVER,
        fault=fault,
        blames=blames,
        code=code,
        domains=_domains(told, unknown),
    )
    sighting = Sighting(seen, thread=capped(thread, _THREAD_MAX), order=at)
    return Reading((sighting,), tuple(ignored), tuple(unknown))


def _entered(told: Object, ignored: list[str], unknown: list[str]) -> tuple[str | None, Fault, None]:
    reason = _listed(told, "Reason", ENTER_REASONS, unknown)
    if reason in RECONNECTS:
        ignored.append(f"reconnect {reason}")
    return None if reason is None else str(reason), Fault.UNKNOWN, None


def _left(told: Object, unknown: list[str]) -> tuple[str | None, Fault, str | None]:
    if "Reason" not in told:
        unknown.append("Reason missing")
    reason = _listed(told, "Reason", EXIT_REASONS, unknown)
    if reason is None:
        return None, Fault.UNKNOWN, None
    fault, blames = EXIT_REASONS.get(reason, (Fault.UNKNOWN, None))
    return str(reason), fault, blames


def _domains(told: Object, unknown: list[str]) -> dict[str, str]:
    user = _listed(told, "UserType", USER_TYPES, unknown)
    terminal = _listed(told, "TerminalType", TERMINALS, unknown)
    client = (user and USER_TYPES.get(user)) or (terminal and TERMINALS.get(terminal))
    return {"provider": "trtc", "client": client} if client else {"provider": "trtc"}


def _listed(told: Object, key: str, table: Mapping[int, object], unknown: list[str]) -> int | None:
    """Take a number that may be missing, and count one that is not in its table."""
    given = whole(told.get(key), 0, INTEGER_MAX)
    if key in told and given not in table:
        unknown.append(key if given is None else f"{key} {given}")
    return given
