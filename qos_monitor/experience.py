"""Counts what learners went through, from what was just seen: goes at the door, freezing, sound beside the picture."""

from collections.abc import Iterable, Mapping
from itertools import chain

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.metrics import tallied
from qos_monitor.metrics.labels import MEDIA, NODE, NONE, PROVIDER
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import classes
from qos_monitor.tallying import Counts
from rules.observation import Kind, Observation, Role
from rules.policy import Impaired
from rules.span import SECOND


async def providers_of(conn: AsyncConnection, seen: Iterable[Observation]) -> dict[str, str]:
    """Read which provider serves each of the classes that were seen."""
    ids = {one.class_id for one in seen if one.class_id is not None}
    statement = select(classes.c.id, classes.c.provider)
    found = [await conn.execute(statement.where(classes.c.id.in_(some))) for some in chunks(sorted(ids))]
    return {row.id: row.provider for row in chain.from_iterable(found)}


def counted(seen: Iterable[Observation], providers: Mapping[str, str], limits: Impaired) -> Counts:
    """Count new observations of learners under the provider of their class, whoever told; ``limits`` say what is sync.

    Without a class it is the provider that the observation names, or who told it.
    """
    counts = Counts()
    for one in seen:
        if one.role is not Role.LEARNER:
            continue
        told = one.domains.get(PROVIDER, one.source)
        provider = providers.get(one.class_id or "", told)
        counts.named[PROVIDER, "", provider] = None
        if node := one.domains.get(NODE):
            counts.named[NODE, provider, node] = None
        if one.kind is Kind.ATTEMPTED:
            counts.add(tallied.JOIN_ATTEMPTS, provider)
        elif one.kind is Kind.JOIN_FAILED:
            counts.add(tallied.JOIN_FAILURES, provider, one.fault.value)
        elif one.kind is Kind.QUALITY and one.until is not None:
            _watched(counts, one, (provider, one.domains.get(NODE, NONE)), limits)
    return counts


def _watched(counts: Counts, one: Observation, place: tuple[str, str], limits: Impaired) -> None:
    length = (one.until or one.at) - one.at
    for medium in MEDIA:
        share = one.metrics.get(f"{medium}_frozen")
        if share is not None:
            counts.add(tallied.WATCHED, *place, medium, count=length)
            counts.add(tallied.FROZEN, *place, medium, count=round(length * share))
    offset_ms = one.metrics.get("av_offset_ms")
    if offset_ms is not None:
        counts.observe(tallied.AV_OFFSET, offset_ms / SECOND, place[0])
        counts.add(tallied.AV_MEASURED, *place, count=length)
        if not limits.av_offset_low_ms <= offset_ms <= limits.av_offset_high_ms:
            counts.add(tallied.AV_DESYNC, *place, count=length)
