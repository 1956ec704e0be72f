"""``qos-monitor unmapped`` and ``qos-monitor remap``: what nobody could map, and placing everything seen anew."""

import argparse
import asyncio
import json
import os

from qos_monitor import clock as clocks
from qos_monitor import remapping, settings, unmapped
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.command_line import Commands
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from qos_monitor.unmapped import Unmapped
from rules.document import Invalid, Problem
from rules.span import HOUR


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put both into the command line."""
    shown = commands.add_parser("unmapped", parents=[configured], help="list rooms and people the roster does not know")
    shown.add_argument("--hours", type=int, default=24, help="seen in the last so many hours (24)")
    shown.add_argument("--provider", metavar="NAME", help="of one provider alone")
    shown.set_defaults(run=_unmapped)
    placed = commands.add_parser("remap", parents=[configured], help="place everything seen anew, by today's settings")
    placed.set_defaults(run=_remap)


def _unmapped(options: argparse.Namespace) -> int:
    if not 1 <= options.hours <= unmapped.HOURS_MAX:
        raise Invalid([Problem("--hours", f"must be from 1 to {unmapped.HOURS_MAX}")])
    found = asyncio.run(_listed(settings.load(os.environ, options.config), options.hours, options.provider))
    print(json.dumps({"unmapped": [one.as_json() for one in found]}, indent=2, ensure_ascii=False))
    return 0


async def _listed(given: Settings, hours: int, provider: str | None) -> list[Unmapped]:
    since = clocks.from_setting(given.clock_file).now() - hours * HOUR
    async with storage.opened(given.database_url) as engine, storage.reading(engine) as conn:
        return await unmapped.listed(conn, since, provider)


def _remap(options: argparse.Namespace) -> int:
    asyncio.run(_placed(settings.load(os.environ, options.config)))
    print("everything seen was placed anew; what moved is judged again by the service")
    return 0


async def _placed(given: Settings) -> None:
    clock = clocks.from_setting(given.clock_file)
    async with storage.opened(given.database_url) as engine:
        await remapping.adopt(engine, (*given.room_templates, *given.participant_templates))
        async with storage.writing(engine) as conn:
            await remapping.again(conn)
            act = Act(audit.of_command(), "remap.begun", "observations", "everything seen is placed anew")
            await audit.record(conn, act, clock.now())
        while await remapping.remap(engine, clock.now()):
            pass
