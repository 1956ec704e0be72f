"""A fake LiveKit server whose ListParticipants behaves as the real one: tokens, Twirp's errors, who is there now."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import jwt
from aiohttp import web
from google.protobuf.json_format import MessageToJson
from livekit.protocol.models import ParticipantInfo, ParticipantPermission
from livekit.protocol.room import ListParticipantsResponse
from service_parts import SetClock

from rules.span import SECOND, Instant

KEY, SECRET = "APIpolls", "a-livekit-secret-of-more-than-thirty-two-bytes"
PATH = "/twirp/livekit.RoomService/ListParticipants"

Misdeed = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Guest:
    """Somebody in a room, from when until when; None is still there."""

    sid: str
    identity: str
    joined: Instant
    left: Instant | None = None
    kind: ParticipantInfo.Kind = ParticipantInfo.Kind.STANDARD
    state: ParticipantInfo.State = ParticipantInfo.State.ACTIVE
    recorder: bool = False

    def info(self) -> ParticipantInfo:
        """Write it as the server's store has it."""
        return ParticipantInfo(
            sid=self.sid,
            identity=self.identity,
            state=self.state,
            kind=self.kind,
            joined_at=self.joined // SECOND,
            joined_at_ms=self.joined,
            region="ap-south-1",
            permission=ParticipantPermission(can_subscribe=True, recorder=self.recorder),
        )


@dataclass
class FakeLiveKit:
    """One server. Rooms nobody was ever in are answered as not found, as LiveKit Cloud does."""

    clock: SetClock
    rooms: dict[str, list[Guest]] = field(default_factory=dict)
    misdeeds: list[Misdeed] = field(default_factory=list)
    is_down: bool = False
    asked: list[tuple[str, Instant]] = field(default_factory=list)

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application()
        app.router.add_post(PATH, self.take)
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Misbehave if told to; otherwise check the token, and answer who is there."""
        room = (await request.json())["room"]
        self.asked.append((room, self.clock.now()))
        if self.misdeeds:
            return await self.misdeeds.pop(0)(request)
        if self.is_down:
            return web.Response(status=503, text="upstream connect error")
        if (problem := self._refusal(request, room)) is not None:
            return problem
        if room not in self.rooms:
            return twirp(404, "not_found", "requested room does not exist")
        now = self.clock.now()
        there = [one for one in self.rooms[room] if one.joined <= now and (one.left is None or now < one.left)]
        answer = ListParticipantsResponse(participants=[one.info() for one in there])
        text = MessageToJson(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        return web.Response(text=text, content_type="application/json")

    def _refusal(self, request: web.Request, room: str) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:  # its times by our clock, not the machine's
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})
        except jwt.PyJWTError:
            return web.Response(status=401, text="invalid authorization token")
        now_s = self.clock.now() // SECOND
        if scheme != "Bearer" or claims["iss"] != KEY or not claims["nbf"] <= now_s < claims["exp"]:
            return web.Response(status=401, text="invalid authorization token")
        grants = claims["video"]
        if not grants.get("roomAdmin") or grants.get("room") != room:
            return twirp(403, "permission_denied", "permissions denied")
        return None


def twirp(status: int, code: str, message: str = "", **headers: str) -> web.Response:
    """Answer as Twirp does where something is wrong."""
    text = json.dumps({"code": code, "msg": message})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=text, content_type="application/json", headers=named)


def wrong(status: int, code: str, **headers: str) -> Misdeed:
    """Go wrong once in Twirp's way."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return twirp(status, code, **headers)

    return answer
