"""How we prove who we are to a system that gives rosters: OAuth 2 client credentials (RFC 6749, 4.4)."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
import jwt
from jwt.algorithms import RSAAlgorithm

from qos_monitor.errors import SettingsError
from rules.span import MINUTE, SECOND, Instant

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LASTS = 5 * MINUTE
_KEY_BITS_MIN = 2048
_TOKEN = re.compile(r"[\x21-\x7e]{1,32768}", re.ASCII)
_LASTS_UNTOLD = 60 * MINUTE
_EARLY = 30 * SECOND
_REFUSALS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
}


class Grant(Protocol):
    """One way to ask for a token."""

    def headers(self) -> Mapping[str, str]:
        """Write the headers of the request for a token."""

    def form(self, now: Instant) -> Mapping[str, str]:
        """Write its body."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A client with a secret, sent as HTTP Basic (IMS Security Framework 1.1, 4.1)."""

    client_id: str
    secret: str = field(repr=False)
    scope: str

    def headers(self) -> Mapping[str, str]:
        """Write id and secret."""
        return {"Authorization": aiohttp.encode_basic_auth(self.client_id, self.secret, "utf-8")}

    def form(self, now: Instant) -> Mapping[str, str]:  # noqa: ARG002 - a secret does not depend on the time
        """Write what is asked for."""
        return {"grant_type": "client_credentials", "scope": self.scope}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A client that signs each request for a token (RFC 7523; LTI Advantage asks for RS256)."""

    client_id: str
    pem: str = field(repr=False)
    key_id: str | None
    audience: str
    scope: str

    def __post_init__(self) -> None:
        """Raise SettingsError where the key is none that RS256 can use."""
        try:
            key = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(self.pem)
            is_good = key.key_size >= _KEY_BITS_MIN and hasattr(key, "private_numbers")
        except (jwt.InvalidKeyError, ValueError, TypeError):
            is_good = False
        if not is_good:
            wanted = f"an RSA private key in PEM without a password, of {_KEY_BITS_MIN} bits or more, is wanted"
            raise SettingsError([f"QOS_LTI_PRIVATE_KEY: a secret that is not shown was given; {wanted}"])

    def headers(self) -> Mapping[str, str]:
        """Write nothing: the proof is in the body."""
        return {}

    def form(self, now: Instant) -> Mapping[str, str]:
        """Sign an assertion that is good for this once, and for five minutes."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now // SECOND,
            "exp": (now + _ASSERTION_LASTS) // SECOND,
            "jti": secrets.token_urlsafe(24),
        }
        headers = None if self.key_id is None else {"kid": self.key_id}
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION,
            "client_assertion": jwt.encode(claims, self.pem, algorithm="RS256", headers=headers),
            "scope": self.scope,
        }


@dataclass(frozen=True, slots=True)
class Token:
    """What lets us in for a while."""

    value: str = field(repr=False)
    good_until: Instant


def token_of(answer: object, now: Instant) -> Token | None:
    """Read the answer to a request for a token (RFC 6749, 5.1); None where it is none."""
    if not isinstance(answer, dict):
        return None
    value, kind = answer.get("access_token"), answer.get("token_type")
    if not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        return None
    if not (kind is None or (isinstance(kind, str) and kind.lower() == "bearer")):
        return None
    return Token(value, now + _lasts(answer.get("expires_in")) - _EARLY)


def _lasts(told: object) -> int:
    """Read seconds, which some servers write as a text, as milliseconds."""
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told[:9])
    is_number = isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < 10**9
    return int(told * SECOND) if isinstance(told, int | float) and is_number else _LASTS_UNTOLD


def refusal_of(answer: object) -> str | None:
    """Read why no token was given: one of the words of RFC 6749, 5.2; free text could repeat what we sent."""
    said = answer.get("error") if isinstance(answer, dict) else None
    return said if isinstance(said, str) and said in _REFUSALS else None
