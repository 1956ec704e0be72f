"""A small refund system for the demonstration and the tests: it verifies, remembers, and can misbehave."""

import asyncio
import binascii
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from qos_monitor.claims.message import shape_problems
from qos_monitor.claims.signing import ID, TOLERANCE_S, NotBelieved, believe, signed
from rules.span import Instant, format_instant

BODY_BYTES_MAX = 64 * 1024


class Misbehaviour(StrEnum):
    """What it can be told to do with the next claim instead of its duty."""

    ERROR = "error"
    """500, nothing kept."""
    BUSY = "busy"
    """429 with Retry-After of 120 s, nothing kept."""
    CONFLICT = "conflict"
    """409, nothing kept."""
    GONE = "gone"
    """410, nothing kept."""
    REFUSE = "refuse"
    """422, nothing kept."""
    REDIRECT = "redirect"
    """307 to itself, nothing kept."""
    HANG = "hang"
    """No answer, nothing kept, until it is closed."""
    FLOOD = "flood"
    """Keeps the claim and answers 200 with a body that does not end by itself."""
    LOSE_ANSWER = "lose_answer"
    """Keeps the claim and drops the connection before answering."""


@dataclass(slots=True)
class Received:
    """One claim as it came, with how often."""

    body: bytes
    headers: Mapping[str, str]
    count: int = 1
    status: str = "accepted"

    @property
    def message(self) -> dict[str, object]:
        """The claim itself."""
        message: dict[str, object] = json.loads(self.body)
        return message


class Receiver:
    """Takes claims at ``POST /claims`` and tells of them at ``GET /claims/{key}``.

    With ``now`` (a driven clock) the signature is checked at that instant, else the `standardwebhooks` library
    checks it by the machine's clock. ``problems`` checks the shape of a message; a test hands in a real JSON
    Schema validator. ``script`` is worked off, one misbehaviour per request, before it does its duty.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        now: Callable[[], Instant] | None = None,
        tolerance_s: int = TOLERANCE_S,
        problems: Callable[[bytes], Iterable[str]] = shape_problems,
    ) -> None:
        self.secrets = list(secrets)
        self.script: deque[Misbehaviour] = deque()
        self.received: dict[str, Received] = {}
        self.refused: list[str] = []
        """Why claims were not taken, in the order they came."""
        self._now = now
        self._tolerance_s = tolerance_s
        self._problems = problems
        self._closing = asyncio.Event()

    def app(self) -> web.Application:
        """Make the application that answers for it."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.add_routes([web.post("/claims", self.take), web.get("/claims/{key}", self.tell)])
        app.on_shutdown.append(self._close)
        return app

    async def _close(self, _app: web.Application) -> None:
        self._closing.set()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take one claim: 401 unsigned, 400 or 422 malformed, 409 same key with another body, 200 taken or known."""
        trick = self.script.popleft() if self.script else None
        if trick is not None and trick in _REFUSALS:
            status, headers = _REFUSALS[trick]
            return web.json_response({"misbehaviour": trick.value}, status=status, headers=headers)
        if trick is Misbehaviour.HANG:
            await self._closing.wait()
            return web.Response(status=503)
        body = await request.read()
        refusal = self._refusal(request.headers, body)
        if refusal is not None:
            self.refused.append(refusal[1])
            return web.json_response({"error": refusal[1]}, status=refusal[0])
        key = request.headers["Idempotency-Key"]
        known = self.received.get(key)
        if known is None:
            self.received[key] = Received(body, {name.lower(): value for name, value in request.headers.items()})
        else:
            known.count += 1
        if trick is Misbehaviour.LOSE_ANSWER:
            assert request.transport is not None  # noqa: S101 - the connection is open, we have just read from it
            request.transport.abort()
        if trick is Misbehaviour.FLOOD:
            return await self._flood(request)
        return web.json_response({"status": self.received[key].status, "repeat": known is not None})

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not self._closing.is_set():
            await response.write(b"x" * 65_536)
        return response

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str] | None:
        why = self._disbelief(headers, body)
        if why is not None:
            return 401, why
        key = headers.get("Idempotency-Key", "")
        problems = list(self._problems(body))
        if problems:
            return 422, "; ".join(problems[:5])
        if key != headers[ID] or key != json.loads(body)["claim_key"]:
            return 400, "Idempotency-Key, webhook-id and claim_key are not the same"
        known = self.received.get(key)
        if known is not None and known.body != body:
            return 409, "another body came under this key before"
        return None

    def _disbelief(self, headers: Mapping[str, str], body: bytes) -> str | None:
        if self._now is not None:
            try:
                believe(self.secrets, headers, body, self._now(), self._tolerance_s)
            except NotBelieved as error:
                return error.reason
            return None
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError, binascii.Error):
                continue
            return None
        return "signature"

    async def tell(self, request: web.Request) -> web.Response:
        """Tell where a claim stands: 401 unsigned, 404 never heard of."""
        why = self._disbelief(request.headers, b"")
        if why is not None:
            return web.json_response({"error": why}, status=401)
        known = self.received.get(request.match_info["key"])
        if known is None:
            return web.json_response({"error": "never heard of it"}, status=404)
        return web.json_response({"status": known.status})


_REFUSALS: Mapping[Misbehaviour, tuple[int, dict[str, str]]] = {
    Misbehaviour.ERROR: (500, {}),
    Misbehaviour.BUSY: (429, {"Retry-After": "120"}),
    Misbehaviour.CONFLICT: (409, {}),
    Misbehaviour.GONE: (410, {}),
    Misbehaviour.REFUSE: (422, {}),
    Misbehaviour.REDIRECT: (307, {"Location": "/claims"}),
}


async def report(
    session: aiohttp.ClientSession,
    url: str,
    secrets: Sequence[str],
    said: Mapping[str, str],
    now: Instant,
) -> int:
    """Tell the service what became of a claim, signed; ``url`` is its ``/v1/claims/{key}/status``.

    ``said`` holds `status` and perhaps `reason`. The same report always has the same `webhook-id`. Gives the
    status of the answer.
    """
    body = json.dumps({"at": format_instant(now), **said}).encode()
    about = f"{url} {said['status']}".encode()
    headers = signed(secrets, f"status_{hashlib.sha256(about).hexdigest()[:32]}", body, now)
    headers["Content-Type"] = "application/json"
    async with session.post(url, data=body, headers=headers) as response:
        await response.read()
        return response.status
