"""The breaker: when far more is claimed than usual, claims wait for a person, and the deadlines run on (SPEC 7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims.lifecycle import ClaimKind
from qos_monitor.storage.rows import window_of
from qos_monitor.storage.tables import claims, class_learners, classes
from rules.policy import RemedyTerms
from rules.span import DAY, MINUTE, Instant

ACTIVE_KEPT_MS = 10 * MINUTE
"""So long the count of active learners is taken for true: in a large outage it is asked for with every claim."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """What always passes: so many claims in 24 h; ``sum_minor`` is the most money in that time, by currency, if any."""

    claims_min: int = 25
    sum_minor: Mapping[str, int] = field(default_factory=dict)
    _active: dict[str, tuple[Instant, int]] = field(default_factory=dict, init=False, compare=False, repr=False)

    async def active_learners(self, conn: AsyncConnection, terms: RemedyTerms, now: Instant) -> int:
        """Count the learners with a class in the last days, as of at most ten minutes ago."""
        counted_at, count = self._active.get("count", (None, 0))
        if counted_at is None or not counted_at <= now < counted_at + ACTIVE_KEPT_MS:
            count = await _active_learners(conn, now - terms.active_days * DAY, now)
            self._active["count"] = (now, count)
        return count


async def why_wait(
    conn: AsyncConnection,
    money: tuple[int, str] | None,
    limits: BreakerLimits,
    terms: RemedyTerms,
    now: Instant,
) -> str | None:
    """Say in words why one more claim must wait for a person; None where it may go.

    ``money`` is what it asks for, in minor units, and the currency; None where it asks for none.
    Claims count that were let go in the last 24 h; those that wait themselves do not.
    """
    recent = (claims.c.ready_at > now - DAY, claims.c.kind != ClaimKind.WITHDRAWAL.value)
    count = (await conn.execute(select(func.count()).select_from(claims).where(*recent))).scalar_one()
    if count + 1 > limits.claims_min:
        active = await limits.active_learners(conn, terms, now)
        share = terms.breaker_share
        if count + 1 > share * active:
            percent = f"{float(100 * share):g} %"
            return f"{count} claims were filed in 24 h, and {percent} of {active} active learners is the most"
    if money is None or money[1] not in limits.sum_minor:
        return None
    amount_minor, currency = money
    most = limits.sum_minor[currency]
    query = select(func.coalesce(func.sum(claims.c.amount_minor), 0)).where(
        *recent, claims.c.currency == currency, claims.c.kind != ClaimKind.REVIEW.value
    )
    total = int((await conn.execute(query)).scalar_one())
    if total + amount_minor > most:
        return f"{total} minor units were claimed in 24 h, and {most} {currency} is the most"
    return None


async def _active_learners(conn: AsyncConnection, since: Instant, now: Instant) -> int:
    query = (
        select(func.count(distinct(class_learners.c.learner_id)))
        .join(classes, classes.c.id == class_learners.c.class_id)
        .where(classes.c.starts_at >= since, classes.c.starts_at <= now)
        # By window, for which there is an index: else all who ever had a class are read.
        .where(classes.c.window >= window_of(since), classes.c.window <= window_of(now))
    )
    return int((await conn.execute(query)).scalar_one())
