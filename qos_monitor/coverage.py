"""Keeps when each feed was alive, as spans of which no two of one source meet, and has judged again whom a word of it
concerns.

An observation a minute would make every look at a feed as long as its history; united, an unbroken feed is one row.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Result, Row, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor import due
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import classes, feed_spans, observations
from rules.observation import Kind, Observation
from rules.span import HOUR, MINUTE, Instant, Span, united
from rules.world import CLASS_LENGTH_MAX, ScheduledClass

PAST_WINDOWS_AT_ONCE: int = 50
"""Of the windows before a feed's first word so many more are due with every minute, the latest first."""

_NEAR = 6 * HOUR
_LOCKS = 0x514F54  # any number that no other lock has


@dataclass(frozen=True, slots=True)
class Word:
    """What one observation says of a feed: the span as it was kept, and as it is now; None: nothing of a feed."""

    source: str
    before: Span | None
    after: Span | None


def words(row: Row[Any] | None, seen: Observation) -> list[Word]:
    """Say what an observation changes, beside its row as it was kept; None where it is new."""
    is_kept = row is not None and row.kind == Kind.FEED_ALIVE.value
    before = Span(row.at, row.until) if row is not None and is_kept else None
    after = Span(seen.at, seen.until) if seen.kind is Kind.FEED_ALIVE and seen.until is not None else None
    return [] if before == after else [Word(seen.source, before, after)]


async def learn(conn: AsyncConnection, told: Iterable[Word], now: Instant) -> None:
    """Keep what was told of feeds, in the transaction that has its observations written.

    Marks to be judged the classes that are over and whose covered share it changed; a class that runs will be judged
    anyway. Where a source speaks for the first time, or takes its only word back, those are all its classes: whether it
    ever sends any is asked of every one (SPEC 5.2). In any order and repetition the result is the same.
    """
    sources: dict[str, list[Word]] = defaultdict(list)
    for word in told:
        sources[word.source].append(word)
    for source, mine in sorted(sources.items()):
        if conn.dialect.name == "postgresql":  # two workers that unite the same spans would leave both
            await conn.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(source))))
        was_known = await _is_known(conn, source)
        changed = [gap for word in mine if word.before for gap in await _forget(conn, source, word.before)]
        for near in _near(united(word.after for word in mine if word.after)):
            changed += await _add(conn, source, near)
        if was_known != await _is_known(conn, source):
            await _touch_past(conn, source, now)
        else:
            await due.touch_classes(conn, await _over(conn, source, united(changed), now), now)


async def of_classes(conn: AsyncConnection, scheduled: Sequence[ScheduledClass]) -> dict[str, tuple[Span, ...]]:
    """Read when the feeds of these classes were alive, from the first of them to the last.

    A provider that never said so is not among them; one that did at other times has no spans.
    """
    found: dict[str, tuple[Span, ...]] = {}
    for provider in sorted({row.provider for row in scheduled}):
        mine = [row.span for row in scheduled if row.provider == provider]
        spans = await _meeting(conn, provider, Span(min(one.start for one in mine), max(one.end for one in mine)))
        if spans or await _is_known(conn, provider):
            found[provider] = tuple(spans)
    return found


async def _is_known(conn: AsyncConnection, source: str) -> bool:
    statement = select(feed_spans.c.source).where(feed_spans.c.source == source).limit(1)
    return (await conn.execute(statement)).first() is not None


async def _meeting(conn: AsyncConnection, source: str, span: Span) -> list[Span]:
    """Read the spans that overlap or touch this one: the last that begins before it, and those that begin in it."""
    starts_at = feed_spans.c.starts_at
    before = select(func.max(starts_at)).where(feed_spans.c.source == source, starts_at < span.start)
    low = func.coalesce(before.scalar_subquery(), span.start)
    statement = select(feed_spans).where(
        feed_spans.c.source == source,
        starts_at >= low,
        starts_at <= span.end,
        feed_spans.c.ends_at >= span.start,
    )
    rows = await conn.execute(statement.order_by(starts_at))
    return [Span(row.starts_at, row.ends_at) for row in rows]


async def _add(conn: AsyncConnection, source: str, spans: Sequence[Span]) -> list[Span]:
    """Unite spans, sorted and apart, with those kept; answer what they cover that was not."""
    kept = await _meeting(conn, source, Span(spans[0].start, spans[-1].end))
    wholes = united([*spans, *kept])
    gone, new = sorted({*kept} - {*wholes}), sorted({*wholes} - {*kept})
    await _replace(conn, source, gone, new)
    starts = [one.start for one in kept]
    return [gap for whole in new for gap in _without(whole, kept[bisect_left(starts, whole.start) :])]


def _near(spans: Iterable[Span]) -> list[list[Span]]:
    """Put together what lies near each other, in order: one look serves all of an evening, and none a whole year."""
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span.start - groups[-1][-1].end <= _NEAR:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


async def _forget(conn: AsyncConnection, source: str, span: Span) -> list[Span]:
    """Take back what a word said before it was replaced: read anew what others say there; answer what is lost."""
    kept = await _meeting(conn, source, span)
    lost: list[Span] = []
    for whole in kept:
        statement = select(observations.c.at, observations.c.until).where(
            observations.c.kind == Kind.FEED_ALIVE.value,
            observations.c.at >= whole.start,
            observations.c.at < whole.end,
            observations.c.source == source,
        )
        left = united(Span(row.at, min(row.until, whole.end)) for row in await conn.execute(statement))
        await _replace(conn, source, [whole], left)
        lost += _without(whole, left)
    return lost


async def _replace(conn: AsyncConnection, source: str, kept: Sequence[Span], spans: Iterable[Span]) -> None:
    for some in chunks(one.start for one in kept):
        is_one = (feed_spans.c.source == source) & feed_spans.c.starts_at.in_(some)
        await conn.execute(delete(feed_spans).where(is_one))
    rows = [{"source": source, "starts_at": one.start, "ends_at": one.end} for one in spans]
    if rows:
        await conn.execute(feed_spans.insert(), rows)


def _without(span: Span, others: Iterable[Span]) -> list[Span]:
    """Cut from a span what the others cover; they are sorted and do not overlap, and may go on behind it."""
    left: list[Span] = []
    start = span.start
    for other in others:
        if other.start >= span.end:
            break
        if other.start > start:
            left.append(Span(start, min(other.start, span.end)))
        start = max(start, other.end)
    if start < span.end:
        left.append(Span(start, span.end))
    return [one for one in left if one.length]


async def _over(conn: AsyncConnection, source: str, spans: Iterable[Span], now: Instant) -> set[str]:
    """Find the classes of this provider that met these spans and are over."""
    found: set[str] = set()
    provider = classes.c.provider.concat("")  # or SQLite looks through all its classes, for that too has an index
    for near in _near(spans):
        hull = Span(near[0].start, near[-1].end)
        statement = select(classes.c.id, classes.c.starts_at, classes.c.ends_at).where(
            classes.c.ends_at > hull.start,
            classes.c.ends_at <= min(now, hull.end + CLASS_LENGTH_MAX),
            classes.c.starts_at < hull.end,
            provider == source,
        )
        rows: Result[Any] = await conn.execute(statement)
        found |= {row.id for row in rows if _holds_any(near, Span(row.starts_at, row.ends_at))}
    return found


def _holds_any(spans: Sequence[Span], lesson: Span) -> bool:
    """Say whether one of the spans, sorted and apart, meets this one."""
    place = bisect_left(spans, lesson.end, key=lambda span: span.start)
    return place > 0 and spans[place - 1].end > lesson.start


async def _touch_past(conn: AsyncConnection, source: str, now: Instant) -> None:
    """Have every window with a class of this provider that is over judged again, without holding up what is due."""
    statement = (
        select(classes.c.window)
        .where(classes.c.provider == source, classes.c.ends_at <= now)
        .distinct()
        .order_by(classes.c.window.desc())
    )
    numbers = (await conn.execute(statement)).scalars().all()
    waits = (place // PAST_WINDOWS_AT_ONCE * MINUTE for place in range(len(numbers)))
    await due.touch_windows(conn, [(number, now + wait) for number, wait in zip(numbers, waits, strict=True)])
