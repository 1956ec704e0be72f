"""Finds the shutdowns of our own servers that ended sessions, and the classes that a shutdown fell into."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.janus.shutdowns import SOURCE, ended, is_shutdown
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import classes, observations
from rules.observation import Kind, Observation
from rules.span import HOUR

STAY_MAX: int = 6 * HOUR
"""How long after somebody came a shutdown is still looked for."""


async def with_shutdowns(conn: AsyncConnection, seen: Sequence[Observation]) -> list[Observation]:
    """Let the sessions that a shutdown ended end with it; see `collectors.janus.shutdowns.ended`."""
    came = [one.at for one in seen if one.source == SOURCE and one.kind is Kind.JOINED]
    if not came:
        return list(seen)
    statement = select(observations).where(
        observations.c.kind == Kind.INCIDENT_DECLARED.value,
        observations.c.source == SOURCE,
        observations.c.at >= min(came),
        observations.c.at <= max(came) + STAY_MAX,
    )
    return ended(seen, [observation_of(row) for row in await conn.execute(statement)])


async def classes_hit(conn: AsyncConnection, changed: Iterable[Observation]) -> set[str]:
    """Name the classes that were on when one of our own servers went down."""
    found: set[str] = set()
    for one in changed:
        if is_shutdown(one):
            was_on = (classes.c.starts_at <= one.at) & (classes.c.ends_at > one.at)
            statement = select(classes.c.id).where(classes.c.provider == SOURCE, was_on)
            found |= set((await conn.execute(statement)).scalars())
    return found
