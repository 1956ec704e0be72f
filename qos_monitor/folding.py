"""A learner's verdicts fold into outages and cases; what changed is handed to filing with its evidence."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import verdict_book, window_book
from qos_monitor.dossiers import dossier_of
from qos_monitor.storage.rows import WINDOW, canonical, chunks, observation_of
from qos_monitor.storage.tables import cases as filed
from qos_monitor.storage.tables import class_learners, classes, learners, observations, outages, window_domains
from qos_monitor.verdict_book import KeptVerdict
from rules.checks import checks_of
from rules.deadline import WorkingDay
from rules.dossier import Dossier
from rules.incident import DomainWindows
from rules.judge import Life, settle
from rules.money import refund
from rules.observation import Kind, Observation
from rules.outage import AnswerKind, Outage
from rules.policy import Policy
from rules.record import CLASS
from rules.remedy import Case
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.statistics import State
from rules.verdict import Verdict

_CHECKS = (Kind.CHECK_PASSED.value, Kind.CHECK_FAILED.value)
_INCIDENT_REACH = 30 * DAY  # windows read before the first anchor: an incident that is longer is cut there


@dataclass(frozen=True, slots=True)
class KeptLife:
    """One learner as the tables know them."""

    life: Life
    verdicts: Sequence[KeptVerdict]
    checks: Sequence[Observation]
    windows: Mapping[str, DomainWindows]
    settled_sha256: str | None
    checks_later: Sequence[Instant]
    """When those checks will be known that are stored and were not yet: clocks disagree, or one stepped back."""
    is_blank: bool
    """Neither an outage nor a case of theirs is kept."""

    @property
    def learner_id(self) -> str:
        """Whose life it is."""
        return self.life.learner_id


@dataclass(frozen=True, slots=True)
class Folded:
    """What folding one learner found, and when it must be looked at again."""

    life: KeptLife
    outages: Sequence[Outage]
    cases: Sequence[Case]
    next_at: Instant | None
    sha256: str
    """Of what was found, without the dates that only the day of looking changes."""

    @property
    def is_settled(self) -> bool:
        """Say whether there is nothing to keep or to file: nothing was ever found, or nothing else than before."""
        found_nothing = self.life.is_blank and not self.outages and not self.cases
        return found_nothing or self.sha256 == self.life.settled_sha256


class Settle(Protocol):
    """Files what a judgement of one learner found."""

    async def __call__(
        self,
        conn: AsyncConnection,
        learner_id: str,
        cases: Sequence[Case],
        outages: Sequence[Outage],
        dossier: Dossier,
        now: Instant,
    ) -> None:
        """Bring the learner's cases to what was judged as of ``now``, in the transaction given.

        ``cases`` and ``outages`` are all of that learner: what is not among them is no longer found.
        Doing it again with the same judgement changes nothing.
        """


async def load(conn: AsyncConnection, learner_ids: Sequence[str], policy: Policy, now: Instant) -> list[KeptLife]:
    """Read everything these learners are folded from, as known at ``now``."""
    kept = await verdict_book.of_learners(conn, learner_ids)
    bought = await window_book.enrolments_of(conn, learner_ids)
    ends = await _class_ends(conn, learner_ids)
    # Who is on no roster is nobody yet: their checks count for nothing until they are (SPEC 2).
    known_ids = ends.keys() | {row.learner_id for row in bought}
    told = await _checks(conn, sorted(known_ids & set(learner_ids)))
    checks = {learner_id: [one for one in seen if one.known_at <= now] for learner_id, seen in told.items()}
    read = {learner_id: checks_of(seen).get(learner_id, ()) for learner_id, seen in checks.items()}
    known = await _settled(conn, learner_ids)
    kept_of = await _having(conn, outages, learner_ids) | await _having(conn, filed, learner_ids)
    lives = [
        Life(
            learner_id,
            [one.record for one in kept[learner_id]],
            read.get(learner_id, ()),
            [row for row in bought if row.learner_id == learner_id],
            ends.get(learner_id, ()),
        )
        for learner_id in learner_ids
    ]
    windows = await _windows(conn, lives, policy)
    return [
        KeptLife(
            life,
            kept[life.learner_id],
            checks.get(life.learner_id, ()),
            {name: windows[name] for name in life.domains()},
            known.get(life.learner_id),
            [one.known_at for one in told.get(life.learner_id, ()) if one.known_at > now],
            is_blank=life.learner_id not in kept_of,
        )
        for life in lives
    ]


def fold(lives: Iterable[KeptLife], policy: Policy, is_working_day: WorkingDay, now: Instant) -> list[Folded]:
    """Fold each learner; pure."""
    return [_folded(kept, policy, is_working_day, now) for kept in lives]


def _folded(kept: KeptLife, policy: Policy, is_working_day: WorkingDay, now: Instant) -> Folded:
    found, owed = settle(kept.life, kept.windows, now, policy, is_working_day)
    firm = policy.time.firm_after_h * HOUR
    moments = [outage.look_again_at for outage in found if outage.look_again_at is not None]
    moments += [*kept.checks_later, *(check.at + firm for check in kept.life.checks)]
    next_at = min((moment for moment in moments if moment > now), default=None)
    return Folded(kept, found, owed, next_at, _sha256(found, owed, kept.life.domains()))


async def store(conn: AsyncConnection, folded: Folded, now: Instant, file: Settle) -> None:
    """Keep a learner's outages, and hand what is owed to filing; for those that are not settled."""
    learner_id = folded.life.learner_id
    await conn.execute(delete(outages).where(outages.c.learner_id == learner_id))
    rows = [_row(outage, folded) for outage in folded.outages]
    if rows:
        await conn.execute(outages.insert(), rows)
    dossier = await dossier_of(conn, folded.life, folded.cases, now)
    await file(conn, learner_id, folded.cases, folded.outages, dossier, now)


def _sha256(found: Sequence[Outage], owed: Sequence[Case], domains: Collection[str]) -> str:
    undated = [replace(case, filed_at=0, due_target=None, due_limit=None).as_json() for case in owed]
    still = [outage.as_json() | {"look_again_at": None} for outage in found]
    goes_by = sorted(domains) if found else []  # stored with each outage, to find it when one of their windows changes
    return hashlib.sha256(canonical([undated, still, goes_by]).encode()).hexdigest()


def _row(outage: Outage, folded: Folded) -> dict[str, object]:
    minor, currency = _projected(outage, folded.life.life)
    return {
        "learner_id": outage.learner_id,
        "starts_at": outage.starts_at,
        "ends_at": outage.ends_at,
        "answer": outage.answer.value,
        "domains": "|".join(("", *sorted(folded.life.life.domains()), "")),
        "body": canonical(outage.as_json()),
        "projected_minor": minor,
        "projected_currency": currency,
    }


def _projected(outage: Outage, life: Life) -> tuple[int, str | None]:
    """Give what a refund would be today if the outage came to be owed, in the first currency concerned."""
    if outage.answer is AnswerKind.CLEAR:
        return 0, None
    hit = {item.enrolment_id for item in outage.placed if item.anchor.kind == CLASS}
    due = [
        refund(row, [record for record in life.records if record.enrolment_id == row.id]).money
        for row in life.enrolments
        if row.id in hit
    ]
    if not due:
        return 0, None
    return sum(money.minor for money in due if money.currency == due[0].currency), due[0].currency


async def _checks(conn: AsyncConnection, learner_ids: Sequence[str]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for ids in chunks(learner_ids):
        statement = select(observations).where(
            observations.c.participant_id.in_(ids),
            observations.c.kind.in_(_CHECKS),
        )
        for row in await conn.execute(statement.order_by(observations.c.at, observations.c.seq)):
            found.setdefault(row.participant_id, []).append(observation_of(row))
    return found


async def _class_ends(conn: AsyncConnection, learner_ids: Sequence[str]) -> dict[str, list[Instant]]:
    ends: dict[str, list[Instant]] = {}
    for ids in chunks(learner_ids):
        statement = (
            select(class_learners.c.learner_id, classes.c.ends_at)
            .join(classes, classes.c.id == class_learners.c.class_id)
            .where(class_learners.c.learner_id.in_(ids))
            .order_by(classes.c.ends_at)
        )
        for learner_id, ends_at in await conn.execute(statement):
            ends.setdefault(learner_id, []).append(ends_at)
    return ends


async def _settled(conn: AsyncConnection, learner_ids: Sequence[str]) -> dict[str, str | None]:
    return {
        row.id: row.settled_sha256
        for ids in chunks(learner_ids)
        for row in await conn.execute(select(learners).where(learners.c.id.in_(ids)))
    }


async def _having(conn: AsyncConnection, table: Table, learner_ids: Sequence[str]) -> set[str]:
    """Name those of the learners who have a row in this table."""
    statement = select(table.c.learner_id).distinct()
    return {
        name
        for ids in chunks(learner_ids)
        for name in (await conn.execute(statement.where(table.c.learner_id.in_(ids)))).scalars()
    }


async def _windows(conn: AsyncConnection, lives: Sequence[Life], policy: Policy) -> dict[str, DomainWindows]:
    """Read when the domains these learners' anchors stand on were faulty or healthy."""
    names = {name for life in lives for name in life.domains()}
    starts = [anchor.starts_at for life in lives for record in life.records for anchor in record.anchors]
    starts += [check.at for life in lives for check in life.checks]
    starts += [row.starts_at for life in lives for row in life.records if row.verdict is Verdict.UNKNOWN]
    since = (min(starts, default=0) - _INCIDENT_REACH) // WINDOW
    told: dict[tuple[str, str], list[Instant]] = {}
    for some in chunks(sorted(names)):
        statement = select(window_domains).where(
            window_domains.c.domain.in_(some),
            window_domains.c.window >= since,
            window_domains.c.state != State.SILENT.value,
        )
        for row in await conn.execute(statement.order_by(window_domains.c.window)):
            told.setdefault((row.domain, row.state), []).append(row.window * WINDOW)
    length = policy.attribution.window_min * MINUTE
    return {
        name: DomainWindows(
            tuple(told.get((name, State.FAULTY.value), ())), tuple(told.get((name, State.HEALTHY.value), ())), length
        )
        for name in names
    }
