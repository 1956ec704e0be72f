"""Writes what the school's own clients and backend would send (collectors/beacon/README.md)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from qos_monitor.simulation.faults import Cause
from qos_monitor.simulation.post import Post, letters_of, number_of
from qos_monitor.simulation.school import Learner, Lesson
from qos_monitor.simulation.script import Event, Reception, What
from rules.span import HOUR, SECOND, Instant, format_instant

PATH = "/webhooks/beacon"
OBSERVATIONS_PATH = "/v1/observations"
_CODES = {
    (Cause.NODE, "agora"): "CAN_NOT_GET_GATEWAY_SERVER",
    (Cause.CARRIER, "agora"): "NETWORK_TIMEOUT",
    (Cause.CARRIER, "livekit"): "CONNECTION_TIMEOUT",
    (Cause.WIFI, "agora"): "NETWORK_ERROR",
}
_PACKETS_A_SECOND, _FRAMES_A_SECOND, _SAMPLES_A_SECOND = 50, 15, 48_000


def batch(events: Sequence[Event], secret: str, sent_at: Instant) -> Post:
    """Write one client's batch: what one learner's client saw in one class since the batch before."""
    first = events[0]
    learner = first.learner
    if learner is None:
        raise ValueError("a beacon comes from a learner's client")
    domains = learner.domains(first.lesson.group.provider)
    body = {
        "batch": letters_of(first.lesson.id, learner.id, str(first.at)),
        "made_at": events[-1].at,
        "sent_at": sent_at,
        "app": domains["client"],
        "domains": {key: domains[key] for key in ("network", "region", "node")},
        "items": [item for event in events for item in _items(event, learner)],
    }
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {_token(learner.id, first.lesson, secret)}",
    }
    return Post(sent_at, PATH, headers, json.dumps(body, separators=(",", ":")).encode())


def _token(learner_id: str, lesson: Lesson, secret: str) -> str:
    """Mint as a school's backend would: the README's three lines."""
    claims = {"learner": learner_id, "class": lesson.id, "exp": (lesson.span.end + 3 * HOUR) // SECOND}
    said = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    mac = hmac.new(secret.encode(), said, hashlib.sha256).digest()
    return f"{said.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _items(event: Event, learner: Learner) -> list[dict[str, object]]:
    if event.what is What.ATTEMPT:
        return [{"kind": "attempted", "at": event.at}]
    if event.what is What.FAILURE:
        provider = event.lesson.group.provider
        code = _CODES.get((event.cause, provider), "timeout") if event.cause else "timeout"
        return [{"kind": "join_failed", "at": event.at, "code": code}]
    if learner.client != "web" and event.lesson.group.provider == "agora":
        return [_native(one) for one in event.received]
    return [{"kind": "stats", "snapshots": _Browser(event, learner).snapshots()}]


def _native(received: Reception) -> dict[str, object]:
    """Write what Agora's native SDK measures, summed up over one span."""
    return {
        "kind": "agora_stats",
        "at": received.span.start,
        "until": received.span.end,
        "audio": {"audioLossRate": round(received.loss * 100, 2), "frozenRate": 0, "e2eDelay": 180},
        "video": {"rendererOutputFrameRate": _FRAMES_A_SECOND, "frozenRate": 1, "avSyncTimeMs": 12},
    }


@dataclass(frozen=True, slots=True)
class _Browser:
    """A browser's getStats: counters that grow from one snapshot to the next."""

    event: Event
    learner: Learner

    def snapshots(self) -> list[dict[str, object]]:
        received = self.event.received
        packets = lost = 0
        written = [self._snapshot(received[0].span.start, packets, lost, received[0].rtt_ms)]
        for one in received:
            sent = one.span.length * _PACKETS_A_SECOND // SECOND
            lost += round(sent * one.loss)
            packets += sent - round(sent * one.loss)
            written.append(self._snapshot(one.span.end, packets, lost, one.rtt_ms))
        return written

    def _snapshot(self, at: Instant, packets: int, lost: int, rtt_ms: int) -> dict[str, object]:
        played = at - self.event.received[0].span.start
        audio = self._track("audio", at, packets, lost) | {
            "totalSamplesReceived": played * _SAMPLES_A_SECOND // SECOND,
            "concealedSamples": 0,
            "silentConcealedSamples": 0,
        }
        video = self._track("video", at, packets * 4, lost * 4) | {
            "framesDecoded": played * _FRAMES_A_SECOND // SECOND,
            "framesRendered": played * _FRAMES_A_SECOND // SECOND,
            "freezeCount": 0,
            "totalFreezesDuration": 0,
        }
        pair = {"type": "candidate-pair", "id": "CP1", "nominated": True, "currentRoundTripTime": rtt_ms / SECOND}
        return {"timestamp": at, "reports": [audio, video, pair]}

    def _track(self, kind: str, at: Instant, packets: int, lost: int) -> dict[str, object]:
        return {
            "type": "inbound-rtp",
            "id": f"IN-{kind}",
            "kind": kind,
            "ssrc": number_of(self.event.lesson.id, self.learner.id, kind),
            "timestamp": at,
            "track": "live",
            "stream": "teacher",
            "packetsReceived": packets,
            "packetsLost": lost,
            "bytesReceived": packets * 120,
            "jitter": 0.004,
        }


def refusal(event: Event, token: str, sent_at: Instant) -> Post:
    """Write what the school's own backend posts when it refuses an account: a server's record."""
    row = {
        "source": "school-backend",
        "id": f"refused-{letters_of(event.lesson.id, event.person, str(event.at))}",
        "kind": "join_failed",
        "at": format_instant(event.at),
        "class_id": event.lesson.id,
        "participant_id": event.person,
        "role": "learner",
        "vantage": "server",
        "fault": "platform",
        "blames": "account",
        "code": "account_locked",
        "domains": {"account": event.person},
    }
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    return Post(sent_at, OBSERVATIONS_PATH, headers, (json.dumps(row) + "\n").encode())
