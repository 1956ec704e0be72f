"""Reads what TRTC's statistics answered: who was there and why not, what they received; README.md has the facts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from collectors.body import (
    CODE_MAX,
    EARLIEST_S,
    INTEGER_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    number,
    seconds,
    short_text,
    span,
    text,
    whole,
)
from collectors.contract import Reading, Sighting, Unreadable
from collectors.fetched import Fetched
from collectors.polls import CODE, LEAVE_NEAR, alive
from collectors.trtc.calls import EVENTS, QUALITY, READER, ROOMS, ROWS, UNUSUAL, USERS, has_more, response, rows
from collectors.trtc.causes import CAUSES, EXPERIENCES, FAILURES, IGNORED_EVENTS, LEAVES
from rules.observation import Fault, Kind, Observation, Role, Vantage
from rules.span import SECOND, Instant, Span

BLOCK: int = 10 * SECOND
"""Samples are summed over the rules' own slot length, from whole 10 s since 1970."""

STEP: int = 2 * SECOND
"""Between two samples, where one series is too short to tell."""

METRICS: Mapping[str, str] = MappingProxyType(
    {"bigvLoss": "loss", "aLoss": "loss", "aBlock": "audio_frozen", "bigvBlock": "video_frozen", "rtt": "rtt_ms"}
)
"""What each series is to us; where both losses are known, the audio's stays. Freezes are in ms, losses in per cent."""
_FROZEN, _LOSSES = ("aBlock", "bigvBlock"), ("aLoss", "bigvLoss")

Series = list[tuple[Instant, float]]
Blocks = dict[Instant, float]


def read(asked: Object, body: bytes) -> Reading:
    """Translate one answer. Raises Unreadable where it, or what was asked, is not what it should be."""
    answer = response(body)
    endpoint, room = str(asked.get("endpoint")), short_text(asked.get("room"))
    if endpoint not in ROWS or room is None:
        raise Unreadable("what was asked is missing")
    if ROWS[endpoint] not in answer:
        raise Unreadable(f"{ROWS[endpoint]} is missing")
    read = {ROOMS: _rooms, USERS: _users, EVENTS: _events, QUALITY: _quality, UNUSUAL: _unusual}[endpoint]
    return read(answer, room, asked)


TRTC_ANSWERS: Fetched = Fetched(READER, read)
"""The collector for answers of our polls."""


def _rooms(answer: Object, room: str, asked: Object) -> Reading:
    is_nobody = not rows(ROOMS, answer)
    return Reading(tuple(_alive(asked, room)) if is_nobody else (), ignored=("list of calls",))


def _users(answer: Object, room: str, asked: Object) -> Reading:
    """Tell who came; when and why they left the user's own events tell, for these rows give no reason."""
    sightings: list[Sighting] = []
    unknown: list[str] = []
    for row in rows(USERS, answer):
        user, joined = short_text(row.get("UserId")), seconds(row.get("JoinTs"))
        if user is None or joined is None:
            unknown.append("user without UserId or JoinTs")
        else:
            sightings.append(_event(Kind.JOINED, joined, (room, user), _stay(asked, user, joined), _domains(row)))
    if not has_more(USERS, answer, whole(asked.get("page"), 0, INTEGER_MAX) or 0):
        sightings += _alive(asked, room)
    return Reading(tuple(sightings), unknown=tuple(dict.fromkeys(unknown)))


def _events(answer: Object, room: str, asked: Object) -> Reading:
    user = short_text(asked.get("user"))
    if user is None:
        raise Unreadable("what was asked is missing")
    sightings: list[Sighting] = []
    unknown: list[str] = []
    leaves: list[tuple[Instant, Fault]] = []
    for event, parameter, at in _told(answer):
        if (event, parameter) in LEAVES:
            leaves.append((at, LEAVES[event, parameter]))
        elif (event, parameter) in FAILURES and not _is_seated(asked.get("stays"), at):
            sightings.append(_failure(at, (room, user), f"event {event}/{parameter}", FAILURES[event, parameter]))
        elif event not in IGNORED_EVENTS and (event, parameter) not in FAILURES:
            unknown.append(f"event {event}")
    for joined, left in _stays(asked.get("stays")):
        stay = _stay(asked, user, joined)
        sightings.append(_event(Kind.LEFT, left, (room, user), stay, {}, _nearest(leaves, left)))
    return Reading(tuple(sightings), unknown=tuple(dict.fromkeys(unknown)))


def _told(answer: Object) -> Iterator[tuple[int, int, Instant]]:
    for listing in rows(EVENTS, answer):
        for one in _listed(listing.get("Content")):
            event, at = whole(one.get("EventId"), 0, INTEGER_MAX), _milliseconds(one.get("Time"))
            if event is not None and at is not None:
                yield event, whole(one.get("ParamOne"), -INTEGER_MAX, INTEGER_MAX) or 0, at


def _nearest(leaves: Sequence[tuple[Instant, Fault]], left: Instant) -> Fault:
    """Find why somebody left: what was told nearest to it, if it was near; of two as near the doubtful one."""
    near = [(abs(at - left), fault is not Fault.UNKNOWN, fault.value) for at, fault in leaves]
    found = min((one for one in near if one[0] <= LEAVE_NEAR), default=None)
    return Fault.UNKNOWN if found is None else Fault(found[2])


def _unusual(answer: Object, room: str, asked: Object) -> Reading:
    """Take the slow entries whose cause is that there was none; what froze the series tell to the second."""
    when = _span(asked)
    sightings: list[Sighting] = []
    ignored: list[str] = []
    unknown: list[str] = []
    for row in rows(UNUSUAL, answer):
        experience, user, at = whole(row.get("ExperienceId"), 0, INTEGER_MAX), short_text(row.get("UserId")), _when(row)
        if experience not in EXPERIENCES or user is None or at is None:
            unknown.append(f"experience {experience}" if experience is not None else "experience")
            continue
        if not when.start <= at < when.end:
            ignored.append("experience outside of the span")
            continue
        causes = [whole(one.get("AbnormalEventId"), 0, INTEGER_MAX) for one in _listed(row.get("AbnormalEventList"))]
        is_entry = experience == 1 and not _is_seated(inner(asked.get("stays")).get(user), at)
        failed = [cause for cause in causes if is_entry and cause in CAUSES]
        sightings += [_failure(at, (room, user), f"cause {cause}", CAUSES[cause]) for cause in failed if cause]
        if not failed:
            ignored.append(f"experience {experience}")
    return Reading(tuple(sightings), tuple(dict.fromkeys(ignored)), tuple(dict.fromkeys(unknown)))


def _quality(answer: Object, room: str, asked: Object) -> Reading:
    when, teacher = _span(asked), short_text(asked.get("teacher")) or ""
    asked_for = asked.get("users")
    users = {str(user) for user in asked_for} if isinstance(asked_for, list) else set()
    streams: dict[tuple[str, str], dict[str, Blocks]] = defaultdict(dict)
    unknown: set[str] = set()
    for row in rows(QUALITY, answer):
        user, series = short_text(row.get("UserId")), text(row.get("DataType")) or ""
        if user is None or user not in users:
            unknown.add("series of a user nobody asked for")
        elif series not in METRICS:
            unknown.add(f"series {short_text(row.get('DataType'), CODE_MAX)}")
        else:
            streams[user, series][short_text(row.get("PeerId")) or ""] = _blocks(series, _samples(row, when))
    sightings: list[Sighting] = []
    for user in sorted(users):
        sightings += _spans(_received(user, teacher, streams), (room, user), str(asked.get("call")))
    return Reading(tuple(sightings), unknown=tuple(sorted(unknown)))


def _received(
    user: str, teacher: str, streams: Mapping[tuple[str, str], Mapping[str, Blocks]]
) -> Mapping[Instant, Mapping[str, float]]:
    """Take for each block what this user received of the teacher, or of the best of the others, and its own way."""
    blocks: dict[Instant, dict[str, float]] = defaultdict(dict)
    for series, metric in METRICS.items():
        found = streams.get((user, series), {})
        if series == "rtt":
            chosen = list(found.values())[:1]
        else:
            peers = {peer: values for peer, values in found.items() if peer}  # none is what the user sent
            chosen = [peers[teacher]] if teacher in peers else list(peers.values())
        for at in {at for values in chosen for at in values}:
            blocks[at][metric] = min(values[at] for values in chosen if at in values)
    return blocks


def _samples(row: Object, when: Span) -> Series:
    found = {}
    for one in _listed(row.get("Content")):
        at, value = seconds(one.get("Time")), number(one.get("Value"), 0, 1e9)
        if at is not None and value is not None and when.start <= at < when.end:
            found[at] = value
    return sorted(found.items())


def _blocks(series: str, samples: Series) -> Blocks:
    """Average the samples of each block; of freezes and losses as a share."""
    step = min((later[0] - one[0] for one, later in pairwise(samples)), default=STEP)
    held: dict[Instant, list[float]] = defaultdict(list)
    for at, value in samples:
        held[at // BLOCK * BLOCK].append(value)
    whole_share = float(min(step, BLOCK)) if series in _FROZEN else 100.0 if series in _LOSSES else 1.0
    most = 1e9 if series == "rtt" else 1.0
    return {at: round(min(sum(values) / (len(values) * whole_share), most), 3) for at, values in held.items()}


def _spans(blocks: Mapping[Instant, Mapping[str, float]], whom: tuple[str, str], call: str) -> Iterator[Sighting]:
    """Give one span for each run of blocks that are alike."""
    run: list[Instant] = []
    for at in sorted(blocks):
        if run and (at != run[-1] + BLOCK or blocks[at] != blocks[run[-1]]):
            yield _measured(run, blocks[run[0]], whom, call)
            run = []
        run.append(at)
    if run:
        yield _measured(run, blocks[run[0]], whom, call)


def _measured(run: Sequence[Instant], metrics: Mapping[str, float], whom: tuple[str, str], call: str) -> Sighting:
    room, user = whom
    return Sighting(
        Observation(
            source="trtc",
            id=capped(f"polled:{call}/{user}:quality:{run[0] // SECOND}", OBSERVATION_ID_MAX),
            kind=Kind.QUALITY,
            at=run[0],
            until=run[-1] + BLOCK,
            class_id=room,
            participant_id=user,
            role=Role.LEARNER,
            vantage=Vantage.SERVER,
            domains={"provider": "trtc"},
            metrics=dict(metrics),
        )
    )


def _event(
    kind: Kind,
    at: Instant,
    whom: tuple[str, str],
    stay: str,
    domains: Mapping[str, str],
    fault: Fault = Fault.UNKNOWN,
) -> Sighting:
    room, user = whom
    return Sighting(
        Observation(
            source="trtc",
            id=capped(f"polled:{stay}:{kind.value}", OBSERVATION_ID_MAX),
            kind=kind,
            at=at,
            class_id=room,
            participant_id=user,
            role=Role.LEARNER,
            session=capped(f"polled:{stay}", 240),
            vantage=Vantage.SERVER,
            fault=fault,
            code=CODE,
            domains={"provider": "trtc", **domains},
        )
    )


def _failure(at: Instant, whom: tuple[str, str], code: str, means: tuple[Fault, str | None]) -> Sighting:
    room, user = whom
    fault, blames = means
    return Sighting(
        Observation(
            source="trtc",
            id=capped(f"polled:{room}/{user}:{at}:{code}", OBSERVATION_ID_MAX),
            kind=Kind.JOIN_FAILED,
            at=at,
            class_id=room,
            participant_id=user,
            role=Role.LEARNER,
            vantage=Vantage.SERVER,
            fault=fault,
            blames=blames,
            code=code,
            domains={"provider": "trtc"},
        )
    )


def _stay(asked: Object, user: str, joined: Instant) -> str:
    return f"{asked.get('call')}/{user}:{joined // SECOND}"


def _is_seated(given: object, at: Instant) -> bool:
    """Say whether somebody was in, to the second: joins are told in whole seconds, failures in milliseconds.

    An entry that failed and was tried again at once must not come after the join that followed it.
    """
    second = at // SECOND * SECOND
    for stay in given if isinstance(given, list) else ():
        match stay:
            case [int(joined), int(left)] if joined <= second <= left:
                return True
            case [int(joined), None] if joined <= second:
                return True
    return False


def _stays(given: object) -> Iterator[tuple[Instant, Instant]]:
    for stay in given if isinstance(given, list) else ():
        if (when := span(stay)) is not None:
            yield when.start, when.end


def _domains(row: Object) -> Mapping[str, str]:
    client = short_text(row.get("DeviceType"), CODE_MAX)
    return {"client": client.lower()} if client else {}


def _alive(asked: Object, room: str) -> Iterator[Sighting]:
    if (when := span(asked.get("alive"))) is not None:
        yield alive("trtc", f"{capped(room, 100)}:{when.start // SECOND}", when.start, when.end)


def _span(asked: Object) -> Span:
    found = span(asked.get("span"))
    if found is None:
        raise Unreadable("the span that was asked is missing")
    return found


def _when(row: Object) -> Instant | None:
    """Take seconds, or milliseconds: the page shows seconds and its neighbours milliseconds."""
    return seconds(row.get("EventTime")) or _milliseconds(row.get("EventTime"))


def _milliseconds(given: object) -> Instant | None:
    return whole(given, EARLIEST_S * SECOND, LATEST_S * SECOND)


def _listed(given: object) -> Iterable[Object]:
    return [inner(one) for one in given] if isinstance(given, list) else []
