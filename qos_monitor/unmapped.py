"""What was seen and belongs to no class or to nobody on its roster: counted for machines, listed for people."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.contract import ANYWHERE
from qos_monitor.storage.tables import observations
from rules.span import DAY, Instant, format_instant

WHAT: tuple[str, ...] = ("room", "person")
COUNTED: int = 7 * DAY
"""How far back is counted: what is older will hardly be mapped by anybody."""
COUNTED_MAX: int = 100_000
"""So many of the latest are counted, all providers together, so that a scrape stays cheap."""
SEEN_MAX: int = 1_000_000
"""So many of the latest sightings are looked at for a list."""

LISTED_MAX: int = 1_000
HOURS_MAX: int = 24 * 366
"""How far back a list may go."""
OTHER: str = "other"


@dataclass(frozen=True, slots=True)
class Unmapped:
    """One name that nobody could map, with where and how often it was seen."""

    provider: str
    what: str
    room: str | None
    """The provider's; None where its events name none."""
    class_id: str | None
    name: str | None
    """The provider's name of the participant; None where the room itself is not known."""
    observations: int
    first_at: Instant
    last_at: Instant

    def as_json(self) -> dict[str, object]:
        """Write it for whoever is to act on it."""
        return {
            "provider": self.provider,
            "what": self.what,
            "room": self.room,
            "class_id": self.class_id,
            "name": self.name,
            "observations": self.observations,
            "first_at": format_instant(self.first_at),
            "last_at": format_instant(self.last_at),
        }


async def counts(conn: AsyncConnection, providers: Collection[str], now: Instant) -> dict[tuple[str, str], int]:
    """Count by provider and by what is not known; a provider that is configured no more counts as `other`."""
    latest = (
        select(observations.c.source, observations.c.unmapped)
        .where(observations.c.unmapped.is_not(None), observations.c.at >= now - COUNTED)
        .order_by(observations.c.at.desc())
        .limit(COUNTED_MAX)
        .subquery()
    )
    found = {(provider, what): 0 for provider in (*providers, OTHER) for what in WHAT}
    columns = (latest.c.source, latest.c.unmapped)
    for source, what, count in await conn.execute(select(*columns, func.count()).group_by(*columns)):
        found[source if source in providers else OTHER, what] += count
    return found


async def listed(conn: AsyncConnection, since: Instant, provider: str | None) -> list[Unmapped]:
    """List rooms, then people, that were seen since and are not mapped; the latest first, LISTED_MAX of each at most.

    For one provider, or for all.
    """
    is_meant = observations.c.at >= since
    if provider is not None:
        is_meant &= observations.c.source == provider
    name = func.coalesce(observations.c.named, observations.c.participant_id)
    rooms = await _grouped(conn, "room", is_meant, [observations.c.source, observations.c.room_id])
    people = await _grouped(
        conn, "person", is_meant, [observations.c.source, observations.c.room_id, observations.c.class_id, name]
    )
    return rooms + people


async def _grouped(
    conn: AsyncConnection, what: str, is_meant: ColumnElement[bool], columns: list[ColumnElement[str]]
) -> list[Unmapped]:
    # The limit keeps SQLite from grouping along an index of everything that was ever seen.
    seen = (
        select(observations.c.at, *(column.label(f"by_{place}") for place, column in enumerate(columns)))
        .where(is_meant, observations.c.unmapped.is_not(None), observations.c.unmapped == what)
        .order_by(observations.c.at.desc())
        .limit(SEEN_MAX)
        .subquery()
    )
    first, last = func.min(seen.c.at), func.max(seen.c.at)
    by = [seen.c[f"by_{place}"] for place in range(len(columns))]
    statement = select(func.count(), first, last, *by).group_by(*by).order_by(last.desc(), *by).limit(LISTED_MAX)
    found = []
    for count, first_at, last_at, source, room, *who in await conn.execute(statement):
        class_id, name = who or (None, None)
        where = None if room == ANYWHERE else room
        found.append(Unmapped(source, what, where, class_id, name, count, first_at, last_at))
    return found
