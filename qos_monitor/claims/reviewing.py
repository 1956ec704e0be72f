"""What the passing of days does to cases: reviews nobody answered, cases nobody decided, days newly known."""

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import logs
from qos_monitor.claims import bundle, ledger
from qos_monitor.claims.desk import Ask, Desk, FilingOptions
from qos_monitor.claims.entitlement import Demand
from qos_monitor.claims.holding import hold, stand
from qos_monitor.claims.ledger import DEADLINE, CaseRow
from qos_monitor.claims.lifecycle import CaseState, ClaimKind
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import cases
from rules.deadline import deadline, review_deadline
from rules.policy import Policy
from rules.remedy import REFUND, REVIEW, case_key
from rules.span import SECOND, Instant, format_instant, parse_instant

STANDS = "stands_if_unanswered"
"""The term of a review that says whether one of its CLASS anchors is of grade A or B."""

_OPEN_REVIEWS = (CaseState.CANDIDATE, CaseState.FILED, CaseState.ACCEPTED)


async def review_due(conn: AsyncConnection, now: Instant, policy: Policy, options: FilingOptions) -> int:
    """Do what is due because a day has passed, in the transaction given, and tell how many cases changed.

    A review not answered by its target day: the learner's version stands if one of its CLASS anchors is of grade A
    or B, and a refund is filed; otherwise it waits for a person, and an error is logged. A refund that is held and
    was not decided by its target day stands. Days that were provisional are counted anew once their calendar is
    published.
    """
    desk = Desk(conn, policy, options, now)
    today = today_of(policy, now).isoformat()
    changed = 0
    for row in await ledger.cases_due(conn, REVIEW, _OPEN_REVIEWS, today):
        await _unanswered(desk, row)
        changed += 1
    for row in await ledger.cases_due(conn, REFUND, (CaseState.HELD,), today):
        reason = "Nobody decided by the target day: the case stands."
        await stand(conn, row, DEADLINE, reason, now)
        changed += 1
    return changed + await _recounted(desk)


def today_of(policy: Policy, now: Instant) -> date:
    """Give the date in the zone of the policy."""
    return datetime.fromtimestamp(now // SECOND, UTC).astimezone(ZoneInfo(policy.deadlines.zone)).date()


async def _unanswered(desk: Desk, row: CaseRow) -> None:
    if row.body["terms"].get(STANDS):
        reason = "Nobody answered by the target day, and the platform's own records show a class lost."
        await file_in_place(desk, row, DEADLINE, reason)
        return
    reason = "Nobody answered by the target day; the client's word alone never pays, so it waits for a person."
    await hold(desk.conn, row, DEADLINE, reason, desk.now)
    logs.event("review_waits_for_a_person", logging.ERROR)


async def file_in_place(desk: Desk, review: CaseRow, actor: str, reason: str) -> None:
    """File the refund a review is about, with the amount the review carries; the review is then done.

    Where the enrolment is already being refunded no second refund is made. Where a person withdrew that very
    refund, the review is held for a person.
    """
    key = case_key(REFUND, review.learner_id, review.enrolment_id, review.lineage)
    rows = [r for r in await ledger.cases_of(desk.conn, review.learner_id) if r.kind == REFUND]
    live = [r for r in rows if r.enrolment_id == review.enrolment_id and r.is_live]
    known = next((r for r in rows if r.case_key == key), None)
    if not live and known is not None and not known.is_dead:
        await hold(desk.conn, review, actor, "The same refund was withdrawn or rejected before.", desk.now)
        return
    done = f"{reason} Refund {live[0].case_key if live else key} is filed in its place."
    await ledger.move_case(desk.conn, review, CaseState.SUPPLEMENTED, actor, done, desk.now)
    await desk.supersede(review, actor, done)
    if not live:
        await _file(desk, review, known, (key, actor, reason))


async def _file(desk: Desk, review: CaseRow, known: CaseRow | None, about: tuple[str, str, str]) -> None:
    key, actor, reason = about
    due = deadline(desk.now, desk.policy.deadlines, desk.options.is_working_day)
    days = {
        "filed_at": desk.now,
        "due_target": due.target.isoformat(),
        "due_limit": due.limit.isoformat(),
        "due_provisional": due.is_provisional,
    }
    terms = {**review.body["terms"], "alternatives": _alternatives(review.body)}
    terms.pop(STANDS, None)
    body = {**review.body, **days, "filed_at": format_instant(desk.now), "case_key": key, "kind": REFUND}
    body |= {"terms": terms, "review": review.case_key, "found": True}
    values = {
        **days,
        "case_key": key,
        "kind": REFUND,
        "tier": None,
        "learner_id": review.learner_id,
        "enrolment_id": review.enrolment_id,
        "lineage": review.lineage,
        "amount_minor": review.amount_minor,
        "currency": review.currency,
        "body": canonical(body),
    }
    if known is None:
        await ledger.insert_case(desk.conn, values, actor, reason, desk.now)
    else:
        await ledger.update_case(desk.conn, key, desk.now, **values)
        await ledger.move_case(desk.conn, known, CaseState.CANDIDATE, actor, reason, desk.now)
    proof = await bundle.latest_of(desk.conn, review.case_key)
    sha256 = None if proof is None else await bundle.keep(desk.conn, key, proof, desk.now)
    demand = Demand(review.amount_minor, review.currency, terms)
    days_due = (due.target.isoformat(), due.limit.isoformat(), due.is_provisional)
    await desk.write(key, Ask(ClaimKind.REFUND, demand, days_due, sha256, actor, reason))


def _alternatives(body: Mapping[str, Any]) -> dict[str, int]:
    """What the learner may take instead: a make-up lesson for each class lost, one more, and the time back."""
    outage = body.get("outage")
    if outage is None:
        lost, span_s = len(body["terms"].get("class_ids", ())), 0
    else:
        lost = len({anchor["id"] for anchor in outage["anchors"] if anchor["kind"] == "CLASS"})
        measured = body["terms"].get("outage") or outage
        span_s = (parse_instant(measured["ends_at"]) - parse_instant(measured["starts_at"])) // SECOND
    return {"makeup_lessons": lost, "bonus_lessons": 1, "validity_extended_s": span_s}


async def _recounted(desk: Desk) -> int:
    """Count provisional days anew where the calendar is now published."""
    open_ones = [state.value for state in CaseState if state not in (CaseState.PAID, CaseState.WITHDRAWN)]
    query = select(cases.c.case_key, cases.c.kind, cases.c.filed_at).where(
        cases.c.due_provisional, cases.c.state.in_(open_ones), cases.c.filed_at.is_not(None)
    )
    changed = 0
    for key, kind, filed_at in (await desk.conn.execute(query)).all():
        count = review_deadline if kind == REVIEW else deadline
        due = count(filed_at, desk.policy.deadlines, desk.options.is_working_day)
        if not due.is_provisional:
            days = {"due_target": due.target.isoformat(), "due_limit": due.limit.isoformat(), "due_provisional": False}
            await ledger.update_case(desk.conn, key, desk.now, **days)
            changed += 1
    return changed
