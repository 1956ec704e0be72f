"""Deliveries that could not be read are read again: what a mended collector understands heals the past.

The service tries them by itself, a piece a minute and on while that helps; the command asks for all of them at once.
"""

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy import literal, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from qos_monitor import logs, reading
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import UNREADABLE, WAITING, deliveries
from rules.span import Instant

PIECE: int = 100
"""So many are tried at a time: their bodies are in memory."""

_PIECES_MAX = 50  # then the rest waits for the next run

_UNREADABLE = deliveries.c.state == literal(UNREADABLE, literal_execute=True)  # in the very words of its index


class Rereading:
    """Tries what could not be read, in turn, and has read again what its collector understands by now."""

    def __init__(self, engine: AsyncEngine, collectors: Mapping[str, Collector]) -> None:
        """Take the database and those who read, which may be others from run to run."""
        self._engine = engine
        self._collectors = collectors
        self._after = 0

    async def run(self, _now: Instant) -> int:
        """Try a piece, and the next as long as one can be read; answer how many will be read.

        What still cannot be read stays as it is: it is not counted or logged again.
        """
        done = 0
        for _ in range(_PIECES_MAX):
            healed = await self._piece()
            done += healed
            if not healed:
                break
        if done:
            logs.event("deliveries_read_again", count=done)
        return done

    async def _piece(self) -> int:
        ours = deliveries.c.provider.in_(sorted(self._collectors))
        mine = select(deliveries).where(_UNREADABLE, ours, deliveries.c.seq > self._after)
        async with storage.reading(self._engine) as conn:
            rows = (await conn.execute(mine.order_by(deliveries.c.seq).limit(PIECE))).all()
        self._after = rows[-1].seq if len(rows) == PIECE else 0
        readable = await asyncio.to_thread(
            lambda: [row.seq for row in rows if reading.is_readable(row, self._collectors)]
        )
        await _have_read(self._engine, readable)
        return len(readable)


async def reread(engine: AsyncEngine, provider: str | None, now: Instant) -> int:
    """Put every unreadable delivery, or those of one provider, before its collector again; answer how many that were.

    The service reads them like new ones, in its own time; nothing is judged until it has. Doing it twice changes
    nothing, and what still cannot be read is unreadable again.
    """
    chosen = select(deliveries.c.seq).where(_UNREADABLE).order_by(deliveries.c.seq)
    if provider is not None:
        chosen = chosen.where(deliveries.c.provider == provider)
    async with storage.reading(engine) as conn:
        seqs = (await conn.execute(chosen)).scalars().all()
    await _have_read(engine, seqs)
    if seqs:
        act = Act(
            audit.of_command(), "deliveries.reread", provider or "every provider", "what could not be read before"
        )
        async with storage.writing(engine) as conn:
            await audit.record(conn, act, now)
    return len(seqs)


async def _have_read(engine: AsyncEngine, seqs: Sequence[int]) -> None:
    for some in chunks(seqs):
        async with storage.writing(engine) as conn:
            mine = update(deliveries).where(deliveries.c.seq.in_(some), _UNREADABLE)
            await conn.execute(mine.values(state=WAITING, problem=None))
