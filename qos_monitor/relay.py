"""The outbox to the refund system: at least once, signed, and never inside a transaction."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import logs
from qos_monitor.claims import ledger
from qos_monitor.claims.gateway import (
    Accepted,
    Answer,
    ClaimGateway,
    Conflict,
    Refused,
    Stop,
    Unavailable,
)
from qos_monitor.claims.lifecycle import ClaimState
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.tables import claims
from rules.span import HOUR, MINUTE, SECOND, Instant

BACKOFF_FIRST_MS = 5 * SECOND
BACKOFF_MAX_MS = 4 * HOUR
RETRY_FOR_MS = 75 * HOUR
RETRIES_MIN = 12
"""A claim is not given up before it was tried so often: we may have been down ourselves for most of the time."""
LEASE_MS = 2 * MINUTE
BATCH_MAX = 40
"""So many claims at most in one go; a lease outlasts them all (five rounds of the gateway's 20 s)."""
_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class _Leased:
    claim_key: str
    case_key: str
    body: bytes
    attempts: int
    ready_at: Instant
    token: int


@dataclass(slots=True)
class _Round:
    """What the senders of one call share."""

    engine: AsyncEngine
    gateway: ClaimGateway
    now: Instant
    jitter: Callable[[], float]
    count: Callable[[str], None]
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PARALLEL))
    is_stopped: bool = False


def _uncounted(_result: str) -> None:
    """Count nothing."""


async def send_due(
    engine: AsyncEngine,
    gateway: ClaimGateway,
    now: Instant,
    limit: int = BATCH_MAX,
    *,
    jitter: Callable[[], float] = random.random,
    count: Callable[[str], None] = _uncounted,
) -> int:
    """Send what is due, and tell how many claims were tried.

    A row is leased in one transaction, sent outside of any, and the answer recorded in another; whoever dies in
    between leaves a lease that runs out, and the same bytes go out again under the same key. Nothing is sent
    while any claim is `stopped` (410) and not let go by a person. Later versions of a case wait for earlier ones.
    ``jitter`` gives numbers from 0 to 1; ``count`` is told each result: accepted, conflict, stopped, refused,
    unavailable or given_up.
    """
    async with reading(engine) as conn:
        if await is_stopped(conn):
            return 0
        if not (await conn.execute(_due(now).limit(1))).first():
            return 0
    async with writing(engine) as conn:
        leased = await _lease(conn, now, min(limit, BATCH_MAX))
    together = _Round(engine, gateway, now, jitter, count)
    async with asyncio.TaskGroup() as group:
        for claim in leased:
            group.create_task(_send(together, claim))
    return len(leased)


async def is_stopped(conn: AsyncConnection) -> bool:
    """Say whether the refund system asked us to stop, and nobody has let the claim go again."""
    stopped = select(claims.c.claim_key).where(claims.c.state == ClaimState.STOPPED.value).limit(1)
    return (await conn.execute(stopped)).first() is not None


def _due(now: Instant) -> Select[Any]:
    earlier = claims.alias("earlier")
    waits_for = exists().where(
        earlier.c.case_key == claims.c.case_key,
        earlier.c.version < claims.c.version,
        earlier.c.state == ClaimState.READY.value,
    )
    return (
        select(claims)
        .where(
            claims.c.next_attempt_at <= now,
            claims.c.state == ClaimState.READY.value,
            claims.c.lease_until <= now,
            ~waits_for,
        )
        .order_by(claims.c.next_attempt_at, claims.c.claim_key)
    )


async def _lease(conn: AsyncConnection, now: Instant, limit: int) -> list[_Leased]:
    leased = []
    for row in (await conn.execute(_due(now).limit(limit))).all():
        taken = await conn.execute(
            update(claims)
            .where(
                claims.c.claim_key == row.claim_key,
                claims.c.lease_token == row.lease_token,
                claims.c.state == ClaimState.READY.value,
            )
            .values(lease_until=now + LEASE_MS, lease_token=row.lease_token + 1, attempts=row.attempts + 1)
        )
        if taken.rowcount:
            leased.append(
                _Leased(
                    claim_key=row.claim_key,
                    case_key=row.case_key,
                    body=row.body.encode(),
                    attempts=row.attempts + 1,
                    ready_at=now if row.ready_at is None else row.ready_at,
                    token=row.lease_token + 1,
                )
            )
    return leased


async def _send(together: _Round, leased: _Leased) -> None:
    async with together.places:
        if together.is_stopped:
            return  # its lease runs out, and it is still ready once a person lets us go on
        answer = await together.gateway.send(leased.claim_key, leased.body, together.now)
        together.is_stopped |= isinstance(answer, Stop)
    async with writing(together.engine) as conn:
        result = await _record(conn, together, leased, answer)
    together.count(result)
    if result not in ("accepted", "unavailable"):
        logs.event("claim_not_taken", logging.ERROR, result=result, attempts=leased.attempts)


async def _record(conn: AsyncConnection, together: _Round, leased: _Leased, answer: Answer) -> str:
    """Write down the answer, if the lease is still ours and nobody else settled the claim meanwhile."""
    now = together.now
    case = await ledger.case_of(conn, leased.case_key)
    row = next((c for c in case.claims if c.claim_key == leased.claim_key), None) if case else None
    result, after, reason = _meaning(answer, leased, now)
    if row is None or row.lease_token != leased.token or row.state is not ClaimState.READY:
        return result
    said: dict[str, object] = {"answer": answer.words, "answered_at": now, "lease_until": 0}
    if after is ClaimState.READY:
        said["next_attempt_at"] = now + _delay(answer, leased.attempts, together.jitter())
    await ledger.move_claim(conn, row, after, **said)
    await ledger.resettle(conn, leased.case_key, ledger.RELAY, reason, now)
    return result


def _meaning(answer: Answer, leased: _Leased, now: Instant) -> tuple[str, ClaimState, str]:
    match answer:
        case Accepted():
            return "accepted", ClaimState.ACCEPTED, f"the refund system took claim version {leased.claim_key[64:] or 1}"
        case Conflict():
            return "conflict", ClaimState.PARKED, "the refund system has another body under this key"
        case Stop():
            return "stopped", ClaimState.STOPPED, "the refund system wants nothing more sent"
        case Refused():
            return "refused", ClaimState.PARKED, "the refund system will not take the claim"
        case Unavailable():
            is_over = now - leased.ready_at >= RETRY_FOR_MS and leased.attempts >= RETRIES_MIN
            if is_over:
                return "given_up", ClaimState.PARKED, "the refund system could not be reached for 75 h"
            return "unavailable", ClaimState.READY, "to be sent again"


def _delay(answer: Answer, attempts: int, jitter: float) -> int:
    """Choose when to try again: exponential backoff with full jitter, but not before the other side wants it."""
    most = min(BACKOFF_FIRST_MS << min(attempts - 1, 30), BACKOFF_MAX_MS)
    asked = answer.retry_after_ms if isinstance(answer, Unavailable) else 0
    return max(round(most * jitter), asked)
