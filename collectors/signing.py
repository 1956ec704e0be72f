"""The few HMAC shapes providers sign with."""

import base64
import functools
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Shape:
    """How an HMAC is taken and how it is written down."""

    digest: Literal["sha1", "sha256"]
    encoding: Literal["hex", "base64", "base64url"]


SHA1_HEX: Shape = Shape("sha1", "hex")
SHA256_HEX: Shape = Shape("sha256", "hex")
SHA256_BASE64: Shape = Shape("sha256", "base64")
SHA256_BASE64URL: Shape = Shape("sha256", "base64url")


def signed(secret: bytes, body: bytes, shape: Shape) -> str:
    """Write the HMAC of the body; hex in lower case, base64 padded, base64url not."""
    one = _keyed(secret, shape.digest).copy()
    one.update(body)
    digest = one.digest()
    if shape.encoding == "hex":
        return digest.hex()
    if shape.encoding == "base64":
        return base64.b64encode(digest).decode()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@functools.lru_cache(maxsize=256)
def _keyed(secret: bytes, name: str) -> hmac.HMAC:
    """Prepare an HMAC, to be copied for each body: half of what it costs to begin anew."""
    return hmac.new(secret, digestmod=name)


def fits(given: str, body: bytes, secrets: Iterable[bytes], shape: Shape) -> bool:
    """Say whether one of the secrets gives this signature; never raises, whatever ``given`` holds.

    Compared as bytes and in constant time; every secret is tried, so the time does not tell which one fits.
    """
    written = _bytes(given)
    if shape.encoding == "base64url":
        written = written.rstrip(b"=")
    does_one = False
    for secret in secrets:
        does_one |= hmac.compare_digest(signed(secret, body, shape).encode(), written)
    return does_one


def equal(one: str, other: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(given: str) -> bytes:
    """Encode a header: servers hand over bytes that are not UTF-8 as lone surrogates, which UTF-8 refuses."""
    return given.encode("utf-8", "backslashreplace")


def sha256_base64(body: bytes) -> str:
    """Write the SHA-256 of the body in standard base64."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def check_secrets(secrets: Sequence[str], whose: str) -> None:
    """Refuse a collector that would believe everybody. Raises ValueError, without the secret in it."""
    if not secrets:
        raise ValueError(f"{whose} needs at least one secret")
    if not all(isinstance(secret, str) and secret.strip() for secret in secrets):
        raise ValueError(f"{whose} has an empty secret; anybody could sign with it")
