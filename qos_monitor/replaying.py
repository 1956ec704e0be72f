"""Rebuilds everything derived from the raw deliveries in tables of its own, and says what is stored otherwise."""

import json
import re
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from qos_monitor import filing, judging, reading, sealing, tombstones
from qos_monitor.claims import status
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.desk import FilingOptions
from qos_monitor.claims.lifecycle import CaseState
from qos_monitor.judging import Terms
from qos_monitor.redacting import REDACTED
from qos_monitor.storage import engine as storage
from qos_monitor.storage.access_tables import installation
from qos_monitor.storage.keeping_tables import forgotten, sealed_windows
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import (
    WAITING,
    cases,
    class_learners,
    classes,
    courses,
    cursors,
    deliveries,
    enrolments,
    feed_spans,
    identities,
    learners,
    notices,
    observations,
    outages,
    templates,
    verdicts,
    window_domains,
    windows,
)
from rules.remedy import REFUND
from rules.span import Instant

PIECE: int = 1_000
"""Rows held in memory at one time."""

AS_THEY_ARE: tuple[Table, ...] = (
    courses, enrolments, classes, class_learners, identities, templates, installation, forgotten,
    sealed_windows,
)  # fmt: skip
"""What no delivery holds, or not all of: taken as it is now."""

_NO_END = BreakerLimits(claims_min=2**31)
_DEAD = (CaseState.WITHDRAWN.value, CaseState.REJECTED.value)
_OBSERVED = tuple(
    column.name for column in observations.columns if column.name not in ("seq", "delivery_seq", "source", "id")
)

_JUDGED = ("window", "verdict", "firm", "body", "rule_version")
_NEXT_LOOK = re.compile(r'"look_again_at":(null|"[^"]*")')
_JOINED = ("ends_at", "answer", "domains", "body")


@dataclass
class Compared:
    """How one table came out; ``different`` names each row that is otherwise, missing, or too much."""

    what: str
    equal: int = 0
    different: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many rows were held against each other."""
        return self.equal + len(self.different)


@dataclass
class Replay:
    """What a replay found."""

    tables: list[Compared]
    deliveries: int
    not_rebuilt: int
    """Observations whose delivery is no longer kept as it came; they were taken as they are."""
    pending: int
    """Deliveries and windows the service has not come to yet; until it has, differences mean nothing."""

    @property
    def is_same(self) -> bool:
        """Say whether nothing differs."""
        return not any(table.different for table in self.tables)


async def replay(engine: AsyncEngine, collectors: Mapping[str, Collector], terms: Terms, now: Instant) -> Replay:
    """Read every delivery again and judge as of ``now``, in a temporary database, and compare.

    Nothing in ``engine`` is changed, and memory holds one piece of a table at a time.
    """
    async with _scratch() as anew:
        for table in AS_THEY_ARE:
            await _copy(engine, anew, table, true())
        is_whole = deliveries.c.problem.is_distinct_from(REDACTED)
        is_gone = ~exists().where(deliveries.c.seq == observations.c.delivery_seq, is_whole)
        not_rebuilt = await _copy(engine, anew, observations, is_gone)
        if not_rebuilt:
            await _copy(engine, anew, feed_spans, true())
            await _copy(engine, anew, notices, true())
        await _copy_sealed(engine, anew, now)
        ours = deliveries.c.provider.in_(sorted(collectors)) & (deliveries.c.state != WAITING) & is_whole
        count = await _copy(engine, anew, deliveries, ours, state=WAITING, problem=None)
        is_open = windows.c.window.not_in(select(sealed_windows.c.window))
        await _copy(engine, anew, windows, is_open & windows.c.judged_at.is_not(None), due_at=now, lease_until=0)
        while await reading.read_waiting(anew, collectors, now):
            pass
        settle = filing.settler(terms.policy, FilingOptions(terms.is_working_day, breaker=_NO_END))
        while await judging.judge_due(anew, terms.policy, terms.is_working_day, now, settle):
            pass
        async with storage.reading(engine) as conn:
            is_kept = await sealing.is_kept(conn)
        seen = await _compare(engine, anew, observations, ("source", "id"), _OBSERVED, is_kept)
        said = await _compare(engine, anew, verdicts, ("learner_id", "class_id"), _JUDGED, verdicts.c.current)
        joined = await _compare(engine, anew, outages, ("learner_id", "starts_at"), _JOINED)
        owed = await _compare_cases(engine, anew)
    return Replay([seen, said, joined, owed], count, not_rebuilt, await _pending(engine, now))


async def _copy_sealed(engine: AsyncEngine, anew: AsyncEngine, now: Instant) -> None:
    """Take what was judged of sealed windows as it is, for its evidence is gone; whom it concerns is folded with it."""
    sealed = select(sealed_windows.c.window)
    is_sealed = verdicts.c.current & verdicts.c.window.in_(sealed)
    await _copy(engine, anew, windows, windows.c.window.in_(sealed), due_at=None, lease_until=0)
    await _copy(engine, anew, window_domains, window_domains.c.window.in_(sealed))
    await _copy(engine, anew, verdicts, is_sealed)
    has_some = learners.c.id.in_(select(verdicts.c.learner_id).where(is_sealed))
    await _copy(engine, anew, learners, has_some, look_again_at=now, settled_sha256=None, lease_until=0)
    await _copy(engine, anew, cursors, cursors.c.name == sealing.CURSOR)


@asynccontextmanager
async def _scratch() -> AsyncIterator[AsyncEngine]:
    with tempfile.TemporaryDirectory(prefix="qos-replay-") as folder:
        engine = storage.create(f"sqlite+aiosqlite:///{Path(folder, 'replay.sqlite3')}")
        try:
            await storage.migrate(engine)
            yield engine
        finally:
            await engine.dispose()


async def _rows(engine: AsyncEngine, table: Table, condition: ColumnElement[bool]) -> AsyncIterator[Sequence[Row[Any]]]:
    """Give a table in pieces, each from a transaction that ends before it is used."""
    keys = list(table.primary_key)
    after: Sequence[Any] | None = None
    while True:
        statement = select(table).where(condition).order_by(*keys).limit(PIECE)
        if after is not None:
            statement = statement.where(_is_after(keys, after))
        async with storage.reading(engine) as conn:
            rows = (await conn.execute(statement)).all()
        if rows:
            yield rows
        if len(rows) < PIECE:
            return
        after = [getattr(rows[-1], key.name) for key in keys]


def _is_after(keys: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Say that a row comes after these values, by the first key that differs."""
    is_later: ColumnElement[bool] = keys[0] > values[0]
    if len(keys) == 1:
        return is_later
    is_equal: ColumnElement[bool] = keys[0] == values[0]
    return or_(is_later, and_(is_equal, _is_after(keys[1:], values[1:])))


async def _copy(
    engine: AsyncEngine, anew: AsyncEngine, table: Table, condition: ColumnElement[bool], **instead: object
) -> int:
    count = 0
    async for rows in _rows(engine, table, condition):
        async with storage.writing(anew) as conn:
            statement = storage.upsert(conn.dialect.name, table)
            await conn.execute(statement, [{**row._asdict(), **instead} for row in rows])
        count += len(rows)
    return count


async def _compare(
    engine: AsyncEngine,
    anew: AsyncEngine,
    table: Table,
    key: tuple[str, str],
    columns: Sequence[str],
    condition: ColumnElement[bool] | None = None,
) -> Compared:
    """Hold two copies of a table against each other, both ways."""
    compared = Compared(table.name)
    where = true() if condition is None else condition
    async for rows in _rows(engine, table, where):
        others = await _others(anew, table, key, rows, where)
        for row in rows:
            other = others.get(_key(row, key))
            differing = [] if other is None else [name for name in columns if _said(row, name) != _said(other, name)]
            if other is not None and not differing:
                compared.equal += 1
                continue
            compared.different.append(f"{_named(row, key)}: {', '.join(differing) or 'is stored, and not found again'}")
    async for rows in _rows(anew, table, where):
        others = await _others(engine, table, key, rows, where)
        compared.different += [
            f"{_named(row, key)}: is found, and not stored" for row in rows if _key(row, key) not in others
        ]
    return compared


async def _others(
    engine: AsyncEngine, table: Table, key: tuple[str, str], rows: Sequence[Row[Any]], where: ColumnElement[bool]
) -> dict[tuple[Any, Any], Row[Any]]:
    leading, second = key
    found: dict[tuple[Any, Any], Row[Any]] = {}
    narrow = (table.c[leading].in_({getattr(row, leading) for row in rows})) & (
        table.c[second].in_({getattr(row, second) for row in rows})
    )
    async with storage.reading(engine) as conn:
        for row in await conn.execute(select(table).where(narrow, where)):
            found[_key(row, key)] = row
    return found


def _said(row: Row[Any], name: str) -> object:
    """Give what is compared of a row: all but when to look again, for which an unchanged outage is not written anew."""
    value: object = getattr(row, name)
    return _NEXT_LOOK.sub("", value) if name == "body" and isinstance(value, str) else value


def _key(row: Row[Any], key: tuple[str, str]) -> tuple[Any, Any]:
    return getattr(row, key[0]), getattr(row, key[1])


def _named(row: Row[Any], key: tuple[str, str]) -> str:
    return " ".join(str(part) for part in _key(row, key))


async def _compare_cases(engine: AsyncEngine, anew: AsyncEngine) -> Compared:
    """Compare what is owed, learner by learner: a case keeps its first key though the outage grew at its beginning.

    A compensation claimed before its enrolment came to be refunded is never opened by who knows it all at once.
    """
    compared = Compared("cases")
    for one, other, word in ((engine, anew, "not found again"), (anew, engine, "found, and not stored")):
        async for rows in _rows(one, cases, cases.c.state.not_in(_DEAD)):
            ids = {row.learner_id for row in rows}
            others = await _described_of(other, ids)
            refunded = await _refunded(other, ids)
            async with storage.reading(engine) as conn:
                gone = await tombstones.gone_among(conn, ids)
            for row in rows:
                said = _described(row)
                is_absorbed = row.kind != REFUND and row.enrolment_id in refunded
                if said is None or row.learner_id in gone or is_absorbed:
                    continue
                if said not in others:
                    compared.different.append(f"{row.case_key}: {word}")
                elif one is engine:
                    compared.equal += 1
    return compared


async def _described_of(engine: AsyncEngine, learner_ids: set[str]) -> set[str | None]:
    statement = select(cases).where(cases.c.learner_id.in_(learner_ids), cases.c.state.not_in(_DEAD))
    async with storage.reading(engine) as conn:
        return {_described(row) for row in await conn.execute(statement)}


async def _refunded(engine: AsyncEngine, learner_ids: set[str]) -> set[str]:
    """Name the enrolments of these learners that are refunded."""
    is_refund = cases.c.learner_id.in_(learner_ids) & (cases.c.kind == REFUND) & cases.c.state.not_in(_DEAD)
    async with storage.reading(engine) as conn:
        return set((await conn.execute(select(cases.c.enrolment_id).where(is_refund))).scalars())


async def unread(engine: AsyncEngine, readers: Collection[str]) -> set[str]:
    """Name the providers that have deliveries which none of these readers reads."""
    async with storage.reading(engine) as conn:
        kept = set((await conn.execute(select(deliveries.c.provider).distinct())).scalars())
    return kept - set(readers) - {status.PROVIDER}


def _described(row: Row[Any]) -> str | None:
    """Say what a case is about; None where the last judgement did not find it, or a person's decision made it."""
    body = json.loads(row.body)
    if not body.get("found") or "review" in body:
        return None
    names = ("kind", "tier", "learner_id", "enrolment_id", "amount_minor", "currency", "terms")
    return canonical({name: body.get(name) for name in names})


async def _pending(engine: AsyncEngine, now: Instant) -> int:
    async with storage.reading(engine) as conn:
        waiting = select(func.count()).select_from(deliveries).where(deliveries.c.state == WAITING)
        due = select(func.count()).select_from(windows).where(windows.c.due_at <= now)
        return int((await conn.execute(waiting)).scalar_one() + (await conn.execute(due)).scalar_one())
