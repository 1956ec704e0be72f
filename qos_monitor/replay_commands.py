"""``qos-monitor replay``: does what is stored still follow from what came in?"""

import argparse
import asyncio
import os

from qos_monitor import clock as clocks
from qos_monitor import from_settings, replaying, settings
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.command_line import Commands
from qos_monitor.errors import SettingsError
from qos_monitor.judging import Terms
from qos_monitor.replaying import Replay
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage

_NAMED_MAX = 20


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put it into the command line."""
    made = commands.add_parser(
        "replay", parents=[configured], help="rebuild everything from the raw deliveries, and compare; changes nothing"
    )
    made.add_argument("--verbose", action="store_true", help="name every row that differs: these are learners' ids")
    made.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> int:
    found = asyncio.run(_replayed(settings.load(os.environ, options.config)))
    for line in told(found, is_verbose=options.verbose):
        print(line)
    return 0 if found.is_same else 1


async def _replayed(given: Settings) -> Replay:
    now = clocks.from_setting(given.clock_file).now()
    terms = Terms(from_settings.served_policy(given.policy_file), is_working_day_in_china)
    readers = from_settings.readers_of(given, from_settings.collectors_of(given))
    async with storage.opened(given.database_url) as engine:
        if missing := sorted(await replaying.unread(engine, readers)):
            words = "has deliveries, and no secret is set: any will do, for what is kept was believed when it came"
            raise SettingsError([f"{provider}: {words}" for provider in missing])
        return await replaying.replay(engine, readers, terms, now)


def told(found: Replay, *, is_verbose: bool) -> list[str]:
    """Write what a replay found: a line for each table, then what differs. Cases are named by their keys alone."""
    said = [f"{'':14}{'compared':>10}{'equal':>10}{'different':>10}"]
    said += [f"{one.what:14}{one.total:>10}{one.equal:>10}{len(one.different):>10}" for one in found.tables]
    said.append(f"from {found.deliveries} deliveries; {found.not_rebuilt} observations whose delivery is not kept")
    if found.pending:
        said.append(f"{found.pending} deliveries and windows are still waiting: replay again when they are done")
    for one in found.tables:
        shown = one.different if is_verbose or one.what == "cases" else []
        said += [f"{one.what}: {what}" for what in (shown if is_verbose else shown[:_NAMED_MAX])]
    return said
