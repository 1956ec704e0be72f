"""Counts in the database, in whole numbers and in the caller's transaction; what labels may say is bounded there."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.metrics.labels import NODE, NONE, OPEN_MAX, OTHER, PROVIDER
from qos_monitor.metrics.metric import Metric
from qos_monitor.metrics.tallied import FOLDED
from qos_monitor.storage.engine import insert
from qos_monitor.storage.tables import label_values, tallies
from rules.span import DAY, Instant

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a series and the values of its labels, in the metric's order."""

FORGOTTEN_AFTER: int = 28 * DAY
"""A value that nobody used for so long makes room for a new one."""

SUM = ":sum"
"""What the name of a histogram's sum ends with in the table."""

_LOCK = 0x514F54  # any number that nobody else locks: "QOT"
_VALUE_LENGTH_MAX = 200


@dataclass(slots=True)
class Counts:
    """What is to be added, collected while something else is written; integers in the metric's smallest parts."""

    of: dict[Metric, Counter[tuple[str, ...]]] = field(default_factory=dict)
    sums: dict[Metric, Counter[tuple[str, ...]]] = field(default_factory=dict)
    named: dict["Word", None] = field(default_factory=dict)
    """Values that are not counted under yet, but are seen: readings of the moment show them."""

    def add(self, metric: Metric, *labels: str, count: int = 1) -> None:
        """Count under these labels; of a gauge the count may be negative."""
        if count:
            self.of.setdefault(metric, Counter())[labels] += count

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Count one value of a histogram, in the metric's unit."""
        place = sum(bound < value for bound in metric.buckets)
        self.of.setdefault(metric, Counter())[*labels, str(place)] += 1
        self.sums.setdefault(metric, Counter())[labels] += round(value * metric.parts)

    def update(self, other: "Counts") -> None:
        """Add what another collected."""
        for mine, theirs in ((self.of, other.of), (self.sums, other.sums)):
            for metric, counted in theirs.items():
                mine.setdefault(metric, Counter()).update(counted)
        self.named.update(other.named)

    def __bool__(self) -> bool:
        return bool(self.of or self.named)


async def add(conn: AsyncConnection, counts: Counts, now: Instant) -> None:
    """Add it all. Call it last in a transaction: on PostgreSQL others who count wait for its end.

    Rows are locked in one order, so that two who count never wait for each other.
    """
    if not counts:
        return
    words = await Vocabulary.read(conn)
    await words.admit(conn, _named(counts), now)
    rows: Counter[Key] = Counter()
    for metric, values in counts.of.items():
        for labels, count in values.items():
            folded = words.folded(metric, labels)
            rows[metric.name, folded] += count
            for label in _changed(metric, labels, folded):
                rows[FOLDED.name, (label,)] += abs(count)
    for metric, values in counts.sums.items():
        for labels, count in values.items():
            rows[metric.name + SUM, words.folded(metric, labels)] += count
    await _write(conn, rows)


def _changed(metric: Metric, labels: Sequence[str], folded: Sequence[str]) -> list[str]:
    return [name for name, before, after in zip(metric.labels, labels, folded, strict=False) if before != after]


async def _write(conn: AsyncConnection, rows: Mapping[Key, int]) -> None:
    statement = insert(conn.dialect.name, tallies)
    keys = [tallies.c.name, tallies.c.labels]
    grown = statement.on_conflict_do_update(
        index_elements=keys, set_={"value": tallies.c.value + statement.excluded.value}
    )
    values = [{"name": name, "labels": _as_text(labels), "value": count} for (name, labels), count in rows.items()]
    if not values:
        return
    await conn.execute(grown, sorted(values, key=lambda row: (str(row["name"]), str(row["labels"]))))


def _as_text(labels: Sequence[str]) -> str:
    return json.dumps(labels, separators=(",", ":"), ensure_ascii=False)


Word: TypeAlias = tuple[str, str, str]
"""A label, the scope (of a node its provider) and a value."""


def words_of(metric: Metric, labels: Sequence[str]) -> list[Word]:
    """Name the values that the world chose among a series' labels."""
    given = dict(zip(metric.labels, labels, strict=False))  # a histogram's bucket is no label
    return [
        (label, given[PROVIDER] if label == NODE else "", value)
        for label, value in given.items()
        if label in OPEN_MAX and value not in (NONE, OTHER)
    ]


def _named(counts: Counts) -> dict[Word, None]:
    """Give every open value that is counted under or was seen, each once, in the order met."""
    return counts.named | {
        word: None for metric, counted in counts.of.items() for labels in counted for word in words_of(metric, labels)
    }


class Vocabulary:
    """The values that labels have room for, as the database knows them."""

    def __init__(self, used_at: Mapping[Word, Instant]) -> None:
        """Begin with these values, each with when it was last used."""
        self._used_at = dict(used_at)

    @classmethod
    async def read(cls, conn: AsyncConnection) -> "Vocabulary":
        """Read them."""
        return cls(await _used(conn))

    def values(self, label: str) -> list[str]:
        """List the values of a label, of a node each as often as it has providers."""
        return sorted(value for name, _, value in self._used_at if name == label)

    def knows(self, words: Iterable[Word]) -> bool:
        """Say whether there is room for all of these."""
        return all(word in self._used_at for word in words)

    async def admit(self, conn: AsyncConnection, words: Iterable[Word], now: Instant) -> None:
        """Make room for values that are new, as far as there is any, and note that the others were used."""
        wanted = [word for word in words if word[2] and len(word[2]) <= _VALUE_LENGTH_MAX]
        fresh = [word for word in wanted if word not in self._used_at]
        if fresh and conn.dialect.name != "sqlite":
            await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            self._used_at |= await _used(conn)
        for word in fresh:
            if word not in self._used_at and await self._has_room(conn, word[0], now):
                await _put(conn, word, now)
                self._used_at[word] = now
        for word in wanted:
            if self._used_at.get(word, now) < now - DAY:
                await _put(conn, word, now)
                self._used_at[word] = now

    async def _has_room(self, conn: AsyncConnection, label: str, now: Instant) -> bool:
        same = [word for word in self._used_at if word[0] == label]
        if len(same) < OPEN_MAX[label]:
            return True
        oldest = min(same, key=lambda word: (self._used_at[word], word))
        if self._used_at[oldest] >= now - FORGOTTEN_AFTER:
            return False
        await conn.execute(delete(label_values).where(*_is(oldest)))
        del self._used_at[oldest]
        return True

    def folded(self, metric: Metric, labels: Sequence[str]) -> tuple[str, ...]:
        """Give the labels with `other` for every value that has no room."""
        given = list(labels)
        for word in words_of(metric, labels):
            if word not in self._used_at:
                given[metric.labels.index(word[0])] = OTHER
        return tuple(given)


async def _used(conn: AsyncConnection) -> dict[Word, Instant]:
    rows = await conn.execute(select(label_values))
    return {(row.label, row.scope, row.value): row.used_at for row in rows}


async def _put(conn: AsyncConnection, word: Word, now: Instant) -> None:
    statement = insert(conn.dialect.name, label_values).values(label=word[0], scope=word[1], value=word[2], used_at=now)
    await conn.execute(
        statement.on_conflict_do_update(index_elements=[*label_values.primary_key], set_={"used_at": now})
    )


def _is(word: Word) -> tuple[ColumnElement[bool], ...]:
    return tuple(label_values.c[name] == value for name, value in zip(("label", "scope", "value"), word, strict=True))
