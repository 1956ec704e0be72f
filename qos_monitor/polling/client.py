"""The one way to ask a provider over HTTP: with an end to every wait, and to every answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from collectors.polls import Request
from qos_monitor.polling.authorizing import Authorizer
from rules.span import HOUR, SECOND, Instant

TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
RETRY_AFTER_MAX = HOUR
UNAUTHORIZED = 401
NO_ANSWER = 599
"""Stands for the status where no answer came, or one without end; above 499, as trouble over there is."""

_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``retry_after`` is milliseconds, 0 where nothing was said."""

    status: int
    body: bytes
    retry_after: int = 0


class StatisticsClient:
    """Asks one provider as one authorizer. Redirects are not followed: the key goes where the operator said."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, authorizer: Authorizer, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._authorizer = authorizer
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._asking: asyncio.Task[Answer] | None = None
        self._is_over = False

    async def ask(self, request: Request, now: Instant) -> Answer:
        """Send what is asked; never raises for what the other side or the way to it does."""
        if self._is_over:
            return Answer(NO_ANSWER, b"")
        self._asking = asyncio.create_task(self._send(request, now))
        try:
            await asyncio.wait({self._asking})
        finally:
            self._asking.cancel()  # does nothing where it has ended
        return Answer(NO_ANSWER, b"") if self._asking.cancelled() else self._asking.result()

    async def hang_up(self) -> None:
        """Wait for no answer any more: what is being asked has none."""
        self._is_over = True
        if self._asking is not None:
            self._asking.cancel()

    async def _send(self, request: Request, now: Instant) -> Answer:
        path = self._url.path.rstrip("/") + request.path
        url = self._url.with_path(path, encoded="%" in path).with_query(request.params)
        try:
            answer, headers = await self._tried(request, url, now)
            if answer.status == UNAUTHORIZED and self._authorizer.is_renewed(headers):
                answer, _ = await self._tried(request, url, now)
        except aiohttp.ClientResponseError as refusal:  # whoever gives out tokens gave none
            return Answer(refusal.status or NO_ANSWER, b"")
        except _TROUBLE:
            return Answer(NO_ANSWER, b"")
        return answer

    async def _tried(self, request: Request, url: URL, now: Instant) -> tuple[Answer, Mapping[str, str]]:
        async with asyncio.timeout(self._timeout.total):
            headers = await self._authorizer.headers(request, url, now)
        async with self._session.request(
            request.method,
            url,
            data=request.body or None,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
        ) as response:
            body = await _whole(response)
            after = _retry_after(response.headers.get("Retry-After"), now)
            return Answer(NO_ANSWER, b"") if body is None else Answer(response.status, body, after), headers


async def _whole(response: aiohttp.ClientResponse) -> bytes | None:
    held = bytearray()
    async for some in response.content.iter_chunked(64 * 1024):
        held += some
        if len(held) > ANSWER_BYTES_MAX:
            response.close()
            return None
    return bytes(held)


def _retry_after(header: str | None, now: Instant) -> int:
    """Read seconds or an HTTP date as milliseconds from now, at most an hour: data does not wait for ever."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * SECOND, RETRY_AFTER_MAX)
    try:
        at = int(parsedate_to_datetime(text).timestamp() * SECOND)
    except (ValueError, OverflowError, TypeError):
        return 0
    return max(0, min(at - now, RETRY_AFTER_MAX))
