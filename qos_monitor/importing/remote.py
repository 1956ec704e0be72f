"""Asks a system for its rosters over HTTP: every wait has an end, and so has every answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from qos_monitor import documents
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError, SourceTrouble
from qos_monitor.importing.credentials import Grant, Token, refusal_of, token_of
from rules.document import Invalid, Problem
from rules.span import SECOND, Instant

TRIES_MAX = 5
WAIT_MAX_S = 120.0
ANSWER_BYTES_MAX = 32 * 2**20
WHOLE_BYTES_MAX = 512 * 2**20
PAGES_MAX = 20_000
_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)
_WORDS: Mapping[int, str] = {
    401: "does not let us in: the token was refused twice",
    403: "refuses: the client may lack the scope",
    404: "is not there",
    410: "is there no more",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, decoded; ``links`` by relation, ``total`` where it was told."""

    value: object
    links: Mapping[str, URL]
    total: int | None


@dataclass(frozen=True, slots=True)
class _Raw:
    status: int
    body: bytes
    media_type: str
    links: Mapping[str, URL]
    total: int | None
    wait_s: float | None


class Remote:
    """One system, asked with one client's credentials. Redirects are not followed: the token goes where it belongs."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        token_url: URL,
        grant: Grant,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._token_url = token_url
        self._grant = grant
        self._clock = clock
        self._pause = pause
        self._token: Token | None = None
        self._bytes_left = WHOLE_BYTES_MAX

    async def get(self, url: URL, media_types: Sequence[str]) -> Answer:
        """Ask for one page; a token that is refused is asked for anew, once.

        Raises InputError where asking again cannot help, SourceTrouble where it can.
        """
        for is_last in False, True:
            headers = {"Authorization": f"Bearer {await self._let_in()}", "Accept": media_types[0]}
            raw = await self._asked("GET", url, headers)
            if raw.status != 401 or is_last:
                break
            self._token = None
        return self._decoded(raw, url, media_types)

    async def _let_in(self) -> str:
        now = self._clock.now()
        if self._token is None or self._token.good_until <= now:
            self._token = await self._new_token(now)
        return self._token.value

    async def _new_token(self, now: Instant) -> Token:
        headers = {**self._grant.headers(), "Accept": "application/json"}
        raw = await self._asked("POST", self._token_url, headers, self._grant.form(now))
        try:
            answer = documents.decoded(raw.body)
        except Invalid:
            answer = None
        if raw.status != 200:
            why = refusal_of(answer) or f"status {raw.status}"
            raise _wrong(self._token_url, f"gives no token ({why}): are client, key and scope right?")
        token = token_of(answer, now)
        if token is None:
            raise _wrong(self._token_url, "must answer with a bearer token (RFC 6749, 5.1), and answers otherwise")
        return token

    async def _asked(
        self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> _Raw:
        """Ask, and ask again while there is trouble over there, waiting as long as we are told."""
        trouble = ""
        for attempt in range(TRIES_MAX):
            try:
                raw = await self._once(method, url, headers, form)
            except _TROUBLE as error:
                trouble, wait_s = type(error).__name__, None
            else:
                if raw.status != 429 and raw.status < 500:
                    return raw
                trouble, wait_s = f"status {raw.status}", raw.wait_s
            if attempt + 1 < TRIES_MAX:
                await self._pause(min(2.0**attempt if wait_s is None else wait_s, WAIT_MAX_S))
        raise SourceTrouble(f"{told(url)}: asked {TRIES_MAX} times in vain ({trouble}); try again later")

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> _Raw:
        async with self._session.request(method, url, headers=headers, data=form, allow_redirects=False) as response:
            body = bytearray()
            async for some in response.content.iter_chunked(64 * 1024):
                body += some
                if len(body) > min(ANSWER_BYTES_MAX, self._bytes_left):
                    response.close()
                    raise _wrong(url, f"must answer in at most {ANSWER_BYTES_MAX} bytes, all in {WHOLE_BYTES_MAX}")
            self._bytes_left -= len(body)
            now = self._clock.now()
            return _Raw(
                response.status,
                bytes(body),
                response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
                _links(response),
                _whole(response.headers.get("X-Total-Count")),
                _wait_s(response.headers.get("Retry-After"), now),
            )

    def _decoded(self, raw: _Raw, url: URL, media_types: Sequence[str]) -> Answer:
        if raw.status != 200:
            if 300 <= raw.status < 400:
                raise _wrong(url, f"leads elsewhere ({raw.status}): give the address where it is")
            raise _wrong(url, f"{_WORDS.get(raw.status, 'cannot be asked so')} ({raw.status})")
        if raw.media_type not in media_types:
            given = raw.media_type[:60] if raw.media_type.isprintable() else "?"
            raise _wrong(url, f"must answer with {' or '.join(media_types)}, and answers with {given or 'nothing'}")
        return Answer(documents.decoded(raw.body, told(url)), raw.links, raw.total)


def told(url: URL) -> str:
    """Name an address in a message, without its query: who knows what is in there."""
    return str(url.with_query(None).with_fragment(None).with_user(None))


def is_safe(url: URL) -> bool:
    """Say whether a secret may be sent there: by https, or to this machine."""
    return url.scheme == "https" or (url.scheme == "http" and url.host in {"127.0.0.1", "::1", "localhost"})


def _wrong(url: URL, message: str) -> InputError:
    return InputError([Problem(told(url), message)])


def _links(response: aiohttp.ClientResponse) -> Mapping[str, URL]:
    """Read the Link header (RFC 8288) by relation; one that cannot be read is none."""
    try:
        found = response.links
    except ValueError:
        return {}
    return {str(rel).lower(): URL(str(link["url"])) for rel, link in found.items() if "url" in link}


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _wait_s(header: str | None, now: Instant) -> float | None:
    """Read seconds, or an HTTP date; None where nothing readable was said."""
    given = (header or "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        return max(0.0, (parsedate_to_datetime(given).timestamp() * SECOND - now) / SECOND)
    except (ValueError, OverflowError, TypeError):
        return None
