"""Looks for work that does not go on: unread, undecided, unsent, or held by somebody who is gone."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims.lifecycle import ClaimState
from qos_monitor.doctor.finding import Finding, Level, graded, lasting
from qos_monitor.storage.process_tables import leases
from qos_monitor.storage.tables import WAITING, claims, deliveries, learners, polls, windows
from rules.span import DAY, HOUR, MINUTE, Instant

UNREAD_WARN, UNREAD_FAIL = MINUTE, 15 * MINUTE
JUDGING_WARN, JUDGING_FAIL = 5 * MINUTE, HOUR
OUTBOX_WARN, OUTBOX_FAIL = HOUR, DAY
LEASE_OLD = 15 * MINUTE
"""Every lease is shorter; one that ended so long ago was taken by nobody since."""

POLLS_SINCE = 30 * DAY


async def unread(conn: AsyncConnection, providers: Collection[str], now: Instant) -> list[Finding]:
    """Look at deliveries that are stored and not read; ``providers`` are those read here."""
    statement = (
        select(deliveries.c.provider, func.count(), func.min(deliveries.c.received_at))
        .where(deliveries.c.state == WAITING)
        .group_by(deliveries.c.provider)
        .order_by(deliveries.c.provider)
    )
    rows = (await conn.execute(statement)).all()
    known = [(count, at) for provider, count, at in rows if provider in providers]
    strange = {provider: count for provider, count, _ in rows if provider not in providers}
    waits = now - min((at for _, at in known), default=now)
    level = graded(waits, UNREAD_WARN, UNREAD_FAIL)
    words = f"{sum(count for count, _ in known)} wait, the oldest for {lasting(waits)}" if known else "none waits"
    advice = "" if level is Level.OK else "See whether a worker runs, and its log for job_failed of read"
    found = [Finding("deliveries", level, words, advice)]
    if strange:
        told = ", ".join(f"{count} of {provider}" for provider, count in strange.items())
        advice = "Set the secrets of these providers again, and they are read"
        found.append(Finding("deliveries of others", Level.WARN, f"{told} wait for a provider that is not set", advice))
    return found


async def judging(conn: AsyncConnection, now: Instant) -> list[Finding]:
    """Look at windows and learners that are due."""
    due = [
        (await conn.execute(select(func.count(), func.min(column)).where(column <= now))).one()
        for column in (windows.c.due_at, learners.c.look_again_at)
    ]
    waits = max(now - (at or now) for _, at in due)
    level = graded(waits, JUDGING_WARN, JUDGING_FAIL)
    words = f"{due[0][0]} windows and {due[1][0]} learners are due, the oldest for {lasting(waits)}"
    advice = "See whether a worker runs and deliveries are read: judging waits for them (runbook QosJudgingBehind)"
    return [Finding("judging", level, words, "" if level is Level.OK else advice)]


async def held(conn: AsyncConnection, now: Instant) -> list[Finding]:
    """Look for leases that ended long ago, of work that nobody took up since."""
    before = now - LEASE_OLD
    stale = select(leases.c.name).where(leases.c.until > 0, leases.c.until < before).order_by(leases.c.name)
    names = (await conn.execute(stale)).scalars().all()
    in_hand = select(func.count()).select_from(windows).where(windows.c.lease_until > 0, windows.c.lease_until < before)
    sent = select(func.count()).where(
        claims.c.lease_until > 0, claims.c.lease_until < before, claims.c.state == "ready"
    )
    counts = {
        "windows": int((await conn.execute(in_hand)).scalar_one()),
        "claims": int((await conn.execute(sent)).scalar_one()),
    }
    told = [f"{count} {name}" for name, count in counts.items() if count] + [f"job {name}" for name in names]
    if not told:
        return [Finding("leases", Level.OK, "none ended without being taken up again")]
    advice = "No worker runs, or none gets to the database: start one; it takes up what is left"
    return [Finding("leases", Level.WARN, f"ended long ago and taken up by nobody: {', '.join(told)}", advice)]


async def outbox(conn: AsyncConnection, now: Instant) -> list[Finding]:
    """Look at claims that do not get to the refund system, or that it does not take."""
    ready = select(func.count(), func.min(claims.c.ready_at)).where(claims.c.state == ClaimState.READY.value)
    count, since = (await conn.execute(ready)).one()
    waits = now - (since or now)
    level = graded(waits, OUTBOX_WARN, OUTBOX_FAIL)
    advice = "" if level is Level.OK else "See whether QOS_CLAIMS_URL answers (runbook QosOutboxOld)"
    words = f"{count} on their way, the oldest for {lasting(waits)}" if count else "none waits to be sent"
    found = [Finding("outbox", level, words, advice)]
    for state, how, what in (
        (ClaimState.STOPPED, Level.FAIL, "The refund system said 410: nothing is sent until a person releases them"),
        (ClaimState.PARKED, Level.WARN, "A person must look at each (runbook QosClaimsParked; console, claims)"),
        (ClaimState.FAILED, Level.WARN, "The refund did not come through: a person must look at each"),
        (ClaimState.REJECTED, Level.WARN, "The refund system said no: a person must look (runbook QosClaimsRejected)"),
    ):
        waiting = select(func.count()).where(claims.c.state == state.value)
        if number := int((await conn.execute(waiting)).scalar_one()):
            found.append(Finding(f"claims {state.value}", how, f"{number}", what))
    return found


async def lost_polls(conn: AsyncConnection, providers: Collection[str], now: Instant) -> list[Finding]:
    """Look for classes whose statistics nobody can fetch any more."""
    told = []
    for provider in sorted(providers):
        is_lost = (polls.c.provider == provider) & (polls.c.state == "lost") & (polls.c.due_at > now - POLLS_SINCE)
        if count := int((await conn.execute(select(func.count()).where(is_lost))).scalar_one()):
            told.append(f"{count} of {provider}")
    if not told:
        return [Finding("polls", Level.OK, "none was lost in 30 days")]
    advice = "Compare the provider's plan with its setting (runbook QosPollsLost)"
    return [Finding("polls", Level.WARN, f"statistics lost in 30 days: classes {', '.join(told)}", advice)]
