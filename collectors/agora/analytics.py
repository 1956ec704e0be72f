"""What Agora Analytics is asked for a class, in which order, and what its answers mean; README.md has the facts."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from collectors.body import INTEGER_MAX, Object, inner, parsed, seconds, short_text, whole
from collectors.contract import Unreadable
from collectors.polls import Limits, Request, Said, Sitting
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

READER: str = "agora-stats"
LISTS, SESSIONS, METRICS = "lists", "sessions", "metrics"

EARLY: int = 15 * MINUTE
"""How long before a class its channel is looked at: the join window (SPEC 1)."""

PAGE_SIZE: int = 20
SIDS_MAX: int = 20
PAGES_MAX: int = 50
"""Of a class with more pages, 1,000 sessions, the rest is not asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's limits (Docs-Source `shared/agora-analytics/_api.mdx`, 2026); spans and delays in milliseconds."""

    limits: Limits
    list_span_ms: int
    span_ms: int


PLANS: Mapping[str, Plan | None] = MappingProxyType(
    {
        "starter": None,  # has no Analytics
        "standard": Plan(Limits(1, 1_000, 1 * DAY, 300 * SECOND), 8 * HOUR, 1 * HOUR),
        "premium": Plan(Limits(3, 2_000, 7 * DAY, 150 * SECOND), 16 * HOUR, 3 * HOUR),
        "enterprise": Plan(Limits(10, 10_000, 15 * DAY, 100 * SECOND), 24 * HOUR, 6 * HOUR),
    }
)

OVER_LIMIT: Mapping[str, Said] = MappingProxyType(
    {
        "qps limit error": Said.TOO_FAST,
        "qpd limit error": Said.SPENT,
        "query latency limit error": Said.NOT_READY,
        "query time range limit error": Said.GONE,
        "query time length limit error": Said.REFUSED,
        "no auth": Said.REFUSED,
    }
)
"""What the message of code 300 means."""

_GOOD = frozenset({0, 200})  # the table says 200, the samples 0


@dataclass(frozen=True, slots=True)
class AgoraStatistics:
    """Asks for the calls of a class's channel, then for their sessions, then for what each session received."""

    app_id: str
    plan: Plan

    @property
    def provider(self) -> str:
        """The provider as classes name it."""
        return "agora"

    @property
    def reader(self) -> str:
        """The provider under which answers are stored."""
        return READER

    @property
    def limits(self) -> Limits:
        """What the plan allows."""
        return self.plan.limits

    def next(self, sitting: Sitting, progress: str, now: Instant) -> Request | None:  # noqa: ARG002 - the protocol's
        """Say what to ask next: lists, then sessions page by page, then metrics of up to 20 sessions."""
        known = _read(progress)
        request = _first(self._left(sitting, known))
        return None if request is None else self._with_alive(sitting, known, request)

    def said(self, status: int, body: bytes) -> Said:
        """Say what an answer means; the HTTP status first, then the code inside, then its message."""
        if status in {401, 403}:
            return Said.REFUSED
        if status == 429:
            return Said.TOO_FAST
        if status >= 500:
            return Said.UNAVAILABLE
        try:
            answer = parsed(body)
        except Unreadable:
            return Said.BROKEN
        code = whole(answer.get("code"), 0, INTEGER_MAX)
        if code == 300:
            message = answer.get("message")
            return OVER_LIMIT.get(message.strip().lower(), Said.BROKEN) if isinstance(message, str) else Said.BROKEN
        if code in {401, 403}:
            return Said.REFUSED
        if code == 500:
            return Said.UNAVAILABLE
        return Said.GOOD if status == 200 and code in _GOOD and _rows(answer) is not None else Said.BROKEN

    def after(self, sitting: Sitting, progress: str, request: Request, body: bytes) -> str:
        """Give the progress after a good answer: what was asked is done, and what it named is to be asked."""
        known = _read(progress)
        answer = parsed(body)
        done, calls, people = _done(known), _calls(known), _people(known)
        done.append(request.name)
        asked = parsed(request.asked.encode())
        if asked["endpoint"] == LISTS:
            calls |= named_calls(answer, sitting.room_id)
        elif asked["endpoint"] == SESSIONS:
            people |= _named_people(answer, str(asked["call"]))
            page = int(request.params["page_no"])
            if has_more(answer, page):
                done.pop()  # these sessions are done when their last page is
                return _text(done, calls, people, {request.name.rpartition("#")[0]: page + 1})
        return _text(done, calls, people, {})

    def probe(self, now: Instant) -> Request:
        """Name one list of an hour's calls in a channel that nobody uses; it takes one request of the day."""
        end = now // MINUTE * MINUTE - self.limits.delay_ms
        params = self._params(end - HOUR, end) | {"cname": "qos-monitor-check", "page_no": "1", "page_size": "1"}
        return _request(LISTS, params, "check", {"endpoint": LISTS})

    def _with_alive(self, sitting: Sitting, known: Object, request: Request) -> Request:
        """Add for which span the feed was alive if a list names no call, or once the last sessions are told.

        Only then is everybody known who was there: a class whose sessions were never fetched has no proof.
        """
        asked = parsed(request.asked.encode())
        if asked["endpoint"] == LISTS:
            start, end = (int(request.params[name]) * SECOND for name in ("start_ts", "end_ts"))
        elif asked["endpoint"] == SESSIONS and self._sessions_left(sitting, known) == 1:
            start, end = _begin(sitting), sitting.ends_at
        else:
            return request
        return replace(request, asked=_written(asked | {"alive": [start, end]}))

    def _sessions_left(self, sitting: Sitting, known: Object) -> int:
        stems = _stems(set(_done(known)))
        return sum(one.name.rpartition("#")[0] not in stems for one in self._sessions(sitting, known))

    def _left(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        done = set(_done(known))
        yield from (one for one in self._lists(sitting) if one.name not in done)
        yield from (one for one in self._sessions(sitting, known) if one.name.rpartition("#")[0] not in _stems(done))
        yield from (one for one in self._metrics(sitting, known) if one.name not in done)

    def _lists(self, sitting: Sitting) -> Iterator[Request]:
        for start, end in _pieces(sitting, self.plan.list_span_ms):
            params = self._params(start, end) | {"cname": sitting.room_id, "page_no": "1", "page_size": "100"}
            yield _request(LISTS, params, f"{sitting.room_id}:{start}", {"endpoint": LISTS, "room": sitting.room_id})

    def _sessions(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        pages = inner(known.get("pages"))
        for call, start, end in self._call_pieces(sitting, known):
            stem = f"{call}:{start}"
            page = whole(pages.get(f"{SESSIONS}:{stem}"), 1, PAGES_MAX) or 1
            params = self._params(start, end) | {"call_id": call, "page_no": str(page), "page_size": str(PAGE_SIZE)}
            asked = {"endpoint": SESSIONS, "call": call, "room": sitting.room_id, "page": page}
            yield _request(SESSIONS, params, f"{stem}#{page}", asked)

    def _metrics(self, sitting: Sitting, known: Object) -> Iterator[Request]:
        people = _people(known)
        for call, start, end in self._call_pieces(sitting, known):
            sids = sorted(sid for sid, person in people.items() if inner(person).get("call") == call)
            for first in range(0, len(sids), SIDS_MAX):
                some = sids[first : first + SIDS_MAX]
                digest = hashlib.sha256("\n".join(some).encode()).hexdigest()[:16]
                asked = {
                    "endpoint": METRICS,
                    "room": sitting.room_id,
                    "people": {sid: people[sid] for sid in some},
                    "teachers": _uids_of(people, sitting.teacher_id),
                    "span": [start, end],
                }
                params = self._params(start, end) | {"call_id": call, "sids": ",".join(some)}
                yield _request(METRICS, params, f"{call}:{start}:{digest}", asked)

    def _params(self, start: Instant, end: Instant) -> dict[str, str]:
        return {"appid": self.app_id, "start_ts": str(start // SECOND), "end_ts": str(end // SECOND)}

    def _call_pieces(self, sitting: Sitting, known: Object) -> Iterator[tuple[str, Instant, Instant]]:
        for call, times in _calls(known).items():
            created, destroyed = times if isinstance(times, list) else (0, None)
            for start, end in _pieces(sitting, self.plan.span_ms):
                if created < end and (destroyed is None or destroyed >= start):
                    yield call, start, end


def statistics(app_id: str, plan: str) -> AgoraStatistics | None:
    """Make the statistics of a project; None for a plan that has none. Raises KeyError for an unknown plan."""
    found = PLANS[plan]
    return None if found is None else AgoraStatistics(app_id, found)


def _pieces(sitting: Sitting, span_ms: int) -> Iterator[tuple[Instant, Instant]]:
    """Cut the class, with its join window, into spans the plan allows; all begin at a whole 10 s."""
    start = _begin(sitting)
    while start < sitting.ends_at:
        end = min(start + span_ms, sitting.ends_at)
        yield start, end
        start = end


def _begin(sitting: Sitting) -> Instant:
    return (sitting.starts_at - EARLY) // (10 * SECOND) * (10 * SECOND)


def _request(endpoint: str, params: Mapping[str, str], name: str, asked: Mapping[str, object]) -> Request:
    text = _written(asked)
    at = int(params["start_ts"]) * SECOND
    return Request(f"/beta/analytics/call/{endpoint}", params, f"{endpoint}:{name}", at, text)


def _written(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _first(left: Iterator[Request]) -> Request | None:
    return next(left, None)


def _read(progress: str) -> Object:
    return parsed(progress.encode()) if progress else {}


def _done(known: Object) -> list[str]:
    done = known.get("done")
    return [str(name) for name in done] if isinstance(done, list) else []


def _stems(done: set[str]) -> set[str]:
    return {name.rpartition("#")[0] for name in done if name.startswith(f"{SESSIONS}:")}


def _calls(known: Object) -> Object:
    return dict(inner(known.get("calls")))


def _people(known: Object) -> Object:
    return dict(inner(known.get("people")))


def _text(done: list[str], calls: Object, people: Object, pages: Mapping[str, int]) -> str:
    return _written({"done": done, "calls": calls, "people": people, "pages": pages})


def _rows(answer: Object) -> list[Object] | None:
    """Take the rows of whichever endpoint it is; null, as an empty call may have, is none."""
    for key in ("call_lists", "call_info", "metrics"):
        if key in answer:
            rows = answer[key]
            if rows is None:
                return []
            return [inner(row) for row in rows] if isinstance(rows, list) else None
    return None


def named_calls(answer: Object, room_id: str) -> Object:
    calls: Object = {}
    for row in _rows(answer) or ():
        call = short_text(row.get("call_id"))
        if call is not None and row.get("cname", room_id) == room_id:
            destroyed = seconds(row.get("destroyed_ts")) if row.get("finished") is True else None
            calls[call] = [seconds(row.get("created_ts")) or 0, destroyed]
    return calls


def _named_people(answer: Object, call: str) -> Object:
    people: Object = {}
    for row in _rows(answer) or ():
        sid, uid = short_text(row.get("sid")), whole(row.get("uid"), 0, 2**32 - 1)
        if sid is not None and uid is not None and "," not in sid:
            people[sid] = {"call": call, "uid": uid, "account": short_text(row.get("account"))}
    return people


def has_more(answer: Object, page: int) -> bool:
    total = whole(answer.get("total_size"), 0, INTEGER_MAX) or 0
    size = whole(answer.get("page_size"), 1, INTEGER_MAX) or PAGE_SIZE
    return bool(_rows(answer)) and page * size < total and page < PAGES_MAX


def _uids_of(people: Object, teacher_id: str) -> list[int]:
    found = {inner(one).get("uid") for one in people.values() if name_of(inner(one)) == teacher_id}
    return sorted(uid for uid in found if isinstance(uid, int))


def name_of(person: Object) -> str:
    """Name a person as the webhooks do: the account, and where there is none the uid as text."""
    return short_text(person.get("account")) or str(whole(person.get("uid"), 0, 2**32 - 1))
