"""Janus's specimen: how its sample event handler posts and what a video room sends."""

import base64

from collector_specimens import NOON, Body, Specimen

from collectors.janus import Janus
from rules.span import Instant

JANUS_CREDENTIALS = "sfu:a-password-nobody-guesses"
SESSION, HANDLE = 3439056127855429, 8796940787397620


def janus_event(type_: int, event: object, subtype: int | None = None, /, **header: object) -> Body:
    """Build an event of the learner u1's handle in room 4711; keywords replace or add keys of the header."""
    told: Body = {"emitter": "sfu-1", "type": type_, "timestamp": NOON * 1_000 + 456}
    told |= {} if subtype is None else {"subtype": subtype}
    return told | {"session_id": SESSION, "handle_id": HANDLE, "opaque_id": "4711/u1", "event": event} | header


def attached(**header: object) -> Body:
    """Build the event of a handle that was made."""
    return janus_event(2, {"name": "attached", "plugin": "janus.plugin.videoroom", "opaque_id": "u1"}, **header)


def up(**header: object) -> Body:
    """Build the event of a peer connection that is up."""
    return janus_event(16, {"connection": "webrtcup"}, 6, **header)


def hangup(reason: str | None, **header: object) -> Body:
    """Build the event of a peer connection that ended."""
    return janus_event(16, {"connection": "hangup"} | ({} if reason is None else {"reason": reason}), 6, **header)


def line(**changes: object) -> Body:
    """Build the statistics of an audio line that carries media to the learner, as Janus 1.1.2 writes them."""
    return {
        "mid": "0",
        "mindex": 0,
        "media": "audio",
        "codec": "opus",
        "base": 48000,
        "rtt": 74,
        "lost": 0,
        "lost-by-remote": 39,
        "jitter-local": 0,
        "jitter-remote": 480,
        "in-link-quality": 0,
        "in-media-link-quality": 0,
        "out-link-quality": 100,
        "out-media-link-quality": 89,
        "packets-received": 0,
        "packets-sent": 410,
        "bytes-received": 0,
        "bytes-sent": 24_600,
        "bytes-received-lastsec": 0,
        "bytes-sent-lastsec": 1_150,
        "nacks-received": 0,
        "nacks-sent": 0,
        "retransmissions-received": 0,
    } | changes


def statistics(*lines: Body, **header: object) -> Body:
    """Build the event of one line, or with ``combine_media_stats`` of several."""
    return janus_event(32, lines[0] if len(lines) == 1 else list(lines), 3, **header)


def leaving(event: str = "leaving", /, **header: object) -> Body:
    """Build what the video room says of a feed named u1, without a handle."""
    data = {"event": event, "room": 4711, "id": "u1"}
    body = janus_event(64, {"plugin": "janus.plugin.videoroom", "data": data}, **header)
    return {key: value for key, value in body.items() if key not in ("session_id", "handle_id", "opaque_id")}


def janus_headers(_: bytes, __: Instant = 0) -> dict[str, str]:
    """Prove as curl does that the password is known."""
    return {"authorization": f"Basic {base64.b64encode(JANUS_CREDENTIALS.encode()).decode()}"}


JANUS = Specimen(
    collector=Janus((JANUS_CREDENTIALS,)),
    sign=janus_headers,
    valid=(
        attached(),
        up(),
        hangup("ICE failed"),
        hangup("DTLS alert"),
        statistics(line()),
        statistics(line(), line(mid="1", media="video", base=90_000)),
        leaving(),
    ),
    sent_again=lambda body: dict(reversed(body.items())),
    unknown_event=janus_event(512, {"name": "levitated"}),
    unknown_enum=hangup("SOLAR_FLARE"),
    signs_body=False,
    keeps_proof=False,
)
