"""A case and its claim, in one transaction: what a judgement finds becomes cases that move as SPEC 7 says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims import bundle, ledger
from qos_monitor.claims.desk import Ask, Desk, Due, FilingOptions
from qos_monitor.claims.entitlement import Demand, Owed
from qos_monitor.claims.holding import hold, stand
from qos_monitor.claims.ledger import JUDGE, CaseRow
from qos_monitor.claims.lifecycle import CaseState, ClaimKind, ClaimState
from qos_monitor.claims.matching import OPEN, match
from qos_monitor.folding import Settle
from qos_monitor.storage.rows import canonical
from rules.dossier import Dossier
from rules.outage import Outage
from rules.policy import Policy
from rules.remedy import COMPENSATION, REFUND, REVIEW, Case
from rules.span import Instant

_NEVER_FILED = (ClaimState.SUPERSEDED, ClaimState.WAITING)


def settler(policy: Policy, options: FilingOptions) -> Settle:
    """Make the function that files what a judgement found."""

    async def settle(
        conn: AsyncConnection,
        learner_id: str,
        cases: Sequence[Case],
        outages: Sequence[Outage],
        dossier: Dossier,
        now: Instant,
    ) -> None:
        rows = await ledger.cases_of(conn, learner_id)
        if cases or rows:
            desk = Desk(conn, policy, options, now)
            await _Settling(desk, tuple(cases), tuple(outages), dossier, learner_id).run(rows)

    return settle


@dataclass(slots=True)
class _Settling:
    """One judgement of one learner on its way into the tables."""

    desk: Desk
    cases: tuple[Case, ...]
    outages: tuple[Outage, ...]
    dossier: Dossier
    learner_id: str

    async def run(self, rows: Sequence[CaseRow]) -> None:
        matching = match(self.cases, rows)
        kept: set[str] = set()
        for row in matching.lost:
            await self._lost(row, matching.pairs)
        for case, known in matching.pairs:
            key = case.case_key if known is None else known.case_key
            await self._found(case, None if known is None else key, is_first=key not in kept)
            kept.add(key)

    # --- what is found ------------------------------------------------------------------------------------------

    async def _found(self, case: Case, known_as: str | None, *, is_first: bool) -> None:
        rows = await ledger.cases_of(self.desk.conn, self.learner_id)
        row = next((row for row in rows if row.case_key == known_as), None)
        if case.kind != REFUND and _is_refunded(case.enrolment_id, rows):
            if row is not None and not row.is_sent and row.state in OPEN:
                await self.desk.supersede(row, JUDGE, "A refund of the enrolment absorbs it.")
            return
        if row is None:
            await self._open(case)
        elif row.is_dead:
            await self._refresh(row, case)
            await self._move(row, CaseState.CANDIDATE, case.why)
            await self._claim(row.case_key, case)
        else:
            await self._known(row, case, is_first=is_first)

    async def _open(self, case: Case) -> None:
        if case.kind == COMPENSATION and await self.desk.is_claimed_by_others(case, _owed(case)):
            return
        values = {
            "case_key": case.case_key,
            "kind": case.kind,
            "learner_id": case.learner_id,
            "enrolment_id": case.enrolment_id,
            "lineage": case.lineage,
            **_dated(case),
            **_described(case, case.case_key),
            "amount_minor": case.amount_minor,
        }
        await ledger.insert_case(self.desk.conn, values, JUDGE, case.why, self.desk.now)
        await self._claim(case.case_key, case)

    async def _known(self, row: CaseRow, case: Case, *, is_first: bool) -> None:
        if is_first:
            await self._refresh(row, case)
        if row.state is CaseState.HELD and _is_well_again(row, case):
            await stand(self.desk.conn, row, JUDGE, "The judgement finds it again.", self.desk.now)
        if row.state not in (CaseState.REJECTED, CaseState.WITHDRAWN):
            await self._claim(row.case_key, case)

    async def _claim(self, case_key: str, case: Case) -> None:
        """Claim what is not claimed yet: all of it, or the difference as a supplement."""
        row = await ledger.case_of(self.desk.conn, case_key)
        if row is None:
            raise LookupError(case_key)
        waiting = next((c for c in row.claims if c.state is ClaimState.WAITING and not c.is_sent), None)
        demand = await self.desk.unclaimed(row, _owed(case))
        if demand is None:
            if waiting is not None:
                reason = "No more is owed than was claimed."
                await self.desk.supersede(row, JUDGE, reason, waiting_only=True)
            return
        if waiting is not None and _says_same(waiting.amount_minor, waiting.terms, demand):
            return
        is_more = any(c.state not in _NEVER_FILED for c in row.claims)
        kind = ClaimKind.SUPPLEMENT if is_more else ClaimKind(row.kind)
        sha256 = await self._bundle(case_key)
        due: Due = (case.due_target, case.due_limit, case.due_provisional)
        if waiting is not None:
            due = (row.due_target, row.due_limit, row.due_provisional)
        await self.desk.write(case_key, Ask(kind, demand, due, sha256, JUDGE, case.why))
        if is_more and row.kind == REFUND:
            await ledger.update_case(self.desk.conn, case_key, self.desk.now, amount_minor=case.amount_minor)

    async def _refresh(self, row: CaseRow, case: Case) -> None:
        """Write down the case as last judged; day of filing and deadline stay those of the first time."""
        values = _described(case, row.case_key, row)
        if row.is_dead:
            values |= _dated(case)
        if row.is_dead or (row.state is CaseState.CANDIDATE and row.kind != COMPENSATION):
            values["amount_minor"] = case.amount_minor
        if values["body"] != canonical(dict(row.body)) or row.is_dead:
            await ledger.update_case(self.desk.conn, row.case_key, self.desk.now, **values)

    async def _bundle(self, case_key: str) -> str:
        desk = self.desk
        cases = sorted(self.cases, key=lambda c: (c.lineage_at, c.kind, c.enrolment_id, c.lineage))
        outages = sorted(self.outages, key=lambda o: (o.starts_at, o.ends_at))
        given = {"outages": [o.as_json() for o in outages], "cases": [c.as_json() for c in cases]}
        whole = bundle.contents(self.dossier, desk.now, desk.policy, desk.options.is_working_day, given)
        return await bundle.keep(desk.conn, case_key, whole, desk.now)

    async def _move(self, row: CaseRow, after: CaseState, reason: str) -> None:
        await ledger.move_case(self.desk.conn, row, after, JUDGE, reason, self.desk.now)

    # --- what is no longer found --------------------------------------------------------------------------------

    async def _lost(self, row: CaseRow, pairs: Sequence[tuple[Case, CaseRow | None]]) -> None:
        if row.state not in OPEN:
            return
        refund = _refund_of(row.enrolment_id, pairs)
        if row.state is CaseState.CANDIDATE:
            await self.desk.supersede(row, JUDGE, "The judgement no longer finds it.")
        elif row.kind == REFUND:
            await self._lost_refund(row, pairs)
        elif row.kind == REVIEW and row.state is CaseState.SUPPLEMENTED:
            await self._mark_lost(row)  # it is done: the refund in its place answers for itself
        elif row.kind == REVIEW and row.body.get("outage") is not None:
            await self._lost_review(row, refund)
        elif not row.is_sent and (refund is not None or self._is_absorbed(row)):
            await self.desk.supersede(row, JUDGE, "A higher remedy absorbs it.")
        else:
            await self._mark_lost(row)

    async def _lost_refund(self, row: CaseRow, pairs: Sequence[tuple[Case, CaseRow | None]]) -> None:
        review = row.body.get("review")
        if review is not None and any(
            review == (case.case_key if known is None else known.case_key) for case, known in pairs
        ):
            return  # filed in place of a review that is still found: it rests on that
        if row.is_found:
            await self._mark_lost(row)
            await self._bundle(row.case_key)
            reason = "The outage is no longer owed by the evidence there is now: a person must look."
            await hold(self.desk.conn, row, JUDGE, reason, self.desk.now)

    async def _lost_review(self, row: CaseRow, refund: str | None) -> None:
        if not row.is_sent:
            await self.desk.supersede(row, JUDGE, "The judgement no longer finds it.")
        elif refund is not None:
            await self._mark_lost(row)
            await self._move(row, CaseState.SUPPLEMENTED, f"Refund {refund} is filed in its place.")
        elif row.is_found:
            await self._mark_lost(row)
            await hold(self.desk.conn, row, JUDGE, "The evidence there is now asks for no review.", self.desk.now)

    def _is_absorbed(self, row: CaseRow) -> bool:
        """Say whether other compensation of this judgement covers every class of it."""
        mine = set(row.body["terms"].get("class_ids", ()))
        covered: set[str] = set()
        for case in self.cases:
            ids = case.terms.get("class_ids")
            if case.kind == COMPENSATION and case.enrolment_id == row.enrolment_id and isinstance(ids, list):
                covered |= set(ids)
        return row.kind == COMPENSATION and bool(mine) and mine <= covered

    async def _mark_lost(self, row: CaseRow) -> None:
        if row.is_found:
            body = canonical({**row.body, "found": False})
            await ledger.update_case(self.desk.conn, row.case_key, self.desk.now, body=body)


def _dated(case: Case) -> dict[str, object]:
    return {
        "filed_at": case.filed_at,
        "due_target": case.due_target,
        "due_limit": case.due_limit,
        "due_provisional": case.due_provisional,
    }


def _described(case: Case, case_key: str, row: CaseRow | None = None) -> dict[str, object]:
    """Give the columns that follow the last judgement."""
    body = case.as_json() | {"case_key": case_key, "found": True}
    body["outage"] = None if case.outage is None else case.outage.as_json()
    if row is not None and not row.is_dead:
        kept = ("filed_at", "due_target", "due_limit", "due_provisional")
        body |= {key: row.body[key] for key in kept}
        if "review" in row.body:
            body["review"] = row.body["review"]
    return {"tier": case.tier, "currency": case.currency, "body": canonical(body)}


def _owed(case: Case) -> Owed:
    return Owed(case.kind, case.amount_minor, case.currency, case.terms)


def _says_same(amount_minor: int | None, terms: Mapping[str, object], demand: Demand) -> bool:
    return amount_minor == demand.amount_minor and canonical(dict(terms)) == canonical(dict(demand.terms))


def _is_well_again(row: CaseRow, case: Case) -> bool:
    """Say whether a held case may go on: it was lost and is found, or a review now stands by itself."""
    return not row.is_found or (case.kind == REVIEW and bool(case.terms.get("stands_if_unanswered")))


def _is_refunded(enrolment_id: str, rows: Sequence[CaseRow]) -> bool:
    return any(row.kind == REFUND and row.enrolment_id == enrolment_id and row.is_live for row in rows)


def _refund_of(enrolment_id: str, pairs: Sequence[tuple[Case, CaseRow | None]]) -> str | None:
    for case, row in pairs:
        if case.kind == REFUND and case.enrolment_id == enrolment_id:
            return case.case_key if row is None else row.case_key
    return None
