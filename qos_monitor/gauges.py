"""Reads from the database what is true at the moment, for the next scrape."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import JSON, ColumnElement, Float, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import clock, incidents, telemetry, unmapped
from qos_monitor.claims.lifecycle import CaseState, ClaimKind, ClaimState
from qos_monitor.storage.engine import reading
from qos_monitor.storage.tables import (
    WAITING,
    cases,
    claims,
    classes,
    deliveries,
    learners,
    outages,
    verdicts,
    windows,
)
from rules.remedy import COMPENSATION, REFUND, REVIEW
from rules.span import HOUR, MINUTE, SECOND, Instant
from rules.verdict import Verdict

Counted = list[tuple[tuple[str, ...], float]]
Samples = dict[telemetry.Metric, Counted]

_CASE_KINDS = (REFUND, COMPENSATION, REVIEW)

_REST_S = 1.0  # at most one read in so many seconds
_REST_FACTOR = 20  # and never more than a twentieth of the time spent reading


class Gauges(Collector):
    """Answers every scrape from the last reading, and reads anew at most once a second.

    Reading is asynchronous and scraping is not, so whoever serves the scrape awaits `refresh` before.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        last_received: Callable[[], Mapping[str, Instant]],
        announced: Sequence[str] = (),
    ) -> None:
        """Read from this database; ``announced`` are the providers whose status pages are watched."""
        self._engine = engine
        self._last_received = last_received
        self._announced = tuple(announced)
        self._samples: Samples = {}
        self._rest_until = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self, now: Instant) -> None:
        """Read anew, unless the last reading is fresh enough for its cost."""
        async with self._turn:
            started = clock.stopwatch_s()
            if started < self._rest_until:
                return
            async with reading(self._engine) as conn:
                samples = await _read(conn, now)
                trouble = await incidents.open_by_provider(conn, self._announced, set(self._last_received()), now)
                strange = await unmapped.counts(conn, sorted(self._last_received()), now)
            samples[telemetry.DECLARED] = [((name,), float(count)) for name, count in sorted(trouble.items())]
            samples[telemetry.UNMAPPED] = [(key, float(count)) for key, count in sorted(strange.items())]
            took = clock.stopwatch_s() - started
            self._rest_until = started + max(_REST_S, took * _REST_FACTOR)
            self._samples = samples
        self._samples[telemetry.FEED_SILENCE] = [
            ((provider,), max(now - at, 0) / SECOND) for provider, at in sorted(self._last_received().items())
        ]

    def lag_s(self) -> float:
        """How long the oldest window or learner has been due, as of the last reading."""
        return dict(self._samples.get(telemetry.JUDGING_LAG, [])).get((), 0.0)

    def describe(self) -> Iterable[Metric]:
        """Announce nothing, so that nothing is read at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give the last reading."""
        for metric, samples in self._samples.items():
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, value in samples:
                family.add_metric(labels, value)
            yield family


async def _read(conn: AsyncConnection, now: Instant) -> Samples:
    oldest_window = await _one(conn, select(func.min(windows.c.due_at)).where(windows.c.due_at <= now))
    oldest_look = await _one(conn, select(func.min(learners.c.look_again_at)).where(learners.c.look_again_at <= now))
    waiting = select(func.count()).select_from(deliveries).where(deliveries.c.state == WAITING)
    ready = claims.c.state == "ready"
    outbox = select(func.count()).select_from(claims).where(ready)
    oldest_claim = await _one(conn, select(func.min(claims.c.created_at)).where(ready))
    owed, delivered = await _minutes(conn)
    return {
        telemetry.JUDGING_LAG: [((), max(_age_s(now, oldest_window), _age_s(now, oldest_look)))],
        telemetry.WAITING_DELIVERIES: [((), float(await _one(conn, waiting) or 0))],
        telemetry.OUTBOX_DEPTH: [((), float(await _one(conn, outbox) or 0))],
        telemetry.OUTBOX_AGE: [((), _age_s(now, oldest_claim))],
        telemetry.OPEN_OUTAGES: await _open_outages(conn, now),
        telemetry.LIABILITY: await _liability(conn),
        telemetry.VERDICTS: await _verdicts(conn),
        telemetry.CASES: _filled(await _counted(conn, cases.c.kind, cases.c.state), _CASE_KINDS, CaseState),
        telemetry.CLAIMS: _filled(await _counted(conn, claims.c.kind, claims.c.state), ClaimKind, ClaimState),
        telemetry.OWED_MINUTES: [((), owed)],
        telemetry.DELIVERED_MINUTES: [((), delivered)],
    }


async def _one(conn: AsyncConnection, statement: Any) -> int | None:  # noqa: ANN401 - any select of one number
    value: int | None = (await conn.execute(statement)).scalar_one()
    return value


def _age_s(now: Instant, since: Instant | None) -> float:
    return 0.0 if since is None else max(now - since, 0) / SECOND


def _filled(counted: Counted, *labels: Iterable[str]) -> Counted:
    """Add a 0 for what there is none of: an alert that waits for a series to appear never sees it rise."""
    zeros = {tuple(map(str, values)): 0.0 for values in product(*labels)}
    return sorted((zeros | dict(counted)).items())


async def _counted(conn: AsyncConnection, *columns: ColumnElement[str]) -> Counted:
    rows = await conn.execute(select(*columns, func.count()).group_by(*columns).order_by(*columns))
    return [(tuple(row[:-1]), float(row[-1])) for row in rows]


async def _verdicts(conn: AsyncConnection) -> Counted:
    columns = (verdicts.c.verdict, verdicts.c.firm)
    statement = select(*columns, func.count()).where(verdicts.c.current).group_by(*columns).order_by(*columns)
    rows = await conn.execute(statement)
    counted: Counted = [((verdict, "yes" if firm else "no"), float(count)) for verdict, firm, count in rows]
    return _filled(counted, Verdict, ("yes", "no"))


async def _open_outages(conn: AsyncConnection, now: Instant) -> Counted:
    """Count learners by the age of their oldest outage that is not settled yet."""
    oldest = select(func.min(outages.c.starts_at)).where(outages.c.answer == "not_yet").group_by(outages.c.learner_id)
    counts: Counter[str] = Counter()
    for starts_at in (await conn.execute(oldest)).scalars():
        counts[_bucket((now - starts_at) / HOUR)] += 1
    return [((name,), float(counts[name])) for name, _ in telemetry.AGE_BUCKETS_H]


def _bucket(age_h: float) -> str:
    return next(name for name, bound in telemetry.AGE_BUCKETS_H if age_h < bound)


async def _liability(conn: AsyncConnection) -> Counted:
    currency = outages.c.projected_currency
    statement = (
        select(currency, func.sum(outages.c.projected_minor))
        .where(outages.c.answer.in_(("not_yet", "review")), currency.is_not(None))
        .group_by(currency)
        .order_by(currency)
    )
    return [((row[0],), float(row[1])) for row in await conn.execute(statement)]


async def _minutes(conn: AsyncConnection) -> tuple[float, float]:
    """Sum the minutes of classes with a firm verdict, and those not lost to the platform or to doubt."""
    dialect = conn.dialect.name
    length = cast(classes.c.ends_at - classes.c.starts_at, Float)
    lost = _lost_ms(dialect, "lost_platform") + _lost_ms(dialect, "lost_unknown")
    statement = (
        select(func.sum(length), func.sum(length - lost))
        .select_from(verdicts.join(classes, verdicts.c.class_id == classes.c.id))
        .where(verdicts.c.current, verdicts.c.firm, verdicts.c.verdict != "CANCELLED")
    )
    owed, delivered = (await conn.execute(statement)).one()
    return (owed or 0.0) / MINUTE, (delivered or 0.0) / MINUTE


def _lost_ms(dialect: str, name: str) -> ColumnElement[float]:
    """Take one share out of the verdict's record (`ClassRecord.as_json`)."""
    if dialect == "sqlite":
        found = cast(func.json_extract(verdicts.c.body, f"$.shares_ms.{name}"), Float)
    else:
        found = cast(func.json_extract_path_text(cast(verdicts.c.body, JSON), "shares_ms", name), Float)
    return func.coalesce(found, 0.0)
