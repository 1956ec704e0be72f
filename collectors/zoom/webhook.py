"""Reads Zoom's webhooks: bytes in, sightings out. README.md here has the facts and their sources."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import msgspec

from collectors import signing
from collectors.body import (
    CODE_MAX,
    EARLIEST_S,
    EVENT_ID_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    instant,
    key_of_bytes,
    parsed,
    parsed_or_empty,
    short_text,
    text,
    whole,
)
from collectors.contract import ANYWHERE, Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.zoom import quality
from collectors.zoom.names import LASTING_KEYS, PARTICIPANT_KEYS, label, named
from collectors.zoom.reasons import Reason, told
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

_SIGNATURE, _TIMESTAMP, _VERSION = "x-zm-signature", "x-zm-request-timestamp", "v0="
_CHALLENGE = "endpoint.url_validation"
_TOKEN = re.compile(r"[A-Za-z0-9_+/=.~-]{1,200}")  # no colon: what we sign can never be a delivery's v0:…:…

Step = Literal["joined", "left", "waits", "host_missing", "not_admitted", "minutes", "summary"]

EVENTS: Mapping[str, Step] = MappingProxyType(
    {
        **{f"{who}_joined": "joined" for who in ("meeting.participant", "webinar.participant", "session.user")},
        **{f"{who}_left": "left" for who in ("meeting.participant", "webinar.participant", "session.user")},
        **{f"{who}_qos": "minutes" for who in ("meeting.participant", "webinar.participant", "session.user")},
        **{f"{who}_qos_summary": "summary" for who in ("meeting.participant", "webinar.participant", "session.user")},
        "meeting.participant_jbh_waiting": "waits",
        "meeting.participant_jbh_waiting_left": "host_missing",
        "meeting.participant_joined_waiting_room": "waits",
        "meeting.participant_put_in_waiting_room": "waits",
        "meeting.participant_left_waiting_room": "not_admitted",
    }
)
"""What an event is to us; any other that is not in IGNORED_EVENTS is new."""

IGNORED_EVENTS: frozenset[str] = frozenset(
    {
        _CHALLENGE,
        "meeting.started",
        "meeting.ended",
        "meeting.alert",  # of the whole meeting, and in words
        "meeting.participant_jbh_joined",  # participant_joined follows
        "meeting.participant_admitted",  # the same
        "meeting.participant_feedback",
        "meeting.device_tested",
        "meeting.participant_role_changed",
        "meeting.participant_bind",
        "meeting.participant_joined_breakout_room",  # still in the class
        "meeting.participant_left_breakout_room",
        "meeting.participant_data",  # device and place, nothing measured
        "meeting.participant_data_summary",
        "meeting.sharing_started",
        "meeting.sharing_ended",
        "webinar.started",
        "webinar.ended",
        "webinar.alert",
        "webinar.participant_data",
        "webinar.participant_data_summary",
        "session.started",
        "session.ended",
        "session.alert",
        "session.user_data",
        "session.user_data_summary",
        "phone.call_qos",
    }
)

_TIMES: Mapping[Step, str] = MappingProxyType({"joined": "join_time", "left": "leave_time"})


@dataclass(frozen=True, slots=True)
class Zoom:
    """A Zoom app's event subscriptions, believed under any of the live secret tokens.

    Raises ValueError at construction without a secret.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets(self.secrets, "zoom")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "zoom"

    @property
    def kept_headers(self) -> frozenset[str]:
        """The signature and the time it covers, so that a stored delivery can be verified again."""
        return frozenset({_SIGNATURE, _TIMESTAMP})

    def verify(self, delivery: Delivery) -> None:
        """Believe the sender if one secret signs ``v0:{timestamp}:{raw body}``. Raises Refused.

        An old timestamp is not refused: retries come up to 85 minutes late, and nobody documents that they
        carry a new one. A replay is caught by `key` and by the observation's id.
        """
        if not (delivery.headers.get(_SIGNATURE, "").strip() and delivery.headers.get(_TIMESTAMP, "").strip()):
            raise Refused("missing_signature")
        if self._signer(delivery) is None:
            raise Refused("wrong_signature")

    def _signer(self, delivery: Delivery) -> str | None:
        timestamp = delivery.headers.get(_TIMESTAMP, "").strip()
        version, signature = _VERSION, delivery.headers.get(_SIGNATURE, "").strip()
        if not (timestamp.isascii() and timestamp.isdigit() and signature.startswith(version)):
            return None  # digits only, or a colon could move from the body into the timestamp
        signed = b"v0:%s:%s" % (timestamp.encode(), delivery.body)
        given = signature.removeprefix(version)
        fitting = [s for s in self.secrets if signing.fits(given, signed, (s.encode(),), signing.SHA256_HEX)]
        return fitting[0] if fitting else None

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event by what it is, the meeting, the participant and ``event_ts``: Zoom gives it no id."""
        event = parsed_or_empty(delivery.body)
        name, at = text(event.get("event")), _event_ts(event)
        if name is None or at is None:
            return key_of_bytes(delivery.body)
        payload = inner(event.get("payload"))
        thing = inner(payload.get("object"))
        person = _person(thing)
        about = (
            *(label(thing.get(key)) for key in ("uuid", "session_id", "id")),
            *(label(person.get(key)) for key in ("participant_uuid", *PARTICIPANT_KEYS)),
            label(payload.get("plainToken")),
            *quality.types_of(person),
        )
        digest = hashlib.sha256("\n".join(word or "-" for word in about).encode()).hexdigest()[:32]
        return DeliveryKey(at // MINUTE, capped(f"{name}:{at}:{digest}", EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:
        """Give 200 with JSON: the answer to the URL validation where it is asked, within Zoom's three seconds.

        The challenge is itself signed; it is answered under the secret that signed it.
        """
        token = _challenge(delivery)
        if token is None:
            return 200, b'{"status":"ok"}', "application/json"
        secret = self._signer(delivery) or self.secrets[0]
        encrypted = signing.signed(secret.encode(), token.encode(), signing.SHA256_HEX)
        return 200, msgspec.json.encode({"plainToken": token, "encryptedToken": encrypted}), "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one event. Raises Unreadable where it is not what Zoom documents."""
        event = parsed(delivery.body)
        name = short_text(event.get("event"), CODE_MAX)
        if name is None:
            raise Unreadable("event is missing or not a text")
        if name in IGNORED_EVENTS:
            return Reading(ignored=(name,))
        if name not in EVENTS:
            return Reading(unknown=(f"event {name}",))
        thing = inner(inner(event.get("payload")).get("object"))
        return _of_person(_Told(name, EVENTS[name], thing, _person(thing), _event_ts(event)))


def build(secrets: tuple[str, ...]) -> Zoom:
    """Make the collector from its settings: the secret tokens that are live. Raises ValueError."""
    return Zoom(secrets)


@dataclass(frozen=True, slots=True)
class _Told:
    """One event about one person, taken apart but not yet believed to be complete."""

    name: str
    step: Step
    thing: Object
    person: Object
    sent_at: Instant | None

    def at(self) -> Instant:
        """Say when it happened: by its own time, and where it has none when Zoom noticed."""
        own = instant(self.person.get(_TIMES.get(self.step, "date_time")))
        at = self.sent_at if own is None else own
        if at is None:
            raise Unreadable("event_ts and the event's own time are missing or out of range")
        return at

    def meeting(self) -> str:
        """Name this one holding of the meeting: ids of meetings are used again, uuids are not."""
        return next(filter(None, (label(self.thing.get(key)) for key in ("uuid", "session_id", "id"))), "-")

    def room(self) -> str:
        """Name the room as a school knows it beforehand: a meeting's number, a session's name."""
        is_session = self.name.startswith("session.")
        keys = ("session_name", "session_key", "session_id", "id") if is_session else ("id", "uuid")
        room = next(filter(None, (label(self.thing.get(key)) for key in keys)), None)
        if room is None:
            raise Unreadable("object.id, uuid or session_name is missing or not a text")
        return room

    def room_or_anywhere(self) -> str:
        """Name the room as far as a roster can know it; where only the holding is named, the person tells the class.

        QSS names no meeting number. Of a guest it names nothing that lasts either: then the holding is all we have.
        """
        room = self.room()
        is_known = self.name.startswith("session.") or label(self.thing.get("id")) is not None
        is_lasting = any(label(self.person.get(key)) is not None for key in LASTING_KEYS)
        return ANYWHERE if is_lasting and not is_known else room

    def participant(self) -> str:
        """Name the participant as far as a roster can know them."""
        name = named(self.person)
        if name is None:
            raise Unreadable("nothing names the participant")
        return name

    def seat(self) -> str:
        """Name this coming to the meeting, as finely as the event does."""
        keys = ("participant_uuid", "user_id", "id", "participant_id")
        return next(filter(None, (label(self.person.get(key)) for key in keys)), None) or self.participant()


def _of_person(seen: _Told) -> Reading:
    unknown: list[str] = []
    if seen.step in ("minutes", "summary"):
        return _of_quality(seen, unknown)
    at = seen.at()
    if seen.step == "joined":
        return Reading((_sighting(seen, Kind.JOINED, at),))
    if seen.step == "waits":
        return Reading((_sighting(seen, Kind.ATTEMPTED, at),))
    if seen.step == "left":
        reason = _reason(seen.person.get("leave_reason"), unknown)
        return Reading((_sighting(seen, Kind.LEFT, at, reason),), unknown=tuple(unknown))
    reason = _host_missing(seen.thing, at) if seen.step == "host_missing" else Reason("not admitted")
    return Reading((_sighting(seen, Kind.JOIN_FAILED, at, reason),))


def _reason(given: object, unknown: list[str]) -> Reason:
    written = text(given)
    reason = Reason("missing", is_known=False) if written is None else told(written)
    if not reason.is_known:
        unknown.append(f"leave_reason {reason.code}")
    return reason


def _host_missing(thing: Object, at: Instant) -> Reason:
    """Blame the teacher for whoever gave up once the meeting should have begun; before that, nobody."""
    begins = instant(thing.get("start_time"))
    if begins is not None and at < begins:
        return Reason("left before the start")
    return Reason("host did not join", Fault.PLATFORM, "teacher")


def _sighting(seen: _Told, kind: Kind, at: Instant, reason: Reason | None = None) -> Sighting:
    meeting, seat = seen.meeting(), seen.seat()
    is_session = kind in (Kind.JOINED, Kind.LEFT)
    thread = capped(f"{meeting}:{seat}", 200) if is_session else None
    when = at if seen.sent_at is None else seen.sent_at
    observation = Observation(
        source="zoom",
        id=capped(f"{seen.name}:{meeting}:{seat}:{at}:{when}", OBSERVATION_ID_MAX),
        kind=kind,
        at=at,
        class_id=seen.room(),
        participant_id=seen.participant(),
        role=Role.LEARNER,
        session=thread,
        vantage=Vantage.SERVER,
        fault=reason.fault if reason else Fault.UNKNOWN,
        blames=reason.blames if reason else None,
        code=reason.code if reason else None,
        domains={"provider": "zoom"},
    )
    return Sighting(observation, thread=thread, order=at if is_session else 0)


def _of_quality(seen: _Told, unknown: list[str]) -> Reading:
    if seen.step == "minutes":
        spans = quality.minutes(seen.person, seen.at(), unknown)
    else:
        spans = quality.summary(seen.person, unknown)
    ignored = () if spans else (f"{seen.name} without measurements or times",)
    sightings = tuple(
        Sighting(
            Observation(
                source="zoom",
                id=capped(
                    f"{seen.name}:{seen.meeting()}:{seen.seat()}:{span.until}:{','.join(span.types)}",
                    OBSERVATION_ID_MAX,
                ),
                kind=Kind.QUALITY,
                at=span.at,
                until=span.until,
                class_id=seen.room_or_anywhere(),
                participant_id=seen.participant(),
                role=Role.LEARNER,
                vantage=Vantage.SERVER,
                domains={"provider": "zoom"},
                metrics=span.metrics,
            )
        )
        for span in spans
    )
    return Reading(sightings, ignored, tuple(dict.fromkeys(unknown)))


def _event_ts(event: Object) -> Instant | None:
    return whole(event.get("event_ts"), EARLIEST_S * SECOND, LATEST_S * SECOND)


def _person(thing: Object) -> Object:
    return inner(thing.get("participant", thing.get("user")))


def _challenge(delivery: Delivery) -> str | None:
    try:
        event = parsed(delivery.body)
    except Unreadable:
        return None
    if event.get("event") != _CHALLENGE:
        return None
    token = text(inner(event.get("payload")).get("plainToken"))
    return token if token is not None and _TOKEN.fullmatch(token) else None
