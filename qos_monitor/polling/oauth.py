"""Zoom's server-to-server OAuth: a token for the account, asked for with the app's keys and kept while it is good."""

from collections.abc import Mapping

import aiohttp
from yarl import URL

from collectors.body import parsed, short_text, whole
from collectors.contract import Unreadable
from collectors.polls import Request
from qos_monitor.polling.authorizing import Basic
from rules.span import MINUTE, SECOND, Instant

EARLY: int = 5 * MINUTE
"""A token is replaced so long before it runs out, so that none runs out on the way."""
_TOKEN_MAX = 16_000
_BYTES_MAX = 64 * 1024


class AccountToken:
    """Bears a token of the account; every new one may end the one before, so one at a time is asked for.

    Source: Zoom's server-to-server OAuth: ``account_credentials``, no refresh token, good for an hour.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, account: tuple[str, str, str]) -> None:
        account_id, client_id, secret = account
        self._session = session
        self._url = URL(url).with_query(grant_type="account_credentials", account_id=account_id)
        self._app = Basic(client_id, secret)
        self._headers: Mapping[str, str] = {}
        self._until: Instant = 0

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:
        """Give the token that is held, or a new one. Raises aiohttp.ClientResponseError where none is given."""
        if now >= self._until:
            token, lasts = await self._asked(request, url, now)
            self._headers = {"Authorization": f"Bearer {token}"}
            self._until = now + max(lasts - EARLY, 0)
        return self._headers

    def is_renewed(self, headers: Mapping[str, str]) -> bool:
        """Forget a token that is believed no more, though its time is not over: somebody else asked for one."""
        if headers is self._headers:
            self._until = 0
        return True

    async def _asked(self, request: Request, url: URL, now: Instant) -> tuple[str, int]:
        headers = await self._app.headers(request, url, now)
        async with self._session.post(self._url, headers=headers, allow_redirects=False) as response:
            body = await response.content.read(_BYTES_MAX)
            status = 401 if response.status == 400 else response.status  # invalid_client, invalid_grant: RFC 6749
            found = _token(body) if status == 200 else None
            if found is None:
                raise aiohttp.ClientResponseError(response.request_info, (), status=502 if status == 200 else status)
            return found


def _token(body: bytes) -> tuple[str, int] | None:
    """Take the token and for how many milliseconds it is good."""
    try:
        answer = parsed(body)
    except Unreadable:
        return None
    token, lasts = short_text(answer.get("access_token"), _TOKEN_MAX), whole(answer.get("expires_in"), 1, 10**6)
    is_bearer = token is not None and token.isascii() and token.isprintable()
    return (token, (lasts or 0) * SECOND) if token is not None and is_bearer else None
