"""The beacon's token: this learner, this class, until then. README.md here has it in three lines."""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from collectors import signing
from collectors.body import ID_MAX, LATEST_S, parsed, text, whole
from collectors.contract import Refused, Unreadable
from rules.observation import Role
from rules.span import SECOND, Instant

TOKEN_MAX: int = 4_096
"""Characters; the longest ids in Chinese stay well under it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whose beacon it is. The client says nothing about that itself."""

    learner_id: str
    class_id: str
    expires_at: Instant
    role: Role = Role.LEARNER

    def __post_init__(self) -> None:
        if not all(text(given) and len(given) <= ID_MAX for given in (self.learner_id, self.class_id)):
            raise ValueError(f"learner and class must be texts of 1 to {ID_MAX} characters")
        if not 0 < self.expires_at <= LATEST_S * SECOND:
            raise ValueError("the token must expire before 2100")


def mint(secret: str, learner_id: str, class_id: str, expires_at: Instant, role: Role = Role.LEARNER) -> str:
    """Sign a token; its expiry is cut down to the second. Raises ValueError for what no token may say."""
    signing.check_secrets([secret], "beacon")
    ticket = Ticket(learner_id, class_id, expires_at, Role(role))
    claims: dict[str, object] = {"learner": learner_id, "class": class_id, "exp": expires_at // SECOND}
    if ticket.role is not Role.LEARNER:
        claims["role"] = ticket.role.value
    written = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    said = base64.urlsafe_b64encode(written).rstrip(b"=")
    return f"{said.decode()}.{signing.signed(secret.encode(), said, signing.SHA256_BASE64URL)}"


def believed(token: str, secrets: Sequence[str], now: Instant) -> Ticket:
    """Take the ticket of a token that one of the secrets signed and that has not expired. Raises Refused.

    At the very instant of its expiry a token is no longer good.
    """
    if len(token) > TOKEN_MAX or token.count(".") != 1:
        raise Refused("malformed_token")
    said, signature = token.split(".")
    keys = [secret.encode() for secret in secrets]
    if not signing.fits(signature, said.encode("utf-8", "backslashreplace"), keys, signing.SHA256_BASE64URL):
        raise Refused("wrong_signature")
    ticket = unverified(token)
    if ticket is None:
        raise Refused("malformed_token")
    if ticket.expires_at <= now:
        raise Refused("expired")
    return ticket


def _floored(given: object) -> object:
    """Cut an expiry down to the second, as `mint` does: many languages tell the time as a fraction."""
    return math.floor(given) if isinstance(given, float) and math.isfinite(given) else given


def unverified(token: str) -> Ticket | None:
    """Take the ticket of a token that was believed when it came; None where it is not one."""
    said = token.partition(".")[0].rstrip("=")
    try:
        raw = base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True)
        claims = parsed(raw)
    except (binascii.Error, ValueError, Unreadable):
        return None
    learner, class_id = text(claims.get("learner")), text(claims.get("class"))
    expires = whole(_floored(claims.get("exp")), 1, LATEST_S)
    role = claims.get("role", Role.LEARNER.value)
    if learner is None or class_id is None or expires is None or not isinstance(role, str):
        return None
    try:
        return Ticket(learner, class_id, expires * SECOND, Role(role))
    except ValueError:
        return None
