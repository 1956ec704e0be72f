"""A fake Agora Analytics that behaves as the documented one: paging, delays, limits, its faults, and bad days."""

import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from qos_monitor.clock import Clock
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

KEY = ("customer", "a-secret-nobody-guesses")
APP_ID = "the-app"

Misdeed = Callable[[web.Request], Awaitable[web.StreamResponse]]
Row = dict[str, object]


@dataclass
class FakeAnalytics:
    """One project, on the Standard plan unless it is told otherwise."""

    clock: Clock
    sessions: list[Row] = field(default_factory=list)
    series: dict[str, list[Row]] = field(default_factory=dict)
    per_second: int = 1
    per_day: int = 1_000
    kept_ms: int = DAY
    delay_ms: int = 300 * SECOND
    spans_ms: tuple[int, int] = (8 * HOUR, HOUR)
    code: int = 200
    message: str | None = ""
    misdeeds: list[Misdeed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _seconds: Counter[int] = field(default_factory=Counter)

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application()
        app.router.add_get("/beta/analytics/call/{endpoint}", self.take)
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Misbehave if told to; otherwise check the key, the limits, and answer."""
        self.asked.append(f"{request.match_info['endpoint']}?{request.query_string}")
        if self.misdeeds:
            return await self.misdeeds.pop(0)(request)
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(':'.join(KEY).encode()).decode()}":
            return web.json_response({"code": 401, "message": "Unauthorized"}, status=401)
        if problem := self._over_limit(request):
            return web.json_response({"code": 300, "message": problem})
        answers = {"lists": self._lists, "sessions": self._sessions, "metrics": self._metrics}
        rows = answers[request.match_info["endpoint"]](request)
        return web.json_response({"code": self.code, "message": self.message, "requestId": "r1", **rows})

    def _over_limit(self, request: web.Request) -> str | None:
        now, endpoint = self.clock.now(), request.match_info["endpoint"]
        start, end = (int(request.query[name]) * SECOND for name in ("start_ts", "end_ts"))
        self._seconds[now // SECOND] += 1
        problems = {
            "qps limit error": self._seconds[now // SECOND] > self.per_second,
            "qpd limit error": len(self.asked) > self.per_day,
            "query latency limit error": end > now - (MINUTE if endpoint == "lists" else self.delay_ms),
            "query time range limit error": start < now - self.kept_ms,
            "query time length limit error": end - start > self.spans_ms[endpoint != "lists"],
        }
        return next((problem for problem, is_so in problems.items() if is_so), None)

    def _lists(self, request: web.Request) -> Row:
        names = sorted({str(row["cname"]) for row in self.sessions if row["cname"] == request.query["cname"]})
        calls = [
            {"call_id": f"call-{name}", "cname": name, "created_ts": 0, "destroyed_ts": 0, "finished": False}
            for name in names
        ]
        return {"has_more": False, "call_lists": calls}

    def _sessions(self, request: web.Request) -> Row:
        start, end = int(request.query["start_ts"]), int(request.query["end_ts"])
        found = [
            row
            for row in self.sessions
            if f"call-{row['cname']}" == request.query["call_id"]
            and int(str(row["join_ts"])) < end
            and int(str(row["leave_ts"])) >= start
        ]
        page, size = int(request.query["page_no"]), int(request.query["page_size"])
        shown = found[(page - 1) * size : page * size]
        return {"total_size": len(found), "page_no": page, "page_size": size, "call_info": shown}

    def _metrics(self, request: web.Request) -> Row:
        start, end = int(request.query["start_ts"]), int(request.query["end_ts"])
        sids = request.query["sids"].split(",")
        if len(sids) > 20:
            return {"code": 400, "message": "too many sids"}
        rows = []
        for sid in sids:
            data = [{**one, "kvs": _within(one["kvs"], start, end)} for one in self.series.get(sid, ())]
            rows.append({"sid": sid, "data": data})
        return {"metrics": rows}


def _within(kvs: object, start: int, end: int) -> object:
    return [pair for pair in kvs if start <= pair[0] <= end] if isinstance(kvs, list) else kvs


def session(sid: str, joined: Instant, left: Instant, uid: int, account: str | None, **more: object) -> Row:
    """Build one row of call/sessions."""
    return {
        "sid": sid,
        "cname": "r1",
        "uid": uid,
        "account": account,
        "network": "Wi-Fi",
        "platform": "Android",
        "roles": ["SPEAKER"],
        "sdk_version": "4.5.0",
        "join_ts": joined // SECOND,
        "leave_ts": left // SECOND,
        "finished": True,
        "user_audio_freeze_rate": 0.01,
        "user_video_freeze_rate": 0.03,
        **more,
    }


def series(mid: int, peer_uid: int, start: Instant, values: Sequence[float]) -> Row:
    """Build one series of call/metrics, in steps of 2 s."""
    return {
        "mid": mid,
        "peer_uid": peer_uid,
        "kvs": [[start // SECOND + 2 * n, value] for n, value in enumerate(values)],
    }


def answers(status: int, body: str = "", **headers: str) -> Misdeed:
    """Answer once with this."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, text=body, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return answer


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Close the connection in the middle of the answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"code"')
    assert request.transport is not None
    request.transport.close()
    return response
