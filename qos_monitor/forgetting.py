"""Forgets a learner: what is owed to them and was proved stays, everything else about them goes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Table, and_, delete, exists, func, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import naming, observation_lines, sealing, tallying, tombstones
from qos_monitor.access import audit, pseudonyms
from qos_monitor.access.audit import Act
from qos_monitor.metrics.standing import VERDICTS_NOW
from qos_monitor.polling.sources import SOURCES
from qos_monitor.redacting import REDACTED, Redactor, redactor
from qos_monitor.storage.engine import is_sqlite, reading, writing
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import (
    UNREADABLE,
    WAITING,
    cases,
    class_learners,
    classes,
    deliveries,
    enrolments,
    identities,
    learners,
    observations,
    outages,
    polls,
    templates,
    verdicts,
    windows,
)
from qos_monitor.tombstones import Name
from rules.span import Instant

_ANSWERS_OF = {source.reader.provider: source.provider for source in SOURCES}
"""Whose names stand in the answers to polls."""

PIECE: int = 1_000
"""Rows changed in one transaction, so that webhooks are taken meanwhile."""


@dataclass(slots=True)
class Forgotten:
    """What was done."""

    deleted: dict[str, int] = field(default_factory=dict)
    redacted: int = 0
    """Deliveries that tell of others too, from which the names were taken."""
    emptied: int = 0
    """Such deliveries whose bytes could not be kept without the names."""
    waiting: int = 0
    """Deliveries about the learner that are not read yet: what they say of them will be dropped; forget again then."""
    cases_kept: int = 0

    def add(self, table: Table, rows: int) -> None:
        """Count rows that went."""
        self.deleted[table.name] = self.deleted.get(table.name, 0) + rows

    def as_json(self) -> dict[str, object]:
        """Write it for the person who asked."""
        return {
            "deleted": self.deleted,
            "deliveries_redacted": self.redacted,
            "deliveries_emptied": self.emptied,
            "deliveries_waiting": self.waiting,
            "cases_kept": self.cases_kept,
        }


async def in_play(conn: AsyncConnection, learner_id: str, now: Instant) -> list[str]:
    """Say in words what the learner would lose if they were forgotten now; nothing: all is settled."""
    open_cases = select(func.count()).select_from(cases).where(cases.c.learner_id == learner_id, sealing.is_open())
    undecided = select(func.count()).where(outages.c.learner_id == learner_id, outages.c.answer == "not_yet")
    attended = exists().where(class_learners.c.class_id == classes.c.id, class_learners.c.learner_id == learner_id)
    unjudged = (
        select(func.count())
        .select_from(classes)
        .join(windows, windows.c.window == classes.c.window)
        .where(attended, classes.c.starts_at <= now, windows.c.due_at.is_not(None))
    )
    words = {
        "cases that are not settled": open_cases,
        "outages that are not decided yet": undecided,
        "classes whose verdict is not final": unjudged,
    }
    counted = {said: int((await conn.execute(statement)).scalar_one()) for said, statement in words.items()}
    return [f"{count} {said}" for said, count in counted.items() if count]


async def forget(engine: AsyncEngine, learner_id: str, act: Act, now: Instant) -> Forgotten:
    """Drop what is known of a learner but the money trail; again, or after a crash, it does what is left to do.

    Marked first, so that nothing that comes meanwhile stays; the names the school gave them go last, for they are
    needed to find the rest. ``act`` is written in the audit trail, about a pseudonym.
    """
    done = Forgotten()
    async with writing(engine) as conn:
        await naming.moving(conn)
        names = await _names(conn, learner_id)
        await tombstones.put(conn, learner_id, names, now)
        who = (await pseudonyms.of_installation(conn)).of(learner_id)
        await audit.record(conn, Act(act.actor, act.action, who, act.reason), now)
    told = await _observations(engine, learner_id, names, done)
    await _deliveries(engine, learner_id, names, told, done)
    await _polls(engine, learner_id, names)
    await _verdicts(engine, learner_id, done, now)
    async with writing(engine) as conn:
        await _erasing(conn)
        for table in (outages, class_learners, enrolments):
            await _dropped(conn, table, table.c.learner_id == learner_id, done)
        await _dropped(conn, learners, learners.c.id == learner_id, done)
        await _dropped(conn, identities, identities.c.person_id == learner_id, done)
        kept = select(func.count()).select_from(cases).where(cases.c.learner_id == learner_id)
        done.cases_kept = int((await conn.execute(kept)).scalar_one())
    await _flushed(engine)
    return done


async def _names(conn: AsyncConnection, learner_id: str) -> set[Name]:
    """Find the names the learner has at providers: what the school said, and what the templates write."""
    rows = await conn.execute(select(identities).where(identities.c.person_id == learner_id))
    found = {(row.provider, row.name) for row in rows}
    seen = select(observations.c.source, observations.c.named).where(observations.c.participant_id == learner_id)
    found |= {(row.source, row.named) for row in await conn.execute(seen.distinct()) if row.named is not None}
    known = await naming.templates_of(conn)
    written = set((await conn.execute(select(templates.c.provider))).scalars())
    sources = {provider for provider, _ in found} | written
    if "*" in written:
        sources |= set((await conn.execute(select(classes.c.provider).distinct())).scalars())
    return found | {(source, name) for source in sources - {"*"} for name in known.names_of(source, learner_id)}


def _of(names: Collection[Name], source: str) -> list[str]:
    """Pick the names of one provider."""
    return [name for at, name in names if at == source]


def _is_theirs(learner_id: str, names: Collection[Name]) -> ColumnElement[bool]:
    by_source: dict[str, list[str]] = {}
    for source, name in names:
        by_source.setdefault(source, []).append(name)
    of_source = [
        and_(
            observations.c.source == source,
            or_(observations.c.named.in_(some), observations.c.participant_id.in_(some)),
        )
        for source, some in sorted(by_source.items())
    ]
    return or_(observations.c.participant_id == learner_id, observations.c.named == learner_id, *of_source)


async def _observations(engine: AsyncEngine, learner_id: str, names: Collection[Name], done: Forgotten) -> set[int]:
    """Delete what was seen of the learner; answer the deliveries it came with."""
    told: set[int] = set()
    chosen = select(observations.c.seq, observations.c.delivery_seq).where(_is_theirs(learner_id, names)).limit(PIECE)
    while True:
        async with writing(engine) as conn:
            await _erasing(conn)
            rows = (await conn.execute(chosen)).all()
            told |= {row.delivery_seq for row in rows}
            for some in chunks(row.seq for row in rows):
                await _dropped(conn, observations, observations.c.seq.in_(some), done)
        if len(rows) < PIECE:
            return told


async def _deliveries(
    engine: AsyncEngine, learner_id: str, names: Collection[Name], told: set[int], done: Forgotten
) -> None:
    """Walk over all raw deliveries: those of this learner alone go, from the others the names are taken."""
    everywhere = redactor([learner_id])
    of = {source: redactor([learner_id, *_of(names, source)]) for source, _ in names}
    anything = redactor([learner_id, *(name for _, name in names)])
    after = 0
    while True:
        statement = select(deliveries).where(deliveries.c.seq > after).order_by(deliveries.c.seq).limit(PIECE)
        async with reading(engine) as conn:
            rows = (await conn.execute(statement)).all()
        found: dict[int, Redactor] = {}
        for row in rows:
            of_many = row.seq in told or row.provider == observation_lines.PROVIDER
            looks = anything if of_many else of.get(_ANSWERS_OF.get(row.provider, row.provider), everywhere)
            if row.seq in told or looks.finds(row.body, msgspec.json.decode(row.headers, type=dict[str, str])):
                found[row.seq] = looks
        done.waiting += sum(row.state == WAITING for row in rows if row.seq in found)
        settled = [row for row in rows if row.seq in found and row.state != WAITING]
        if settled:
            await _cleaned(engine, settled, found, done)
        if len(rows) < PIECE:
            return
        after = rows[-1].seq


async def _cleaned(
    engine: AsyncEngine, settled: Sequence[Row[Any]], looks: Mapping[int, Redactor], done: Forgotten
) -> None:
    """Delete what tells of the learner alone, and clean the rest; whom an unreadable one tells of nobody knows yet."""
    bodies = {row.seq: row.body for row in settled}
    async with writing(engine) as conn:
        await _erasing(conn)
        shared = await _telling_of_others(conn, bodies) | {row.seq for row in settled if row.state == UNREADABLE}
        alone = [seq for seq in bodies if seq not in shared]
        for some in chunks(alone):
            await _dropped(conn, deliveries, deliveries.c.seq.in_(some), done)
        for seq in sorted(shared):
            body = looks[seq].redacted(bodies[seq])
            done.redacted += body is not None
            done.emptied += body is None
            # what was signed is no longer what is here
            values = {"body": body or b"", "headers": "{}", "problem": REDACTED}
            await conn.execute(update(deliveries).where(deliveries.c.seq == seq).values(values))


async def _telling_of_others(conn: AsyncConnection, seqs: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for some in chunks(seqs):
        statement = select(observations.c.delivery_seq).where(
            observations.c.delivery_seq.in_(some), observations.c.participant_id.is_not(None)
        )
        found.update((await conn.execute(statement.distinct())).scalars())
    return found


async def _polls(engine: AsyncEngine, learner_id: str, names: Collection[Name]) -> None:
    """Take the names out of what polls remember of their answers."""
    key = (polls.c.provider, polls.c.class_id)
    after = ("", "")
    while True:
        statement = select(*key, polls.c.progress).where(tuple_(*key) > after).order_by(*key).limit(PIECE)
        async with reading(engine) as conn:
            rows = (await conn.execute(statement)).all()
        theirs = {source: redactor([learner_id, *_of(names, source)]) for source in {row.provider for row in rows}}
        found = [row for row in rows if theirs[row.provider].finds(row.progress.encode())]
        if found:
            async with writing(engine) as conn:
                await _erasing(conn)
                for row in found:
                    cleaned = (theirs[row.provider].redacted(row.progress.encode()) or b"").decode()
                    is_it = (key[0] == row.provider) & (key[1] == row.class_id) & (polls.c.progress == row.progress)
                    await conn.execute(update(polls).where(is_it).values(progress=cleaned))
        if len(rows) < PIECE:
            return
        after = (rows[-1].provider, rows[-1].class_id)


async def _verdicts(engine: AsyncEngine, learner_id: str, done: Forgotten, now: Instant) -> None:
    """Delete the verdicts; what a case rests on is in its proofs. The count of those in force follows."""
    columns = (verdicts.c.verdict, verdicts.c.firm, verdicts.c.current)
    is_theirs = verdicts.c.learner_id == learner_id
    async with writing(engine) as conn:
        await _erasing(conn)
        counts = tallying.Counts()
        for row in await conn.execute(select(*columns).where(is_theirs)):
            if row.current:
                counts.add(VERDICTS_NOW, row.verdict, "yes" if row.firm else "no", count=-1)
        await _dropped(conn, verdicts, is_theirs, done)
        await tallying.add(conn, counts, now)


async def _dropped(conn: AsyncConnection, table: Table, condition: ColumnElement[bool], done: Forgotten) -> None:
    done.add(table, (await conn.execute(delete(table).where(condition))).rowcount)


async def _erasing(conn: AsyncConnection) -> None:
    """Have SQLite overwrite what it deletes, which otherwise stays in the file until the space is used again."""
    if conn.dialect.name == "sqlite":
        await conn.execute(text("PRAGMA secure_delete=on"))


async def _flushed(engine: AsyncEngine) -> None:
    """Write what was erased into the file, and empty the journal, where what was deleted still stands."""
    if is_sqlite(engine):
        async with engine.connect() as conn:
            raw = await conn.get_raw_connection()
            driver = raw.driver_connection
            if driver is not None:
                await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).close()
