"""What a person decides about a case: let it go, or withdraw it with a reason and proof."""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims import ledger
from qos_monitor.claims.desk import Ask, Desk
from qos_monitor.claims.entitlement import Demand
from qos_monitor.claims.holding import stand
from qos_monitor.claims.ledger import CaseRow, ClaimRow
from qos_monitor.claims.lifecycle import GONE, CaseState, ClaimKind, ClaimState, IllegalMove
from qos_monitor.claims.reviewing import file_in_place
from qos_monitor.errors import QosError
from qos_monitor.storage.tables import bundles, cases, claims, learners
from rules.document import Fields, Invalid, Problem
from rules.remedy import REVIEW

RELEASE = "release"
WITHDRAW = "withdraw"

_ACTOR_MAX = 100
_WORDS_MAX = 2_000
_UNDER_REVIEW = (CaseState.FILED, CaseState.ACCEPTED, CaseState.HELD)
_STUCK = (ClaimState.WAITING, ClaimState.PARKED, ClaimState.STOPPED)
_REFUSED = (ClaimState.FAILED, ClaimState.REJECTED)


class NoSuchCase(QosError):  # noqa: N818 - an answer to whoever asked
    """There is no case of that key."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision; ``evidence`` refers to the contrary evidence of grade A a withdrawal rests on."""

    what: str
    actor: str
    reason: str
    evidence: str | None


def read_decision(value: object) -> Decision:
    """Read the body of a decision. Raises Invalid with every problem.

    A withdrawal must name its evidence: ``{"grade": "A", "reference": "…"}``, a server's record that the learner
    was not kept out. Nothing less takes back what a learner was promised.
    """
    problems: list[Problem] = []
    fields = Fields(value, "", problems)
    what = fields.choice("decision", str, (RELEASE, WITHDRAW))
    actor, reason = _said(fields, "actor"), _said(fields, "reason")
    given = fields.take("evidence")
    reference = None if given is None else _reference(Fields(given, "evidence", problems))
    fields.close()
    if what == WITHDRAW and given is None:
        fields.note("evidence", 'is required for a withdrawal: {"grade": "A", "reference": "…"}')
    for key, text, most in (("actor", actor, _ACTOR_MAX), ("reason", reason, _WORDS_MAX)):
        if len(text) > most or "\0" in text:
            fields.note(key, f"must have at most {most} characters, none of them NUL")
    if not actor.isprintable():
        fields.note("actor", "must be written in signs that can be seen")
    if actor in (ledger.JUDGE, ledger.RELAY, ledger.REFUND_SYSTEM, ledger.DEADLINE):
        fields.note("actor", "must be a person's name, not one of the machine's own")
    if problems:
        raise Invalid(problems)
    return Decision(what, actor, reason, reference)


def _said(fields: Fields, key: str) -> str:
    """Read what a person has to say, without the blanks around it; signs without width say as little as blanks."""
    text = fields.text(key)
    if text and not any(sign.isprintable() and not sign.isspace() for sign in text):
        fields.note(key, "must not be blank")
    return text.strip()


def _reference(fields: Fields) -> str:
    grade = fields.take("grade")
    reference = _said(fields, "reference")
    fields.close()
    if grade != "A":
        fields.note("grade", "must be A: only a server's own record may take back what was promised")
    if len(reference) > _WORDS_MAX or "\0" in reference:
        fields.note("reference", f"must have at most {_WORDS_MAX} characters, none of them NUL")
    return reference


async def decide(desk: Desk, case_key: str, decision: Decision) -> CaseRow:
    """Carry out a decision in the desk's transaction and give the case as it is then.

    Release lets go what waits (a case the breaker stopped, a held one, a claim that was parked or stopped), files
    anew what failed or was rejected, and answers a review in the learner's favour. Withdraw ends a case that is
    held or was never let go, or answers a review against the learner; what is paid stays paid.
    Raises NoSuchCase, IllegalMove.
    """
    row = await ledger.case_of(desk.conn, case_key)
    if row is None:
        raise NoSuchCase("there is no case of that key")
    if decision.what == RELEASE:
        await _release(desk, row, decision)
    else:
        await _withdraw(desk, row, decision)
    after = await ledger.case_of(desk.conn, case_key)
    return row if after is None else after


async def release_all(desk: Desk, decision: Decision) -> int:
    """Let go every claim the breaker stopped, and every one that a 410 stopped; tell how many cases that were.

    Cases that are held wait for a decision of their own.
    """
    if decision.what != RELEASE:
        raise IllegalMove("cases are withdrawn one by one")
    stuck = (ClaimState.WAITING.value, ClaimState.STOPPED.value)
    query = (
        select(claims.c.case_key)
        .distinct()
        .join(cases, cases.c.case_key == claims.c.case_key)
        .where(claims.c.state.in_(stuck), cases.c.state != CaseState.HELD.value)
        .order_by(claims.c.case_key)
    )
    keys = list((await desk.conn.execute(query)).scalars())
    for key in keys:
        row = await ledger.case_of(desk.conn, key)
        if row is not None:
            await _let_go(desk, row, decision)
    return len(keys)


async def _release(desk: Desk, row: CaseRow, decision: Decision) -> None:
    refused = [claim for claim in row.claims if claim.state in _REFUSED and claim.kind is not ClaimKind.WITHDRAWAL]
    is_given_up = any(claim.state in (ClaimState.PARKED, ClaimState.STOPPED) for claim in row.claims)
    if row.kind == REVIEW and row.state in _UNDER_REVIEW and not is_given_up:
        await file_in_place(desk, row, decision.actor, decision.reason)
    elif row.state is CaseState.HELD or any(claim.state in _STUCK for claim in row.claims):
        await stand(desk.conn, row, decision.actor, decision.reason, desk.now)
        await _let_go(desk, row, decision)
    elif refused:
        for claim in refused:
            await _file_anew(desk, row, claim, decision)
    else:
        raise IllegalMove(f"nothing of this case, which is {row.state}, waits to be released")


async def _let_go(desk: Desk, row: CaseRow, decision: Decision) -> None:
    fresh = await ledger.case_of(desk.conn, row.case_key)
    for claim in () if fresh is None else fresh.claims:
        if claim.state in _STUCK:
            await ledger.let_go(desk.conn, claim, desk.now)
    await ledger.resettle(desk.conn, row.case_key, decision.actor, decision.reason, desk.now)


async def _file_anew(desk: Desk, row: CaseRow, claim: ClaimRow, decision: Decision) -> None:
    """Send the same demand again as a new version: under the old key the refund system would see a repeat."""
    await ledger.move_claim(desk.conn, claim, ClaimState.SUPERSEDED)
    demand = Demand(claim.amount_minor, claim.currency, claim.terms)
    due = (row.due_target, row.due_limit, row.due_provisional)
    sha256 = await _last_bundle(desk.conn, row.case_key)
    ask = Ask(claim.kind, demand, due, sha256, decision.actor, decision.reason)
    await desk.write(row.case_key, ask, passes_breaker=True)


async def _withdraw(desk: Desk, row: CaseRow, decision: Decision) -> None:
    is_open_review = row.kind == REVIEW and row.state in _UNDER_REVIEW
    if row.state not in (CaseState.HELD, CaseState.CANDIDATE) and not is_open_review:
        raise IllegalMove(f"a case that is {row.state} cannot be withdrawn; one that is held or a candidate can")
    taken_back = [
        claim
        for claim in row.claims
        if claim.state not in (*GONE, ClaimState.PAID) and claim.kind is not ClaimKind.WITHDRAWAL
    ]
    for claim in taken_back:
        if claim.state is not ClaimState.REJECTED:
            await ledger.move_claim(desk.conn, claim, ClaimState.WITHDRAWN)
    reason = f"{decision.reason} Evidence of grade A: {decision.evidence}"
    sent = [claim.claim_key for claim in taken_back if claim.is_sent]
    if sent:
        terms = {"withdraws": sent, "evidence": decision.evidence}
        due = (row.due_target, row.due_limit, row.due_provisional)
        sha256 = await _last_bundle(desk.conn, row.case_key)
        ask = Ask(ClaimKind.WITHDRAWAL, Demand(None, None, terms), due, sha256, decision.actor, reason)
        await desk.write(row.case_key, ask, passes_breaker=True)
    await ledger.resettle(desk.conn, row.case_key, decision.actor, reason, desk.now)
    # Other remedies the refund absorbed may be due again: the learner is looked at, and filed, anew.
    anew = {"look_again_at": desk.now, "settled_sha256": None}
    await desk.conn.execute(update(learners).where(learners.c.id == row.learner_id).values(**anew))


async def _last_bundle(conn: AsyncConnection, case_key: str) -> str | None:
    query = select(bundles.c.sha256).where(bundles.c.case_key == case_key).order_by(bundles.c.seq.desc()).limit(1)
    return (await conn.execute(query)).scalar_one_or_none()
