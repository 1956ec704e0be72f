"""Holding a case for a person, and letting it stand again."""

from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims import ledger
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import CaseState, ClaimState, settled
from rules.span import Instant


async def hold(conn: AsyncConnection, row: CaseRow, actor: str, reason: str, now: Instant) -> None:
    """Put a case before a person: its claims that were not sent wait, those that were stay as they are."""
    if row.state is CaseState.HELD:
        return
    for claim in row.claims:
        if claim.state is ClaimState.READY and not claim.is_sent:
            await ledger.move_claim(conn, claim, ClaimState.WAITING)
    await ledger.move_case(conn, row, CaseState.HELD, actor, reason, now)


async def stand(conn: AsyncConnection, row: CaseRow, actor: str, reason: str, now: Instant) -> None:
    """Let a held case stand: it is again where its claims say, and what waited for it alone may go.

    A claim that waited for the breaker before (it was never let go) waits on.
    """
    if row.state is not CaseState.HELD:
        return
    for claim in row.claims:
        if claim.state is ClaimState.WAITING and claim.ready_at is not None:
            await ledger.let_go(conn, claim, now)
    fresh = await ledger.case_of(conn, row.case_key)
    after = settled(row.facts if fresh is None else fresh.facts)
    await ledger.move_case(conn, row, CaseState.FILED if after is CaseState.CANDIDATE else after, actor, reason, now)
