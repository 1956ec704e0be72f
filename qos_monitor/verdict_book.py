"""Verdicts as they are kept: never edited, only superseded."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Result, Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import verdict_counts
from qos_monitor.metrics.standing import VERDICTS_NOW
from qos_monitor.metrics.tallied import VERDICT_LAG
from qos_monitor.storage.rows import canonical, chunks
from qos_monitor.storage.tables import verdicts
from qos_monitor.tallying import Counts
from qos_monitor.window_book import WindowInputs
from rules.dossier import surroundings_json
from rules.observation import Observation, Role
from rules.policy import Policy
from rules.record import ClassRecord, read_record
from rules.span import MINUTE, Instant
from rules.window import Surroundings, WindowJudgement

_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KeptVerdict:
    """A verdict in force, with what was counted over others for it."""

    record: ClassRecord
    surroundings: object
    """JSON value, as `rules.dossier` writes it."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """What new verdicts touch: the learners to look at again, and what is to be counted."""

    learners: set[str]
    counts: Counts


async def supersede(
    conn: AsyncConnection,
    number: int,
    inputs: WindowInputs,
    judged: WindowJudgement,
    policy: Policy,
    now: Instant,
) -> Superseded:
    """Put a window's verdicts in the place of those that differ; answer whom and what that touches.

    A verdict that only becomes firm is a new one too. One whose class or learner left the window is retired.
    """
    found = {(record.learner_id, record.class_id): record for record in judged.records}
    known = await _in_force(conn, number, {class_id for _, class_id in found})
    rows = []
    counts = Counts()
    mine, taught = _by_person(inputs)
    gone = {pair: row.seq for pair, row in known.items() if pair not in found}
    for pair in gone:
        counts.update(_changed(known[pair], None, (), policy, now))
    for pair, record in found.items():
        around = judged.surroundings.get(pair, Surroundings())
        values = _values(record, around, policy, now)
        before = known.get(pair)
        if before is not None and _is_same(before, values):
            continue
        seen = [*mine.get(pair, ()), *taught.get(record.class_id, ())]
        hashed = _sha256(seen, str(values["surroundings"]))
        rows.append(values | {"window": number, "inputs_sha256": hashed, "supersedes": before and before.seq})
        counts.update(_changed(before, record, mine.get(pair, ()), policy, now))
        if before is not None:
            gone[pair] = before.seq
    for seqs in chunks(gone.values()):
        await conn.execute(update(verdicts).where(verdicts.c.seq.in_(seqs)).values(current=False))
    if rows:
        await conn.execute(verdicts.insert(), rows)
    return Superseded({str(row["learner_id"]) for row in rows} | {learner_id for learner_id, _ in gone}, counts)


def _changed(
    before: Row[Any] | None, after: ClassRecord | None, seen: Sequence[Observation], policy: Policy, now: Instant
) -> Counts:
    """Count one verdict that takes the place of another, or of none, or is taken back."""
    counts = Counts()
    if before is not None:
        counts.add(VERDICTS_NOW, before.verdict, _word(is_firm=before.firm), count=-1)
    old = read_record(json.loads(before.body)) if before is not None and before.firm else None
    if after is None:
        counts.update(verdict_counts.corrected(old, None))
        return counts
    is_firm = after.firm_at(policy) <= now
    counts.add(VERDICTS_NOW, after.verdict.value, _word(is_firm=is_firm))
    since = after.firm_at(policy) if is_firm else after.ends_at + policy.time.provisional_after_min * MINUTE
    counts.observe(VERDICT_LAG, verdict_counts.lag_s(since, seen, now))
    if old is not None:
        counts.update(verdict_counts.corrected(old, after))
    elif is_firm:
        counts.update(verdict_counts.firm(after, seen))
    return counts


def _by_person(inputs: WindowInputs) -> tuple[dict[_Pair, list[Observation]], dict[str, list[Observation]]]:
    """Group what was seen by learner and class, and what was seen of teachers by class."""
    mine: dict[_Pair, list[Observation]] = {}
    taught: dict[str, list[Observation]] = {}
    for class_id, seen in inputs.observations.items():
        for one in seen:
            if one.role is Role.TEACHER:
                taught.setdefault(class_id, []).append(one)
            elif one.participant_id is not None:
                mine.setdefault((one.participant_id, class_id), []).append(one)
    return mine, taught


def _word(*, is_firm: bool) -> str:
    return "yes" if is_firm else "no"


def _values(record: ClassRecord, around: Surroundings, policy: Policy, now: Instant) -> dict[str, object]:
    return {
        "learner_id": record.learner_id,
        "class_id": record.class_id,
        "verdict": record.verdict.value,
        "firm": record.firm_at(policy) <= now,
        "body": canonical(record.as_json()),
        "surroundings": canonical(surroundings_json(around)),
        "rule_version": policy.rule_version,
        "valid_from": now,
        "recorded_at": now,
        "current": True,
    }


def _is_same(row: Row[Any], values: Mapping[str, object]) -> bool:
    return all(getattr(row, name) == values[name] for name in ("body", "surroundings", "firm", "rule_version"))


def _sha256(seen: Iterable[Observation], surroundings: str) -> str:
    """Hash what the verdict was taken from: the learner's and the teachers' observations, and the counts."""
    digest = hashlib.sha256(surroundings.encode())
    for text in sorted(one.canonical() for one in seen):
        digest.update(b"\n" + text.encode())
    return digest.hexdigest()


async def _in_force(conn: AsyncConnection, number: int, class_ids: set[str]) -> dict[_Pair, Row[Any]]:
    """Read the verdicts in force of this window, and of its classes should they have been in another before."""
    columns = (
        verdicts.c.seq,
        verdicts.c.learner_id,
        verdicts.c.class_id,
        verdicts.c.verdict,
        verdicts.c.body,
        verdicts.c.surroundings,
        verdicts.c.firm,
        verdicts.c.rule_version,
    )
    found: dict[_Pair, Row[Any]] = {}
    for ids in chunks(sorted(class_ids) or [""]):
        is_ours = or_(verdicts.c.window == number, verdicts.c.class_id.in_(ids))
        result: Result[Any] = await conn.execute(select(*columns).where(verdicts.c.current, is_ours))
        found |= {(row.learner_id, row.class_id): row for row in result}
    return found


async def of_learners(conn: AsyncConnection, learner_ids: Sequence[str]) -> dict[str, list[KeptVerdict]]:
    """Read the verdicts in force of these learners."""
    kept: dict[str, list[KeptVerdict]] = {learner_id: [] for learner_id in learner_ids}
    columns = (verdicts.c.learner_id, verdicts.c.body, verdicts.c.surroundings)
    for ids in chunks(learner_ids):
        statement = select(*columns).where(verdicts.c.current, verdicts.c.learner_id.in_(ids))
        for row in await conn.execute(statement):
            record = read_record(json.loads(row.body))
            kept[row.learner_id].append(KeptVerdict(record, json.loads(row.surroundings)))
    return kept
