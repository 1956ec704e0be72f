"""``qos-monitor reread``: has everything that could not be read tried again at once."""

import argparse
import asyncio
import os

from qos_monitor import clock as clocks
from qos_monitor import rereading, settings
from qos_monitor.command_line import Commands
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put it into the command line."""
    again = commands.add_parser("reread", parents=[configured], help="read again what could not be read")
    again.add_argument("--provider", metavar="NAME", help="of one provider alone")
    again.set_defaults(run=_reread)


def _reread(options: argparse.Namespace) -> int:
    count = asyncio.run(_done(settings.load(os.environ, options.config), options.provider))
    print(f"{count} deliveries will be read again by the service")
    return 0


async def _done(given: Settings, provider: str | None) -> int:
    async with storage.opened(given.database_url) as engine:
        return await rereading.reread(engine, provider, clocks.from_setting(given.clock_file).now())
