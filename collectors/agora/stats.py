"""Reads what Agora Analytics answered: who was there from when to when, and what froze; README.md has the facts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from collectors.agora.analytics import LISTS, METRICS, READER, SESSIONS, has_more, name_of, named_calls
from collectors.body import (
    INTEGER_MAX,
    OBSERVATION_ID_MAX,
    Object,
    capped,
    inner,
    number,
    parsed,
    seconds,
    short_text,
    whole,
)
from collectors.body import span as span_of
from collectors.contract import Reading, Sighting, Unreadable
from collectors.fetched import Fetched
from collectors.polls import CODE, alive
from rules.observation import Kind, Observation, Role, Vantage
from rules.span import SECOND, Instant, Span

BLOCK: int = 10 * SECOND
"""Samples are summed over the rules' own slot length, from whole 10 s since 1970."""

STEP: int = 2 * SECOND
"""Between two samples, where one series is too short to tell."""

AUDIO_FREEZE, VIDEO_FREEZE, AUDIO_LOSS, VIDEO_LOSS = 20005, 20011, 20016, 20018
SERIES: Mapping[int, str] = MappingProxyType(
    {AUDIO_FREEZE: "audio_frozen", VIDEO_FREEZE: "video_frozen", AUDIO_LOSS: "loss", VIDEO_LOSS: "loss"}
)
"""What we use of a session's series; freezes are in ms per step, losses in per cent."""

_DOCUMENTED = range(20001, 20039)
_LINUX = "linux"  # recorders; Agora leaves them out unless asked

Series = list[tuple[Instant, float]]
Blocks = dict[Instant, float]


def read(asked: Object, body: bytes) -> Reading:
    """Translate one answer. Raises Unreadable where it, or what was asked, is not what it should be."""
    answer = parsed(body)
    endpoint = str(asked.get("endpoint"))
    room = short_text(asked.get("room"))
    if endpoint == LISTS:
        is_empty = room is not None and not named_calls(answer, room)
        return Reading(tuple(_alive(asked, room)) if is_empty else (), ignored=("list of calls",))
    if room is None or endpoint not in {SESSIONS, METRICS}:
        raise Unreadable("what was asked is missing")
    if endpoint == METRICS:
        return _metrics(answer, room, asked)
    found = _sessions(answer, room)
    page = whole(asked.get("page"), 1, INTEGER_MAX)
    is_last = page is not None and not has_more(answer, page)
    return replace(found, sightings=(*found.sightings, *_alive(asked, room))) if is_last else found


AGORA_ANSWERS: Fetched = Fetched(READER, read)
"""The collector for answers of our polls."""


def _alive(asked: Object, room: str | None) -> Iterator[Sighting]:
    if (told := span_of(asked.get("alive"))) is not None:
        name = f"{room}:{told.start // SECOND}:{told.end // SECOND}"
        yield alive("agora", name, told.start, told.end)


def _sessions(answer: Object, room: str) -> Reading:
    sightings: list[Sighting] = []
    ignored: list[str] = []
    unknown: list[str] = []
    for row in _listed(answer.get("call_info")):
        sid, uid = short_text(row.get("sid")), whole(row.get("uid"), 0, 2**32 - 1)
        if sid is None or uid is None or row.get("cname", room) != room:
            unknown.append("session without sid, uid or our channel")
        elif str(row.get("platform")).lower().startswith(_LINUX):
            ignored.append("recorder")
        else:
            sightings += _presence(row, sid, room, unknown)
    return Reading(tuple(sightings), tuple(ignored), tuple(unknown))


def _presence(row: Object, sid: str, room: str, unknown: list[str]) -> Iterator[Sighting]:
    joined, left = seconds(row.get("join_ts")), seconds(row.get("leave_ts"))
    if joined is None:
        unknown.append("session without join_ts")
        return
    yield _event(Kind.JOINED, joined, sid, room, name_of(row))
    if row.get("finished") is True and left is not None and left >= joined:
        yield _event(Kind.LEFT, left, sid, room, name_of(row))


def _event(kind: Kind, at: Instant, sid: str, room: str, who: str) -> Sighting:
    return Sighting(
        Observation(
            source="agora",
            id=capped(f"polled:{sid}:{kind.value}", OBSERVATION_ID_MAX),
            kind=kind,
            at=at,
            class_id=room,
            participant_id=who,
            role=Role.LEARNER,
            session=f"polled:{sid}",
            vantage=Vantage.SERVER,
            code=CODE,
            domains={"provider": "agora"},
        )
    )


def _metrics(answer: Object, room: str, asked: Object) -> Reading:
    people = inner(asked.get("people"))
    given = asked.get("teachers")
    teachers = {uid for uid in given if isinstance(uid, int)} if isinstance(given, list) else set()
    span = _span(asked.get("span"))
    sightings: list[Sighting] = []
    unknown: set[str] = set()
    for row in _listed(answer.get("metrics")):
        sid = short_text(row.get("sid"))
        if sid is None or sid not in people:
            unknown.add("metrics of a session nobody asked for")
            continue
        metrics = _received(row, span, teachers, unknown)
        sightings += _spans(metrics, sid, room, name_of(inner(people[sid])))
    return Reading(tuple(sightings), unknown=tuple(sorted(unknown)))


def _received(row: Object, span: Span, teachers: set[int], unknown: set[str]) -> Mapping[Instant, Mapping[str, float]]:
    """Take for each block what this session received: of the teacher's streams, or of its best stream."""
    streams: dict[int, dict[int, Blocks]] = defaultdict(dict)
    for one in _listed(row.get("data")):
        mid = whole(one.get("mid"), 0, INTEGER_MAX)
        peer = whole(one.get("peer_uid", 0), 0, 2**32 - 1)
        if mid is None or mid not in _DOCUMENTED:
            unknown.add("metric" if mid is None else f"metric {mid}")
        elif mid in SERIES and peer:  # peer 0 is the session's own side
            streams[mid][peer] = _blocks(mid, _samples(one.get("kvs"), span))
    blocks: dict[Instant, dict[str, float]] = defaultdict(dict)
    for mid in (VIDEO_LOSS, AUDIO_LOSS, AUDIO_FREEZE, VIDEO_FREEZE):  # where both losses are known, the audio's stays
        of_teacher = [values for peer, values in streams[mid].items() if peer in teachers]
        for at, value in _chosen(of_teacher, list(streams[mid].values())).items():
            blocks[at][SERIES[mid]] = value
    return blocks


def _chosen(of_teacher: Sequence[Blocks], every: Sequence[Blocks]) -> Blocks:
    """Take the worst of the teacher's streams (camera, screen); without any, the best of all others'."""
    pick = max if of_teacher else min
    values: dict[Instant, list[float]] = defaultdict(list)
    for blocks in of_teacher or every:
        for at, value in blocks.items():
            values[at].append(value)
    return {at: pick(found) for at, found in values.items()}


def _span(given: object) -> Span:
    """Take the span that was asked for: its neighbour is answered for itself, and both have the sample between."""
    found = span_of(given)
    if found is None:
        raise Unreadable("the span that was asked is missing")
    return found


def _samples(kvs: object, span: Span) -> Series:
    found = {}
    for pair in kvs if isinstance(kvs, list) else ():
        if isinstance(pair, list) and len(pair) == 2:
            at, value = seconds(pair[0]), number(pair[1], 0, 1e9)
            if at is not None and value is not None and span.start <= at < span.end:
                found[at] = value
    return sorted(found.items())


def _blocks(mid: int, samples: Series) -> Blocks:
    step = min((later[0] - one[0] for one, later in pairwise(samples)), default=STEP)
    sums: dict[Instant, list[float]] = defaultdict(list)
    for at, value in samples:
        sums[at // BLOCK * BLOCK].append(value)
    whole_share = 100.0 if mid in {AUDIO_LOSS, VIDEO_LOSS} else float(min(step, BLOCK))
    return {at: round(min(sum(values) / (len(values) * whole_share), 1.0), 3) for at, values in sums.items()}


def _spans(blocks: Mapping[Instant, Mapping[str, float]], sid: str, room: str, who: str) -> Iterator[Sighting]:
    """Give one span for each run of blocks that are alike."""
    run: list[Instant] = []
    for at in sorted(blocks):
        if run and (at != run[-1] + BLOCK or blocks[at] != blocks[run[-1]]):
            yield _quality(run, blocks[run[0]], sid, room, who)
            run = []
        run.append(at)
    if run:
        yield _quality(run, blocks[run[0]], sid, room, who)


def _quality(run: Sequence[Instant], metrics: Mapping[str, float], sid: str, room: str, who: str) -> Sighting:
    return Sighting(
        Observation(
            source="agora",
            id=capped(f"polled:{sid}:quality:{run[0] // SECOND}", OBSERVATION_ID_MAX),
            kind=Kind.QUALITY,
            at=run[0],
            until=run[-1] + BLOCK,
            class_id=room,
            participant_id=who,
            role=Role.LEARNER,
            vantage=Vantage.SERVER,
            domains={"provider": "agora"},
            metrics=dict(metrics),
        )
    )


def _listed(rows: object) -> Iterable[Object]:
    return [inner(row) for row in rows] if isinstance(rows, list) else []
