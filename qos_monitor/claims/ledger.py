"""Cases, claims and their transitions in the database; every change of state passes the table of legal moves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims.lifecycle import (
    CaseState,
    ClaimFact,
    ClaimKind,
    ClaimState,
    check_case_move,
    check_claim_move,
    settled,
)
from qos_monitor.storage.tables import case_transitions, cases, claims
from rules.span import Instant

JUDGE = "judge"
RELAY = "relay"
REFUND_SYSTEM = "refund-system"
DEADLINE = "deadline"
"""The actors that are no persons."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim as it is stored."""

    claim_key: str
    case_key: str
    version: int
    kind: ClaimKind
    amount_minor: int | None
    currency: str | None
    terms: Mapping[str, Any]
    body: str
    state: ClaimState
    created_at: Instant
    ready_at: Instant | None
    attempts: int
    lease_token: int
    answered_at: Instant | None
    answer: str | None

    @property
    def is_sent(self) -> bool:
        """Sending has begun at least once, so the refund system may have it."""
        return self.lease_token > 0


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case as it is stored, with its claims by version.

    ``body`` is the case as in SPEC 10 with, beside it, `outage` (as in SPEC 10, or null), `found` (whether the
    last judgement still found the case) and, of a refund filed in place of a review, `review` (that one's key).
    """

    case_key: str
    kind: str
    tier: str | None
    learner_id: str
    enrolment_id: str
    lineage: str
    state: CaseState
    amount_minor: int | None
    currency: str | None
    body: Mapping[str, Any]
    created_at: Instant
    filed_at: Instant | None
    due_target: str | None
    due_limit: str | None
    due_provisional: bool
    claims: tuple[ClaimRow, ...]

    @property
    def is_sent(self) -> bool:
        """Any claim of it may have reached the refund system."""
        return any(claim.is_sent for claim in self.claims)

    @property
    def is_dead(self) -> bool:
        """It was superseded before anything was sent: as if it had never been, until it is found again."""
        return self.state is CaseState.WITHDRAWN and all(c.state is ClaimState.SUPERSEDED for c in self.claims)

    @property
    def is_live(self) -> bool:
        """It asks, or asked with success, for what it is about."""
        return self.state not in (CaseState.WITHDRAWN, CaseState.REJECTED)

    @property
    def is_found(self) -> bool:
        """The last judgement found it."""
        return bool(self.body.get("found"))

    @property
    def facts(self) -> tuple[ClaimFact, ...]:
        """What its state follows from."""
        return tuple(ClaimFact(claim.kind, claim.state) for claim in self.claims)


def claim_key(case_key: str, version: int) -> str:
    """Name a claim: the case's key, for later versions with the version behind it."""
    return case_key if version == 1 else f"{case_key}-{version}"


async def cases_of(conn: AsyncConnection, learner_id: str) -> list[CaseRow]:
    """Read every case of a learner, first made first, locked until the transaction ends."""
    return await _read(conn, select(cases).where(cases.c.learner_id == learner_id))


async def case_of(conn: AsyncConnection, case_key: str) -> CaseRow | None:
    """Read one case, locked until the transaction ends; None where there is none."""
    found = await _read(conn, select(cases).where(cases.c.case_key == case_key))
    return found[0] if found else None


async def cases_due(conn: AsyncConnection, kind: str, states: Sequence[CaseState], before: str) -> list[CaseRow]:
    """Read the cases of a kind in these states whose target day (an ISO date) is before the given one."""
    wanted = select(cases).where(
        cases.c.kind == kind, cases.c.state.in_([str(s) for s in states]), cases.c.due_target < before
    )
    return await _read(conn, wanted)


async def _read(conn: AsyncConnection, wanted: Select[Any]) -> list[CaseRow]:
    rows = (await conn.execute(wanted.order_by(cases.c.created_at, cases.c.case_key).with_for_update())).all()
    keys = [row.case_key for row in rows]
    found: dict[str, list[ClaimRow]] = {key: [] for key in keys}
    if keys:
        query = select(claims).where(claims.c.case_key.in_(keys)).order_by(claims.c.case_key, claims.c.version)
        for row in await conn.execute(query.with_for_update()):
            found[row.case_key].append(_claim(row))
    return [_case(row, found[row.case_key]) for row in rows]


def _case(row: Row[Any], its_claims: Sequence[ClaimRow]) -> CaseRow:
    return CaseRow(
        case_key=row.case_key,
        kind=row.kind,
        tier=row.tier,
        learner_id=row.learner_id,
        enrolment_id=row.enrolment_id,
        lineage=row.lineage,
        state=CaseState(row.state),
        amount_minor=row.amount_minor,
        currency=row.currency,
        body=MappingProxyType(json.loads(row.body)),
        created_at=row.created_at,
        filed_at=row.filed_at,
        due_target=row.due_target,
        due_limit=row.due_limit,
        due_provisional=row.due_provisional,
        claims=tuple(its_claims),
    )


def _claim(row: Row[Any]) -> ClaimRow:
    return ClaimRow(
        claim_key=row.claim_key,
        case_key=row.case_key,
        version=row.version,
        kind=ClaimKind(row.kind),
        amount_minor=row.amount_minor,
        currency=row.currency,
        terms=MappingProxyType(json.loads(row.terms)),
        body=row.body,
        state=ClaimState(row.state),
        created_at=row.created_at,
        ready_at=row.ready_at,
        attempts=row.attempts,
        lease_token=row.lease_token,
        answered_at=row.answered_at,
        answer=row.answer,
    )


def with_claims(row: CaseRow, its_claims: Sequence[ClaimRow]) -> CaseRow:
    """Give the same case with other claims."""
    return replace(row, claims=tuple(its_claims))


async def insert_case(
    conn: AsyncConnection, values: Mapping[str, object], actor: str, reason: str, now: Instant
) -> None:
    """Make a case, as a candidate."""
    await conn.execute(insert(cases).values(**values, state=CaseState.CANDIDATE.value, created_at=now, updated_at=now))
    await _note(conn, str(values["case_key"]), None, CaseState.CANDIDATE, (actor, reason, now))


async def update_case(conn: AsyncConnection, case_key: str, now: Instant, **values: object) -> None:
    """Change columns of a case other than its state."""
    await conn.execute(
        update(cases).where(cases.c.case_key == case_key).values(**values, updated_at=now),
    )


async def move_case(
    conn: AsyncConnection, row: CaseRow, after: CaseState, actor: str, reason: str, now: Instant
) -> None:
    """Change the state of a case and keep the transition; nothing happens where it is there already.

    Raises IllegalMove where the table does not allow it.
    """
    if after is row.state:
        return
    check_case_move(row.state, after)
    await conn.execute(update(cases).where(cases.c.case_key == row.case_key).values(state=after.value, updated_at=now))
    await _note(conn, row.case_key, row.state, after, (actor, reason, now))


async def _note(
    conn: AsyncConnection,
    case_key: str,
    before: CaseState | None,
    after: CaseState,
    by: tuple[str, str, Instant],
) -> None:
    actor, reason, now = by
    await conn.execute(
        insert(case_transitions).values(
            case_key=case_key,
            from_state=None if before is None else before.value,
            to_state=after.value,
            at=now,
            actor=actor[:100],
            reason=reason,
        )
    )


async def move_claim(conn: AsyncConnection, claim: ClaimRow, after: ClaimState, **values: object) -> None:
    """Change the state of a claim, and other columns with it. Raises IllegalMove where the table forbids it."""
    check_claim_move(claim.state, after)
    if after is not ClaimState.READY:
        values["next_attempt_at"] = None
    await conn.execute(update(claims).where(claims.c.claim_key == claim.claim_key).values(**values, state=after.value))


async def let_go(conn: AsyncConnection, claim: ClaimRow, now: Instant) -> None:
    """Make a claim ready to be sent from now on, with the whole time for retries before it."""
    await move_claim(conn, claim, ClaimState.READY, ready_at=now, next_attempt_at=now, attempts=0)


async def insert_claim(conn: AsyncConnection, values: Mapping[str, object]) -> None:
    """Make a claim."""
    await conn.execute(insert(claims).values(**values))


async def resettle(conn: AsyncConnection, case_key: str, actor: str, reason: str, now: Instant) -> CaseState:
    """Move a case to where its claims say it stands; one that is held stays so until nothing of it is open."""
    row = await case_of(conn, case_key)
    if row is None:  # a claim without a case is never written
        raise LookupError(case_key)
    after = settled(row.facts)
    if row.state is CaseState.HELD and after not in (CaseState.PAID, CaseState.REJECTED, CaseState.WITHDRAWN):
        return row.state
    if row.kind == "review" and row.state is CaseState.SUPPLEMENTED:
        return row.state  # a refund stands in its place; what is said of the review changes nothing any more
    await move_case(conn, row, after, actor, reason, now)
    return after
