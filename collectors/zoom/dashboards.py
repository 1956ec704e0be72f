"""What Zoom is asked for a class after it, in which order, and what its answers mean; README.md has the facts."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from collectors.body import INTEGER_MAX, Object, inner, instant, parsed, text, whole
from collectors.contract import Unreadable
from collectors.polls import Later, Limits, Request, Said, Sitting
from collectors.zoom.names import label, named
from rules.span import DAY, HOUR, MINUTE, Instant, format_instant

READER: str = "zoom-stats"
INSTANCES, REPORT, PARTICIPANTS, QOS = "instances", "report", "participants", "qos"

EARLY: int = 15 * MINUTE
"""How long before a class its meeting is looked at: the join window (SPEC 1)."""

LONGEST: int = 30 * HOUR
"""No Zoom meeting lasts longer: one that began before this is over when the class begins."""

LOOKS: tuple[int, ...] = (10 * MINUTE, 1 * HOUR, 6 * HOUR)
"""How long after a class its meeting is looked for: one that ran on, or was begun anew, is listed when it has ended."""

AGAIN: tuple[int, ...] = (12 * MINUTE, 15 * MINUTE, 30 * MINUTE, 1 * HOUR, 2 * HOUR, 6 * HOUR)
"""How long after a class a holding that is listed, but has no details yet, is asked about again; then no more."""

TYPES: tuple[str, str] = ("past", "pastOne")
"""Of a meeting that one person alone came to, as of a learner whose teacher did not, only the second tells."""

PAGE_SIZES: Mapping[str, int] = MappingProxyType({REPORT: 300, PARTICIPANTS: 300, QOS: 10})
PAGES_MAX: int = 100
"""Of a meeting with more pages the rest is not asked for."""

_NUMBER = re.compile(r"[0-9]{9,12}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's limits, and which lists of a meeting it may ask for."""

    limits: Limits
    lists: tuple[str, ...]


PLANS: Mapping[str, Plan | None] = MappingProxyType(
    {
        "free": None,  # neither reports nor dashboard
        "pro": Plan(Limits(10, 30_000, 180 * DAY, LOOKS[0]), (REPORT,)),
        "business": Plan(Limits(40, 60_000, 180 * DAY, LOOKS[0]), (PARTICIPANTS, QOS)),
    }
)
"""The rates of the category Heavy, of which all of these are but the list of holdings (Medium, which may more);
business stands for Business, Education and Enterprise too. Data is kept for six months."""

_PATHS: Mapping[str, str] = MappingProxyType(
    {
        REPORT: "/report/meetings/{}/participants",
        PARTICIPANTS: "/metrics/meetings/{}/participants",
        QOS: "/metrics/meetings/{}/participants/qos",
    }
)
TOKEN_MAX: int = 2_000

_EXPIRED_TOKEN = "next page token"  # noqa: S105 - words of an answer
_NOT_OVER = 3001  # "Meeting ID is invalid or not end", "details info is not available"
_NO_DASHBOARD = 200  # "Only available for paid account and enabled Dashboard feature"


@dataclass(frozen=True, slots=True)
class ZoomStatistics:
    """Asks which holdings of the meeting there were, then for their participants, then for what each measured."""

    plan: Plan

    @property
    def provider(self) -> str:
        """The provider as classes name it."""
        return "zoom"

    @property
    def reader(self) -> str:
        """The provider under which answers are stored."""
        return READER

    @property
    def limits(self) -> Limits:
        """What the plan allows."""
        return self.plan.limits

    def next(self, sitting: Sitting, progress: str, now: Instant) -> Request | Later | None:
        """Say what to ask next: the meeting's holdings, each one's lists page by page, then whether there were more.

        A room that is no meeting number (a Video SDK session's name) has nothing to ask for.
        """
        if _NUMBER.fullmatch(sitting.room_id) is None:
            return None
        known = _read(progress)
        looked, waits = _looked(known), []
        for request in self._left(sitting, known, now) if looked else ():
            if isinstance(request, Request):
                return request
            waits.append(request.at)
        due = sum(sitting.ends_at + wait <= now for wait in LOOKS)
        if due > looked:
            return _look(sitting, due)
        waits += [sitting.ends_at + wait for wait in LOOKS[looked : looked + 1]]
        return Later(min(waits)) if waits else None

    def said(self, status: int, body: bytes) -> Said:
        """Say what an answer means: the HTTP status, and where that is not enough the code and words inside."""
        if status >= 500:
            return Said.UNAVAILABLE
        if status in {401, 403}:
            return Said.REFUSED
        try:
            answer = parsed(body)
        except Unreadable:
            return Said.TOO_FAST if status == 429 else Said.BROKEN
        if status == 429:
            return Said.SPENT if "daily" in str(answer.get("message")).lower() else Said.TOO_FAST
        if status == 200:
            return Said.GOOD if _rows(answer) is not None else Said.BROKEN
        return _complaint(answer)

    def after(self, sitting: Sitting, progress: str, request: Request, body: bytes) -> str:
        """Give the progress after a good answer, or one that said to ask in another way: its list begins anew."""
        known, answer, asked = _read(progress), parsed(body), parsed(request.asked.encode())
        if asked["endpoint"] == INSTANCES:
            found = held(answer, sitting.starts_at, sitting.ends_at)
            return _text({**known, "looked": asked["look"], "uuids": inner(known.get("uuids")) | found})
        stem, page = f"{asked['endpoint']}:{asked['uuid']}", whole(asked["page"], 1, PAGES_MAX) or 1
        done, pages = _done(known), dict(inner(known.get("pages")))
        token = text(answer.get("next_page_token"))
        tries = _tries(pages.get(stem))
        if _rows(answer) is None:
            pages[stem] = {"tries": tries + 1 if whole(answer.get("code"), 0, INTEGER_MAX) == _NOT_OVER else tries}
        elif token is not None and len(token) <= TOKEN_MAX and page < PAGES_MAX:
            pages[stem] = {"page": page + 1, "token": token, "tries": tries}
        else:
            done.append(stem)
            pages.pop(stem, None)
        people = inner(known.get("people"))
        if asked["endpoint"] == PARTICIPANTS:
            people = people | _named_people(answer, str(asked["uuid"]))
        return _text({**known, "pages": pages, "done": done, "people": people})

    def probe(self, now: Instant) -> Request:
        """Ask for one meeting of the dashboard, or where the plan has none for one host of today's report."""
        if PARTICIPANTS in self.plan.lists:
            return Request("/metrics/meetings", {"type": "live", "page_size": "1"}, "probe", now, "{}")
        today = format_instant(now)[:10]
        params = {"type": "active", "from": today, "to": today, "page_size": "1"}
        return Request("/report/users", params, "probe", now, "{}")

    def _left(self, sitting: Sitting, known: Object, now: Instant) -> Iterator[Request | Later]:
        """Name what is still to be asked of each holding, participants before measurements, or when."""
        done, pages = set(_done(known)), inner(known.get("pages"))
        for uuid in inner(known.get("uuids")):
            for endpoint in self.plan.lists:
                stem = f"{endpoint}:{uuid}"
                rounds, is_first = divmod(_tries(pages.get(stem)), len(TYPES))
                if stem in done:
                    continue
                if rounds > len(AGAIN):
                    break
                if rounds and not is_first and now < (at := sitting.ends_at + AGAIN[rounds - 1]):
                    yield Later(at)
                    break
                yield _listed(sitting, endpoint, uuid, inner(pages.get(stem)), known)


def statistics(plan: str) -> ZoomStatistics | None:
    """Make the statistics of an account; None for a plan that has none. Raises KeyError for an unknown plan."""
    found = PLANS[plan]
    return None if found is None else ZoomStatistics(found)


def in_path(uuid: str) -> str:
    """Write a meeting's uuid into a path: encoded, and once more where it begins with a slash or holds two."""
    once = quote(uuid, safe="")
    return quote(once, safe="") if uuid.startswith("/") or "//" in uuid else once


def held(answer: Object, starts_at: Instant, ends_at: Instant) -> Object:
    """Choose the holdings that a class may have been: begun during it, and the last one begun before."""
    begun = []
    for row in _rows(answer) or ():
        uuid, at = text(row.get("uuid")), instant(row.get("start_time"))
        if uuid is not None and len(uuid) <= 100 and at is not None and starts_at - LONGEST <= at < ends_at:
            begun.append((at, uuid))
    early = [one for one in sorted(begun) if one[0] < starts_at - EARLY]
    within = [one for one in sorted(begun) if one[0] >= starts_at - EARLY]
    return {uuid: at for at, uuid in early[-1:] + within}


def person_key(uuid: str, user_id: object) -> str:
    """Name one coming to one holding, as both lists of the dashboard do."""
    return f"{uuid} {label(user_id)}"


def _tries(place: object) -> int:
    return whole(inner(place).get("tries"), 0, 10_000) or 0


def _looked(known: Object) -> int:
    return whole(known.get("looked"), 0, len(LOOKS)) or 0


def _look(sitting: Sitting, number: int) -> Request:
    asked = {
        "endpoint": INSTANCES,
        "room": sitting.room_id,
        "span": [sitting.starts_at, sitting.ends_at],
        "look": number,
        "is_last": number == len(LOOKS),
    }
    name = f"{INSTANCES}:{sitting.room_id}:{sitting.starts_at}:{number}"
    return Request(f"/past_meetings/{sitting.room_id}/instances", {}, name, sitting.starts_at, _text(asked))


def _listed(sitting: Sitting, endpoint: str, uuid: str, place: Object, known: Object) -> Request:
    page, token = whole(place.get("page"), 1, PAGES_MAX) or 1, text(place.get("token")) or ""
    params = {"page_size": str(PAGE_SIZES[endpoint])}
    if endpoint in (PARTICIPANTS, QOS):
        params["type"] = TYPES[_tries(place) % len(TYPES)]
    if endpoint in (PARTICIPANTS, REPORT):
        params["include_fields"] = "registrant_id"
    if token:
        params["next_page_token"] = token
    asked: dict[str, object] = {
        "endpoint": endpoint,
        "room": sitting.room_id,
        "uuid": uuid,
        "page": page,
        "span": [sitting.starts_at, sitting.ends_at],
    }
    if endpoint == QOS:
        asked["people"] = {key: name for key, name in inner(known.get("people")).items() if key.startswith(f"{uuid} ")}
    path = _PATHS[endpoint].format(in_path(uuid))
    return Request(path, params, f"{endpoint}:{uuid}:{sitting.starts_at}#{page}", sitting.starts_at, _text(asked))


def _complaint(answer: Object) -> Said:
    code, words = whole(answer.get("code"), 0, INTEGER_MAX), str(answer.get("message")).lower()
    if code == _NOT_OVER or _EXPIRED_TOKEN in words:
        return Said.STALE  # to be asked in another way, or later: `next` says when
    return Said.REFUSED if code in {_NO_DASHBOARD, 124, 4700, 4711} else Said.BROKEN


def _read(progress: str) -> Object:
    return parsed(progress.encode()) if progress else {}


def _done(known: Object) -> list[str]:
    done = known.get("done")
    return [str(name) for name in done] if isinstance(done, list) else []


def _text(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _rows(answer: Object) -> list[Object] | None:
    """Take the rows of whichever list it is; None where it is none."""
    for key in ("meetings", "participants", "users"):
        if isinstance(rows := answer.get(key), list):
            return [inner(row) for row in rows]
    return None


def _named_people(answer: Object, uuid: str) -> Object:
    """Tell for each coming who it was: only this list knows more of a guest than the number of this coming."""
    people: Object = {}
    for row in _rows(answer) or ():
        name = named(row)
        if name is not None and label(row.get("user_id")) is not None:
            people[person_key(uuid, row.get("user_id"))] = name
    return people
