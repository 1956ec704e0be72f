"""Twilio's specimen: how Twilio signs a callback, in a form or in JSON, and what it sends."""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlencode

from collector_specimens import NOON, Body, Specimen

from collectors.twilio import Twilio
from rules.span import MINUTE, Instant, format_instant

TWILIO_TOKEN = "twilio-auth-token-0123456789abcdef"
TWILIO_URL = "https://qos.school.example/webhooks/twilio"
PARTICIPANT = "PA0000000000000000000000000000001"


def twilio_callback(event: str, **told: object) -> Body:
    """Build a status callback; keywords replace or add fields. The time comes last, so that a cut loses it."""
    fields: Body = {
        "AccountSid": "AC0000000000000000000000000000001",
        "RoomName": "r1",
        "RoomSid": "RM0000000000000000000000000000001",
        "RoomStatus": "in-progress",
        "RoomType": "group",
        "StatusCallbackEvent": event,
        "ParticipantSid": PARTICIPANT,
        "ParticipantStatus": event.removeprefix("participant-"),
        "ParticipantIdentity": "u1",
        "SequenceNumber": "4",
    }
    return fields | told | {"Timestamp": told.get("Timestamp", format_instant(NOON))}


def twilio_summary(event_type: str = "log-analyzer.participant-summary", **told: object) -> Body:
    """Build an event of Event Streams; keywords replace or add keys of its data."""
    return {
        "specversion": "1.0",
        "type": f"com.twilio.video.insights.{event_type}",
        "source": "AB00000000000000000000000001",
        "id": f"NO-{event_type}-{told.get('error_code')}",
        "time": format_instant(NOON + 2 * MINUTE),
        "data": {
            "participant_sid": PARTICIPANT,
            "participant_identity": "u1",
            "join_time": format_instant(NOON),
            "leave_time": format_instant(NOON + MINUTE),
            "duration_sec": 60,
            "account_sid": "AC0000000000000000000000000000001",
            "room_sid": "RM0000000000000000000000000000001",
            "status": "completed",
            "end_reason": "disconnected_via_api",
            "media_region": "us1",
            "edge_location": "ashburn",
        }
        | told,
    }


def twilio_written(body: Body) -> bytes:
    """Write an event stream's body as a list of one, and a callback as a form."""
    if "specversion" in body or "type" in body:
        return json.dumps([body], ensure_ascii=False).encode()
    fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return urlencode(fields).encode()


def twilio_headers(body: bytes, _: Instant = 0, url: str = TWILIO_URL) -> dict[str, str]:
    """Sign as Twilio does: the URL, and behind it the fields by name; of JSON the hash is in the URL."""
    if body.lstrip()[:1] in (b"[", b"{"):
        signed = f"{url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    else:
        form = parse_qs(body.decode("latin-1"), keep_blank_values=True)
        signed = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    mac = hmac.new(TWILIO_TOKEN.encode(), signed.encode(), hashlib.sha1).digest()
    return {"x-twilio-signature": base64.b64encode(mac).decode()}


TWILIO = Specimen(
    collector=Twilio((TWILIO_TOKEN,), TWILIO_URL),
    sign=twilio_headers,
    write=twilio_written,
    valid=(
        twilio_callback("participant-connected"),
        twilio_callback("participant-disconnected", SequenceNumber="9", ParticipantDuration="60"),
        twilio_summary(),
        twilio_summary("participant-summary.complete", error_code=53002),
        twilio_summary(error_code=53006, duration_sec=0),
    ),
    sent_again=lambda body: {"Attempt": "2"} | body,
    unknown_event=twilio_callback("participant-levitated"),
    unknown_enum=twilio_summary(join_time=None, end_reason="SOLAR_FLARE"),
)
