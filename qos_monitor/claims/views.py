"""What people may look up: cases with all that happened to them, a learner's time line, a bundle."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import incidents
from qos_monitor.claims.lifecycle import CaseState
from qos_monitor.storage.tables import (
    bundles,
    case_transitions,
    cases,
    claims,
    class_learners,
    classes,
    outages,
    verdicts,
)
from rules.document import Invalid, Problem
from rules.record import read_record
from rules.remedy import COMPENSATION, REFUND, REVIEW
from rules.span import Instant, Span, format_instant, parse_instant

LIMIT_MAX = 200
LIMIT = 50
CLASSES_MAX = 1_000
KINDS = (REFUND, COMPENSATION, REVIEW)

View = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases to list; ``after`` is where the page before ended."""

    state: str | None
    kind: str | None
    learner_id: str | None
    limit: int
    after: tuple[Instant, str] | None


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """Read the filters of a URL: state, kind, learner, limit, cursor. Raises Invalid with every problem."""
    problems = [
        Problem(key, "is not a filter; state, kind, learner, limit and cursor are")
        for key in query
        if key not in ("state", "kind", "learner", "limit", "cursor")
    ]
    states = [state.value for state in CaseState]
    for key, allowed in (("state", states), ("kind", list(KINDS))):
        if key in query and query[key] not in allowed:
            problems.append(Problem(key, f"must be one of {', '.join(allowed)}"))
    limit = query.get("limit", str(LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= LIMIT_MAX):
        problems.append(Problem("limit", f"must be a whole number from 1 to {LIMIT_MAX}"))
    after = None
    if "cursor" in query:
        after = _read_cursor(query["cursor"])
        if after is None:
            problems.append(Problem("cursor", "must be the `next` of an answer before"))
    if problems:
        raise Invalid(problems)
    return Wanted(query.get("state"), query.get("kind"), query.get("learner"), int(limit), after)


def _cursor(at: Instant, case_key: str) -> str:
    return base64.urlsafe_b64encode(f"{at} {case_key}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[Instant, str] | None:
    try:
        at, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
    except (binascii.Error, UnicodeError, ValueError):
        return None
    return (int(at), key) if at.isascii() and at.isdigit() and len(at) < 16 and key.isprintable() else None


async def list_cases(conn: AsyncConnection, wanted: Wanted) -> View:
    """Give one page of cases, first made first, and where the next one begins (null: none)."""
    query = select(cases).order_by(cases.c.created_at, cases.c.case_key).limit(wanted.limit + 1)
    for column, value in (
        (cases.c.state, wanted.state),
        (cases.c.kind, wanted.kind),
        (cases.c.learner_id, wanted.learner_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.after is not None:
        query = query.where(tuple_(cases.c.created_at, cases.c.case_key) > tuple_(*wanted.after))
    rows = (await conn.execute(query)).all()
    page = rows[: wanted.limit]
    following = _cursor(page[-1].created_at, page[-1].case_key) if len(rows) > wanted.limit else None
    return {"cases": [_summary(row) for row in page], "next": following}


def _summary(row: Row[Any]) -> View:
    return {
        "case_key": row.case_key,
        "kind": row.kind,
        "tier": row.tier,
        "state": row.state,
        "learner_id": row.learner_id,
        "enrolment_id": row.enrolment_id,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "filed_at": _instant(row.filed_at),
        "due_target": row.due_target,
        "due_limit": row.due_limit,
        "due_provisional": row.due_provisional,
        "why": json.loads(row.body).get("why"),
        "created_at": _instant(row.created_at),
        "updated_at": _instant(row.updated_at),
    }


def _instant(at: Instant | None) -> str | None:
    return None if at is None else format_instant(at)


async def show_case(conn: AsyncConnection, case_key: str) -> View | None:
    """Give one case with its transitions, claims and bundles; None where there is none."""
    row = (await conn.execute(select(cases).where(cases.c.case_key == case_key))).first()
    if row is None:
        return None
    body = json.loads(row.body)
    moves = select(case_transitions).where(case_transitions.c.case_key == case_key).order_by(case_transitions.c.seq)
    sent = select(claims).where(claims.c.case_key == case_key).order_by(claims.c.version)
    proofs = (
        select(bundles.c.sha256, bundles.c.previous_sha256, bundles.c.created_at)
        .where(bundles.c.case_key == case_key)
        .order_by(bundles.c.seq)
    )
    return {
        **_summary(row),
        "lineage": row.lineage,
        "terms": body.get("terms"),
        "outage": body.get("outage"),
        "announced": await _announced(conn, body.get("outage")),
        "found": body.get("found"),
        "judged": body,
        "transitions": [_transition(move) for move in await conn.execute(moves)],
        "claims": [_claim(claim) for claim in await conn.execute(sent)],
        "bundles": [
            {"sha256": one.sha256, "previous_sha256": one.previous_sha256, "created_at": _instant(one.created_at)}
            for one in await conn.execute(proofs)
        ],
    }


async def _announced(conn: AsyncConnection, outage: Mapping[str, str] | None) -> list[View]:
    """Give the incidents that somebody declared during an outage; they are shown beside it, and prove nothing."""
    if outage is None:
        return []
    span = Span(parse_instant(outage["starts_at"]), parse_instant(outage["ends_at"]))
    return [one.as_json() for one in await incidents.during(conn, span)]


def _transition(row: Row[Any]) -> View:
    return {
        "from": row.from_state,
        "to": row.to_state,
        "at": _instant(row.at),
        "actor": row.actor,
        "reason": row.reason,
    }


def _claim(row: Row[Any]) -> View:
    return {
        "claim_key": row.claim_key,
        "version": row.version,
        "kind": row.kind,
        "state": row.state,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "created_at": _instant(row.created_at),
        "ready_at": _instant(row.ready_at),
        "attempts": row.attempts,
        "next_attempt_at": _instant(row.next_attempt_at),
        "answered_at": _instant(row.answered_at),
        "answer": row.answer,
        "message": json.loads(row.body),
    }


async def timeline(conn: AsyncConnection, learner_id: str) -> View | None:
    """Give a learner's classes with the verdicts in force, outages and cases, by start; None for a stranger."""
    listed = [_class(row) for row in await conn.execute(_classes_of(learner_id))]
    lost = select(outages.c.body).where(outages.c.learner_id == learner_id).order_by(outages.c.starts_at)
    owed = select(cases).where(cases.c.learner_id == learner_id).order_by(cases.c.created_at, cases.c.case_key)
    found = [_summary(row) for row in await conn.execute(owed)]
    if not listed and not found:
        return None
    return {
        "learner_id": learner_id,
        "classes": listed,
        "outages": [json.loads(body) for body in (await conn.execute(lost)).scalars()],
        "cases": found,
    }


def _classes_of(learner_id: str) -> Select[Any]:
    """Select the latest classes of a learner, each with its verdict in force, if any."""
    judged = and_(verdicts.c.class_id == classes.c.id, verdicts.c.learner_id == learner_id, verdicts.c.current)
    latest = (
        select(
            classes.c.id,
            classes.c.course_id,
            classes.c.starts_at,
            classes.c.ends_at,
            classes.c.provider,
            verdicts.c.verdict,
            verdicts.c.firm,
            verdicts.c.body,
        )
        .select_from(
            classes.join(class_learners, class_learners.c.class_id == classes.c.id).outerjoin(verdicts, judged)
        )
        .where(class_learners.c.learner_id == learner_id)
        .order_by(classes.c.starts_at.desc(), classes.c.id.desc())
        .limit(CLASSES_MAX)
        .subquery()
    )
    return select(latest).order_by(latest.c.starts_at, latest.c.id)


def _class(row: Row[Any]) -> View:
    judged: View | None = None
    if row.verdict is not None:
        judged = read_record(json.loads(row.body)).as_verdict_json(firm=row.firm)
    return {
        "class_id": row.id,
        "course_id": row.course_id,
        "starts_at": _instant(row.starts_at),
        "ends_at": _instant(row.ends_at),
        "provider": row.provider,
        "verdict": judged,
    }


async def bundle_body(conn: AsyncConnection, sha256: str) -> str | None:
    """Give a bundle's exact text; None where there is none."""
    return (await conn.execute(select(bundles.c.body).where(bundles.c.sha256 == sha256))).scalar_one_or_none()
