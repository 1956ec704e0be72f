"""The specimen of our own format: signed by the Standard Webhooks library itself."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from collector_specimens import Body, Specimen
from standardwebhooks import Webhook

from collectors.generic import build
from rules.span import Instant

GENERIC_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def observed(kind: str, /, **said: object) -> Body:
    """Observe something of learner u1 in class c1; keywords replace or add keys."""
    told: Body = {
        "source": "generic",
        "id": f"o-{kind}",
        "kind": kind,
        "at": "2026-11-02T11:00:05.120Z",
        "class_id": "c1",
        "participant_id": "u1",
        "role": "learner",
        "vantage": "server",
    }
    if kind in ("joined", "left"):
        told["session"] = "s-1"
    if kind == "quality":
        told |= {"until": "2026-11-02T11:00:15.120Z", "metrics": {"audio_frozen": 0.4, "loss": 0.02}}
    return told | said


def signed(body: bytes, at: Instant, message: str = "msg_1", secret: str = GENERIC_SECRET) -> dict[str, str]:
    """Sign as the library does; it takes texts alone, so bytes that are none are signed by hand."""
    try:
        signature = Webhook(secret).sign(message, datetime.fromtimestamp(at // 1_000, UTC), body.decode())
    except UnicodeDecodeError:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, f"{message}.{at // 1_000}.".encode() + body, hashlib.sha256)
        signature = f"v1,{base64.b64encode(mac.digest()).decode()}"
    return {"webhook-id": message, "webhook-timestamp": str(at // 1_000), "webhook-signature": signature}


def generic_headers(body: bytes, at: Instant) -> dict[str, str]:
    """Name the message by the id in it, as a sender with one observation a message would."""
    try:
        name = json.loads(body)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        name = None
    is_plain = isinstance(name, str) and name.isascii() and name.isprintable() and name.strip() == name != ""
    return signed(body, at, f"msg_{name if is_plain else hashlib.sha256(body).hexdigest()}")


GENERIC = Specimen(
    collector=build((f"generic:{GENERIC_SECRET}",)),
    sign=generic_headers,
    valid=(
        observed("attempted"),
        observed("join_failed", fault="platform", blames="node", code="E17", domains={"node": "bj-7"}),
        observed("joined"),
        observed("left", fault="learner"),
        observed("quality"),
        observed("check_failed", class_id=None),
    ),
    sent_again=lambda body: dict(reversed(body.items())),
    unknown_event=observed("levitated"),
    unknown_enum=observed("left", fault="SOLAR_FLARE"),
    is_strict=True,
)
