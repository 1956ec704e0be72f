"""Reads what Zoom answered after a class: who was there from when to when, and what was measured; see README.md."""

from collections.abc import Iterable, Iterator, Mapping

from collectors.body import (
    CODE_MAX,
    ID_MAX,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    instant,
    parsed,
    short_text,
    span,
    text,
)
from collectors.contract import Reading, Sighting, Unreadable
from collectors.fetched import Fetched
from collectors.polls import CODE, alive
from collectors.zoom import quality
from collectors.zoom.dashboards import EARLY, INSTANCES, PARTICIPANTS, QOS, READER, REPORT, held, person_key
from collectors.zoom.names import label, named
from collectors.zoom.reasons import Reason, told
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import Instant, Span

NOT_ADMITTED: frozenset[str] = frozenset({"leave waiting room", "removed by host from waiting room"})
"""Reasons of somebody who was in the waiting room alone: that is no join."""

_NO_REASON = Reason("", is_known=True)


def read(asked: Object, body: bytes) -> Reading:
    """Translate one answer. Raises Unreadable where it, or what was asked, is not what it should be."""
    answer = parsed(body)
    room, when = short_text(asked.get("room")), span(asked.get("span"))
    if room is None or when is None:
        raise Unreadable("what was asked is missing")
    endpoint = text(asked.get("endpoint"))
    if endpoint == INSTANCES:
        return _looked(answer, room, when, is_last=asked.get("is_last") is True)
    uuid = text(asked.get("uuid"))
    if uuid is None or endpoint not in {REPORT, PARTICIPANTS, QOS}:
        raise Unreadable("what was asked is missing")
    if endpoint == QOS:
        return _measured(answer, room, uuid, (inner(asked.get("people")), when))
    return _present(answer, room, uuid, when)


ZOOM_ANSWERS: Fetched = Fetched(READER, read)
"""The collector for answers of our polls."""


def _looked(answer: Object, room: str, when: Span, *, is_last: bool) -> Reading:
    """Take it as word of the class where after the last look there was no meeting: nobody came in, not even before."""
    is_nobody = is_last and not held(answer, when.start, when.end)
    return Reading((_alive(room, when),) if is_nobody else (), ignored=("list of holdings",))


def _present(answer: Object, room: str, uuid: str, when: Span) -> Reading:
    sightings: list[Sighting] = []
    unknown: list[str] = []
    for row in _listed(answer):
        who, joined = named(row), instant(row.get("join_time"))
        if who is None or joined is None:
            unknown.append("participant without a name or join_time")
            continue
        sightings += _stay(row, (room, who), _place(uuid, row), unknown)
    if text(answer.get("next_page_token")) is None:
        sightings.append(_alive(room, when))
    return Reading(tuple(sightings), unknown=tuple(dict.fromkeys(unknown)))


def _stay(row: Object, whom: tuple[str, str], place: str, unknown: list[str]) -> Iterator[Sighting]:
    """Tell one coming: in and out, or, of somebody who was never let in, the attempt and that it failed."""
    joined, left = instant(row.get("join_time")), instant(row.get("leave_time"))
    reason = _reason(row, unknown)
    if joined is None:
        return
    waited = reason.code in NOT_ADMITTED or row.get("status") == "in_waiting_room"
    yield _event(Kind.ATTEMPTED if waited else Kind.JOINED, joined, whom, (place, row), _NO_REASON)
    if left is not None and left >= joined:
        yield _event(Kind.JOIN_FAILED if waited else Kind.LEFT, left, whom, (place, row), reason)


def _reason(row: Object, unknown: list[str]) -> Reason:
    written = text(row.get("leave_reason"))
    if written is None:
        return _NO_REASON  # reports have none
    reason = told(written)
    if not reason.is_known:
        unknown.append(f"leave_reason {reason.code}")
    return reason


def _event(kind: Kind, at: Instant, whom: tuple[str, str], source: tuple[str, Object], reason: Reason) -> Sighting:
    room, who = whom
    place, row = source
    is_session = kind in (Kind.JOINED, Kind.LEFT)
    return Sighting(
        Observation(
            source="zoom",
            id=capped(f"polled:{place}:{kind.value}", OBSERVATION_ID_MAX),
            kind=kind,
            at=at,
            class_id=room,
            participant_id=who,
            role=Role.LEARNER,
            session=capped(f"polled:{place}", 200) if is_session else None,
            vantage=Vantage.SERVER,
            fault=reason.fault if kind is not Kind.JOINED else Fault.UNKNOWN,
            blames=reason.blames,
            code=CODE,
            domains=_domains(row),
        )
    )


def _domains(row: Object) -> Mapping[str, str]:
    """Name the data centre and the client; an address could tell the carrier, and is not kept."""
    system = short_text(row.get("os"), CODE_MAX) or short_text(row.get("device"), CODE_MAX)
    release = " ".join(filter(None, (system, short_text(row.get("version"), CODE_MAX))))
    named_by = {
        "provider": "zoom",
        "region": short_text(row.get("data_center"), CODE_MAX),
        "client": short_text(row.get("client"), CODE_MAX) or release,
    }
    return {dimension: value for dimension, value in named_by.items() if value}


def _measured(answer: Object, room: str, uuid: str, known: tuple[Object, Span]) -> Reading:
    people, when = known
    sightings: list[Sighting] = []
    unknown: list[str] = []
    for row in _listed(answer):
        who = short_text(people.get(person_key(uuid, row.get("user_id")))) or named(row)
        if who is None:
            unknown.append("measurements of nobody")
            continue
        until = instant(row.get("leave_time")) or when.end
        for measured in quality.minutes({"user_qos": row.get("user_qos")}, until, unknown):
            seen = Observation(
                source="zoom",
                id=capped(f"polled:{_place(uuid, row)}:quality:{measured.until}", OBSERVATION_ID_MAX),
                kind=Kind.QUALITY,
                at=measured.at,
                until=measured.until,
                class_id=room,
                participant_id=who,
                role=Role.LEARNER,
                vantage=Vantage.SERVER,
                domains=_domains(row),
                metrics=measured.metrics,
            )
            sightings.append(Sighting(seen))
    return Reading(tuple(sightings), unknown=tuple(dict.fromkeys(unknown)))


def _place(uuid: str, row: Object) -> str:
    """Name one coming to one holding."""
    seat = next(filter(None, (label(row.get(key)) for key in ("participant_uuid", "user_id", "id"))), "-")
    return f"{uuid}:{seat}:{instant(row.get('join_time')) or 0}"


def _alive(room: str, when: Span) -> Sighting:
    return alive("zoom", f"{capped(room, ID_MAX)}:{when.start}", when.start - EARLY, when.end)


def _listed(answer: Object) -> Iterable[Object]:
    rows = answer.get("participants")
    if not isinstance(rows, list):
        raise Unreadable("participants is missing")
    return [inner(row) for row in rows]
