"""Keeps what was seen, one row per (source, id), with its session named and its class found."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Row, Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import ANYWHERE, Sighting
from collectors.threads import settled
from qos_monitor import carrying, coverage, due, going_down, naming, timetable, tombstones
from qos_monitor.storage.rows import Values, chunks, observation_values, sighting_of
from qos_monitor.storage.tables import observations
from qos_monitor.timetable import Place
from rules.observation import OF_A_CLASS, Kind, Observation, chosen
from rules.span import Instant, Span

Key = tuple[str, str]
Room = tuple[str, str]

NAMES_AT_ONCE: int = 100
"""Names whose observations are held in memory together when they are placed anew."""

_NEVER = -(2**62)  # before every place in a thread
_STAYS = frozenset({Kind.JOINED, Kind.LEFT})
_CHECKS = frozenset({Kind.CHECK_PASSED, Kind.CHECK_FAILED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One sighting in the provider's own names, the delivery it came with, and its row where there is one."""

    sighting: Sighting
    delivery_seq: int
    row: Row[Any] | None = None

    @property
    def key(self) -> Key:
        """By what copies are known."""
        return (self.sighting.observation.source, self.sighting.observation.id)

    @property
    def thread(self) -> Key | None:
        """The sequence of joins and leaves it belongs to, within its source."""
        return None if self.sighting.thread is None else (self.key[0], self.sighting.thread)


async def store(conn: AsyncConnection, arrived: Iterable[Entry], now: Instant) -> list[tuple[int, Observation]]:
    """Keep sightings, in the transaction given; answer those that are new, each with its delivery.

    Storing twice is storing once. Of copies that differ the one of SPEC 2 stays, whatever the order of
    arrival. Sessions of a touched thread are named anew, so a late join moves the leaves after it.
    ``observation.recorded_at`` must be set. What it changes is marked to be judged.
    """
    await naming.unmoved(conn)
    fresh = _by_key(await tombstones.others(conn, list(arrived)))
    stored = await _stored(conn, fresh)
    entries = {key: _chosen(entry, stored.get(key)) for key, entry in fresh.items()}
    first = _first_places(entries.values())
    for entry in await _neighbours(conn, entries.values()):
        entries.setdefault(entry.key, entry)
    changed = await _settle(conn, _read_whole(list(entries.values()), first), now)
    return [(fresh[key].delivery_seq, seen) for key, seen in changed if key in fresh and key not in stored]


async def remap(conn: AsyncConnection, rooms: Mapping[Room, tuple[Instant, Instant]], now: Instant) -> int:
    """Place anew what was seen in these rooms within these spans; answer how many observations moved."""
    entries = []
    for (source, room_id), (low, high) in rooms.items():
        statement = select(observations).where(
            observations.c.source == source,
            observations.c.room_id == room_id,
            observations.c.at >= low - timetable.REACH,
            observations.c.at < high + timetable.REACH,
        )
        entries += [_entry(row) for row in await conn.execute(statement)]
    return len(await _settle(conn, entries, now, sessions_stand=True))


async def rooms_seen(conn: AsyncConnection, source: str, span: Span) -> set[str]:
    """Find every room of a provider in which something was seen in or around this span."""
    # By kind and time, for which there is an index; there is none over time alone.
    statement = select(observations.c.room_id).where(
        observations.c.kind.in_(sorted(kind.value for kind in OF_A_CLASS)),
        observations.c.at >= span.start - timetable.REACH,
        observations.c.at < span.end + timetable.REACH,
        observations.c.source == source,
        observations.c.room_id.is_not(None),
    )
    return set((await conn.execute(statement.distinct())).scalars())


async def remap_people(
    conn: AsyncConnection, source: str, people: Iterable[str], span: tuple[Instant, Instant], now: Instant
) -> int:
    """Place anew what was seen of these people, in no room, within this span; answer as `remap` does."""
    known = await naming.templates_of(conn)
    given = set(people)
    names = given | {name for person in given for name in known.names_of(source, person)}
    is_theirs = (observations.c.room_id == ANYWHERE) & (observations.c.at < span[1] + timetable.REACH)
    return await _remap_named(conn, source, names, is_theirs & (observations.c.at >= span[0] - timetable.REACH), now)


async def seen_of(conn: AsyncConnection, source: str, names: Iterable[str], enough: int) -> int:
    """Count what was seen under these names of a provider, up to ``enough``."""
    count = 0
    for some in chunks(sorted(names)):
        if count < enough:
            statement = select(observations.c.seq).where(observations.c.source == source, _is_named(some))
            count += len((await conn.execute(statement.limit(enough - count))).all())
    return count


def _is_named(names: Sequence[str]) -> ColumnElement[bool]:
    return observations.c.participant_id.in_(names) | observations.c.named.in_(names)


async def remap_names(conn: AsyncConnection, source: str, names: Iterable[str], now: Instant) -> int:
    """Place anew everything seen under these names of a provider, whenever it was; answer as `remap` does."""
    return await _remap_named(conn, source, names, observations.c.room_id.is_not(None), now)


async def _remap_named(
    conn: AsyncConnection, source: str, names: Iterable[str], condition: ColumnElement[bool], now: Instant
) -> int:
    moved = 0
    for some in chunks(sorted(names), NAMES_AT_ONCE):
        is_theirs = _is_named(some) & condition
        rows = await conn.execute(select(observations).where(observations.c.source == source, is_theirs))
        moved += len(await _settle(conn, [_entry(row) for row in rows], now, sessions_stand=True))
    return moved


async def remap_after(conn: AsyncConnection, seq: int, limit: int, now: Instant) -> int | None:
    """Place anew the next ``limit`` observations after this one, in the order of storing; None at the end.

    Answers where to go on.
    """
    await naming.unmoved(conn)
    statement = select(observations).where(observations.c.seq > seq).order_by(observations.c.seq).limit(limit)
    rows = (await conn.execute(statement)).all()
    await _settle(conn, [_entry(row) for row in rows if row.room_id is not None], now, sessions_stand=True)
    return int(rows[-1].seq) if rows else None


def _by_key(arrived: Iterable[Entry]) -> dict[Key, Entry]:
    kept: dict[Key, Entry] = {}
    for entry in arrived:
        kept[entry.key] = _chosen(entry, kept.get(entry.key))
    return kept


def _chosen(entry: Entry, other: Entry | None) -> Entry:
    """Keep the copy that counts by SPEC 2, with the row that is there."""
    if other is None:
        return entry
    # The other one first: of equal copies it stays, so that a repeat changes nothing.
    [seen] = chosen([other.sighting.observation, entry.sighting.observation])
    kept = other if seen is other.sighting.observation else entry
    return replace(kept, row=entry.row or other.row)


async def _stored(conn: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Entry]:
    ids = defaultdict(list)
    for source, name in keys:
        ids[source].append(name)
    stored: dict[Key, Entry] = {}
    for source in ids:
        for some in chunks(ids[source]):
            copies = select(observations).where(observations.c.source == source, observations.c.id.in_(some))
            stored |= {(row.source, row.id): _entry(row) for row in await conn.execute(copies)}
    return stored


async def _neighbours(conn: AsyncConnection, entries: Iterable[Entry]) -> list[Entry]:
    """Read of every thread touched what a new event can rename, and the join that names it.

    That is from the last join before the first touched place to the first join after the last one: a room
    that a school keeps for years has long threads, and nothing outside of these bounds can change.
    """
    places: dict[Key, list[int]] = defaultdict(list)
    measured: set[Key] = set()
    for entry in entries:
        if entry.thread is not None:
            places[entry.thread].append(entry.sighting.order)
            if entry.row is not None:
                places[entry.thread].append(entry.row.thread_order)
            if entry.sighting.observation.kind is Kind.QUALITY:
                measured.add(entry.thread)
    found: list[Entry] = []
    for source, thread in await _begun(conn, places):
        orders = places[source, thread]
        statement = _ANY_BETWEEN if (source, thread) in measured else _JOINS_BETWEEN
        bounds = {"source": source, "thread": thread, "first": min(orders), "last": max(orders)}
        found += [_entry(row) for row in await conn.execute(statement, bounds)]
    return found


async def _begun(conn: AsyncConnection, threads: Iterable[Key]) -> list[Key]:
    """Find which of these threads have anything stored: most of what arrives begins one, and has no neighbours."""
    names: dict[str, list[str]] = defaultdict(list)
    for source, thread in threads:
        names[source].append(thread)
    found: list[Key] = []
    for source, of_source in names.items():
        for some in chunks(of_source):
            statement = (
                select(observations.c.thread)
                .where(observations.c.source == source, observations.c.thread.in_(some))
                .distinct()
            )
            found += [(source, thread) for thread in (await conn.execute(statement)).scalars()]
    return found


def _between(turns: Kind | None) -> Select[Any]:
    """Select what lies between the nearest turns outside: events of kind ``turns``, or (None) of any kind.

    Its parameters are source, thread, and the first and last place touched.
    """
    order, first, last = (
        observations.c.thread_order,
        bindparam("first", type_=BigInteger),
        bindparam("last", type_=BigInteger),
    )
    of_thread = (observations.c.source == bindparam("source")) & (observations.c.thread == bindparam("thread"))
    is_turn = of_thread if turns is None else of_thread & (observations.c.kind == turns.value)
    low = func.coalesce(select(func.max(order)).where(is_turn, order < first).scalar_subquery(), _NEVER)
    high = func.coalesce(select(func.min(order)).where(is_turn, order > last).scalar_subquery(), -_NEVER)
    inside = (order > low) & (order <= high)
    return select(observations).where(of_thread, inside | (is_turn & (order == low)))


# Made once: to build one takes longer than to run it.
_JOINS_BETWEEN, _ANY_BETWEEN = _between(Kind.JOINED), _between(None)


def _first_places(entries: Iterable[Entry]) -> dict[Key, int]:
    """Find where in each thread the first thing arrived: a span before it is there for the next one's sake."""
    first: dict[Key, int] = {}
    for entry in entries:
        if entry.thread is not None:
            first[entry.thread] = min(first.get(entry.thread, entry.sighting.order), entry.sighting.order)
    return first


def _entry(row: Row[Any]) -> Entry:
    return Entry(sighting_of(row), row.delivery_seq, row)


async def _settle(
    conn: AsyncConnection, entries: Sequence[Entry], now: Instant, *, sessions_stand: bool = False
) -> list[tuple[Key, Observation]]:
    """Name and place the entries, write those that differ from their row, and mark what that touches."""
    table = await timetable.load(conn, (entry.sighting for entry in entries))
    new: list[Values] = []
    moved: list[tuple[int, Values]] = []
    changed: list[tuple[Key, Observation]] = []
    touched: set[str | None] = set()
    feeds: list[coverage.Word] = []
    for entry in entries:
        seen = entry.sighting.observation
        place = table.place(entry.sighting)
        session = entry.row.session if sessions_stand and entry.row is not None else seen.session
        values = _values(entry, place) | {"session": session}
        if entry.row is None:
            new.append(values)
        elif any(getattr(entry.row, name) != value for name, value in values.items()):
            moved.append((entry.row.seq, values))
            touched.add(entry.row.class_id)
        else:
            continue
        touched.add(place.class_id)
        feeds += coverage.words(entry.row, seen)
        changed.append((entry.key, _placed(seen, place)))
    await _write(conn, new, moved)
    await coverage.learn(conn, feeds, now)
    await _touch(conn, touched, [seen for _, seen in changed], now)
    return changed


def _placed(seen: Observation, place: Place) -> Observation:
    if place.class_id is None:
        return seen
    return replace(seen, class_id=place.class_id, participant_id=place.participant_id, role=place.role)


def _values(entry: Entry, place: Place) -> Values:
    sighting, name = entry.sighting, entry.sighting.observation.participant_id
    return observation_values(sighting.observation) | {
        "class_id": place.class_id,
        "participant_id": place.participant_id,
        "role": place.role,
        "named": None if name == place.participant_id else name,
        "unmapped": place.unmapped,
        "delivery_seq": entry.delivery_seq,
        "room_id": None if sighting.placed else sighting.observation.class_id,
        "thread": sighting.thread,
        "thread_order": sighting.order,
    }


def _read_whole(entries: Sequence[Entry], first: Mapping[Key, int]) -> list[Entry]:
    """Read every thread anew, as far as it is here; ``first`` is where in each something arrived."""
    threads: dict[Key, list[Sighting]] = defaultdict(list)
    for entry in entries:
        if entry.thread is not None:
            threads[entry.thread].append(entry.sighting)
    told = {
        (seen.observation.source, seen.observation.id): seen
        for thread, sightings in threads.items()
        for seen in settled(sightings)
        if seen.observation.kind is not Kind.QUALITY or seen.order >= first[thread]
    }
    return [replace(entry, sighting=told.get(entry.key, entry.sighting)) for entry in entries]


async def _write(conn: AsyncConnection, new: list[Values], moved: list[tuple[int, Values]]) -> None:
    if new:
        await conn.execute(observations.insert(), new)
    if moved:
        columns: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in moved[0][1]}
        statement = update(observations).where(observations.c.seq == bindparam("moved")).values(columns)
        rows = [{"moved": seq} | {f"new_{name}": value for name, value in values.items()} for seq, values in moved]
        await conn.execute(statement, rows)


async def _touch(
    conn: AsyncConnection, class_ids: Iterable[str | None], changed: Sequence[Observation], now: Instant
) -> None:
    touched = {class_id for class_id in class_ids if class_id is not None}
    if any(seen.kind in _STAYS for seen in changed):
        touched |= await carrying.neighbours(conn, touched)
    touched |= await going_down.classes_hit(conn, changed)
    await due.touch_classes(conn, touched, now)
    checked = [seen.participant_id for seen in changed if seen.kind in _CHECKS and seen.participant_id is not None]
    await due.touch_learners(conn, checked, now)
