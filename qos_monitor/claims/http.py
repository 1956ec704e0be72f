"""The way to a refund system over HTTP, signed as Standard Webhooks has it."""

import json
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from qos_monitor.claims.gateway import (
    Accepted,
    Answer,
    Conflict,
    NotKnown,
    Refused,
    Report,
    Stop,
    Told,
    Unavailable,
)
from qos_monitor.claims.signing import signed
from rules.span import DAY, SECOND, Instant

TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 64 * 1024
WORDS_MAX = 500
RETRY_AFTER_MS_MAX = DAY

_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)


class HttpClaimGateway:
    """Sends claims to one URL; ``GET URL/key`` asks about one.

    Every secret, or every one in force at the time, signs every request. Redirects are not followed: a signed claim
    goes where the operator said, nowhere else. Whoever gives the session closes it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        secrets: Sequence[str] | Callable[[], Sequence[str]],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._secrets = secrets if callable(secrets) else (lambda: secrets)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        """POST the claim; `webhook-id` and `Idempotency-Key` are the claim's key in every retry."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": claim_key,
            **signed(self._secrets(), claim_key, body, now),
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                text = await _beginning(response)
                return understood(response.status, text, response.headers, now)
        except _TROUBLE as error:
            return Unavailable(type(error).__name__)

    async def ask(self, claim_key: str, now: Instant) -> Report:
        """GET the claim, signed over an empty body; the answer is a JSON object with `status`."""
        headers = signed(self._secrets(), claim_key, b"", now)
        try:
            async with self._session.get(
                self._url / claim_key, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                text = await _beginning(response)
                return _report(response.status, text, response.headers, now)
        except _TROUBLE as error:
            return Unavailable(type(error).__name__)


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read as much of an answer as is of use; a sender without end is cut off."""
    held = b""
    while len(held) < ANSWER_BYTES_MAX:
        more = await response.content.read(ANSWER_BYTES_MAX - len(held))
        if not more:
            return held.decode("utf-8", "replace")
        held += more
    response.close()
    return held.decode("utf-8", "replace")


def understood(status: int, text: str, headers: Mapping[str, str], now: Instant) -> Answer:
    """Translate an HTTP answer to a claim (DESIGN, contract with the refund system)."""
    words = f"{status} {text}"[:WORDS_MAX].strip()
    if HTTPStatus(200) <= status < 300:
        return Accepted(words)
    if status == HTTPStatus.CONFLICT:
        return Conflict(words)
    if status == HTTPStatus.GONE:
        return Stop(words)
    if status in _AGAIN or not 400 <= status < 500:
        return Unavailable(words, retry_after_ms(headers.get("Retry-After"), now))
    return Refused(words)


def retry_after_ms(header: str | None, now: Instant) -> int:
    """Read `Retry-After`, seconds or an HTTP date, as milliseconds from now; 0 where it says nothing sensible.

    At most one day: a typing mistake over there must not keep a learner's money for a month.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * SECOND, RETRY_AFTER_MS_MAX)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return 0
    return max(0, min(int(at * SECOND) - now, RETRY_AFTER_MS_MAX))


def _report(status: int, text: str, headers: Mapping[str, str], now: Instant) -> Report:
    if status == HTTPStatus.NOT_FOUND:
        return NotKnown()
    if status != HTTPStatus.OK:
        return Unavailable(str(status), retry_after_ms(headers.get("Retry-After"), now))
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return Unavailable("not JSON")
    if not isinstance(given, dict) or not isinstance(given.get("status"), str):
        return Unavailable("no status in the answer")
    reason = given.get("reason")
    return Told(given["status"], reason[:WORDS_MAX] if isinstance(reason, str) else None)
