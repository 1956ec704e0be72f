"""Runs what the service runs all day, writes down every statement, and asks the database how it carries it out."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from claim_parts import FakeGateway
from rules_school import on_weekdays
from service_parts import SetClock, SpokenCollector, row, said
from sqlalchemy import Connection, event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.polls import POLLED
from qos_monitor import due, joins, judging, reading, reconciling, unmapped
from qos_monitor.claims import views
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.desk import FilingOptions
from qos_monitor.claims.reviewing import review_due
from qos_monitor.claims.views import Wanted
from qos_monitor.filing import settler
from qos_monitor.gauges import Gauges
from qos_monitor.relay import Relay
from qos_monitor.rereading import Rereading
from qos_monitor.retention import Periods, Retention
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import window_of
from qos_monitor.storage.tables import classes, deliveries
from qos_monitor.web.console import overview
from rules import policy as policies
from rules.span import DAY, HOUR, MINUTE, Instant

BIG = (
    "deliveries", "observations", "verdicts", "learners", "class_learners", "classes", "enrolments", "cases", "claims",
    "case_transitions", "bundles", "outages", "polls",
)  # fmt: skip
"""The tables that grow with the school and with time."""

_POLICY = policies.default()


@dataclass(frozen=True)
class Step:
    """One look at one table: ``how`` as the database says it; ``is_whole`` where all of the table is read."""

    table: str
    how: str
    is_whole: bool
    index: str | None = None


@dataclass
class HotPaths:
    """The statements of one database's day."""

    engine: AsyncEngine
    now: Instant
    is_small: bool = True
    """Whether PostgreSQL must be kept from reading whole tables that fit in a few pages."""
    seen: dict[str, tuple[str, str, Any]] = field(default_factory=dict)
    """By shape: the part of the house that asked first, the text, and its parameters."""

    @contextmanager
    def watched(self, part: str) -> Iterator[None]:
        """Write down what is asked meanwhile."""

        def note(_c: object, _cursor: object, statement: str, given: Any, _ctx: object, many: bool) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
            if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)", statement):
                self.seen.setdefault(_shape(statement), (part, statement, given[0] if many else given))

        event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(self.engine.sync_engine, "before_cursor_execute", note)

    async def run(self) -> None:
        """Do everything once, at an instant when there is something to do."""
        await self._read()
        await self._judge()
        await self._send()
        await self._look()
        await self._forget()

    async def _read(self) -> None:
        class_id, at = await self._a_class()
        bodies = [
            said(f"new{number}", room=class_id, who="u1", at=at + number, thread="t", kind=kind)
            for number, kind in enumerate(("joined", "left", "joined"))
        ]
        rows = [
            row(deliveries, provider="agora", event_id=f"e{n}", body=body, headers="{}")
            for n, body in enumerate(bodies)
        ]
        async with storage.writing(self.engine) as conn:
            await conn.execute(deliveries.insert(), rows)
        with self.watched("reading"):
            await reading.read_batch(self.engine, {"agora": SpokenCollector()}, self.now)
            await Rereading(self.engine, {"agora": SpokenCollector()}).run(self.now)
        with self.watched("joins"):
            await joins.measure(self.engine, self.now)

    async def _a_class(self) -> tuple[str, Instant]:
        async with storage.reading(self.engine) as conn:
            found = (await conn.execute(select(classes).where(classes.c.provider == "agora").limit(1))).one()
        return found.room_id or "room", found.starts_at

    async def _judge(self) -> None:
        settle = settler(_POLICY, FilingOptions(on_weekdays, "https://qos.example", BreakerLimits(0)))
        with self.watched("judging"):
            await judging.has_backlog(self.engine, ("agora", "livekit"), self.now)
            while await judging.judge_due(self.engine, _POLICY, on_weekdays, self.now, settle):
                pass
        _, at = await self._a_class()
        async with storage.writing(self.engine) as conn:
            await due.touch_windows(conn, [(window_of(at), self.now)])
        with self.watched("judging"):
            await judging.judge_due(self.engine, _POLICY, on_weekdays, self.now, settle)
        with self.watched("review"):
            async with storage.writing(self.engine) as conn:
                await review_due(
                    conn, self.now, _POLICY, FilingOptions(on_weekdays, "https://qos.example", BreakerLimits(0))
                )

    async def _send(self) -> None:
        with self.watched("outbox"):
            await Relay(self.engine, FakeGateway(), SetClock(self.now), patience_s=60).send_due()
            await reconciling.ask_unsettled(self.engine, FakeGateway(), SetClock(self.now + 2 * DAY))

    async def _look(self) -> None:
        with self.watched("gauges"):
            gauges = Gauges(self.engine, lambda: {"agora": self.now})
            await gauges.refresh(self.now)
        with self.watched("lists"):
            async with storage.reading(self.engine) as conn:
                for wanted in (
                    Wanted(None, None, None, 50, None),
                    Wanted(None, None, None, 50, (self.now, "k")),
                    Wanted("filed", None, None, 50, None),
                    Wanted(None, "refund", None, 50, (self.now, "k")),
                    Wanted(None, None, "u1", 50, None),
                ):
                    await views.list_cases(conn, wanted)
                await views.timeline(conn, "u1")
                await overview.standing(conn)
                await overview.stuck_claims(conn)
                await overview.open_outages(conn, None)
                await overview.one_class(conn, "c1")
                await unmapped.listed(conn, self.now - HOUR, None)

    async def _forget(self) -> None:
        with self.watched("retention"):
            keeper = Retention(self.engine, SetClock(self.now + MINUTE), Periods(90, 400, 400), POLLED)
            await keeper.finish()

    async def steps(self) -> list[tuple[str, str, Step]]:
        """Ask how each statement is carried out: the part that asks, the statement, and each look at a big table."""
        found = []
        is_sqlite = self.engine.dialect.name == "sqlite"
        async with self.engine.connect() as conn:
            partial = await conn.run_sync(_partial) if is_sqlite else set()
            if not is_sqlite and self.is_small:
                await conn.execute(
                    text("SET enable_seqscan = off")
                )  # a small table is read whole, whatever its indexes
            for part, statement, given in self.seen.values():
                said_how = await conn.run_sync(_explained, statement, given)
                looked = _of_sqlite(statement, said_how, partial) if is_sqlite else _of_postgresql(said_how)
                found += [(part, statement, step) for step in looked if step.table in BIG]
        return found


def _shape(statement: str) -> str:
    """Leave out how many values an IN has."""
    return re.sub(r"IN \([^()]*\)", "IN (…)", statement)


def _explained(conn: Connection, statement: str, given: Any) -> list[Any]:  # noqa: ANN401 - as the driver takes them
    verb = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN (FORMAT JSON) "
    return [tuple(one) for one in conn.exec_driver_sql(verb + statement, given)]


def _partial(conn: Connection) -> set[str]:
    """Name the indexes that hold a small part of their table."""
    rows = conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")
    return {name for (name,) in rows}


_LOOK = re.compile(
    r"(SCAN|SEARCH) (\w+)(?: AS \w+)?(?: USING (?:COVERING )?INDEX (\w+))?(?: USING INTEGER PRIMARY KEY)?"
)


def _of_sqlite(statement: str, rows: Sequence[Any], partial: set[str]) -> Iterator[Step]:
    """Read each line; a walk along a key that stops at a LIMIT reads a page, and a partial index is small."""
    stops = "WHERE" not in statement and "LIMIT" in statement and not any("TEMP B-TREE" in how for *_, how in rows)
    for *_, how in rows:
        look = _LOOK.match(how)
        if look is not None:
            is_whole = look[1] == "SCAN" and look[3] not in partial and not stops
            yield Step(look[2], how, is_whole, look[3])


def _of_postgresql(rows: Sequence[Any]) -> Iterator[Step]:
    ((found,),) = rows
    plans = json.loads(found) if isinstance(found, str) else found
    yield from _nodes(plans[0]["Plan"])


def _nodes(node: Mapping[str, Any]) -> Iterator[Step]:
    index = node.get("Index Name")
    if "Relation Name" in node:
        kind = node["Node Type"]
        yield Step(node["Relation Name"], f"{kind} {index or ''}".rstrip(), kind == "Seq Scan", index)
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)
