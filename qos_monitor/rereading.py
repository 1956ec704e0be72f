"""Deliveries that could not be read are read again: what a mended collector understands heals the past."""

import argparse
import asyncio
import os

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import clock as clocks
from qos_monitor import settings
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.command_line import Commands
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import UNREADABLE, WAITING, deliveries
from rules.span import Instant


async def reread(engine: AsyncEngine, provider: str | None, now: Instant) -> int:
    """Put every unreadable delivery, or those of one provider, before its collector again; answer how many that were.

    The service reads them like new ones, in its own time; nothing is judged until it has. Doing it twice changes
    nothing, and what still cannot be read is unreadable again.
    """
    unreadable = deliveries.c.state == UNREADABLE
    chosen = select(deliveries.c.seq).where(unreadable).order_by(deliveries.c.seq)
    if provider is not None:
        chosen = chosen.where(deliveries.c.provider == provider)
    async with storage.reading(engine) as conn:
        seqs = (await conn.execute(chosen)).scalars().all()
    for some in chunks(seqs):
        async with storage.writing(engine) as conn:
            mine = update(deliveries).where(deliveries.c.seq.in_(some), unreadable)
            await conn.execute(mine.values(state=WAITING, problem=None))
    if seqs:
        act = Act(
            audit.of_command(), "deliveries.reread", provider or "every provider", "what could not be read before"
        )
        async with storage.writing(engine) as conn:
            await audit.record(conn, act, now)
    return len(seqs)


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put the command into the command line."""
    again = commands.add_parser("reread", parents=[configured], help="read again what could not be read")
    again.add_argument("--provider", metavar="NAME", help="of one provider alone")
    again.set_defaults(run=_reread)


def _reread(options: argparse.Namespace) -> int:
    count = asyncio.run(_done(settings.load(os.environ, options.config), options.provider))
    print(f"{count} deliveries will be read again by the service")
    return 0


async def _done(given: Settings, provider: str | None) -> int:
    async with storage.opened(given.database_url) as engine:
        return await reread(engine, provider, clocks.from_setting(given.clock_file).now())
