"""Outages that last, the money they may cost, and the cases and claims that came of others."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.claims.breaker import BreakerLimits, why_wait
from qos_monitor.claims.lifecycle import CaseState, ClaimKind
from qos_monitor.gauging.samples import Labels, Samples, alone, filled
from qos_monitor.metrics import labels, standing, tallied
from qos_monitor.storage.tables import cases, claims, outages
from rules.deadline import UnpublishedYear, WorkingDay
from rules.money import units
from rules.policy import Policy
from rules.span import HOUR, SECOND, Instant

_OPEN_CASES = (
    CaseState.CANDIDATE,
    CaseState.FILED,
    CaseState.ACCEPTED,
    CaseState.HELD,
    CaseState.SUPPLEMENTED,
)
_PRICELESS = (ClaimKind.REVIEW, ClaimKind.WITHDRAWAL)
_YEARS_MAX = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """By what outages, deadlines and the breaker are measured."""

    policy: Policy
    is_working_day: WorkingDay
    breaker: BreakerLimits


async def read(conn: AsyncConnection, terms: Terms, now: Instant) -> Samples:
    """Read everything about outages, cases and claims."""
    at_stake = await _outage_money(conn, now)
    counted = await _claims(conn, {code for _, code in at_stake})
    return {
        standing.OPEN_OUTAGES: await _open_outages(conn, now),
        standing.OUTAGE_MONEY: at_stake,
        standing.LIABILITY: await _liability(conn, terms.policy, now),
        standing.CASES: await _cases(conn),
        standing.CASES_DUE: await _due(conn, terms, now),
        standing.BREAKER: alone(await _is_open(conn, terms, now)),
        standing.CALENDAR: alone(published_until(terms, now) / SECOND),
        **counted,
    }


def _age(now: Instant, starts_at: ColumnElement[Any]) -> ColumnElement[str]:
    """Name the bucket of an outage's age."""
    bounds = [(now - starts_at < round(bound * HOUR), name) for name, bound in labels.AGE_BUCKETS_H[:-1]]
    return case(*bounds, else_=labels.AGES[-1])


async def _open_outages(conn: AsyncConnection, now: Instant) -> dict[Labels, float]:
    """Count learners by the age of their oldest outage that is not settled yet."""
    oldest = select(func.min(outages.c.starts_at).label("since")).where(outages.c.answer == "not_yet")
    learner = oldest.group_by(outages.c.learner_id).subquery()
    age = _age(now, learner.c.since)
    rows = await conn.execute(select(age, func.count()).select_from(learner).group_by(age))
    return filled({(name,): float(count) for name, count in rows}, labels.AGES)


async def _outage_money(conn: AsyncConnection, now: Instant) -> dict[Labels, float]:
    age, currency = _age(now, outages.c.starts_at), outages.c.projected_currency
    statement = (
        select(age, currency, func.sum(outages.c.projected_minor))
        .where(outages.c.answer == "not_yet", currency.is_not(None))
        .group_by(age, currency)
    )
    found = {(name, code): minor for name, code, minor in await conn.execute(statement)}
    told = _in_units(found)
    return filled(told, labels.AGES, {code for _, code in told})


async def _liability(conn: AsyncConnection, policy: Policy, now: Instant) -> dict[Labels, float]:
    """Sum the refunds of outages that are as old as an owed one by then, and of what is under review."""
    currency, minor = outages.c.projected_currency, outages.c.projected_minor
    owed_after = round(policy.outage.owed_s * SECOND)
    sums = [
        func.sum(
            case(
                (outages.c.starts_at <= now + ahead_h * HOUR - owed_after, minor),
                (outages.c.answer == "review", minor),
                else_=0,
            )
        )
        for ahead_h in labels.AHEAD_H.values()
    ]
    statement = (
        select(currency, *sums)
        .where(outages.c.answer.in_(("not_yet", "review")), currency.is_not(None))
        .group_by(currency)
    )
    found = {
        (ahead, row[0]): minor
        for row in await conn.execute(statement)
        for ahead, minor in zip(labels.AHEAD_H, row[1:], strict=True)
    }
    return _in_units(found)


def _in_units(minor: Mapping[Any, Any]) -> dict[Labels, float]:
    """Write money in units of its currency, the last label; of very many currencies only the first by name."""
    told = sorted({key[-1] for key in minor})[: labels.CURRENCIES_MAX]
    return {key: units(int(amount), key[-1]) for key, amount in minor.items() if key[-1] in told}


async def _cases(conn: AsyncConnection) -> dict[Labels, float]:
    columns = (cases.c.kind, cases.c.state)
    rows = await conn.execute(select(*columns, func.count()).group_by(*columns))
    return filled({(kind, state): float(count) for kind, state, count in rows}, labels.CASE_KINDS, CaseState)


async def _due(conn: AsyncConnection, terms: Terms, now: Instant) -> dict[Labels, float]:
    """Count the open cases with a limit day by how near it is, in the zone of the deadlines."""
    today = datetime.fromtimestamp(now / SECOND, UTC).astimezone(ZoneInfo(terms.policy.deadlines.zone)).date()
    soon = _next_working_day(today, terms.is_working_day)
    columns = (cases.c.kind, cases.c.due_limit)
    is_open = cases.c.state.in_([state.value for state in _OPEN_CASES]) & cases.c.due_limit.is_not(None)
    counts: Counter[Labels] = Counter()
    for kind, limit, count in await conn.execute(select(*columns, func.count()).where(is_open).group_by(*columns)):
        day = date.fromisoformat(limit)
        counts[kind, "overdue" if day < today else "soon" if day <= soon else "later"] += count
    return filled({key: float(count) for key, count in counts.items()}, labels.CASE_KINDS, labels.DUE)


def _next_working_day(today: date, is_working_day: WorkingDay) -> date:
    day = today + timedelta(days=1)
    while not _works(day, is_working_day):
        day += timedelta(days=1)
    return day


def _works(day: date, is_working_day: WorkingDay) -> bool:
    try:
        return is_working_day(day)
    except UnpublishedYear:
        return day.isoweekday() <= 5


async def _claims(conn: AsyncConnection, currencies: Collection[str]) -> Samples:
    """Count claims by state, and those that were ever let go with the money they ask for; from one index.

    Of the currencies given, a 0 is told before the first claim: a counter that begins above 0 never seems to rise.
    """
    was_let_go = claims.c.ready_at.is_not(None)
    columns = (claims.c.kind, claims.c.state, claims.c.currency, was_let_go)
    rows = await conn.execute(select(*columns, func.count(), func.sum(claims.c.amount_minor)).group_by(*columns))
    by_state: Counter[Labels] = Counter()
    filed: Counter[Labels] = Counter()
    money: Counter[Labels] = Counter()
    for kind, state, currency, is_filed, count, minor in rows:
        by_state[kind, state] += count
        if is_filed:
            filed[(kind,)] += count
            if currency is not None and kind not in _PRICELESS:
                money[kind, currency] += int(minor or 0)
    told = _in_units(money)
    return {
        standing.CLAIMS: filled(dict(by_state), labels.CLAIM_KINDS, labels.CLAIM_STATES),
        tallied.FILED: filled(dict(filed), labels.CLAIM_KINDS),
        tallied.FILED_MONEY: filled(told, labels.CLAIM_KINDS, {code for _, code in told} | set(currencies)),
    }


async def _is_open(conn: AsyncConnection, terms: Terms, now: Instant) -> bool:
    """Say whether one claim more, of any currency that is limited, would have to wait."""
    asked: list[tuple[int, str] | None] = [None, *((1, currency) for currency in terms.breaker.sum_minor)]
    for money in asked:
        if await why_wait(conn, money, terms.breaker, terms.policy.remedy, now) is not None:
            return True
    return False


def published_until(terms: Terms, now: Instant) -> Instant:
    """Give the end of the last year in a row, from the present one on, whose working days are known."""
    zone = ZoneInfo(terms.policy.deadlines.zone)
    year = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone).year
    last = next(later for later in range(year, year + _YEARS_MAX) if not _is_published(later, terms.is_working_day))
    return round(datetime(last, 1, 1, tzinfo=zone).timestamp()) * SECOND


def _is_published(year: int, is_working_day: WorkingDay) -> bool:
    try:
        is_working_day(date(year, 10, 1))
    except UnpublishedYear:
        return False
    return True
