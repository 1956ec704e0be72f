"""Reads Twilio Video's callbacks: forms as it happens, JSON afterwards. README.md here has the facts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from collectors import signing
from collectors.body import (
    CODE_MAX,
    EVENT_ID_MAX,
    INTEGER_MAX,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    instant,
    key_of_bytes,
    short_text,
    text,
    whole,
)
from collectors.contract import ANYWHERE, Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.twilio.codes import END_REASONS, ERROR_CODES, UNKNOWN
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import MINUTE, Instant

_SIGNATURE, _SETTINGS = "x-twilio-signature", "x-twilio-webhooks-signature-settings"
_ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {"": "HMAC_SHA1", "HMAC_SHA1": "HMAC_SHA1", "HMAC_SHA256": "HMAC_SHA256"}
)

CALLBACKS: Mapping[str, Kind | Literal["ignored"]] = MappingProxyType(
    {
        "participant-connected": Kind.JOINED,
        "participant-disconnected": Kind.LEFT,
        "room-created": "ignored",
        "room-ended": "ignored",
        "track-added": "ignored",
        "track-removed": "ignored",
        "track-enabled": "ignored",
        "track-disabled": "ignored",
        "recording-started": "ignored",
        "recording-completed": "ignored",
        "recording-failed": "ignored",
        "composition-enqueued": "ignored",
        "composition-hook-failed": "ignored",
        "composition-started": "ignored",
        "composition-available": "ignored",
        "composition-progress": "ignored",
        "composition-failed": "ignored",
    }
)
"""What a ``StatusCallbackEvent`` is to us; any other is new."""

_INSIGHTS = "com.twilio.video.insights."
SUMMARIES: frozenset[str] = frozenset(
    {f"{_INSIGHTS}log-analyzer.participant-summary", f"{_INSIGHTS}participant-summary.complete"}
)
IGNORED_TYPES: frozenset[str] = frozenset(
    {f"{_INSIGHTS}log-analyzer.room-summary", f"{_INSIGHTS}room-summary.complete"}
)
"""Of the whole room: its ``detected_issues`` name people, but no time."""

_FIELDS_MAX = 200
EVENTS_MAX = 1_000

Form = dict[str, list[str]]


class _Params(Form):
    """A form in the shape the library knows from web frameworks."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


@dataclass(frozen=True, slots=True)
class Twilio:
    """A Twilio account's callbacks to one URL, believed under any of the live auth tokens.

    ``url`` is the one given to Twilio: the signature covers it, and proxies change what we see of it.
    Raises ValueError at construction without a token or URL, or where the package ``twilio`` is missing.
    """

    tokens: tuple[str, ...] = field(repr=False)
    url: str

    def __post_init__(self) -> None:
        signing.check_secrets(self.tokens, "twilio")
        if not _is_plain_url(self.url):
            raise ValueError("twilio needs the URL that was given to Twilio, such as https://…/webhooks/twilio")
        _validator(self.tokens[0])

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "twilio"

    @property
    def kept_headers(self) -> frozenset[str]:
        """The signature and how it was made, so that a stored delivery can be verified again."""
        return frozenset({_SIGNATURE, _SETTINGS})

    def verify(self, delivery: Delivery) -> None:
        """Believe a form whose fields are signed, or a JSON body whose hash is in the signed URL. Raises Refused.

        The URL of a JSON body is ``url`` with ``bodySHA256`` of that very body, so it is made here rather than
        taken from the request. The signature holds no time: a replay is caught by `key` and by the
        observation's id.
        """
        signature = delivery.headers.get(_SIGNATURE, "").strip()
        if not signature:
            raise Refused("missing_signature")
        algorithm = _ALGORITHMS.get(_algorithm(delivery.headers.get(_SETTINGS, "")))
        if algorithm is None:
            raise Refused("wrong_signature")
        url, params = self.url, _Params()
        if _is_json(delivery.body):
            url += f"?bodySHA256={hashlib.sha256(delivery.body).hexdigest()}"
        else:
            form = _form(delivery.body)
            if form is None:
                raise Refused("wrong_body")
            params.update(form)
        believed = [_validator(token).validate(url, params, signature, algorithm) for token in self.tokens]
        if not any(believed):
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name a callback by its event, sids, sequence number and time; a batch by the ids of its events."""
        try:
            if _is_json(delivery.body):
                return _key_of_batch(_events(delivery.body))
            form = _fields(delivery.body)
        except Unreadable:
            return key_of_bytes(delivery.body)
        about = ("RoomSid", "ParticipantSid", "TrackSid", "RecordingSid", "SequenceNumber", "Timestamp")
        event = form.get("StatusCallbackEvent")
        if event is None or form.get("SequenceNumber") is None:
            return key_of_bytes(delivery.body)
        at = instant(form.get("Timestamp"))
        named = ":".join((event, *(form.get(name, "-") for name in about)))
        return DeliveryKey((at or 0) // MINUTE, capped(named, EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give an empty 200; a callback is not sent again whatever is answered."""
        return 200, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one callback or one batch of events. Raises Unreadable where it is not as documented."""
        if _is_json(delivery.body):
            return _of_batch(_events(delivery.body))
        return _of_callback(_fields(delivery.body))


def build(secrets: tuple[str, ...]) -> Twilio:
    """Make the collector from its settings, each ``token@url`` with one URL. Raises ValueError, no token in it."""
    pairs = [pair.partition("@") for pair in secrets]
    urls = {url for _, _, url in pairs}
    if len(urls) != 1:
        raise ValueError("twilio needs each token as token@url, all with the same URL")
    return Twilio(tuple(token for token, _, _ in pairs), urls.pop())


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_sane_port = parts.port != 0
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and has_sane_port and not parts.query and not parts.fragment


def _validator(token: str) -> Any:  # noqa: ANN401 - the package has no types
    try:
        from twilio.request_validator import RequestValidator  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ValueError("the package twilio is missing: install qos-monitor[twilio]") from None
    return RequestValidator(token)


def _algorithm(settings: str) -> str:
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm":
            return value.strip().upper()
    return ""


def _is_json(body: bytes) -> bool:
    """Tell a JSON body by its first letter: what was verified as a form must never be read as anything else."""
    return body.lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def _form(body: bytes) -> Form | None:
    """Take a form with every field of it, empty ones too, for all of them are signed; None if there are too many."""
    try:
        return parse_qs(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        return None


def _fields(body: bytes) -> dict[str, str]:
    form = _form(body)
    if not form:
        raise Unreadable("the body is not a form")
    given = {name: text(values[0]) for name, values in form.items() if len(set(values)) == 1}
    return {name: value for name, value in given.items() if value is not None}


def _events(body: bytes) -> list[Object]:
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("the body is not JSON in UTF-8") from None
    listed = value if isinstance(value, list) else [value]
    events = [event for event in listed if isinstance(event, dict)]
    if not events or len(events) < len(listed) or len(events) > EVENTS_MAX:
        raise Unreadable("the body is not an event or a list of events")
    return events


def _key_of_batch(events: list[Object]) -> DeliveryKey:
    ids = [text(event.get("id")) for event in events]
    if None in ids:
        raise Unreadable("an event has no id")
    return DeliveryKey(0, capped(",".join(sorted(str(name) for name in ids)), EVENT_ID_MAX))


def _of_callback(form: Mapping[str, str]) -> Reading:
    event, at = short_text(form.get("StatusCallbackEvent"), CODE_MAX), instant(form.get("Timestamp"))
    if event is None or at is None:  # every callback has them, whatever it is about
        raise Unreadable("StatusCallbackEvent or Timestamp is missing or wrong")
    kind = CALLBACKS.get(event)
    if kind is None:
        return Reading(unknown=(f"event {event}",))
    if kind == "ignored":
        return Reading(ignored=(event,))
    sid, identity = form.get("ParticipantSid"), form.get("ParticipantIdentity")
    room = form.get("RoomName") or form.get("RoomSid")
    if sid is None or identity is None or room is None:
        raise Unreadable("ParticipantSid, ParticipantIdentity or RoomName is missing")
    who = _Person(room, identity, sid, {"provider": "twilio"})
    return Reading((who.seen(kind, at, f"{sid}:{event}"),))


@dataclass(frozen=True, slots=True)
class _Person:
    """One connection of one participant, as every observation of it needs it."""

    room: str
    identity: str
    sid: str
    domains: Mapping[str, str]

    def seen(
        self, kind: Kind, at: Instant, name: str, blame: tuple[Fault, str | None] = UNKNOWN, code: str | None = None
    ) -> Sighting:
        return Sighting(
            Observation(
                source="twilio",
                id=capped(name, OBSERVATION_ID_MAX),
                kind=kind,
                at=at,
                class_id=capped(self.room, 200),
                participant_id=capped(self.identity, 200),
                role=Role.LEARNER,
                session=capped(self.sid, 200) if kind in (Kind.JOINED, Kind.LEFT) else None,
                vantage=Vantage.SERVER,
                fault=blame[0],
                blames=blame[1],
                code=code,
                domains=self.domains,
            )
        )


def _of_batch(events: list[Object]) -> Reading:
    """Read a batch: an event that is not as documented is counted, and the others are still read."""
    sightings: list[Sighting] = []
    ignored: list[str] = []
    unknown: list[str] = []
    problems: list[Unreadable] = []
    for event in events:
        kind = short_text(event.get("type"), CODE_MAX)
        try:
            if kind is None:
                raise Unreadable("an event has no type")  # noqa: TRY301 - one place counts what cannot be read
            if kind in SUMMARIES:
                sightings += _of_summary(event, unknown)
            elif kind in IGNORED_TYPES:
                ignored.append(kind)
            else:
                unknown.append(f"event {kind}")
        except Unreadable as problem:
            problems.append(problem)
            unknown.append("unreadable event")
    if len(problems) == len(events):
        raise problems[0]
    return Reading(tuple(sightings), tuple(ignored), tuple(unknown))


def _of_summary(event: Object, unknown: list[str]) -> list[Sighting]:
    """Tell a stay from a failure to get in: an error, and no second spent inside."""
    data = inner(event.get("data"))
    sid, identity = text(data.get("participant_sid")), text(data.get("participant_identity"))
    # By its sample a summary has the sid alone, which no roster knows beforehand: then the person tells the class.
    room = text(data.get("room_name")) or (ANYWHERE if text(data.get("room_sid")) else None)
    if sid is None or identity is None or room is None:
        raise Unreadable("participant_sid, participant_identity or room_sid is missing or wrong")
    who = _Person(room, identity, sid, _domains(data))
    joined, left = instant(data.get("join_time")), instant(data.get("leave_time"))
    name = f"{sid}:{text(event.get('id')) or 'summary'}"
    blame, code, is_error = _blame(data, unknown)
    if is_error and (joined is None or whole(data.get("duration_sec"), 0, INTEGER_MAX) == 0):
        at = left or joined or instant(event.get("time"))
        if at is None:
            raise Unreadable("join_time and leave_time are missing or wrong")
        attempt = who.seen(Kind.ATTEMPTED, min(joined or at, at), f"{name}:attempted")
        return [attempt, who.seen(Kind.JOIN_FAILED, at, f"{name}:join_failed", blame, code)]
    seen = [] if joined is None else [who.seen(Kind.JOINED, joined, f"{name}:joined")]
    if left is not None:
        seen.append(who.seen(Kind.LEFT, left, f"{name}:left", blame, code))
    if not seen:
        raise Unreadable("join_time and leave_time are missing or wrong")
    return seen


def _blame(data: Object, unknown: list[str]) -> tuple[tuple[Fault, str | None], str | None, bool]:
    """Take whom the error code blames, else the end reason; the code; and whether there was an error."""
    error = whole(data.get("error_code"), 1, INTEGER_MAX)
    if error is not None:
        if error not in ERROR_CODES:
            unknown.append(f"error_code {error}")
        return ERROR_CODES.get(error, UNKNOWN), str(error), True
    reason = short_text(data.get("end_reason"), CODE_MAX)
    if reason is not None and reason not in END_REASONS:
        unknown.append(f"end_reason {reason}")
    return END_REASONS.get(reason or "", UNKNOWN), reason, False


def _domains(data: Object) -> dict[str, str]:
    given = {
        "region": short_text(data.get("media_region"), CODE_MAX),
        "node": short_text(data.get("edge_location"), CODE_MAX),
    }
    return {"provider": "twilio"} | {key: value for key, value in given.items() if value is not None}
