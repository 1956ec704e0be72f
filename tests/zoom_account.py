"""A fake Zoom account that behaves as the documented one: tokens, paging, delays, limits, plans, and bad days."""

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from agora_analytics import Misdeed
from aiohttp import web
from service_parts import SetClock

from rules.span import HOUR, MINUTE, SECOND, Instant, format_instant

ACCOUNT = ("the-account", "the-client", "a-secret-nobody-guesses")
NUMBER = "93201235621"
TOKEN_LASTS = HOUR
PAGE_TOKEN_LASTS = 15 * MINUTE

Row = dict[str, object]


@dataclass
class Holding:
    """One meeting that was held under the number."""

    uuid: str
    began: Instant
    ended: Instant
    people: list[Row] = field(default_factory=list)


@dataclass
class FakeZoom:
    """One account, with the dashboard unless its plan is too small."""

    clock: SetClock
    holdings: list[Holding] = field(default_factory=list)
    has_dashboard: bool = True
    per_second: int = 40
    per_day: int = 60_000
    ready_after: int = MINUTE
    page_size_max: int = 300
    misdeeds: list[Misdeed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens_given: int = 0
    _token: tuple[str, Instant] = ("", 0)
    _pages: dict[str, tuple[int, Instant]] = field(default_factory=dict)
    _seconds: Counter[int] = field(default_factory=Counter)

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application()
        app.router.add_post("/oauth/token", self.give_token)
        app.router.add_get("/v2/{rest:.*}", self.take)
        return app

    async def give_token(self, request: web.Request) -> web.Response:
        """Give a token for an hour; the one before is believed no more."""
        account_id, client_id, secret = ACCOUNT
        wanted = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            return web.json_response(
                {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}, status=400
            )
        if dict(request.query) != {"grant_type": "account_credentials", "account_id": account_id}:
            return web.json_response(
                {"reason": "unsupported grant type", "error": "unsupported_grant_type"}, status=400
            )
        self.tokens_given += 1
        self._token = (f"token-{self.tokens_given}", self.clock.now() + TOKEN_LASTS)
        told = {"access_token": self._token[0], "token_type": "bearer", "expires_in": TOKEN_LASTS // SECOND}
        return web.json_response(told | {"scope": "report:read:admin dashboard_meetings:read:admin"})

    def revoke(self) -> None:
        """Give somebody else a token."""
        self._token = ("somebody else's", self._token[1])

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Misbehave if told to; otherwise check the token, the limits, and answer."""
        parts = request.rel_url.raw_path.removeprefix("/v2/").split("/")
        self.asked.append(f"{request.rel_url.raw_path.removeprefix('/v2')}?{request.query_string}")
        if self.misdeeds:
            return await self.misdeeds.pop(0)(request)
        token, until = self._token
        if request.headers.get("Authorization") != f"Bearer {token}" or self.clock.now() >= until:
            return complaint(401, 124, "Invalid access token.")
        if problem := self._over_limit():
            return problem
        if parts[:2] == ["metrics", "meetings"] and not self.has_dashboard:
            return complaint(400, 200, "Only available for paid account and enabled Dashboard feature.")
        return self._answered(parts, request)

    def _over_limit(self) -> web.Response | None:
        second = self.clock.now() // SECOND
        self._seconds[second] += 1
        if len(self.asked) > self.per_day:
            words = "You have reached the maximum daily rate limit for this API. Refer to the response header."
            return complaint(429, 429, words, **{"X-RateLimit-Category": "Heavy", "X-RateLimit-Type": "Daily-limit"})
        if self._seconds[second] > self.per_second:
            words = "You have reached the maximum per-second rate limit for this API. Try again later."
            return complaint(429, 429, words, **{"X-RateLimit-Category": "Heavy", "X-RateLimit-Type": "QPS"})
        return None

    def _answered(self, parts: list[str], request: web.Request) -> web.Response:
        match parts:
            case ["past_meetings", number, "instances"]:
                return self._instances(number)
            case ["metrics", "meetings"]:
                return web.json_response({"meetings": [], "next_page_token": "", "total_records": 0})
            case ["report", "users"]:
                return web.json_response({"users": [], "next_page_token": "", "total_records": 0})
            case ["report", "meetings", segment, "participants"]:
                return self._people(segment, request, _of_report)
            case ["metrics", "meetings", segment, "participants"]:
                return self._people(segment, request, _of_dashboard)
            case ["metrics", "meetings", segment, "participants", "qos"]:
                return self._people(segment, request, _of_qos)
        return complaint(404, 2300, "This API endpoint is not recognized.")

    def _instances(self, number: str) -> web.Response:
        over = [one for one in self.holdings if one.ended <= self.clock.now()] if number == NUMBER else []
        return web.json_response(
            {"meetings": [{"uuid": one.uuid, "start_time": format_instant(one.began)} for one in over]}
        )

    def _people(self, segment: str, request: web.Request, told: Callable[[Row], Row]) -> web.Response:
        found = next((one for one in self.holdings if is_named(segment, one.uuid)), None)
        if found is None or self.clock.now() < found.ended + self.ready_after:
            return complaint(404, 3001, "Meeting ID is invalid or not end.")
        if ("metrics" in request.path) and (request.query["type"] == "pastOne") != (len(found.people) == 1):
            return complaint(404, 3001, "This meeting's details info is not available or ID is not valid.")
        page_token, first = request.query.get("next_page_token", ""), 0
        if page_token:
            first, until = self._pages.get(page_token, (0, 0))
            if self.clock.now() >= until:
                return complaint(400, 300, "The next page token is invalid or expired.")
        size = min(int(request.query["page_size"]), self.page_size_max, 10 if segment_of_qos(request) else 300)
        shown, more = found.people[first : first + size], first + size < len(found.people)
        following = f"page{len(self._pages)}" if more else ""
        if more:
            self._pages[following] = (first + size, self.clock.now() + PAGE_TOKEN_LASTS)
        return web.json_response(
            {"next_page_token": following, "page_size": size, "participants": [told(row) for row in shown]}
        )


def segment_of_qos(request: web.Request) -> bool:
    """Say whether the list of measurements is asked for."""
    return request.path.endswith("/qos")


def is_named(segment: str, uuid: str) -> bool:
    """Say whether this is how a path must name the meeting: encoded twice where once is not enough."""
    once = unquote(segment)
    needs_two = uuid.startswith("/") or "//" in uuid
    return unquote(once) == uuid and once != uuid if needs_two else once == uuid


def complaint(status: int, code: int, message: str, **headers: str) -> web.Response:
    """Complain as Zoom does."""
    return web.json_response({"code": code, "message": message}, status=status, headers=headers)


def person(name: str, joined: Instant, left: Instant, **more: object) -> Row:
    """Build one coming of somebody whose app gave a customer key."""
    return {
        "user_id": str(16_778_240 + sum(map(ord, name))),
        "participant_uuid": f"PU-{name}",
        "user_name": "Jill Chill",
        "id": "",
        "customer_key": name,
        "join_time": format_instant(joined),
        "leave_time": format_instant(left),
        "leave_reason": "Jill Chill left the meeting.",
        "data_center": "United States (SC Top)",
        "os": "iOS",
        "version": "5.9.1.2581",
        **more,
    }


def minute(at: Instant, loss: str, **more: object) -> Row:
    """Build what one minute that ends then measured."""
    received = {"bitrate": "27.15 kbps", "latency": "126 ms", "jitter": "0 ms", "avg_loss": loss, "max_loss": "9.9%"}
    return {"date_time": format_instant(at), "audio_output": received, **more}


def _of_dashboard(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "user_qos"}


def _of_report(row: Row) -> Row:
    kept = ("id", "user_id", "customer_key", "registrant_id", "join_time", "leave_time")
    return {key: row[key] for key in kept if key in row} | {"name": "Jill Chill", "status": "in_meeting"}


def _of_qos(row: Row) -> Row:
    kept = ("id", "user_id", "user_name", "join_time", "leave_time", "user_qos")
    return {"user_qos": []} | {key: row[key] for key in kept if key in row}
