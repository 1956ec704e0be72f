"""The way into every route of the API: a bearer key with the right scope, not too often."""

from collections.abc import Callable

from aiohttp import web

from qos_monitor import logs
from qos_monitor.access.addresses import Addresses
from qos_monitor.access.audit import Actor
from qos_monitor.access.doorkeeper import Caller, Doorkeeper, TooOften
from qos_monitor.access.scopes import Scope
from qos_monitor.storage.engine import TROUBLE
from qos_monitor.web import answers
from qos_monitor.web.headers import forwarded


def _uncounted(_of: str) -> None:
    """Count nothing."""


class Gate:
    """Asks the doorkeeper, and words its answers for HTTP."""

    def __init__(
        self, door: Doorkeeper, addresses: Addresses | None = None, limited: Callable[[str], None] = _uncounted
    ) -> None:
        """Take who believes keys, and what counts those that came too often."""
        self.door = door
        self._addresses = addresses or Addresses()
        self._limited = limited

    async def admit(self, request: web.Request, scope: Scope) -> Caller | web.Response:
        """Give who asks; or the answer: 401 no good key, 403 it lacks the scope, 429 too often, 503 come again."""
        bearer = _bearer(request)
        try:
            caller = await self.door.admit(bearer, self.address(request))
        except TROUBLE as trouble:
            logs.failure("database_failed", trouble)
            return answers.come_again()
        if isinstance(caller, TooOften):
            return self.too_often(caller)
        if caller is None:
            answer = answers.refused("the bearer key is missing or wrong", 401)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if scope not in caller.scopes:
            return answers.refused(f"this key was not made for {scope}", 403)
        return caller

    def too_often(self, limited: TooOften) -> web.Response:
        """Answer 429, with when to come again, and count it."""
        self._limited(limited.of)
        answer = answers.refused("too many requests; Retry-After says when to come again", 429)
        answer.headers["Retry-After"] = str(limited.wait_s)
        return answer

    def address(self, request: web.Request) -> str:
        """Name where a request comes from, for counting."""
        return self._addresses.of(request.remote, forwarded(request))


def by_api(caller: Caller, person: str = "") -> Actor:
    """Name who did something by the API; with a person, whom the key's holder speaks for."""
    key = shown(caller)
    return Actor(person, f"api, {key}") if person else Actor(key, "api")


def shown(caller: Caller) -> str:
    """Write a key for the audit trail: its name, and its id, for two may have one name."""
    return caller.name if caller.id == caller.name else f"key {caller.name} ({caller.id})"


def _bearer(request: web.Request) -> str:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""
