"""What each provider should be telling about now: the classes that run, those of which it told nothing, its last word.

By the timetable: where no class runs, nothing is expected and nothing is silent. Everything is read by index, and only
of the classes that run.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Result, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors import registry
from qos_monitor import backend, logs, observation_lines
from qos_monitor.metrics import standing
from qos_monitor.metrics.labels import OTHER
from qos_monitor.metrics.metric import Metric
from qos_monitor.storage.engine import insert
from qos_monitor.storage.tables import class_learners, classes, cursors, deliveries, feed_spans, observations
from rules.span import MINUTE, SECOND, Instant
from rules.world import CLASS_LENGTH_MAX

Counted = dict[tuple[str, ...], float]

SILENT_AFTER: int = 5 * MINUTE
"""A class that has run so long without one observation by its provider is silent."""
LISTED_MAX: int = 500
"""So many silent classes are named at most, the longest silent first; all of them are counted."""

_FOREIGN = frozenset({observation_lines.PROVIDER, "generic"})
_OF_NO_CLASS = _FOREIGN | {"beacon", backend.PROVIDER}


@dataclass(frozen=True, slots=True)
class Expected:
    """What one provider should tell about now. ``since`` is when the earliest class that runs began."""

    provider: str
    since: Instant
    classes: int
    learners: int
    silent_classes: int
    silent_learners: int


@dataclass(frozen=True, slots=True)
class SilentClass:
    """A class that runs and of which its provider told nothing."""

    id: str
    provider: str
    starts_at: Instant
    learners: int


@dataclass(frozen=True, slots=True)
class Heard:
    """When each door was last knocked at, None for never."""

    at: Mapping[str, Instant | None]
    foreign: Collection[str]

    def last(self, provider: str) -> Instant | None:
        """Tell when this provider last delivered anything; one without a door of its own, when any such did."""
        doors = (provider,) if provider in self.at else self.foreign
        return max((at for door in doors if (at := self.at.get(door)) is not None), default=None)

    def silence_in_class_ms(self, expected: Expected, now: Instant) -> int:
        """Measure for how long nothing came, or for how long classes run if that is shorter."""
        last = self.last(expected.provider)
        return max(now - max(expected.since, last or 0), 0)


@dataclass(frozen=True, slots=True)
class Doors:
    """Who delivers here.

    ``own`` are the doors that are open; ``foreign`` those of them through which sources come that have none of their
    own; ``named`` the providers of which classes are counted even when none runs.
    """

    own: Sequence[str] = ()
    foreign: Sequence[str] = ()
    named: Sequence[str] = ()

    def label(self, provider: str) -> str:
        """Give the name under which a provider is counted: of a closed set, for classes may name anything."""
        return provider if provider in self.named or provider in registry.OURS else OTHER


NO_DOORS = Doors()


def doors_of(open_doors: Iterable[str], sources: Iterable[str]) -> Doors:
    """Tell by the doors that are open, and by the sources believed at the generic one, who delivers here."""
    own = sorted(open_doors)
    named = {*own, *sources} - _OF_NO_CLASS
    return Doors(own, [door for door in own if door in _FOREIGN], sorted(named))


async def heard(conn: AsyncConnection, doors: Doors) -> Heard:
    """Read when each door was last knocked at."""
    found: dict[str, Instant | None] = {}
    for door in doors.own:
        statement = select(deliveries.c.received_at).where(deliveries.c.provider == door)
        found[door] = (await conn.execute(statement.order_by(deliveries.c.seq.desc()).limit(1))).scalar()
    return Heard(found, tuple(doors.foreign))


async def listening_since(conn: AsyncConnection, doors: Doors, now: Instant) -> dict[str, Instant]:
    """Tell when each door was first opened on this database, in the write transaction given; new ones open now."""
    names = {f"listening:{door}": door for door in doors.own}
    if names:
        first = insert(conn.dialect.name, cursors).on_conflict_do_nothing(index_elements=["name"])
        await conn.execute(first, [{"name": name, "value": now} for name in sorted(names)])
    rows = await conn.execute(select(cursors).where(cursors.c.name.in_(names)))
    return {names[row.name]: row.value for row in rows}


async def expected(conn: AsyncConnection, doors: Doors, now: Instant) -> list[Expected]:
    """Count, by provider, the classes that run and their learners; one in two classes at once counts twice."""
    learners = select(func.count()).where(class_learners.c.class_id == classes.c.id).scalar_subquery()
    is_silent = case((_is_silent(doors, now), 1), else_=0)
    # Materialized, or SQLite asks both of every class once for each sum.
    each = (
        select(classes.c.provider, classes.c.starts_at, learners.label("learners"), is_silent.label("is_silent"))
        .where(_runs(now))
        .cte("each_class")
        .prefix_with("MATERIALIZED")
    )
    statement = select(
        each.c.provider,
        func.min(each.c.starts_at),
        func.count(),
        func.sum(each.c.learners),
        func.sum(each.c.is_silent),
        func.sum(each.c.is_silent * each.c.learners),
    ).group_by(each.c.provider)
    rows = (await conn.execute(statement.order_by(each.c.provider))).all()
    return [Expected(row[0], *(int(value) for value in row[1:])) for row in rows]


async def silent(conn: AsyncConnection, doors: Doors, now: Instant) -> list[SilentClass]:
    """Name the classes that run and are silent, the longest silent first, at most LISTED_MAX."""
    learners = select(func.count()).where(class_learners.c.class_id == classes.c.id).scalar_subquery()
    statement = (
        select(classes.c.id, classes.c.provider, classes.c.starts_at, learners.label("learners"))
        .where(_runs(now), _is_silent(doors, now))
        .order_by(classes.c.starts_at, classes.c.id)
        .limit(LISTED_MAX)
    )
    rows: Result[Any] = await conn.execute(statement)
    return [SilentClass(row.id, row.provider, row.starts_at, row.learners) for row in rows]


async def alive_until(conn: AsyncConnection, providers: Iterable[str]) -> dict[str, Instant]:
    """Read until when each feed last said that it was alive; one that never did is not among them."""
    found = {}
    for provider in providers:
        statement = select(feed_spans.c.ends_at).where(feed_spans.c.source == provider)
        at = (await conn.execute(statement.order_by(feed_spans.c.starts_at.desc()).limit(1))).scalar()
        if at is not None:
            found[provider] = at
    return found


def _runs(now: Instant) -> ColumnElement[bool]:
    """Ask whether a class runs, and is not called off."""
    return and_(
        classes.c.ends_at > now,
        classes.c.ends_at <= now + CLASS_LENGTH_MAX,
        classes.c.starts_at <= now,
        or_(classes.c.cancelled_at.is_(None), classes.c.cancelled_at > now),
    )


def _is_silent(doors: Doors, now: Instant) -> ColumnElement[bool]:
    """Ask whether a class's provider told nothing of it; of one who cannot deliver here, whether nobody did."""
    # Concatenated, or SQLite looks through everything the provider ever told, for it too has an index.
    source = observations.c.source.concat("")
    by_whom = or_(source == classes.c.provider, classes.c.provider.not_in(doors.named))
    is_told = exists().where(observations.c.class_id == classes.c.id, by_whom)
    return and_(classes.c.starts_at <= now - SILENT_AFTER, ~is_told)


class Watch:
    """Gives the gauges of feeds, and logs once when classes of a provider fall silent, and when none is any more."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._silent: frozenset[str] = frozenset()

    async def samples(
        self, conn: AsyncConnection, last_received: Mapping[str, Instant], now: Instant
    ) -> dict[Metric, Counted]:
        """Read every gauge of feeds; ``last_received`` is what this process heard, or when it began."""
        known = await heard(conn, self._doors)
        found = await expected(conn, self._doors, now)
        self._log(found)
        last = {door: max(at, known.at.get(door) or at) for door, at in last_received.items()}
        silence: Counted = {(door,): max(now - at, 0) / SECOND for door, at in sorted(last.items())}
        groups: dict[str, list[Expected]] = {label: [] for label in (*self._doors.named, OTHER)}
        for one in found:
            groups.setdefault(self._doors.label(one.provider), []).append(one)
        return {standing.FEED_SILENCE: silence} | {
            metric: {(label,): measure(groups[label]) for label in sorted(groups)}
            for metric, measure in _measures(known, now).items()
        }

    def _log(self, found: Iterable[Expected]) -> None:
        fallen = {one.provider: one for one in found if one.silent_classes}
        for provider in sorted(fallen.keys() - self._silent):
            one = fallen[provider]
            counts = {"classes": one.silent_classes, "of": one.classes, "learners": one.silent_learners}
            logs.event("feed_silent", logging.WARNING, provider=self._doors.label(provider), **counts)
        for provider in sorted(self._silent - fallen.keys()):
            logs.event("feed_not_silent", provider=self._doors.label(provider))
        self._silent = frozenset(fallen)


def _measures(known: Heard, now: Instant) -> dict[Metric, Callable[[Sequence[Expected]], float]]:
    return {
        standing.SCHEDULED_CLASSES: lambda ones: float(sum(one.classes for one in ones)),
        standing.SCHEDULED_LEARNERS: lambda ones: float(sum(one.learners for one in ones)),
        standing.SILENT_CLASSES: lambda ones: float(sum(one.silent_classes for one in ones)),
        standing.SILENT_LEARNERS: lambda ones: float(sum(one.silent_learners for one in ones)),
        standing.FEED_SILENCE_IN_CLASS: lambda ones: (
            max((known.silence_in_class_ms(one, now) for one in ones), default=0) / SECOND
        ),
    }
