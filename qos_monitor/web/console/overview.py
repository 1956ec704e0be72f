"""What the pages show that no other door does: what waits for a person, open outages, one class."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims.lifecycle import CaseState, ClaimState
from qos_monitor.storage.tables import cases, claims, class_learners, classes, outages, verdicts
from rules.outage import AnswerKind
from rules.record import read_record
from rules.span import Instant, parse_instant

PAGE = 50
SOON = 10
"""How many of the next limit days are listed."""

LEARNERS_MAX = 1_000
"""A class shows so many learners; a webinar may have more."""

OPEN: tuple[str, ...] = (AnswerKind.NOT_YET.value, AnswerKind.REVIEW.value)
FOR_A_PERSON: tuple[str, ...] = (CaseState.HELD.value, CaseState.CANDIDATE.value)
STUCK: tuple[str, ...] = (
    ClaimState.PARKED.value,
    ClaimState.STOPPED.value,
    ClaimState.FAILED.value,
    ClaimState.REJECTED.value,
)
_ON_THE_WAY: tuple[str, ...] = (CaseState.FILED.value, CaseState.ACCEPTED.value, CaseState.SUPPLEMENTED.value)

View = dict[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of outages ended: the next begins behind it."""

    starts_at: Instant
    learner_id: str

    def written(self) -> str:
        """Write it for a link."""
        return f"{self.starts_at}.{self.learner_id}"


def read_place(text: str) -> Place | None:
    """Read it from a link; None where it is not one."""
    at, _, learner_id = text.partition(".")
    return Place(int(at), learner_id) if at.isascii() and at.isdigit() and len(at) < 16 and learner_id else None


async def standing(conn: AsyncConnection) -> View:
    """Give what stands now: cases by kind and state, what waits for a person, the next limit days, oldest outages."""
    by_state = select(cases.c.kind, cases.c.state, func.count()).group_by(cases.c.kind, cases.c.state)
    stuck = select(claims.c.state, func.count()).where(claims.c.state.in_(STUCK)).group_by(claims.c.state)
    soon = (
        select(cases)
        .where(cases.c.state.in_(_ON_THE_WAY), cases.c.due_limit.is_not(None))
        .order_by(cases.c.due_limit, cases.c.case_key)
        .limit(SOON)
    )
    counted = [tuple(row) for row in await conn.execute(by_state)]
    return {
        "counts": sorted(counted),
        "waiting": sum(count for _, state, count in counted if state in FOR_A_PERSON),
        "stuck": sorted(tuple(row) for row in await conn.execute(stuck)),
        "soon": [_case(row) for row in await conn.execute(soon)],
        "outages": (await open_outages(conn, None, SOON))[0],
    }


async def stuck_claims(conn: AsyncConnection) -> list[View]:
    """Give the claims that the refund system would not have, oldest first."""
    statement = (
        select(
            claims.c.claim_key, claims.c.case_key, claims.c.kind, claims.c.state, claims.c.answered_at, claims.c.answer
        )
        .where(claims.c.state.in_(STUCK))
        .order_by(claims.c.created_at, claims.c.claim_key)
        .limit(PAGE)
    )
    return [dict(row) for row in (await conn.execute(statement)).mappings()]


def _case(row: Row[Any]) -> View:
    names = ("case_key", "kind", "tier", "state", "learner_id", "amount_minor", "currency", "due_target", "due_limit")
    return {name: getattr(row, name) for name in names}


async def open_outages(
    conn: AsyncConnection, after: Place | None, limit: int = PAGE
) -> tuple[list[View], Place | None]:
    """Give open outages, oldest first, and where the next page begins (None: nowhere)."""
    place = (outages.c.starts_at, outages.c.learner_id)
    statement = select(outages).where(outages.c.answer.in_(OPEN)).order_by(*place).limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(after.starts_at, after.learner_id))
    rows = (await conn.execute(statement)).all()
    page = [_outage(row) for row in rows[:limit]]
    return page, Place(rows[limit - 1].starts_at, rows[limit - 1].learner_id) if len(rows) > limit else None


def _outage(row: Row[Any]) -> View:
    body = json.loads(row.body)
    return {
        "learner_id": row.learner_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "answer": row.answer,
        "domains": body["domains"],
        "look_again_at": None if body["look_again_at"] is None else parse_instant(body["look_again_at"]),
        "amount_minor": row.projected_minor,
        "currency": row.projected_currency,
    }


async def one_class(conn: AsyncConnection, class_id: str) -> View | None:
    """Give a class with its learners and their verdicts in force; None where there is no such class."""
    row = (await conn.execute(select(classes).where(classes.c.id == class_id))).first()
    if row is None:
        return None
    of_class = class_learners.c.class_id == class_id
    judged = and_(
        verdicts.c.class_id == class_id, verdicts.c.learner_id == class_learners.c.learner_id, verdicts.c.current
    )
    statement = (
        select(class_learners.c.learner_id, verdicts.c.firm, verdicts.c.body)
        .select_from(class_learners.outerjoin(verdicts, judged))
        .where(of_class)
        .order_by(class_learners.c.learner_id)
        .limit(LEARNERS_MAX)
    )
    count = select(func.count()).select_from(class_learners).where(of_class)
    return {
        **dict(row._mapping),  # noqa: SLF001 - the documented way to a row's columns by name
        "count": (await conn.execute(count)).scalar_one(),
        "learners": [_learner(*row) for row in await conn.execute(statement)],
    }


def _learner(learner_id: str, firm: bool | None, body: str | None) -> View:  # noqa: FBT001 - columns as they come
    judged = None if body is None else read_record(json.loads(body)).as_verdict_json(firm=bool(firm))
    return {"learner_id": learner_id, "verdict": judged}
