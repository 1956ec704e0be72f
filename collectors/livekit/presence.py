"""What a LiveKit server is asked while a class runs: who is there now; README.md has the facts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collectors.body import Object, inner, parsed, short_text, whole
from collectors.contract import Unreadable
from collectors.livekit.webhook import OTHER_KINDS
from collectors.polls import Later, Limits, Request, Said, Sitting
from rules.span import MINUTE, SECOND, Instant

READER: str = "livekit-stats"
PATH: str = "/twirp/livekit.RoomService/ListParticipants"

LIMITS = Limits(per_second=10, per_day=900_000, kept_ms=2 * MINUTE, delay_ms=0, lead_ms=15 * MINUTE)
"""From the join window (SPEC 1) to the end of the class. The server has no limit of its own that is documented;
who asks later than two minutes after the end learns nothing of the class."""

APART: int = 3 * MINUTE
"""Answers so far apart, or two periods, still follow each other: whoever was there longer than that is in one."""

NOBODY: str = "not_found"
"""Twirp's code where there is no such room: nobody is in it."""

_BUSY = "resource_exhausted"
_DISCONNECTED: tuple[object, ...] = ("DISCONNECTED", 3)
_ACTIVE: tuple[object, ...] = ("ACTIVE", 2)
_STANDARD: tuple[object, ...] = (None, "STANDARD", 0)

Present = Mapping[str, str]
"""Session (participant sid) to identity."""


@dataclass(frozen=True, slots=True)
class LiveKitPresence:
    """Asks every ``period_ms`` who is in the room of a class, the last time at its end."""

    period_ms: int

    @property
    def provider(self) -> str:
        """The provider as classes name it."""
        return "livekit"

    @property
    def reader(self) -> str:
        """The provider under which answers are stored."""
        return READER

    @property
    def limits(self) -> Limits:
        """When a class may be asked about."""
        return LIMITS

    def next(self, sitting: Sitting, progress: str, now: Instant) -> Request | Later | None:
        """Ask a period after the last answer, and once at the end; None when that is answered.

        Of a class that ended unseen nothing more is asked, unless its last answer came within the last period.
        """
        known = _read(progress)
        if known.at is not None:
            is_over = now >= sitting.ends_at + LIMITS.kept_ms
            if known.at >= sitting.ends_at or (is_over and known.at >= sitting.ends_at - self.period_ms):
                return None
            due_at = min(known.at + self.period_ms, sitting.ends_at)
            if now < due_at:
                return Later(due_at)
        return _request(sitting.room_id, now, self._asked(sitting, known, now))

    def said(self, status: int, body: bytes) -> Said:
        """Say what an answer means. A room that is not there is a good answer: nobody is in it."""
        code = _code(body)
        if status == 429 or code == _BUSY:
            return Said.TOO_FAST
        if status in {401, 403}:
            return Said.REFUSED
        if status == 408 or status >= 500:
            return Said.UNAVAILABLE
        if status == 404 and code == NOBODY:
            return Said.GOOD
        return Said.GOOD if status == 200 and _is_list(body) else Said.BROKEN

    def after(self, sitting: Sitting, progress: str, request: Request, body: bytes) -> str:  # noqa: ARG002 - the protocol's
        """Give the progress after a good answer: when it was asked, since when without a gap, and who was there."""
        known = _read(progress)
        since = request.at if self._has_gap(known, request.at) else known.since
        return _text({"at": request.at, "since": since, "present": present(body, known.present)})

    def probe(self, now: Instant) -> Request:
        """Ask who is in a room that nobody uses."""
        return _request("qos-monitor-check", now, {})

    def _has_gap(self, known: "_Known", now: Instant) -> bool:
        return known.at is None or now - known.at > max(2 * self.period_ms, APART)

    def _asked(self, sitting: Sitting, known: "_Known", now: Instant) -> Object:
        asked: Object = {"room": sitting.room_id, "at": now, "before": known.present}
        if known.at is not None and known.since is not None and not self._has_gap(known, now):
            start = max(-(-known.since // MINUTE), known.at // MINUTE) * MINUTE
            until = (now if now < sitting.ends_at else now + MINUTE - 1) // MINUTE * MINUTE
            if start < until:
                asked["alive"] = [start, until]
        return asked


def listed(body: bytes) -> Iterator[Object]:
    """Give every participant of an answer, whoever it is; of a room that is not there none. Raises Unreadable."""
    rows = parsed(body).get("participants")
    yield from (inner(row) for row in rows) if isinstance(rows, list) else ()


def is_person(row: Object) -> bool:
    """Say whether a participant may be a learner or a teacher: no agent, recorder, ingress or phone line."""
    may = inner(row.get("permission"))
    is_robot = may.get("recorder") is True or may.get("agent") is True
    return _plain(row.get("kind")) in _STANDARD and not is_robot


def present(body: bytes, before: Present) -> dict[str, str]:
    """Tell who is there by an answer: whoever has media, and whoever had and is still listed. Raises Unreadable."""
    found = {}
    for row in listed(body):
        sid, identity, state = short_text(row.get("sid")), short_text(row.get("identity")), _plain(row.get("state"))
        is_in = state in _ACTIVE or (sid in before and state not in _DISCONNECTED)
        if sid is not None and identity is not None and is_in and is_person(row):
            found[sid] = identity
    return found


def people(given: object) -> dict[str, str]:
    """Take who was there from what we kept ourselves."""
    pairs = ((short_text(sid), short_text(identity)) for sid, identity in inner(given).items())
    return {sid: identity for sid, identity in pairs if sid is not None and identity is not None}


def kind_of(row: Object) -> str | None:
    """Name what a participant is that is no person by its kind; None where the kind does not tell."""
    kind = _plain(row.get("kind"))
    if kind in _STANDARD:
        return None
    return OTHER_KINDS.get(kind, str(kind)[:100])


@dataclass(frozen=True, slots=True)
class _Known:
    at: Instant | None = None
    since: Instant | None = None
    present: Present = field(default_factory=dict)


def _read(progress: str) -> _Known:
    if not progress:
        return _Known()
    known = parsed(progress.encode())
    return _Known(_instant(known.get("at")), _instant(known.get("since")), people(known.get("present")))


def _instant(value: object) -> Instant | None:
    return whole(value, 0, 2**62)


def _request(room: str, now: Instant, asked: Object) -> Request:
    body = json.dumps({"room": room}, ensure_ascii=False).encode()
    return Request(PATH, {}, f"presence:{now // SECOND}:{room}", now, _text(asked), "POST", body)


def _text(value: Object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)


def _plain(value: object) -> str | int | None:
    """Take what an enum's value may be; anything else is one that nobody has."""
    return value if isinstance(value, str | int | None) and not isinstance(value, bool) else "?"


def _code(body: bytes) -> str | None:
    try:
        return short_text(parsed(body).get("code"))
    except Unreadable:
        return None


def _is_list(body: bytes) -> bool:
    try:
        rows = parsed(body).get("participants")
    except Unreadable:
        return False
    return rows is None or isinstance(rows, list)
