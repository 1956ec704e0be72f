"""Asks the refund system, once a day each, about claims that have no final status."""

import logging

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import logs
from qos_monitor.claims import ledger, status
from qos_monitor.claims.gateway import ClaimGateway, NotKnown, Report, Told, Unavailable
from qos_monitor.claims.ledger import REFUND_SYSTEM
from qos_monitor.claims.lifecycle import ClaimState, IllegalMove
from qos_monitor.claims.line import HungUp
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.tables import claims
from rules.span import DAY, HOUR, Instant

ASK_EVERY_MS = DAY
ASK_AGAIN_MS = HOUR
"""After no answer, so long until the next try."""
ASK_FOR_MS = 90 * DAY
"""An older claim without a final status is a person's matter; its state stays visible in `qos_claims`."""
BATCH_MAX = 50

_OPEN = (ClaimState.ACCEPTED.value, ClaimState.FAILED.value, ClaimState.PARKED.value)


async def ask_unsettled(engine: AsyncEngine, gateway: ClaimGateway, clock: Clock, limit: int = BATCH_MAX) -> int:
    """Ask about claims that are accepted, failed or parked and were not heard of for a day; tell how many.

    No transaction is open while we wait. What the refund system reports is applied as if it had told us; a claim
    we hold for accepted and it has never heard of is sent again, the same bytes under the same key. Answers that
    make no sense are logged as errors and change nothing. Where the gateway raises HungUp the rest is left for later.
    """
    now = clock.now()
    query = (
        select(claims.c.claim_key)
        .where(
            claims.c.state.in_(_OPEN),
            claims.c.answered_at <= now - ASK_EVERY_MS,
            claims.c.created_at > now - ASK_FOR_MS,
        )
        .order_by(claims.c.answered_at, claims.c.claim_key)
        .limit(limit)
    )
    async with reading(engine) as conn:
        keys = list((await conn.execute(query)).scalars())
    for asked, key in enumerate(keys):
        try:
            report = await gateway.ask(key, clock.now())  # a batch takes long, and an old signature is not believed
        except HungUp:
            return asked
        async with writing(engine) as conn:
            await _record(conn, key, report, clock.now())
    return len(keys)


async def _record(conn: AsyncConnection, key: str, report: Report, now: Instant) -> None:
    heard_at = now - ASK_EVERY_MS + ASK_AGAIN_MS if isinstance(report, Unavailable) else now
    await conn.execute(update(claims).where(claims.c.claim_key == key).values(answered_at=heard_at))
    match report:
        case Told(status=word, reason=reason):
            await _told(conn, key, (word, reason), now)
        case NotKnown():
            await _send_again(conn, key, now)
        case Unavailable():
            logs.event("claim_not_answered_for", logging.WARNING)


async def _told(conn: AsyncConnection, key: str, said: tuple[str, str | None], now: Instant) -> None:
    word, reason = said
    if word not in status.STATES:
        logs.event("claim_status_unknown", logging.ERROR)
        return
    try:
        await status.apply(conn, key, status.Status(word, now, reason), now)
    except IllegalMove:
        logs.event("claim_status_contradicts", logging.ERROR, status=word)


async def _send_again(conn: AsyncConnection, key: str, now: Instant) -> None:
    found = select(claims.c.case_key).where(claims.c.claim_key == key)
    case = await ledger.case_of(conn, (await conn.execute(found)).scalar_one())
    claim = next((c for c in case.claims if c.claim_key == key), None) if case else None
    if case is None or claim is None or claim.state is not ClaimState.ACCEPTED:
        return
    logs.event("claim_lost_over_there", logging.ERROR)
    await ledger.let_go(conn, claim, now)
    reason = "The refund system has never heard of the claim it took; it is sent again."
    await ledger.resettle(conn, case.case_key, REFUND_SYSTEM, reason, now)
