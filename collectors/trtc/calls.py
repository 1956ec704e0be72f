"""What TRTC's statistics are asked for a class, in which order, and what the answers mean; README.md has the facts."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from collectors.body import Object, inner, parsed, seconds, short_text, whole
from collectors.contract import Unreadable
from collectors.polls import Limits, Request, Said, Sitting
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

READER: str = "trtc-stats"
VERSION: str = "2019-07-22"
ROOMS, USERS, EVENTS = "DescribeRoomInfo", "DescribeUserInfo", "DescribeUserEvent"
QUALITY, UNUSUAL = "DescribeCallDetailInfo", "DescribeUnusualEvent"

ROWS: Mapping[str, str] = MappingProxyType(
    {ROOMS: "RoomList", USERS: "UserList", EVENTS: "Data", QUALITY: "Data", UNUSUAL: "AbnormalExperienceList"}
)
"""Where the rows of an answer are; null is none."""

EARLY: int = 15 * MINUTE
"""How long before a class its room is looked at: the join window (SPEC 1)."""

SPANS: Mapping[str, int] = MappingProxyType(
    {ROOMS: 24 * HOUR, USERS: 4 * HOUR, EVENTS: 24 * HOUR, QUALITY: HOUR, UNUSUAL: HOUR}
)
"""The longest span one question may be about."""

PAGE_SIZE: int = 100
USERS_MAX: int = 6
"""So many users' series come in one answer."""
PAGES_MAX: int = 50
"""Of a class with more pages, 5,000 users, the rest is not asked for."""

SERIES: tuple[str, ...] = ("aBlock", "bigvBlock", "aLoss", "bigvLoss", "rtt")

PLANS: Mapping[str, Limits | None] = MappingProxyType(
    {
        "free": None,  # since 2024-04-01 these interfaces are paid for
        "standard": Limits(20, 1_000_000, 7 * DAY, 10 * MINUTE),
        "advanced": Limits(20, 1_000_000, 14 * DAY, 10 * MINUTE),
    }
)
"""By the version of the monitoring dashboard; 20 requests a second and interface, no count by day is documented."""

ERRORS: tuple[tuple[str, Said], ...] = (
    ("RequestLimitExceeded", Said.TOO_FAST),
    ("LimitExceeded", Said.TOO_FAST),
    ("OperationDenied.FreqOverLimit", Said.TOO_FAST),
    ("FailedOperation.RestrictedFrequency", Said.TOO_FAST),
    ("FailedOperation.RestrictedConcurrency", Said.TOO_FAST),
    ("FailedOperation.NotAbility", Said.REFUSED),
    ("FailedOperation.NotAllowed", Said.REFUSED),
    ("FailedOperation.SdkAppId", Said.REFUSED),  # does not exist, or is another account's
    ("FailedOperation.RoomNotExist", Said.NOT_READY),
    ("FailedOperation", Said.UNAVAILABLE),
    ("ResourceNotFound", Said.NOT_READY),
    ("InvalidParameter.StartTimeExpire", Said.GONE),
    ("InvalidParameter.StartTimeOversize", Said.GONE),
    ("InvalidParameter.StartTsOversize", Said.GONE),
    ("InvalidParameter.SdkAppId", Said.REFUSED),
    ("AuthFailure", Said.REFUSED),
    ("UnauthorizedOperation", Said.REFUSED),
    ("UnsupportedOperation", Said.REFUSED),
    ("InternalError", Said.UNAVAILABLE),
    ("ResourceUnavailable", Said.UNAVAILABLE),
    ("ResourceInsufficient", Said.UNAVAILABLE),
    ("ServiceUnavailable", Said.UNAVAILABLE),
)
"""What ``Response.Error.Code`` means, by its beginning: the first row that fits; any other is broken."""


@dataclass(frozen=True, slots=True)
class TrtcStatistics:
    """Asks for a room's calls, who was in each, what happened to each user, and what each one received."""

    sdk_app_id: int
    limits: Limits

    @property
    def provider(self) -> str:
        """The provider as classes name it."""
        return "trtc"

    @property
    def reader(self) -> str:
        """The provider under which answers are stored."""
        return READER

    def next(self, sitting: Sitting, progress: str, now: Instant) -> Request | None:
        """Say what to ask next: calls, users page by page, each user's events, series of six users, odd events."""
        known = _read(progress)
        request = next(self._left(sitting, known, now), None)
        return None if request is None else self._with_alive(sitting, known, request)

    def said(self, status: int, body: bytes) -> Said:
        """Say what an answer means: the HTTP status, then the error's code, then whether there are rows."""
        if status in {401, 403}:
            return Said.REFUSED
        if status == 429:
            return Said.TOO_FAST
        if status >= 500:
            return Said.UNAVAILABLE
        try:
            answer = response(body)
        except Unreadable:
            return Said.BROKEN
        if "Error" in answer:
            code = str(inner(answer["Error"]).get("Code"))
            return next((said for start, said in ERRORS if code.startswith(start)), Said.BROKEN)
        return Said.GOOD if status == 200 and any(key in answer for key in ROWS.values()) else Said.BROKEN

    def after(self, sitting: Sitting, progress: str, request: Request, body: bytes) -> str:
        """Give the progress after a good answer: what was asked is done, and what it named is to be asked."""
        known, answer, asked = _read(progress), response(body), parsed(request.asked.encode())
        endpoint, stem, page = str(asked["endpoint"]), str(asked["stem"]), whole(asked["page"], 0, PAGES_MAX) or 0
        calls, users, pages = (dict(inner(known.get(key))) for key in ("calls", "users", "pages"))
        done = _done(known)
        if endpoint == ROOMS:
            calls |= named_calls(answer, sitting)
        elif endpoint == USERS:
            call = str(asked["call"])
            users[call] = _joined(inner(users.get(call)), answer)
        if has_more(endpoint, answer, page):
            pages[stem] = page + 1
        else:
            pages.pop(stem, None)
            done.append(stem)
        return _text({"done": done, "calls": calls, "users": users, "pages": pages})

    def probe(self, now: Instant) -> Request:
        """Ask for the calls of a room that nobody has, of the last hour."""
        given = {"RoomId": "qos-monitor-check", "PageNumber": 0, "PageSize": 1}
        return self._request(ROOMS, (now - HOUR, now), "check", given, {"page": 0})

    def _with_alive(self, sitting: Sitting, known: Object, request: Request) -> Request:
        """Add for which span the feed was alive: where no call is named, or once the last users are told."""
        asked = parsed(request.asked.encode())
        is_last = asked["endpoint"] == USERS and self._users_left(sitting, known) == 1
        if asked["endpoint"] != ROOMS and not is_last:
            return request
        return replace(request, asked=_text(asked | {"alive": [sitting.starts_at - EARLY, sitting.ends_at]}))

    def _users_left(self, sitting: Sitting, known: Object) -> int:
        done = set(_done(known))
        return sum(str(parsed(one.asked.encode())["stem"]) not in done for one in self._users(sitting, known))

    def _left(self, sitting: Sitting, known: Object, now: Instant) -> Iterator[Request]:
        done = set(_done(known))
        if f"{ROOMS}:{sitting.room_id}" not in done:
            yield self._rooms(sitting, known, now)
        for step in (self._users, self._events, self._quality, self._unusual):
            for request in step(sitting, known):
                if str(parsed(request.asked.encode())["stem"]) not in done:
                    yield request

    def _rooms(self, sitting: Sitting, known: Object, now: Instant) -> Request:
        """Look back a whole day while that is kept: it is not said whether a call begun before the span is listed."""
        given = {"RoomId": sitting.room_id, "PageSize": PAGE_SIZE}
        start = sitting.ends_at - SPANS[ROOMS]
        if start < now - self.limits.kept_ms + HOUR:
            start = sitting.starts_at - EARLY
        asked = self._asked(sitting, known, ROOMS, sitting.room_id)
        return self._request(ROOMS, (start, sitting.ends_at), sitting.room_id, given, asked)

    def _users(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        for call, start, end in _pieces(sitting, known, SPANS[USERS]):
            asked = self._asked(sitting, known, USERS, f"{call}:{start}") | {"call": call, "span": [start, end]}
            yield self._request(USERS, (start, end), f"{call}:{start}", {"CommId": call, "PageSize": PAGE_SIZE}, asked)

    def _events(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        for call, start, end in _pieces(sitting, known, SPANS[EVENTS]):
            for user, stays in inner(inner(known.get("users")).get(call)).items():
                name = f"{call}:{start}:{_digest(user)}"
                given = {"CommId": call, "UserId": user, "RoomId": sitting.room_id}
                asked = self._asked(sitting, known, EVENTS, name)
                asked |= {"call": call, "user": user, "stays": stays, "span": [start, end]}
                yield self._request(EVENTS, (start, end), name, given, asked)

    def _quality(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        for call, start, end in _pieces(sitting, known, SPANS[QUALITY]):
            users = inner(inner(known.get("users")).get(call))
            present = sorted(user for user, stays in users.items() if _was_in(stays, start, end))
            for first in range(0, len(present), USERS_MAX):
                some = present[first : first + USERS_MAX]
                name = f"{call}:{start}:{_digest(*some)}"
                given = {"CommId": call, "UserIds": some, "DataType": list(SERIES), "PageSize": USERS_MAX}
                asked = self._asked(sitting, known, QUALITY, name)
                asked |= {"call": call, "users": some, "teacher": sitting.teacher_id, "span": [start, end]}
                yield self._request(QUALITY, (start, end), name, given, asked)

    def _unusual(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        start = sitting.starts_at - EARLY
        while start < sitting.ends_at:
            end = min(start + SPANS[UNUSUAL], sitting.ends_at)
            name = f"{sitting.room_id}:{start}"
            asked = self._asked(sitting, known, UNUSUAL, name) | {"span": [start, end], "stays": _everybody(known)}
            yield self._request(UNUSUAL, (start, end), name, {"RoomId": sitting.room_id}, asked)
            start = end

    def _asked(self, sitting: Sitting, known: Object, endpoint: str, name: str) -> dict[str, object]:
        stem = f"{endpoint}:{name}"
        page = whole(inner(known.get("pages")).get(stem), 0, PAGES_MAX) or 0
        span = [sitting.starts_at, sitting.ends_at]
        return {"room": sitting.room_id, "stem": stem, "page": page, "class": span}

    def _request(
        self,
        endpoint: str,
        span: tuple[Instant, Instant],
        name: str,
        given: Mapping[str, object],
        asked: Mapping[str, object],
    ) -> Request:
        times = {"StartTime": span[0] // SECOND, "EndTime": span[1] // SECOND}
        body = {"SdkAppId": self.sdk_app_id, **times, **given}
        if "PageSize" in given:
            body["PageNumber"] = asked["page"]
        title = f"{endpoint}:{name}:{span[0] // SECOND}#{asked['page']}"
        kept = _text({**asked, "endpoint": endpoint})
        return Request("/", {}, title, span[0], kept, method="POST", body=_text(body).encode())


def statistics(sdk_app_id: int, plan: str) -> TrtcStatistics | None:
    """Make the statistics of an application; None for a plan that has none. Raises KeyError for an unknown plan."""
    limits = PLANS[plan]
    return None if limits is None else TrtcStatistics(sdk_app_id, limits)


def action_of(request: Request) -> str:
    """Name the interface that a request is for; Tencent wants it in a header."""
    return str(parsed(request.asked.encode()).get("endpoint"))


def response(body: bytes) -> Object:
    """Take what is inside ``Response``; a body that has none is it itself. Raises Unreadable."""
    answer = parsed(body)
    return inner(answer["Response"]) if "Response" in answer else answer


def rows(endpoint: str, answer: Object) -> list[Object]:
    """Take the rows of an answer, whatever else it holds."""
    given = answer.get(ROWS[endpoint])
    return [inner(row) for row in given] if isinstance(given, list) else []


def has_more(endpoint: str, answer: Object, page: int) -> bool:
    """Say whether there is a next page: a full one has one, for ``Total`` may be the page's own number."""
    is_full = endpoint in {ROOMS, USERS} and len(rows(endpoint, answer)) >= PAGE_SIZE
    return is_full and page + 1 < PAGES_MAX


def named_calls(answer: Object, sitting: Sitting) -> Object:
    """Name the calls that were while the class was, each with when it began and ended."""
    calls: Object = {}
    for row in rows(ROOMS, answer):
        call, created = short_text(row.get("CommId")), seconds(row.get("CreateTime")) or 0
        ended = seconds(row.get("DestroyTime")) if row.get("IsFinished") is True else None
        is_ours = str(row.get("RoomString", sitting.room_id)) == sitting.room_id
        is_then = created < sitting.ends_at and (ended is None or ended >= sitting.starts_at - EARLY)
        if call is not None and is_ours and is_then:
            calls[call] = [created, ended]
    return calls


def _joined(users: Object, answer: Object) -> Object:
    """Add the stays of a page to those known; one that a later span tells again, perhaps over by then, is one."""
    stays: dict[str, dict[Instant, Instant | None]] = {}
    for known_user, known in users.items():
        stays[known_user] = dict(known) if isinstance(known, list) else {}
    for row in rows(USERS, answer):
        user, joined = short_text(row.get("UserId")), seconds(row.get("JoinTs"))
        if user is not None and joined is not None:
            left = seconds(row.get("LeaveTs")) if row.get("Finished") is True else None
            of_user = stays.setdefault(user, {})
            of_user[joined] = left if left is not None else of_user.get(joined)
    return {user: [list(stay) for stay in sorted(known.items())] for user, known in stays.items()}


def _everybody(known: Object) -> Mapping[str, list[object]]:
    """Join the stays of each user over all calls."""
    stays: dict[str, list[object]] = {}
    for users in inner(known.get("users")).values():
        for user, of_call in inner(users).items():
            stays[user] = stays.get(user, []) + (of_call if isinstance(of_call, list) else [])
    return stays


def _was_in(stays: object, start: Instant, end: Instant) -> bool:
    for joined, left in stays if isinstance(stays, list) else ():
        if joined < end and (left is None or left >= start):
            return True
    return False


def _pieces(sitting: Sitting, known: Object, span_ms: int) -> Iterator[tuple[str, Instant, Instant]]:
    """Cut the class, with its join window, into spans that may be asked about, for each call that was then."""
    for call, times in inner(known.get("calls")).items():
        created, ended = times if isinstance(times, list) else (0, None)
        start = sitting.starts_at - EARLY
        while start < sitting.ends_at:
            end = min(start + span_ms, sitting.ends_at)
            if created < end and (ended is None or ended >= start):
                yield call, start, end
            start = end


def _digest(*users: str) -> str:
    return hashlib.sha256("\n".join(users).encode()).hexdigest()[:16]


def _read(progress: str) -> Object:
    return parsed(progress.encode()) if progress else {}


def _done(known: Object) -> list[str]:
    done = known.get("done")
    return [str(name) for name in done] if isinstance(done, list) else []


def _text(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
