"""Plays a world to the tables in stages, judging after each, and reads what is kept beside what `judge` gives."""

import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rules_school import on_weekdays
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors.contract import Sighting
from qos_monitor import judging, observing, roster
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import outages, verdicts
from rules import policy as policies
from rules.dossier import Dossier
from rules.judge import Judgement
from rules.observation import Observation
from rules.outage import Outage
from rules.remedy import Case
from rules.span import Instant
from rules.world import World

POLICY = policies.default()

_migrated: list[bytes] = []


@dataclass
class Filed:
    """What was handed to filing, by learner, the last time."""

    by_learner: dict[str, tuple[Sequence[Case], Dossier, Instant]] = field(default_factory=dict)
    times: int = 0

    async def settle(
        self,
        conn: AsyncConnection,  # noqa: ARG002 - a Settle
        learner_id: str,
        cases: Sequence[Case],
        outages: Sequence[Outage],  # noqa: ARG002 - a Settle
        dossier: Dossier,
        now: Instant,
    ) -> None:
        """Remember it."""
        self.times += 1
        self.by_learner[learner_id] = (cases, dossier, now)

    @property
    def cases(self) -> dict[str, Mapping[str, object]]:
        """What was filed, by key, without the day it was."""
        found = [case for cases, _, _ in self.by_learner.values() for case in cases]
        return {case.case_key: undated(case) for case in found}


def undated(case: Case) -> Mapping[str, object]:
    """Write a case without the days that only the day of filing gives it."""
    return replace(case, filed_at=0, due_target=None, due_limit=None, due_provisional=False).as_json()


async def drain(engine: AsyncEngine, now: Instant, filed: Filed) -> None:
    """Judge until nothing is due."""
    while await judging.judge_due(engine, POLICY, on_weekdays, now, filed.settle):
        pass


async def enrol(engine: AsyncEngine, world: World) -> None:
    """Put a world's roster into the tables."""
    async with storage.writing(engine) as conn:
        await roster.apply(conn, replace(world, observations=()), now=0)


async def tell(engine: AsyncEngine, seen: Sequence[Observation], now: Instant) -> None:
    """Put observations into the tables."""
    entries = [Entry(Sighting(replace(one, recorded_at=one.known_at), placed=True), 1) for one in seen]
    async with storage.writing(engine) as conn:
        await observing.store(conn, entries, now)


async def kept(engine: AsyncEngine) -> tuple[dict[str, object], list[object]]:
    """Read the verdicts in force and the outages, as `Judgement.as_json` writes them."""
    async with storage.reading(engine) as conn:
        rows = (await conn.execute(select(verdicts).where(verdicts.c.current))).all()
        joined = (await conn.execute(select(outages).order_by(outages.c.learner_id, outages.c.starts_at))).all()
    return {f"{row.learner_id} {row.class_id} {row.firm}": json.loads(row.body) for row in rows}, [
        json.loads(row.body) for row in joined
    ]


def expected(judgement: Judgement) -> tuple[dict[str, object], list[object]]:
    """Write a judgement as `kept` reads the tables."""
    records: dict[str, object] = {
        f"{row.learner_id} {row.class_id} {(row.learner_id, row.class_id) in judgement.firm}": row.as_json()
        for row in judgement.records
    }
    return records, [outage.as_json() for outage in judgement.outages]


def without_next_look(found: tuple[dict[str, object], list[object]]) -> object:
    """Leave out when to look again: an outage that did not change is not written again for it."""
    records, joined = found
    return records, [{**outage, "look_again_at": None} for outage in joined if isinstance(outage, dict)]


def _keep(folder: str) -> None:
    _migrated.append(Path(folder, "first.sqlite3").read_bytes())


def _copy(folder: str) -> None:
    Path(folder, "qos.sqlite3").write_bytes(_migrated[0])


@asynccontextmanager
async def fresh_tables() -> AsyncIterator[AsyncEngine]:
    """Give empty tables in a file of their own: for each example of a property, so they are migrated only once."""
    with tempfile.TemporaryDirectory() as folder:
        if not _migrated:
            first = storage.create(f"sqlite+aiosqlite:///{folder}/first.sqlite3")
            await storage.migrate(first)
            await first.dispose()
            _keep(folder)
        _copy(folder)
        engine = storage.create(f"sqlite+aiosqlite:///{folder}/qos.sqlite3")
        yield engine
        await engine.dispose()


async def play(world: World, as_of: Instant, stages: int) -> tuple[Filed, tuple[dict[str, object], list[object]]]:
    """Tell a world to fresh tables in some stages, judging after each, and at ``as_of`` at last."""
    filed = Filed()
    async with fresh_tables() as engine:
        await enrol(engine, world)
        told = sorted((seen for seen in world.observations if seen.known_at <= as_of), key=lambda seen: seen.known_at)
        size = -(-len(told) // stages) or 1
        for start in range(0, len(told), size):
            part = told[start : start + size]
            now = min(max(seen.known_at for seen in part), as_of)
            await tell(engine, part, now)
            await drain(engine, now, filed)
        await drain(engine, as_of, filed)
        found = await kept(engine)
    return filed, found
