"""Lets people in: the cases token once, then a cookie that the token's holder alone can have made."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from hashlib import sha256

from rules.span import HOUR, Instant

COOKIE = "qos_console"
STAYS: int = 12 * HOUR
"""A person signs in anew after a working day."""

NAME_MAX = 100


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who signed in, as they called themselves; decisions are written under this name."""

    name: str
    until: Instant


class Keeper:
    """Believes tokens and cookies. A new token ends every visit, for cookies are signed with it."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"qos-monitor console", sha256)

    def believes(self, token: str) -> bool:
        """Say whether this is the token, in constant time."""
        return hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), self._token)

    def cookie(self, visitor: Visitor) -> str:
        """Write a visitor as a cookie's value: what is said, a dot, its signature."""
        said = f"{visitor.until} {visitor.name}".encode()
        return f"{_text(said)}.{_text(self._signed(said))}"

    def visitor(self, cookie: str, now: Instant) -> Visitor | None:
        """Read a cookie; None where it is not ours, or over."""
        said, _, signature = cookie.partition(".")
        try:
            plain, given = _bytes(said), _bytes(signature)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(self._signed(plain), given):
            return None
        until, _, name = plain.decode().partition(" ")
        visitor = Visitor(name, int(until))
        return visitor if now < visitor.until else None

    def seal(self, cookie: str) -> str:
        """Give the word that a form of this visit carries; a page of somebody else's cannot know it."""
        return hmac.new(self._key, b"form " + cookie.encode(), sha256).hexdigest()

    def believes_seal(self, cookie: str, seal: str) -> bool:
        """Say whether a form was one of this visit's."""
        return hmac.compare_digest(self.seal(cookie).encode(), seal.encode("utf-8", "surrogateescape"))

    def _signed(self, said: bytes) -> bytes:
        return hmac.digest(self._key, b"visit " + said, sha256)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode((text + "=" * (-len(text) % 4)).encode("ascii"), altchars=b"-_", validate=True)
