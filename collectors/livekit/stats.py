"""Reads what a LiveKit server answered when asked who is there: joins, leaves nobody told, and that it was alive."""

from collections.abc import Iterator

from collectors.body import (
    CODE_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    seconds,
    short_text,
    whole,
)
from collectors.body import span as span_of
from collectors.contract import Reading, Sighting, Unreadable
from collectors.fetched import Fetched
from collectors.livekit.presence import READER, Present, is_person, kind_of, listed, people, present
from collectors.polls import CODE, alive
from rules.observation import Kind, Observation, Role, Vantage
from rules.span import MINUTE, SECOND, Instant

MINUTES_MAX: int = 60
"""An answer speaks for no more; polls are at most ten minutes apart."""


def read(asked: Object, body: bytes) -> Reading:
    """Translate one answer. Raises Unreadable where it, or what was asked, is not what it should be.

    Whoever was there at the answer before, and is not now, has left at some time between: the leave is put at
    the moment of asking, so that no absence is made longer than it was seen to be.
    """
    room, at = short_text(asked.get("room")), whole(asked.get("at"), 0, LATEST_S * SECOND)
    if room is None or at is None:
        raise Unreadable("what was asked is missing")
    before = people(asked.get("before"))
    now = present(body, before)
    rows = list(listed(body))
    sightings = [
        *_joined(rows, now, before, room, at),
        *(_event(Kind.LEFT, at, sid, room, before[sid]) for sid in before if sid not in now),
        *_alive(asked.get("alive")),
    ]
    return Reading(tuple(sightings), _ignored(rows), _unknown(rows))


LIVEKIT_ANSWERS: Fetched = Fetched(READER, read)
"""The collector for answers of our polls."""


def _joined(rows: list[Object], now: Present, before: Present, room: str, at: Instant) -> Iterator[Sighting]:
    for row in rows:
        sid = short_text(row.get("sid"))
        if sid is not None and sid in now and sid not in before:
            joined_at = _joined_at(row)
            region = short_text(row.get("region"), CODE_MAX)
            yield _event(Kind.JOINED, at if joined_at is None else min(joined_at, at), sid, room, now[sid], region)


def _joined_at(row: Object) -> Instant | None:
    """Take when it came in, by either spelling: Twirp has snake_case unless the server is told otherwise."""
    exact = whole(row.get("joined_at_ms", row.get("joinedAtMs")), 1, LATEST_S * SECOND)
    return exact or seconds(row.get("joined_at", row.get("joinedAt")))


def _event(kind: Kind, at: Instant, sid: str, room: str, who: str, region: str | None = None) -> Sighting:
    return Sighting(
        Observation(
            source="livekit",
            id=capped(f"polled:{sid}:{kind.value}", OBSERVATION_ID_MAX),
            kind=kind,
            at=at,
            class_id=room,
            participant_id=who,
            role=Role.LEARNER,
            session=sid,  # as the webhooks have it
            vantage=Vantage.SERVER,
            code=CODE,
            domains={"provider": "livekit"} | ({} if region is None else {"region": region}),
        )
    )


def _alive(span: object) -> Iterator[Sighting]:
    told = span_of(span)
    if told is not None:
        first = told.start // MINUTE
        for minute in range(first, min(told.end // MINUTE, first + MINUTES_MAX)):
            yield alive("livekit", f"minute:{minute}", minute * MINUTE, (minute + 1) * MINUTE)


def _ignored(rows: list[Object]) -> tuple[str, ...]:
    return tuple(sorted({f"kind {kind_of(row) or 'recorder'}" for row in rows if not is_person(row)}))


def _unknown(rows: list[Object]) -> tuple[str, ...]:
    nameless = any(short_text(row.get("sid")) is None or short_text(row.get("identity")) is None for row in rows)
    return ("participant without sid or identity",) if nameless else ()
