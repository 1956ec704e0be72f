"""Signatures as Standard Webhooks has them, with several secrets for rotation and a clock that is given."""

import binascii
import hmac
import math
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from rules.span import SECOND, Instant

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

TOLERANCE_S = 300
"""How far the sender's clock may be from ours, either way; the specification's usual five minutes."""

_SIGNATURES_MAX = 20


class NotBelieved(Exception):  # noqa: N818 - an answer to the sender, not a fault of ours
    """The sender could not prove who it is; ``reason`` is one of a closed set of words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def signed(secrets: Sequence[str], message_id: str, body: bytes, now: Instant) -> dict[str, str]:
    """Give the three headers; every secret signs, so that the receiver may hold an old or a new one.

    ``body`` must be UTF-8: the signature is over its text. Each secret is written ``whsec_`` and base64.
    """
    stamp = now // SECOND
    at = datetime.fromtimestamp(stamp, UTC)
    text = body.decode()
    return {
        ID: message_id,
        TIMESTAMP: str(stamp),
        SIGNATURE: " ".join(Webhook(secret).sign(message_id, at, text) for secret in secrets),
    }


def believe(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: Instant,
    tolerance_s: int = TOLERANCE_S,
) -> str:
    """Believe a signed message and give its id. Raises NotBelieved.

    The library's own check compares with the machine's clock; ours is given, hence its `sign` is used and the
    comparison, in constant time over bytes, is made here. ``headers`` finds names in lower case.
    """
    message_id = headers.get(ID, "")
    at = _stamp(headers.get(TIMESTAMP, ""))
    given = _signatures(headers.get(SIGNATURE, ""))
    if not message_id or at is None or not given:
        raise NotBelieved("headers")
    if abs(at.timestamp() - now / SECOND) > tolerance_s:
        raise NotBelieved("timestamp")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotBelieved("encoding") from None
    is_ours = False
    for secret in secrets:
        wanted = b64decode(Webhook(secret).sign(message_id, at, text).removeprefix("v1,"))
        for signature in given:
            is_ours |= hmac.compare_digest(wanted, signature)
    if not is_ours:
        raise NotBelieved("signature")
    return message_id


def _stamp(text: str) -> datetime | None:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        return None
    seconds = int(text)
    latest = datetime.max.replace(tzinfo=UTC).timestamp()
    return datetime.fromtimestamp(seconds, UTC) if seconds < math.floor(latest) else None


def _signatures(header: str) -> list[bytes]:
    found = []
    for entry in header.split(" ")[:_SIGNATURES_MAX]:
        version, _, signature = entry.partition(",")
        if version != "v1":
            continue
        try:
            found.append(b64decode(signature, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
