"""LiveKit's tokens: bare HS256, read from webhooks and minted for its server API."""

import json

import jwt
from jwt.algorithms import HMACAlgorithm

from rules.span import SECOND, Instant

LIFETIME_S: int = 600
EARLY_S: int = 60
"""A minted token begins so long before now: their clock may be behind ours."""


class _HS256(HMACAlgorithm):
    """HMAC-SHA256 that does not warn once a webhook of a short secret, as that of `livekit-server --dev` is."""

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - PyJWT's shape
        return None


JWS = jwt.PyJWS(algorithms=[])
JWS.register_algorithm("HS256", _HS256(HMACAlgorithm.SHA256))


def mint(key: str, secret: str, room: str, now: Instant) -> str:
    """Mint a token that may list the participants of this one room, good for ten minutes.

    ``roomAdmin`` of a room is what ListParticipants asks for (livekit/livekit `pkg/service/roomservice.go`, 2026);
    LiveKit has no grant that reads alone.
    """
    now_s = now // SECOND
    claims = {
        "iss": key,
        "sub": "qos-monitor",
        "nbf": now_s - EARLY_S,
        "exp": now_s + LIFETIME_S,
        "video": {"roomAdmin": True, "roomList": True, "room": room},
    }
    return JWS.encode(json.dumps(claims, separators=(",", ":")).encode(), secret, algorithm="HS256")
