"""Writes what a LiveKit server would send, with the token it signs (collectors/livekit/README.md)."""

import base64
import hashlib
import json
from collections.abc import Mapping

import jwt

from qos_monitor.simulation.post import Post, letters_of
from qos_monitor.simulation.school import Lesson
from qos_monitor.simulation.script import Event, What, Why
from rules.span import MINUTE, SECOND, Instant

PATH = "/webhooks/livekit"
_REASONS = {
    Why.OWN: "CLIENT_INITIATED",
    Why.DEVICE: "DUPLICATE_IDENTITY",
    Why.SILENCE: "CONNECTION_TIMEOUT",
    Why.SERVER: "SERVER_SHUTDOWN",
}
_VALID = 5 * MINUTE
Key = tuple[str, str]
"""API key and secret."""


def person(event: Event, key: Key, sent_at: Instant) -> Post:
    """Tell of a join, a leave, or a participant who was never let in. Sent again, the body is the same."""
    participant: dict[str, object] = {
        "sid": f"PA_{letters_of(event.lesson.id, event.person, str(event.stay), _attempt(event))}",
        "identity": event.person,
        "joinedAt": str(event.at // SECOND),
    }
    if event.what is What.JOIN:
        return _event("participant_joined", event, participant | {"state": "ACTIVE"}, key, sent_at)
    participant["state"] = "DISCONNECTED"
    if event.what is What.LEAVE:
        participant["disconnectReason"] = _REASONS[event.why]
        return _event("participant_left", event, participant, key, sent_at)
    participant["disconnectReason"] = "JOIN_FAILURE"
    return _event("participant_connection_aborted", event, participant, key, sent_at)


def _attempt(event: Event) -> str:
    """A participant who failed has a sid of that attempt alone."""
    return str(event.at) if event.what is What.FAILURE else ""


def room(lesson: Lesson, *, is_open: bool, key: Key, sent_at: Instant) -> Post:
    """Tell that a room was opened or is gone."""
    name = "room_started" if is_open else "room_finished"
    at = lesson.span.start if is_open else lesson.span.end
    return _signed(_message(name, lesson, at, {}), key, sent_at)


def _event(name: str, event: Event, participant: dict[str, object], key: Key, sent_at: Instant) -> Post:
    message = _message(name, event.lesson, event.at, {"participant": participant})
    return _signed(message, key, sent_at)


def _message(name: str, lesson: Lesson, at: Instant, more: Mapping[str, object]) -> dict[str, object]:
    return {
        "event": name,
        "room": {"sid": f"RM_{letters_of(lesson.room)}", "name": lesson.room, "emptyTimeout": 300},
        **more,
        "id": f"EV_{letters_of(name, lesson.room, str(at), json.dumps(more, sort_keys=True))}",
        "createdAt": str(at // SECOND),
    }


def _signed(message: Mapping[str, object], key: Key, sent_at: Instant) -> Post:
    body = json.dumps(message).encode()  # with spaces, as Go's protobuf JSON likes to have them
    api_key, secret = key
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": api_key, "nbf": sent_at // SECOND, "exp": (sent_at + _VALID) // SECOND, "sha256": digest}
    headers = {
        "Content-Type": "application/webhook+json",
        "Authorization": jwt.encode(claims, secret, algorithm="HS256"),
    }
    return Post(sent_at, PATH, headers, body)
