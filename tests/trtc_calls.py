"""A fake of TRTC's statistics that behaves as the documented one: signatures, pages, spans, retention, bad days."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agora_analytics import Misdeed
from aiohttp import web
from service_parts import SetClock

from qos_monitor.polling.tc3 import Tc3
from rules.span import DAY, HOUR, SECOND, Instant

KEY = ("AKIDexample", "a-secret-nobody-guesses")
APP_ID = 1_400_000_001
CALL = f"{APP_ID}_r1_1793620800"

Row = dict[str, object]
SPANS: Mapping[str, int] = {
    "DescribeRoomInfo": 24 * HOUR,
    "DescribeUserInfo": 4 * HOUR,
    "DescribeCallDetailInfo": HOUR,
    "DescribeUnusualEvent": HOUR,
}


@dataclass
class FakeTrtc:
    """One application with the dashboard's standard version."""

    clock: SetClock
    rooms: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    events: dict[str, list[Row]] = field(default_factory=dict)
    series: list[Row] = field(default_factory=list)
    unusual: list[Row] = field(default_factory=list)
    kept_ms: int = 7 * DAY
    per_second: int = 20
    page_size_max: int = 100
    misdeeds: list[Misdeed] = field(default_factory=list)
    asked: list[tuple[str, Row]] = field(default_factory=list)
    _seconds: Counter[tuple[str, int]] = field(default_factory=Counter)

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application()
        app.router.add_post("/", self.take)
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Misbehave if told to; otherwise check the signature, the limits, and answer."""
        body, action = await request.read(), request.headers.get("X-TC-Action", "")
        given = json.loads(body)
        self.asked.append((action, given))
        if self.misdeeds:
            return await self.misdeeds.pop(0)(request)
        if problem := self._refused(request, body) or self._over_limit(action, given):
            return failed(problem)
        answers = {
            "DescribeRoomInfo": self._rooms,
            "DescribeUserInfo": self._users,
            "DescribeUserEvent": self._events,
            "DescribeCallDetailInfo": self._series,
            "DescribeUnusualEvent": self._unusual,
        }
        if action not in answers:
            return failed("InvalidAction")
        return web.json_response({"Response": {**answers[action](given), "RequestId": "r-1"}})

    def _refused(self, request: web.Request, body: bytes) -> str | None:
        at_s = int(request.headers.get("X-TC-Timestamp", "0"))
        if abs(self.clock.now() // SECOND - at_s) > 300:
            return "AuthFailure.SignatureExpire"
        signer = Tc3(*KEY, "ap-guangzhou")
        if request.headers.get("Authorization") != signer.signed(request.headers["Host"], body, at_s):
            return "AuthFailure.SignatureFailure"
        return None if request.headers.get("X-TC-Version") == "2019-07-22" else "NoSuchVersion"

    def _over_limit(self, action: str, given: Row) -> str | None:
        now, start, end = self.clock.now(), int(str(given["StartTime"])), int(str(given["EndTime"]))
        self._seconds[action, now // SECOND] += 1
        if self._seconds[action, now // SECOND] > self.per_second:
            return "RequestLimitExceeded"
        if given["SdkAppId"] != APP_ID:
            return "UnauthorizedOperation.SdkAppId"
        if start * SECOND < now - self.kept_ms:
            return "InvalidParameter.StartTimeExpire"
        if (end - start) * SECOND > SPANS.get(action, DAY):
            return "InvalidParameter.QueryScaleOversize"
        if action == "DescribeCallDetailInfo" and len(list(given["UserIds"])) > 6:  # type: ignore[call-overload]  # a list
            return "InvalidParameter.UserIdsMorethanSix"
        return None

    def _rooms(self, given: Row) -> Row:
        return self._page("RoomList", [row for row in self.rooms if row["RoomString"] == given["RoomId"]], given)

    def _users(self, given: Row) -> Row:
        return self._page("UserList", self.users, given)

    def _page(self, key: str, rows: list[Row], given: Row) -> Row:
        number, size = int(str(given["PageNumber"])), min(int(str(given["PageSize"])), self.page_size_max)
        shown = rows[number * size : (number + 1) * size]
        return {"Total": len(shown), key: shown}

    def _events(self, given: Row) -> Row:
        return {"Data": self.events.get(str(given["UserId"]), [])}

    def _series(self, given: Row) -> Row:
        start, end = int(str(given["StartTime"])), int(str(given["EndTime"]))
        found = [
            {**row, "Content": [one for one in row["Content"] if start <= one["Time"] <= end]}  # type: ignore[attr-defined]  # a list
            for row in self.series
            if row["UserId"] in given["UserIds"] and row["DataType"] in given["DataType"]  # type: ignore[operator]  # lists
        ]
        return {"Total": 1, "UserList": None, "Data": found or None}

    def _unusual(self, given: Row) -> Row:
        start, end = int(str(given["StartTime"])), int(str(given["EndTime"]))
        found = [row for row in self.unusual if start <= int(str(row["EventTime"])) < end]
        return {"Total": len(found), "AbnormalExperienceList": found[:20]}


def failed(code: str) -> web.Response:
    """Complain as Tencent Cloud does: with 200."""
    error = {"Code": code, "Message": "words that may change"}
    return web.json_response({"Response": {"Error": error, "RequestId": "r-1"}})


def room(created: Instant, ended: Instant | None) -> Row:
    """Build one call of the room."""
    destroyed = (ended or created) // SECOND
    return {
        "CommId": CALL,
        "RoomString": "r1",
        "CreateTime": created // SECOND,
        "DestroyTime": destroyed,
        "IsFinished": ended is not None,
        "UserId": "t1",
    }


def user(name: str, joined: Instant, left: Instant, **more: object) -> Row:
    """Build one stay."""
    return {
        "RoomStr": "r1",
        "UserId": name,
        "JoinTs": joined // SECOND,
        "LeaveTs": left // SECOND,
        "DeviceType": "Android",
        "SdkVersion": "12.1",
        "ClientIp": "192.0.2.1",
        "Finished": True,
        **more,
    }


def events(*told: tuple[int, int, Instant]) -> list[Row]:
    """Build a user's own events: id, first parameter, when."""
    content = [{"Type": 0, "Time": at, "EventId": event, "ParamOne": one, "ParamTwo": -1} for event, one, at in told]
    return [{"PeerId": "", "Content": content}]


def series(kind: str, name: str, peer: str, start: Instant, values: Sequence[float]) -> Row:
    """Build one series of a user, in steps of 2 s."""
    content = [{"Time": start // SECOND + 2 * n, "Value": value} for n, value in enumerate(values)]
    return {"UserId": name, "PeerId": peer, "DataType": kind, "Content": content}


def experience(number: int, name: str, at: Instant, *causes: int) -> Row:
    """Build one odd experience with its causes."""
    listed = [{"AbnormalEventId": cause, "PeerId": ""} for cause in causes]
    return {
        "UserId": name,
        "ExperienceId": number,
        "RoomId": "r1",
        "EventTime": at // SECOND,
        "AbnormalEventList": listed,
    }
