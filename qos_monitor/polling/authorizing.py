"""How a provider is told who asks."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from yarl import URL

from collectors.livekit import tokens
from collectors.polls import Request
from qos_monitor.settings import Settings
from rules.span import Instant


class Authorizer(Protocol):
    """Gives the headers that make one request believed."""

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:
        """Give every header of this request to this URL, its content type too where it has a body.

        One that has to fetch a token first raises what aiohttp raises where it gets none: the status of a
        `ClientResponseError` becomes the answer to the request, 401 for a refusal.
        """

    def is_renewed(self, headers: Mapping[str, str]) -> bool:
        """Hear that these headers were answered 401; say whether others may be believed, as with a new token."""


class Rotated:
    """Authorizes with the keys of the settings in force, and with new ones as soon as they are."""

    def __init__(self, make: Callable[[Settings], Authorizer], in_force: Callable[[], Settings]) -> None:
        self._make = make
        self._in_force = in_force
        self._of = in_force()
        self._authorizer = make(self._of)

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:
        """Give those of today's keys."""
        return await self._today().headers(request, url, now)

    def is_renewed(self, headers: Mapping[str, str]) -> bool:
        """Ask whoever holds the keys."""
        return self._today().is_renewed(headers)

    def _today(self) -> Authorizer:
        settings = self._in_force()
        if settings is not self._of:
            self._of, self._authorizer = settings, self._make(settings)
        return self._authorizer


class Basic:
    """A name and a secret, as HTTP has them (RFC 7617)."""

    def __init__(self, name: str, secret: str) -> None:
        self._headers = {"Authorization": f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"}

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Give the same for every request."""
        return self._headers

    def is_renewed(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's
        """Have nothing else to offer."""
        return False


class LiveKitTokens:
    """A token of its own for every request, which allows what it asks of its room and nothing else."""

    def __init__(self, key: str, secret: str) -> None:
        self._key = key
        self._secret = secret

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Mint one for the room in the body."""
        room = json.loads(request.body)["room"]
        token = tokens.mint(self._key, self._secret, room, now)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def is_renewed(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's
        """Have no other key."""
        return False
