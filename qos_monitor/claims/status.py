"""What the refund system says became of a claim: asked by us, or told to us."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import DeliveryKey
from qos_monitor import logs
from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.claims import ledger
from qos_monitor.claims.ledger import REFUND_SYSTEM, CaseRow
from qos_monitor.claims.lifecycle import ClaimKind, ClaimState, IllegalMove
from qos_monitor.errors import QosError
from qos_monitor.intake import storable
from qos_monitor.storage.tables import READ, claims, deliveries
from rules.document import Fields, Invalid, Problem
from rules.span import Instant

PROVIDER = "refund-system"
"""Under this name what it told us is stored raw among the deliveries."""

STATES: Mapping[str, ClaimState] = MappingProxyType(
    {
        "accepted": ClaimState.ACCEPTED,
        "rejected": ClaimState.REJECTED,
        "paid": ClaimState.PAID,
        "failed": ClaimState.FAILED,
    }
)
"""The refund system's words and what they make of a claim."""

_REASON_MAX = 500


class NoSuchClaim(QosError):  # noqa: N818 - an answer to whoever asked
    """There is no claim of that key."""


@dataclass(frozen=True, slots=True)
class Status:
    """One report; ``at`` is when it happened over there."""

    status: str
    at: Instant
    reason: str | None


def read_status(value: object) -> Status:
    """Read the body of a report. Raises Invalid with every problem."""
    problems: list[Problem] = []
    fields = Fields(value, "", problems)
    status = Status(
        status=fields.choice("status", str, tuple(STATES)),
        at=fields.instant("at"),
        reason=fields.text_or_none("reason"),
    )
    fields.close()
    if status.reason is not None and "\0" in status.reason:
        fields.note("reason", "must hold no NUL character: a database refuses it")
    if problems:
        raise Invalid(problems)
    return status


@dataclass(frozen=True, slots=True)
class Told:
    """A report as it came, signature checked."""

    message_id: str
    body: bytes
    received_at: Instant


async def take(conn: AsyncConnection, claim_key: str, status: Status, told: Told) -> ClaimState:
    """Apply a report and keep it raw, in one transaction; give the claim's state. A repeat changes nothing.

    A repeat is the same bytes under the same id about the same claim. The id alone would not do: a refund system
    may give one id to all it says of a claim, and what it says last must not be lost.
    Raises NoSuchClaim, or IllegalMove where the claim cannot go there; then nothing is kept.
    """
    claim, case = await _found(conn, claim_key)
    row = {
        "provider": PROVIDER,
        "minute": 0,
        "event_id": _identity(claim_key, told),
        "received_at": told.received_at,
        "headers": "{}",
        "body": told.body,
        "state": READ,
    }
    known = select(deliveries.c.seq).where(
        deliveries.c.minute == 0,
        deliveries.c.provider == PROVIDER,
        deliveries.c.event_id == row["event_id"],
    )
    if (await conn.execute(known)).first() is not None:
        return claim.state
    await conn.execute(deliveries.insert().values(**row))
    words = status.status if status.reason is None else f"{status.status}: {status.reason}"
    act = Act(Actor(REFUND_SYSTEM, "signature"), "claim.status", f"claim {claim_key}", words)
    await audit.record(conn, act, told.received_at)
    return await apply(conn, claim_key, status, told.received_at, case)


def _identity(claim_key: str, told: Told) -> str:
    about = f"{claim_key} {told.message_id} {hashlib.sha256(told.body).hexdigest()}"
    return storable(DeliveryKey(0, about)).event_id


async def apply(
    conn: AsyncConnection, claim_key: str, status: Status, now: Instant, case: CaseRow | None = None
) -> ClaimState:
    """Move a claim and its case to what the refund system says. Raises NoSuchClaim, IllegalMove."""
    if case is None:
        _, case = await _found(conn, claim_key)
    claim = next(c for c in case.claims if c.claim_key == claim_key)
    after = STATES[status.status]
    if claim.state is after:
        return after
    if claim.kind is ClaimKind.WITHDRAWAL and after not in (ClaimState.ACCEPTED, ClaimState.REJECTED):
        raise IllegalMove(f"a withdrawal is accepted or rejected, never {after}")
    words = f"{status.status}: {status.reason}" if status.reason else status.status
    await ledger.move_claim(conn, claim, after, answered_at=now, answer=words[:_REASON_MAX])
    reason = f"The refund system says {words[:_REASON_MAX]} of claim version {claim.version}."
    await ledger.resettle(conn, case.case_key, REFUND_SYSTEM, reason, now)
    if after in (ClaimState.FAILED, ClaimState.REJECTED):
        logs.event("claim_not_paid", logging.ERROR, status=status.status)
    return after


async def _found(conn: AsyncConnection, claim_key: str) -> tuple[ledger.ClaimRow, CaseRow]:
    case_key = (
        await conn.execute(select(claims.c.case_key).where(claims.c.claim_key == claim_key))
    ).scalar_one_or_none()
    case = None if case_key is None else await ledger.case_of(conn, case_key)
    if case is None:
        raise NoSuchClaim("there is no claim of that key")
    return next(c for c in case.claims if c.claim_key == claim_key), case
