"""Where claims are written: message, breaker and case move together, in the transaction of whoever asks."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import logs
from qos_monitor.claims import ledger
from qos_monitor.claims.breaker import BreakerLimits, why_wait
from qos_monitor.claims.entitlement import Demand, Owed, unclaimed
from qos_monitor.claims.ledger import CaseRow, ClaimRow, claim_key
from qos_monitor.claims.lifecycle import GONE, ClaimKind, ClaimState
from qos_monitor.claims.message import Claim, compose
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import claims
from rules.deadline import WorkingDay
from rules.policy import Policy
from rules.remedy import COMPENSATION, REVIEW, Case
from rules.span import Instant

Due = tuple[str | None, str | None, bool]
"""Target day, limit day, and whether they are provisional."""


@dataclass(frozen=True, slots=True)
class FilingOptions:
    """What filing needs to know of its surroundings; ``public_url`` is where links in claims begin."""

    is_working_day: WorkingDay
    public_url: str = ""
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


@dataclass(frozen=True, slots=True)
class Ask:
    """One claim to be written. ``actor`` and ``reason`` go into the transition it causes."""

    kind: ClaimKind
    demand: Demand
    due: Due
    bundle_sha256: str | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Writes claims in one transaction, at one instant, under one policy."""

    conn: AsyncConnection
    policy: Policy
    options: FilingOptions
    now: Instant

    async def write(self, case_key: str, ask: Ask, *, passes_breaker: bool = False) -> ClaimRow:
        """Write the next claim of a case, or anew the one that was never sent, and move the case with it.

        With ``passes_breaker`` it is let go whatever was filed before: a person said so.
        """
        row = await self._case(case_key)
        unsent = next((claim for claim in row.claims if _is_blank(claim)), None)
        version = unsent.version if unsent else max((c.version for c in row.claims), default=0) + 1
        key = claim_key(case_key, version)
        body = compose(
            Claim(
                claim_key=key,
                version=version,
                kind=ask.kind,
                case=row,
                demand=ask.demand,
                due=ask.due,
                bundle_sha256=ask.bundle_sha256,
                made_at=self.now,
                already_claimed=await self._already_claimed(row, key),
                why=ask.reason if ask.kind is ClaimKind.WITHDRAWAL else "",
            ),
            self.policy,
            self.options.public_url,
        )
        values = {
            "version": version,
            "kind": ask.kind.value,
            "amount_minor": ask.demand.amount_minor,
            "currency": ask.demand.currency,
            "terms": canonical(dict(ask.demand.terms)),
            "body": body,
        }
        is_let_go = await self._put(key, row, unsent, values, passes_breaker=passes_breaker)
        reason = ask.reason if is_let_go else f"{ask.reason} It waits for a person."
        await ledger.resettle(self.conn, case_key, ask.actor, reason, self.now)
        return next(c for c in (await self._case(case_key)).claims if c.claim_key == key)

    async def _put(
        self,
        key: str,
        row: CaseRow,
        unsent: ClaimRow | None,
        values: Mapping[str, object],
        *,
        passes_breaker: bool,
    ) -> bool:
        """Insert or replace the claim's row, ready or waiting; tell whether it is let go."""
        was_waiting = unsent is not None and unsent.state is ClaimState.WAITING
        waits = False if passes_breaker else was_waiting or await self._must_wait(row, values)
        now = self.now
        if unsent is None:
            state = ClaimState.WAITING if waits else ClaimState.READY
            placed = {"ready_at": None if waits else now, "next_attempt_at": None if waits else now}
            number = {"case_key": row.case_key, "claim_key": key}
            await ledger.insert_claim(
                self.conn, {**values, **placed, **number, "state": state.value, "created_at": now}
            )
            return not waits
        await self.conn.execute(update(claims).where(claims.c.claim_key == key).values(**values))
        if waits:
            await ledger.move_claim(self.conn, unsent, ClaimState.WAITING)
        else:
            await ledger.let_go(self.conn, unsent, now)
        return not waits

    async def _must_wait(self, row: CaseRow, values: Mapping[str, object]) -> bool:
        amount, currency = values["amount_minor"], values["currency"]
        money = None
        if isinstance(amount, int) and isinstance(currency, str) and row.kind != REVIEW:
            money = (amount, currency)
        why = await why_wait(self.conn, money, self.options.breaker, self.policy.remedy, self.now)
        if why is not None:
            logs.event("claim_waits", logging.WARNING, reason=why)
        return why is not None

    async def supersede(self, row: CaseRow, actor: str, reason: str, *, waiting_only: bool = False) -> None:
        """Take back, silently, what was never sent; with ``waiting_only``, what was never let go either.

        A claim that was sent stays as it is.
        """
        states = (ClaimState.WAITING,) if waiting_only else (ClaimState.WAITING, ClaimState.READY)
        for claim in row.claims:
            if not claim.is_sent and claim.state in states:
                await ledger.move_claim(self.conn, claim, ClaimState.SUPERSEDED)
        await ledger.resettle(self.conn, row.case_key, actor, reason, self.now)

    async def unclaimed(self, row: CaseRow, owed: Owed) -> Demand | None:
        """Tell what of this is not claimed yet, by this case or, of lessons, by any of the enrolment."""
        mine = [claim for claim in row.claims if not _is_blank(claim)]
        others = [] if owed.kind != COMPENSATION else await self._of_enrolment(row.learner_id, row.enrolment_id)
        return unclaimed(owed, mine, [_without_blank(other) for other in others])

    async def is_claimed_by_others(self, case: Case, owed: Owed) -> bool:
        """Say whether the enrolment's cases that are kept claimed all of this already; the case is not one of them."""
        others = await self._of_enrolment(case.learner_id, case.enrolment_id)
        return unclaimed(owed, [], [_without_blank(other) for other in others]) is None

    async def _of_enrolment(self, learner_id: str, enrolment_id: str) -> list[CaseRow]:
        rows = await ledger.cases_of(self.conn, learner_id)
        return [other for other in rows if other.enrolment_id == enrolment_id]

    async def _already_claimed(self, row: CaseRow, key: str) -> list[dict[str, object]]:
        """List what was sent for the enrolment and stays; for a compensation only what touches its lessons."""
        mine = set(row.body["terms"].get("class_ids", ()))
        entries = []
        for other in await self._of_enrolment(row.learner_id, row.enrolment_id):
            if other.kind == REVIEW:
                continue
            for claim in other.claims:
                class_ids = list(claim.terms.get("class_ids", ()))
                is_near = row.kind != COMPENSATION or other.case_key == row.case_key or mine & set(class_ids)
                if is_near and claim.claim_key != key and _is_given(claim):
                    entries.append(_entry(other, claim, class_ids))
        return entries

    async def _case(self, case_key: str) -> CaseRow:
        row = await ledger.case_of(self.conn, case_key)
        if row is None:
            raise LookupError(case_key)
        return row


def _is_blank(claim: ClaimRow) -> bool:
    """Say whether the claim can be written anew: nobody saw it, and it is not on its way."""
    return not claim.is_sent and claim.state in (ClaimState.WAITING, ClaimState.SUPERSEDED)


def _is_given(claim: ClaimRow) -> bool:
    refused = (ClaimState.REJECTED, *GONE)
    return claim.is_sent and claim.state not in refused and claim.kind is not ClaimKind.WITHDRAWAL


def _entry(case: CaseRow, claim: ClaimRow, class_ids: Iterable[str]) -> dict[str, object]:
    return {
        "claim_key": claim.claim_key,
        "kind": claim.kind.value,
        "tier": case.tier,
        "amount_minor": claim.amount_minor,
        "currency": claim.currency,
        "state": claim.state.value,
        "class_ids": list(class_ids),
    }


def _without_blank(row: CaseRow) -> CaseRow:
    kept = tuple(claim for claim in row.claims if not _is_blank(claim))
    return row if len(kept) == len(row.claims) else ledger.with_claims(row, kept)
