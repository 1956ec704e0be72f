"""The outbox to the refund system: at least once, signed, and never inside a transaction."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, exists, or_, select, update
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
from qos_monitor.claims.line import HungUp
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.tables import claims
from rules.span import HOUR, MINUTE, SECOND, Instant

BACKOFF_FIRST_MS = 5 * SECOND
BACKOFF_MAX_MS = 4 * HOUR
RETRY_FOR_MS = 75 * HOUR
RETRIES_MIN = 12
"""A claim is not given up before it was tried so often: we may have been down ourselves for most of the time."""
LEASE_MS = 2 * MINUTE
"""Outlasts the gateway's 20 s by far."""
PARALLEL_MAX = 8
"""So many claims at most are on their way at one time."""
PATIENCE_S = 0.5
"""So long a round waits for the answers to what it sent; who answers later holds nobody else back."""


@dataclass(frozen=True, slots=True)
class _Leased:
    claim_key: str
    version: int
    case_key: str
    body: bytes
    attempts: int
    ready_at: Instant
    token: int


def _uncounted(_result: str) -> None:
    """Count nothing."""


@dataclass(slots=True)
class Relay:
    """Sends what is due, round after round; lives as long as the service.

    ``jitter`` gives numbers from 0 to 1; ``count`` is told each result: accepted, conflict, stopped, refused,
    unavailable or given_up.
    """

    engine: AsyncEngine
    gateway: ClaimGateway
    clock: Clock
    jitter: Callable[[], float] = random.random
    count: Callable[[str], None] = _uncounted
    patience_s: float = PATIENCE_S
    _flying: dict[asyncio.Task[None], str] = field(default_factory=dict, init=False)
    _stops: int = field(default=0, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def is_stopping_all(self) -> bool:
        """An answer of 410 is being written down; until it is nobody else may set out."""
        return self._stops > 0

    async def send_due(self) -> int:
        """Send what is due as far as there are places, and tell how many claims set out.

        A row is leased in one transaction, sent outside of any, and the answer recorded in another; whoever dies
        in between leaves a lease that runs out, and the same bytes go out again under the same key. Nothing is
        sent while any claim is `stopped` (410) and not let go by a person. Later versions of a case wait for
        earlier ones. A claim not answered in time stays on its way, and is not sent again until it is back. One that
        the gateway raises HungUp for is due again at once.

        Raises an ExceptionGroup of what went wrong with claims that came back since the last round.
        """
        async with self._turn:
            started = [self._start(claim) for claim in await self._leased()]
            if started:
                await asyncio.wait(started, timeout=self.patience_s)
            self._tell_of_trouble()
            return len(started)

    async def land(self) -> None:
        """Wait until nothing is on its way any more. Raises as `send_due` does."""
        async with self._turn:
            if self._flying:
                await asyncio.wait(self._flying)
            self._tell_of_trouble()

    async def _leased(self) -> list[_Leased]:
        away = [key for task, key in self._flying.items() if not task.done()]
        places = PARALLEL_MAX - len(away)
        if not places or self.is_stopping_all:
            return []
        now = self.clock.now()
        due = _due(now).where(claims.c.claim_key.not_in(away))
        async with reading(self.engine) as conn:
            if await is_stopped(conn) or not (await conn.execute(due.limit(1))).first():
                return []
        async with writing(self.engine) as conn:  # somebody may have written down a 410 before it was our turn
            return [] if await is_stopped(conn) else await _lease(conn, due.limit(places), now)

    def _start(self, leased: _Leased) -> asyncio.Task[None]:
        task = asyncio.create_task(self._send(leased))
        self._flying[task] = leased.claim_key
        return task

    def _tell_of_trouble(self) -> None:
        back = [task for task in self._flying if task.done()]
        for task in back:
            del self._flying[task]
        errors = [error for task in back if (error := task.exception())]
        if errors:
            raise BaseExceptionGroup("claims whose answer was not recorded; they will be sent again", errors)

    async def _send(self, leased: _Leased) -> None:
        if self.is_stopping_all:
            await self._give_back(leased)
            return
        try:
            answer = await self.gateway.send(leased.claim_key, leased.body, self.clock.now())
        except HungUp:
            await self._give_back(leased)
            return
        is_stop = isinstance(answer, Stop)
        self._stops += is_stop
        try:
            async with writing(self.engine) as conn:
                result = await _record(conn, leased, answer, self.clock.now(), self.jitter())
        finally:
            self._stops -= is_stop
        self.count(result)
        if result not in ("accepted", "unavailable"):
            logs.event("claim_not_taken", logging.ERROR, result=result, attempts=leased.attempts)

    async def _give_back(self, leased: _Leased) -> None:
        """End the lease of a claim that stays due: nobody need wait until it runs out."""
        mine = (claims.c.claim_key == leased.claim_key, claims.c.lease_token == leased.token)
        async with writing(self.engine) as conn:
            await conn.execute(update(claims).where(*mine).values(lease_until=0))


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
            or_(claims.c.lease_until <= now, claims.c.lease_until > now + 2 * LEASE_MS),  # the clock stepped back
            ~waits_for,
        )
        .order_by(claims.c.next_attempt_at, claims.c.claim_key)
    )


async def _lease(conn: AsyncConnection, due: Select[Any], now: Instant) -> list[_Leased]:
    leased = []
    for row in (await conn.execute(due.with_for_update(of=claims, skip_locked=True))).all():
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
                    version=row.version,
                    case_key=row.case_key,
                    body=row.body.encode(),
                    attempts=row.attempts + 1,
                    ready_at=now if row.ready_at is None else row.ready_at,
                    token=row.lease_token + 1,
                )
            )
    return leased


async def _record(conn: AsyncConnection, leased: _Leased, answer: Answer, now: Instant, jitter: float) -> str:
    """Write down the answer, if the lease is still ours and nobody else settled the claim meanwhile.

    ``now`` is when it was answered: what the other side wants waited for counts from then.
    """
    case = await ledger.case_of(conn, leased.case_key)
    row = next((c for c in case.claims if c.claim_key == leased.claim_key), None) if case else None
    result, after, reason = _meaning(answer, leased, now)
    if row is None or row.lease_token != leased.token or row.state is not ClaimState.READY:
        return result
    said: dict[str, object] = {"answer": answer.words, "answered_at": now, "lease_until": 0}
    if after is ClaimState.READY:
        said["next_attempt_at"] = now + _delay(answer, leased.attempts, jitter)
    await ledger.move_claim(conn, row, after, **said)
    await ledger.resettle(conn, leased.case_key, ledger.RELAY, reason, now)
    return result


def _meaning(answer: Answer, leased: _Leased, now: Instant) -> tuple[str, ClaimState, str]:
    match answer:
        case Accepted():
            return "accepted", ClaimState.ACCEPTED, f"the refund system took claim version {leased.version}"
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
