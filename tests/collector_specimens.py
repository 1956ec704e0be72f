"""One specimen of each collector: how its sender signs, what it sends, how it sends it again."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from hypothesis import settings

from collectors.agora import Agora
from collectors.beacon import Beacon, mint
from collectors.contract import Collector, Delivery
from collectors.livekit import LiveKit
from rules.span import HOUR, Instant, parse_instant

Body = dict[str, object]

unhurried = settings(deadline=None)
"""For every property here: the machine is shared, and speed is not what they are about."""

NOON: Instant = parse_instant("2026-11-02T11:00:00Z")
NOON_S: int = NOON // 1_000
AGORA_SECRET = "agora-notification-secret"
LIVEKIT_KEY, LIVEKIT_SECRET = "APIkey1", "a-livekit-secret-of-more-than-thirty-two-bytes"
BEACON_SECRET = "beacon-secret"


def written(body: Body) -> bytes:
    """Write a body the way most senders do."""
    return json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Specimen:
    """Everything the conformance suite needs to know of one collector."""

    collector: Collector
    sign: Callable[[bytes, Instant], dict[str, str]]
    valid: tuple[Body, ...]
    """Each gives at least one sighting and nothing unknown."""
    sent_again: Callable[[Body], Body]
    unknown_event: Body
    unknown_enum: Body
    signs_body: bool = True
    """Whether the proof covers the body, or only says who sends."""
    keeps_proof: bool = True
    """Whether the proof is stored with the delivery; one that is good for every delivery must not be."""
    is_strict: bool = False
    """Whether the format is ours, so that what it does not know is refused instead of counted."""
    write: Callable[[Body], bytes] = written
    """How its sender writes a body."""

    @property
    def name(self) -> str:
        """Name the case in the test's report."""
        return self.collector.provider

    def delivery(self, body: Body | bytes, received_at: Instant = NOON + 5_000) -> Delivery:
        """Deliver a body, signed as its sender would."""
        raw = body if isinstance(body, bytes) else self.write(body)
        return Delivery(self.collector.provider, raw, self.sign(raw, received_at), received_at)


def agora_notice(event: int, **payload: object) -> Body:
    """Build an RTC notice; keywords replace or add keys of the payload."""
    told: Body = {
        "channelName": "r1",
        "uid": 12345,
        "platform": 7,
        "clientSeq": 1_762_081_200_000,
        "ts": NOON_S,
        "account": "u1",
    }
    if event in (104, 106, 108):
        told |= {"reason": 1, "duration": 600, "clientSeq": 1_762_081_800_000}
    return {
        "noticeId": f"2000001428:4330:{event}",
        "productId": 1,
        "eventType": event,
        "notifyMs": NOON + 900,
        "payload": told | payload,
    }


def agora_headers(body: bytes, _: Instant = 0) -> dict[str, str]:
    """Sign as Agora does, in both ways."""
    secret = AGORA_SECRET.encode()
    return {
        "agora-signature": hmac.new(secret, body, hashlib.sha1).hexdigest(),
        "agora-signature-v2": hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }


def livekit_event(event: str, participant: Body | None = None, **changes: object) -> Body:
    """Build a participant event; keywords replace or add keys of the envelope."""
    person: Body = {
        "sid": "PA_one",
        "identity": "u1",
        "state": "ACTIVE",
        "joinedAt": str(NOON_S - 30),
        "joinedAtMs": str(NOON - 29_655),
        "region": "ap-south-1",
    }
    return {
        "event": event,
        "room": {"sid": "RM_one", "name": "r1"},
        "participant": person | (participant or {}),
        "id": f"EV_{event}",
        "createdAt": str(NOON_S),
    } | changes


def livekit_headers(body: bytes, at: Instant) -> dict[str, str]:
    """Sign as LiveKit does: a bare token with the hash of the body."""
    claims = {
        "iss": LIVEKIT_KEY,
        "nbf": at // 1_000,
        "exp": at // 1_000 + 300,
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    return {"authorization": jwt.encode(claims, LIVEKIT_SECRET, algorithm="HS256")}


def inbound(kind: str, at: float, /, **changes: object) -> Body:
    """Build an inbound-rtp report of the teacher's track, playing well since it began at NOON."""
    since_s = (at - NOON) / 1_000
    common: Body = {
        "id": f"IT-{kind}",
        "type": "inbound-rtp",
        "kind": kind,
        "ssrc": 1 if kind == "audio" else 2,
        "timestamp": at,
        "packetsReceived": round(50 * since_s),
        "packetsLost": 0,
        "jitter": 0.004,
        "jitterBufferDelay": 0.04 * 50 * since_s,
        "jitterBufferEmittedCount": round(50 * since_s),
        "track": "live",
        "stream": "teacher",
        "remoteId": f"RO-{kind}",
        # What is playing was sent 80 ms (audio) or 115 ms (video) ago by the sender's clock.
        "estimatedPlayoutTimestamp": at + 2_208_988_800_000 - (80 if kind == "audio" else 115),
    }
    if kind == "audio":
        common |= {"totalSamplesReceived": round(48_000 * since_s), "concealedSamples": 0}
        common |= {"silentConcealedSamples": 0}
    else:
        common |= {"framesDecoded": round(25 * since_s), "freezeCount": 0, "totalFreezesDuration": 0.0}
    return common | changes


def sender_report(kind: str, at: float, /, **changes: object) -> Body:
    """Build the remote-outbound-rtp that belongs to `inbound`."""
    return {
        "id": f"RO-{kind}",
        "type": "remote-outbound-rtp",
        "kind": kind,
        "ssrc": 1 if kind == "audio" else 2,
        "timestamp": at - 400,
        "remoteTimestamp": at - 440,
        "reportsSent": 20,
    } | changes


def snapshot(at: float, audio: Body | None = None, video: Body | None = None, **changes: object) -> Body:
    """Build a snapshot of one audio and one video track; dictionaries change the reports."""
    return {
        "timestamp": at,
        "reports": [
            inbound("audio", at, **(audio or {})),
            inbound("video", at, **(video or {})),
            sender_report("audio", at),
            sender_report("video", at),
            {
                "id": "CP",
                "type": "candidate-pair",
                "nominated": True,
                "currentRoundTripTime": 0.042,
                "lastPacketReceivedTimestamp": at,
            },
        ],
    } | changes


def beacon_batch(*items: object, **changes: object) -> Body:
    """Build a batch whose client's clock is right and which was received as it was sent."""
    return {
        "batch": "b-1",
        "made_at": NOON + 4_000,
        "sent_at": NOON + 5_000,
        "app": "web 4.2.0",
        "domains": {"network": "CMCC-Guangdong", "node": "bj-7"},
        "items": list(items),
    } | changes


def beacon_headers(_: bytes, at: Instant) -> dict[str, str]:
    """Carry a token that is good for another hour."""
    return {"authorization": f"Bearer {mint(BEACON_SECRET, 'u1', 'c1', at // HOUR * HOUR + 2 * HOUR)}"}


AGORA = Specimen(
    collector=Agora((AGORA_SECRET,)),
    sign=agora_headers,
    valid=(
        agora_notice(103),
        agora_notice(104, reason=4),
        agora_notice(105, platform=6, clientType=8),
        agora_notice(106),
        agora_notice(107),
        agora_notice(108),
    ),
    sent_again=lambda body: body | {"notifyMs": NOON + 60_000},
    unknown_event=agora_notice(103) | {"eventType": 113},
    unknown_enum=agora_notice(104, reason=77),
)

LIVEKIT = Specimen(
    collector=LiveKit(((LIVEKIT_KEY, LIVEKIT_SECRET),)),
    sign=livekit_headers,
    valid=(
        livekit_event("participant_joined"),
        livekit_event("participant_left", {"disconnectReason": "SERVER_SHUTDOWN"}),
        livekit_event("participant_connection_aborted", {"disconnectReason": "JOIN_FAILURE"}),
    ),
    sent_again=lambda body: body | {"numDropped": 3},
    unknown_event=livekit_event("participant_levitated"),
    unknown_enum=livekit_event("participant_left", {"disconnectReason": "SOLAR_FLARE"}),
)

BEACON = Specimen(
    collector=Beacon((BEACON_SECRET,)),
    sign=beacon_headers,
    valid=(
        beacon_batch(
            {"kind": "attempted", "at": NOON},
            {"kind": "join_failed", "at": NOON + 900, "code": "PERMISSION_DENIED"},
            {"kind": "joined", "at": NOON + 1_000, "session": "s-1"},
            {"kind": "left", "at": NOON + 2_000, "session": "s-1", "code": "LEAVE"},
        ),
        beacon_batch({"kind": "stats", "snapshots": [snapshot(NOON), snapshot(NOON + 5_000)]}),
        beacon_batch(
            {
                "kind": "agora_stats",
                "at": NOON,
                "until": NOON + 2_000,
                "audio": {"frozenRate": 3, "audioLossRate": 2, "e2eDelay": 180},
                "video": {"avSyncTimeMs": -40, "totalFrozenTime": 700, "rendererOutputFrameRate": 15},
                "previous": {"video": {"totalFrozenTime": 500}},
            }
        ),
    ),
    sent_again=lambda body: body | {"sent_at": NOON + 9_000},
    unknown_event=beacon_batch({"kind": "levitated", "at": NOON}),
    unknown_enum=beacon_batch({"kind": "join_failed", "at": NOON, "code": "SOLAR_FLARE"}),
    signs_body=False,
)
