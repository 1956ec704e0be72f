"""Zoom's specimen: how Zoom signs an event and what it sends."""

import hashlib
import hmac

from collector_specimens import NOON, NOON_S, Body, Specimen

from collectors.zoom import Zoom
from rules.span import Instant, format_instant

ZOOM_SECRET = "zoom-secret-token"
PERSON: Body = {
    "user_id": "16778240",
    "participant_uuid": "55555AAAiAAAAAiAiAiiAii",
    "user_name": "Jill Chill",
    "id": "iFxeBPYun6SAiWUzBcEkX",
    "registrant_id": "reg-9",
    "customer_key": "u1",
}


def zoom_event(event: str, person: Body | None = None, /, **thing: object) -> Body:
    """Build an event about one person; keywords replace or add keys of the meeting or session."""
    is_session = event.startswith("session.")
    object_: Body = {"uuid": "4444AAAiAAAAAiAiAiiAii==", "id": 93201235621, "start_time": format_instant(NOON)}
    told = PERSON | (person or {})
    if is_session:
        object_ = {"id": "4567UVWx==", "session_id": "4567UVWx==", "session_name": "r1", "session_key": "ABC36jaBI145"}
        told = {"id": "25508864", "name": "Jill", "user_key": "u1", "participant_uuid": "5AA"} | (person or {})
    return {
        "event": event,
        "event_ts": NOON + 572,
        "payload": {
            "account_id": "AAAAAABBBB",
            "object": object_ | {"user" if is_session else "participant": told} | thing,
        },
    }


def zoom_qos(*entries: Body, event: str = "meeting.participant_qos", **person: object) -> Body:
    """Build a report of QSS; each entry is measured at NOON unless it says otherwise."""
    stamped = [{"date_time": format_instant(NOON)} | entry for entry in entries]
    return zoom_event(event, {"qos": stamped} | person)


def zoom_headers(body: bytes, at: Instant) -> dict[str, str]:
    """Sign as Zoom does."""
    timestamp = str(max(at, 0) // 1_000)
    signed = hmac.new(ZOOM_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-zm-signature": f"v0={signed}", "x-zm-request-timestamp": timestamp}


AUDIO: Body = {
    "type": "audio_output",
    "details": {"bitrate": "27.15kbps", "latency": "134 ms", "jitter": "6ms", "avg_loss": "0.5 %", "max_loss": "9.0%"},
}
VIDEO: Body = {
    "type": "video_output",
    "details": {"latency": "", "jitter": "2 ms", "avg_loss": "1.0%", "frame_rate": "24 fps", "resolution": "640*360"},
}

ZOOM = Specimen(
    collector=Zoom((ZOOM_SECRET,)),
    sign=zoom_headers,
    valid=(
        zoom_event("meeting.participant_joined", {"join_time": format_instant(NOON)}),
        zoom_event(
            "meeting.participant_left",
            {
                "leave_time": format_instant(NOON + 600_000),
                "leave_reason": "Jill Chill left the meeting.<br>Reason: Host ended the meeting.",
            },
            id="93201235621",
        ),
        zoom_event("meeting.participant_jbh_waiting"),
        zoom_event("meeting.participant_jbh_waiting_left"),
        zoom_event("meeting.participant_joined_waiting_room", {"date_time": format_instant(NOON)}),
        zoom_event("meeting.participant_left_waiting_room", {"date_time": format_instant(NOON + 90_000)}),
        zoom_event("session.user_joined", {"join_time": format_instant(NOON)}),
        zoom_event("session.user_left", {"leave_reason": "Jill left the session.<br>Reason: Host ended the session."}),
        zoom_qos(AUDIO, VIDEO, {"type": "cpu_usage", "details": {"zoom_avg_cpu_usage": "2%"}}),
    ),
    sent_again=lambda body: body | {"retry": NOON_S},
    unknown_event=zoom_event("meeting.participant_levitated"),
    unknown_enum=zoom_event(
        "meeting.participant_left", {"leave_reason": "Jill left the meeting. Reason : SOLAR_FLARE"}
    ),
)
