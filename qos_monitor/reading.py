"""Deliveries become observations: once each, in one transaction per batch, whatever a collector does."""

import asyncio
import functools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors.contract import Collector, Delivery, Notice, Reading, Sighting, Unreadable
from qos_monitor import cancelling, experience, logs, observing, tallying
from qos_monitor.observing import Entry
from qos_monitor.shortening import shortened
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.rows import chunks, is_plain
from qos_monitor.storage.tables import READ, UNREADABLE, WAITING, deliveries
from rules import policy as policies
from rules.observation import Observation
from rules.policy import Impaired
from rules.span import Instant

SIGHTINGS_MAX: int = 1_000
"""How many are stored in one transaction: webhooks wait behind it, for a fifth of a second at most."""

_SEQS_MAX = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What one batch gave, for the counters."""

    read: Mapping[tuple[str, str], int]
    unknown: Mapping[str, int]
    observations: Sequence[tuple[str, Observation]]
    """The new ones, each with the provider whose delivery it came in."""

    @property
    def count(self) -> int:
        """How many deliveries were settled."""
        return sum(self.read.values())


@dataclass(frozen=True, slots=True)
class _Read:
    seq: int
    provider: str
    received_at: Instant
    reading: Reading
    problem: str | None
    is_last: bool = True
    """Whether the delivery ends here; a long one is cut into several of these."""
    body: bytes | None = None
    """What is kept of it, where that is not what came."""


async def read_waiting(
    engine: AsyncEngine, collectors: Mapping[str, Collector], now: Instant, limit: int = _SEQS_MAX
) -> int:
    """Read up to ``limit`` waiting deliveries; answer how many were settled, 0 when none waits.

    As `read_batch`, for callers who count nothing.
    """
    return (await read_batch(engine, collectors, now, limit)).count


async def read_batch(
    engine: AsyncEngine,
    collectors: Mapping[str, Collector],
    now: Instant,
    limit: int = _SEQS_MAX,
    limits: Impaired | None = None,
) -> Report:
    """Read up to ``limit`` waiting deliveries, oldest first, and say what they gave.

    A delivery that its collector cannot read, or on which the collector itself fails, is marked unreadable
    with the class of the problem, and its bytes stay. A delivery is marked in the transaction that stores the
    last of its observations: after a crash it is read again from its beginning, with the same result. Parsing
    happens outside of transactions, for nobody can write meanwhile. ``limits`` say what is counted as out of sync;
    None: those of the policy delivered.
    """
    ours = deliveries.c.provider.in_(sorted(collectors))  # the others wait until they are configured again
    waiting = deliveries.c.state == WAITING
    statement = select(deliveries).where(waiting, ours).order_by(deliveries.c.seq).limit(limit)
    async with reading(engine) as conn:
        rows = (await conn.execute(statement)).all()
    if not rows:
        return Report({}, {}, ())
    taken = await asyncio.to_thread(lambda: [_read(row, collectors) for row in rows])
    settled: list[_Read] = []
    fresh: list[tuple[int, Observation]] = []
    for piece in _pieces(taken):
        async with writing(engine) as conn:
            free = await _claim(conn, sorted({one.seq for one in piece}))
            ours_now = [one for one in piece if one.seq in free]
            ended = [one for one in ours_now if one.is_last]
            await cancelling.store(conn, _notices(ended), now)
            seen = await observing.store(conn, _entries(ours_now), now)
            await _mark(conn, ended)
            await _count(conn, [one for _, one in seen], limits or _limits(), now)
        settled += ended
        fresh += seen
    return _report(taken, settled, fresh)


@functools.cache
def _limits() -> Impaired:
    return policies.default().impaired


async def _count(conn: AsyncConnection, seen: Sequence[Observation], limits: Impaired, now: Instant) -> None:
    """Count in the database what is new, last of all: others who count may wait for us."""
    counts = experience.counted(seen, await experience.providers_of(conn, seen), limits)
    await tallying.add(conn, counts, now)


def _pieces(taken: Iterable[_Read]) -> Iterator[list[_Read]]:
    """Cut what was read into pieces of SIGHTINGS_MAX at most, in order, through the middle of a delivery if need be."""
    piece: list[_Read] = []
    size = 0
    for part in (part for one in taken for part in _parts(one)):
        added = len(part.reading.sightings)
        if piece and size + added > SIGHTINGS_MAX:
            yield piece
            piece, size = [], 0
        piece.append(part)
        size += added
    yield piece


def _parts(one: _Read) -> Iterator[_Read]:
    if len(one.reading.sightings) <= SIGHTINGS_MAX:
        yield one
        return
    cuts = list(chunks(one.reading.sightings, SIGHTINGS_MAX))
    for number, sightings in enumerate(cuts, start=1):
        result = replace(one.reading, sightings=tuple(sightings))
        yield replace(one, reading=result, is_last=number == len(cuts))


def _read(row: Row[Any], collectors: Mapping[str, Collector]) -> _Read:
    """Read one; what it told is taken from the whole of it, and what is kept has no address of a person's device."""
    kept = shortened(row.body)
    told = _told(row, collectors)
    return told if kept == row.body else replace(told, body=kept)


def is_readable(row: Row[Any], collectors: Mapping[str, Collector]) -> bool:
    """Say whether a stored delivery can be read now; nothing comes of it."""
    try:
        result = _reading(row, collectors)
    except Exception:  # noqa: BLE001 - whatever it is, the delivery cannot be read
        return False
    return all(map(is_storable, result.sightings))


def _reading(row: Row[Any], collectors: Mapping[str, Collector]) -> Reading:
    delivery = Delivery(row.provider, row.body, msgspec.json.decode(row.headers), row.received_at)
    result = collectors[row.provider].read(delivery)
    return replace(result, sightings=tuple(_recorded(sighting, row.received_at) for sighting in result.sightings))


def _told(row: Row[Any], collectors: Mapping[str, Collector]) -> _Read:
    try:
        result = _reading(row, collectors)
    except Unreadable as problem:
        return _Read(row.seq, row.provider, row.received_at, Reading(), f"Unreadable: {problem}"[:300])
    except Exception as bug:  # noqa: BLE001 - a collector's bug must not stop the deliveries behind it
        logs.failure("collector_failed", bug, provider=row.provider, seq=row.seq)
        return _Read(row.seq, row.provider, row.received_at, Reading(), type(bug).__name__)
    if not all(map(is_storable, result.sightings)):
        return _Read(row.seq, row.provider, row.received_at, Reading(), "NotStorable")
    return _Read(row.seq, row.provider, row.received_at, result, None)


def _recorded(sighting: Sighting, received_at: Instant) -> Sighting:
    """Say when we stored it. A sender may say that it knew before we did (a backlog), never that we will."""
    seen = sighting.observation
    known_at = received_at if seen.recorded_at is None else min(seen.recorded_at, received_at)
    return replace(sighting, observation=replace(seen, recorded_at=known_at))


_LENGTHS = {"source": 64, "id": 300, "class_id": 200, "participant_id": 200, "session": 300, "blames": 16}
_INSTANT_MAX = 2**53
_NUMBER_MAX = sys.float_info.max


def is_storable(sighting: Sighting) -> bool:
    """Say whether both databases take it: its texts are plain and not too long, its instants and numbers sane."""
    return unstorable(sighting) is None


def unstorable(sighting: Sighting) -> str | None:
    """Name the first key whose value not both databases take: too long, with NUL or half characters, or insane.

    A number that is none, or without end, has no JSON; a collector of somebody else's may give one all the same.
    """
    seen = sighting.observation
    texts = [(name, getattr(seen, name), length) for name, length in _LENGTHS.items()]
    texts += [("thread", sighting.thread, 300), ("code", seen.code, 4096)]
    texts += [(f"domains.{key}", text, 200) for key, value in seen.domains.items() for text in (key, value)]
    for name, text, length in texts:
        if not is_plain(text, length):
            return name
    if not all(isinstance(value, int | float) and abs(value) <= _NUMBER_MAX for value in seen.metrics.values()):
        return "metrics"
    instants = {"at": seen.at, "until": seen.until, "recorded_at": seen.recorded_at, "order": sighting.order}
    return next((name for name, at in instants.items() if abs(at or 0) > _INSTANT_MAX), None)


def _entries(taken: Iterable[_Read]) -> list[Entry]:
    return [Entry(sighting, one.seq) for one in taken for sighting in one.reading.sightings]


def _notices(ended: Iterable[_Read]) -> list[tuple[Notice, Instant]]:
    return [(notice, one.received_at) for one in ended for notice in one.reading.notices]


async def _claim(conn: AsyncConnection, seqs: Sequence[int]) -> set[int]:
    """Take those that nobody settled in between; on PostgreSQL another worker may have them in hand."""
    ours: set[int] = set()
    for start in range(0, len(seqs), _SEQS_MAX):
        statement = (
            select(deliveries.c.seq)
            .where(deliveries.c.seq.in_(seqs[start : start + _SEQS_MAX]), deliveries.c.state == WAITING)
            .with_for_update(skip_locked=True)
        )
        ours.update((await conn.execute(statement)).scalars())
    return ours


async def _mark(conn: AsyncConnection, taken: Sequence[_Read]) -> None:
    if not taken:
        return
    if cut := [{"one": one.seq, "body": one.body} for one in taken if one.body is not None]:
        await conn.execute(update(deliveries).where(deliveries.c.seq == bindparam("one")), cut)
    for some in chunks([one.seq for one in taken if one.problem is None]):
        await conn.execute(update(deliveries).where(deliveries.c.seq.in_(some)).values(state=READ, problem=None))
    if failed := [{"one": one.seq, "problem": one.problem} for one in taken if one.problem is not None]:
        statement = update(deliveries).where(deliveries.c.seq == bindparam("one"))
        await conn.execute(statement.values(state=UNREADABLE), failed)


def _report(taken: Sequence[_Read], settled: Sequence[_Read], fresh: Sequence[tuple[int, Observation]]) -> Report:
    providers = {one.seq: one.provider for one in taken}
    return Report(
        read=Counter((one.provider, "read" if one.problem is None else "unreadable") for one in settled),
        unknown=Counter(one.provider for one in settled for _ in one.reading.unknown),
        observations=[(providers[seq], seen) for seq, seen in fresh],
    )
