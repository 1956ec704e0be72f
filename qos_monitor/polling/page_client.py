"""Looks at a public page: only where it changed, never elsewhere than the operator said, with an end to everything."""

import asyncio
from dataclasses import dataclass

import aiohttp

from rules.span import HOUR, SECOND

TIMEOUT_S = 15.0
PAGE_BYTES_MAX = 4 * 1024 * 1024
RETRY_AFTER_MAX: int = HOUR
NO_ANSWER = 599
"""Stands for the status where no answer came, or one without end."""

_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_VALIDATOR_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What a page answered; ``validators`` go into the next question, ``retry_after`` is milliseconds."""

    status: int
    body: bytes = b""
    validators: tuple[tuple[str, str], ...] = ()
    retry_after: int = 0


class PageClient:
    """GETs pages without any key.

    Redirects are not followed, wherever they lead: a page that was taken over must not make us knock at doors of
    our own network. A compressed answer is refused, for a small one may be huge inside.
    """

    def __init__(self, session: aiohttp.ClientSession, timeout_s: float = TIMEOUT_S) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._looking: set[asyncio.Task[Look]] = set()
        self._is_over = False

    async def look(self, url: str, validators: tuple[tuple[str, str], ...]) -> Look:
        """Ask for a page unless it is as it was (304); never raises for what the other side does."""
        if self._is_over:
            return Look(NO_ANSWER)
        task = asyncio.create_task(self._get(url, validators))
        self._looking.add(task)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # does nothing where it has ended
            self._looking.discard(task)
        return Look(NO_ANSWER) if task.cancelled() else task.result()

    async def hang_up(self) -> None:
        """Wait for no answer any more."""
        self._is_over = True
        for task in self._looking:
            task.cancel()

    async def _get(self, url: str, validators: tuple[tuple[str, str], ...]) -> Look:
        headers = {"Accept-Encoding": "identity", **dict(validators)}
        try:
            async with self._session.get(
                url, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    response.close()
                    return Look(NO_ANSWER)
                body = await _whole(response)
                told = tuple(
                    (asked, response.headers[given][:_VALIDATOR_LENGTH_MAX])
                    for given, asked in _VALIDATORS.items()
                    if given in response.headers
                )
                after = _retry_after(response.headers.get("Retry-After", ""))
                return Look(NO_ANSWER) if body is None else Look(response.status, body, told, after)
        except _TROUBLE:
            return Look(NO_ANSWER)


async def _whole(response: aiohttp.ClientResponse) -> bytes | None:
    held = bytearray()
    async for some in response.content.iter_chunked(64 * 1024):
        held += some
        if len(held) > PAGE_BYTES_MAX:
            response.close()
            return None
    return bytes(held)


def _retry_after(header: str) -> int:
    """Read seconds as milliseconds, at most an hour; of a date nothing, for then our own pauses are long enough."""
    given = header.strip()
    return min(int(given[:9]) * SECOND, RETRY_AFTER_MAX) if given.isascii() and given.isdigit() else 0
