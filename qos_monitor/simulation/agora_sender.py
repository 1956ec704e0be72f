"""Writes what Agora's notification service would send, signed as it signs (collectors/agora/README.md)."""

import hashlib
import hmac
import json

from qos_monitor.simulation.post import Post, number_of
from qos_monitor.simulation.school import Lesson
from qos_monitor.simulation.script import Event, What, Why
from rules.span import SECOND, Instant

PATH = "/webhooks/agora"
_PLATFORMS = {"web": 7, "ios": 2, "android": 1}
_REASONS = {Why.OWN: 1, Why.DEVICE: 5, Why.SILENCE: 2, Why.SERVER: 4}
_CHANNEL_CREATED, _CHANNEL_DESTROYED, _JOINED, _LEFT = 101, 102, 103, 104


def person(event: Event, secret: str, sent_at: Instant) -> Post:
    """Tell of a join or a leave. Sent again, it differs in ``notifyMs`` and so in its signature."""
    payload: dict[str, object] = {
        "account": event.person,
        "channelName": event.lesson.room,
        "clientSeq": event.at,
        "platform": _PLATFORMS[event.learner.client] if event.learner else _PLATFORMS["web"],
        "ts": event.at // SECOND,
        "uid": number_of(event.person),
    }
    if event.what is What.JOIN:
        return _notice(_JOINED, payload, secret, sent_at)
    return _notice(_LEFT, payload | {"reason": _REASONS[event.why], "duration": 60}, secret, sent_at)


def channel(lesson: Lesson, *, is_open: bool, secret: str, sent_at: Instant) -> Post:
    """Tell that a channel was made or is gone."""
    at = lesson.span.start if is_open else lesson.span.end
    payload: dict[str, object] = {"channelName": lesson.room, "ts": at // SECOND}
    return _notice(_CHANNEL_CREATED if is_open else _CHANNEL_DESTROYED, payload, secret, sent_at)


def _notice(event_type: int, payload: dict[str, object], secret: str, sent_at: Instant) -> Post:
    about = number_of(str(event_type), *map(str, payload.values()))
    notice = {
        "noticeId": f"{about}:{event_type}:107",
        "productId": 1,
        "eventType": event_type,
        "notifyMs": sent_at,
        "payload": payload,
    }
    body = json.dumps(notice, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json;charset=utf-8",
        "Agora-Signature": hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    return Post(sent_at, PATH, headers, body)
