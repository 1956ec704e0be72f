"""``POST /webhooks/{provider}``: the hot path, without middleware."""

import asyncio
import functools
from collections.abc import Mapping

from aiohttp import StreamReader, web

from collectors.contract import Refused
from qos_monitor import clock, logs
from qos_monitor.errors import QosError
from qos_monitor.intake import Intake
from qos_monitor.telemetry import Telemetry
from qos_monitor.web.answers import come_again
from qos_monitor.web.app import Door
from qos_monitor.web.headers import EVERYWHERE
from qos_monitor.web.ready import Readied, Ready
from qos_monitor.web.turnstile import Turnstile, open_to_all

BEACON = "beacon"
_BODY_WAIT_S = 30
_SIGNATURE_LENGTH = 43  # at the end of a beacon's token; no two tokens have the same
_NO_HEADERS: Mapping[str, str] = {}


class Hooks:
    """The handlers of every webhook, the beacon's among them."""

    def __init__(
        self,
        intake: Intake,
        telemetry: Telemetry,
        body_bytes_max: int,
        beacon_origins: tuple[str, ...],
        turnstile: Turnstile | None = None,
    ) -> None:
        """Take what is behind the door; without a turnstile anybody may come as often as they like."""
        self._turnstile = turnstile or open_to_all()
        self._intake = intake
        self._telemetry = telemetry
        self._seconds = telemetry.intake["webhooks"]
        self._body_bytes_max = body_bytes_max
        self._origins = frozenset(beacon_origins)
        self._ready = Readied(EVERYWHERE)

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application: a plain path for each provider, which is found without a pattern."""
        for path, take in self.doors().items():
            app.router.add_post(path, take)
        app.router.add_post("/webhooks/{provider}", self.stranger)
        app.router.add_options(f"/webhooks/{BEACON}", self.preflight)

    def doors(self) -> dict[str, Door]:
        """Give the path of each provider's webhooks, and what takes them."""
        return {f"/webhooks/{name}": functools.partial(self.take, name) for name in self._intake.providers()}

    async def stranger(self, _request: web.Request) -> web.Response:
        """Answer 404: nobody of that name is configured. The name is no label, for anybody may make up another."""
        self._telemetry.strangers.inc()
        return web.Response(status=404)

    async def take(self, provider: str, request: web.Request) -> web.StreamResponse:
        """Store one delivery and answer as its provider likes.

        401 not believed · 413 too large · 503 come again; also where the body never ended, for it may be we who stood
        still, and many providers give up at any 4xx.
        A sender who hangs up after the last byte loses only the answer.
        """
        started = clock.stopwatch_s()
        try:
            answer = await self._take(provider, request)
            if not isinstance(answer, Ready):
                answer.headers.extend(EVERYWHERE)  # here, for the way past the router has no signals
            return answer
        finally:
            self._seconds.observe(clock.stopwatch_s() - started)

    async def _take(self, provider: str, request: web.Request) -> web.StreamResponse:
        cors = self._cors(request) if provider == BEACON else _NO_HEADERS
        if wait_s := self._turnstile.stranger_waits_s(request):
            self._count(provider, "refused")
            return come_again(cors, wait_s)
        try:
            body = self._whole(request)
            if body is None:
                body = await self._awaited(request)
        except (TimeoutError, ConnectionError, web.HTTPException):
            self._count(provider, "broken_off")
            return come_again(cors)
        if body is None:
            return self._answer(provider, "too_large", 413, cors)
        return await self._believed(request, provider, body, cors)

    async def _believed(
        self, request: web.Request, provider: str, body: bytes, cors: Mapping[str, str]
    ) -> web.StreamResponse:
        try:
            delivery = self._intake.believed(provider, body, request.headers)
            token = request.headers.get("Authorization", "")[-_SIGNATURE_LENGTH:] if provider == BEACON else None
            if wait_s := self._turnstile.waits_s(request, provider, token):
                self._count(provider, "overloaded")
                return come_again(cors, wait_s)
            answer = await self._intake.store(delivery)
        except Refused as refused:
            self._turnstile.refused(request)
            self._telemetry.refused(provider, refused.reason)
            return self._answer(provider, "refused", 401, cors)
        except QosError as error:
            self._count(provider, "overloaded" if error.can_retry else "failed")
            return come_again(cors)
        except Exception as bug:  # noqa: BLE001 - a bug of ours must not make a provider drop the event (4xx)
            logs.failure("intake_failed", bug, provider=provider)
            self._count(provider, "failed")
            return come_again(cors)
        self._count(provider, "accepted")
        if not cors:
            return self._ready.of(request, answer)
        return web.Response(status=answer.status, body=answer.body, headers=cors, content_type=answer.content_type)

    async def preflight(self, request: web.Request) -> web.Response:
        """Let the pages of the configured origins send beacons with a token in a header."""
        cors = self._cors(request)
        if not cors:
            return web.Response(status=403)
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "86400",
        }
        return web.Response(status=204, headers={**cors, **allowed})

    def _whole(self, request: web.Request) -> bytes | None:
        """Take the raw bytes where all have come already, as those of nearly every webhook; None: wait for them."""
        content = request.content
        if content.is_eof() and content.total_bytes <= self._body_bytes_max:
            return content.read_nowait()
        return None

    async def _awaited(self, request: web.Request) -> bytes | None:
        """Read the raw bytes as they come; None where there are too many."""
        length = request.content_length
        if length is not None and length > self._body_bytes_max:
            return None
        async with asyncio.timeout(_BODY_WAIT_S):
            if length is not None:
                return await request.read()
            return await _bounded(request.content, self._body_bytes_max)

    def _cors(self, request: web.Request) -> Mapping[str, str]:
        origin = request.headers.get("Origin")
        if origin is None or origin not in self._origins:
            return _NO_HEADERS
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def _count(self, provider: str, result: str) -> None:
        self._telemetry.deliveries[provider, result].inc()

    def _answer(self, provider: str, result: str, status: int, headers: Mapping[str, str]) -> web.Response:
        self._count(provider, result)
        return web.Response(status=status, headers=headers)


async def _bounded(content: StreamReader, bytes_max: int) -> bytes | None:
    """Read a body that does not tell its length, and stop at the limit."""
    parts = bytearray()
    async for part in content.iter_any():
        parts += part
        if len(parts) > bytes_max:
            return None
    return bytes(parts)
