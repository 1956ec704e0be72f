"""What was announced by status pages and by persons, paired into incidents; it is shown, and judges nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage.rows import canonical, observation_of
from qos_monitor.storage.tables import observations
from rules.observation import Kind, Observation
from rules.span import DAY, Instant, Span, format_instant

LOOKS_BACK: int = 30 * DAY
"""Older declarations are not listed: a page forgets its incidents, and then nobody clears them any more."""

OTHER = "other"
"""Stands for a provider that nobody configured, in a metric label."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One stretch of announced trouble; ``cleared_at`` is null while it lasts."""

    source: str
    name: str | None
    provider: str
    declared_at: Instant
    cleared_at: Instant | None
    words: str | None
    domains: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Write it for ``GET /v1/incidents``."""
        return {
            "source": self.source,
            "name": self.name,
            "provider": self.provider,
            "declared_at": format_instant(self.declared_at),
            "cleared_at": None if self.cleared_at is None else format_instant(self.cleared_at),
            "words": self.words,
            "domains": list(self.domains),
        }


async def declared(conn: AsyncConnection, now: Instant) -> list[Incident]:
    """Read the incidents declared in the last 30 days, the newest first."""
    return await _read(conn, now - LOOKS_BACK, now)


async def during(conn: AsyncConnection, span: Span) -> list[Incident]:
    """Read the incidents that lasted within a span, or some of it; of those begun before it, at most 30 days before."""
    found = await _read(conn, span.start - LOOKS_BACK, span.end)
    return [one for one in found if one.cleared_at is None or one.cleared_at > span.start]


async def _read(conn: AsyncConnection, after: Instant, until: Instant) -> list[Incident]:
    kinds = (Kind.INCIDENT_DECLARED.value, Kind.INCIDENT_CLEARED.value)
    at = observations.c.at
    statement = select(observations).where(observations.c.kind.in_(kinds), at > after, at <= until)
    return paired(observation_of(row) for row in await conn.execute(statement))


def paired(seen: Iterable[Observation]) -> list[Incident]:
    """Pair declarations with all-clears, the newest first.

    An incident is known by its source and ``session``; where it has none, by its source and domains. What is declared
    twice is one incident, and an all-clear for nothing is none.
    """
    of_one: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for one in seen:
        of_one[one.source, one.session or canonical(dict(one.domains))].append(one)
    found = [incident for events in of_one.values() for incident in _paired(events)]
    return sorted(found, key=lambda one: (-one.declared_at, one.source, one.name or ""))


def _paired(events: Sequence[Observation]) -> list[Incident]:
    found: list[Incident] = []
    for one in sorted(events, key=lambda one: (one.at, one.kind is Kind.INCIDENT_CLEARED, one.id)):
        is_open = bool(found) and found[-1].cleared_at is None
        if one.kind is Kind.INCIDENT_DECLARED and not is_open:
            found.append(_of(one))
        elif one.kind is Kind.INCIDENT_CLEARED and is_open:
            found[-1] = replace(found[-1], cleared_at=one.at)
    return found


def _of(seen: Observation) -> Incident:
    domains = tuple(f"{key}:{value}" for key, value in sorted(seen.domains.items()))
    provider = seen.domains.get("provider", seen.source)
    return Incident(seen.source, seen.session, provider, seen.at, None, seen.code, domains)


async def open_by_provider(
    conn: AsyncConnection, announced: Collection[str], known: Collection[str], now: Instant
) -> dict[str, int]:
    """Count the open incidents by provider, 0 where one's pages are watched; of providers not known together."""
    counts = dict.fromkeys(announced, 0)
    for one in await declared(conn, now):
        if one.cleared_at is None:
            name = one.provider if one.provider in counts or one.provider in known else OTHER
            counts[name] = counts.get(name, 0) + 1
    return counts
