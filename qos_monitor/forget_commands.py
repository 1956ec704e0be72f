"""``qos-monitor forget``: drops what is known of a learner, and keeps what they were owed and why."""

import argparse
import asyncio
import json
import os

from qos_monitor import clock as clocks
from qos_monitor import forgetting, settings, tombstones
from qos_monitor.access import audit, pseudonyms
from qos_monitor.access.audit import Act
from qos_monitor.command_line import Commands
from qos_monitor.errors import QosError
from qos_monitor.forgetting import Forgotten
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage


class StillInPlay(QosError):  # noqa: N818 - an answer to whoever asked
    """The learner would lose what may yet be owed to them."""


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put it into the command line."""
    forgot = commands.add_parser("forget", parents=[configured], help="drop what is known of a learner, but the money")
    forgot.add_argument("learner", metavar="LEARNER", help="the learner's id, as in the roster")
    forgot.add_argument("--reason", required=True, metavar="WORDS", help="kept in the audit trail; name nobody in it")
    forgot.add_argument("--force", action="store_true", help="though something may still be owed to them")
    forgot.add_argument(
        "--lift", action="store_true", help="let a learner who was forgotten be known again, from now on"
    )
    forgot.set_defaults(run=_forget)


def _forget(options: argparse.Namespace) -> int:
    if not options.learner or not options.reason.strip():
        raise QosError("LEARNER and --reason: neither may be empty")
    given = settings.load(os.environ, options.config)
    if options.lift:
        print(json.dumps({"marks_lifted": asyncio.run(_lifted(given, options.learner, options.reason))}))
        return 0
    done = asyncio.run(_done(given, options.learner, options.reason, is_forced=options.force))
    print(json.dumps(done.as_json(), indent=2))
    return 0


async def _done(given: Settings, learner_id: str, reason: str, *, is_forced: bool) -> Forgotten:
    now = clocks.from_setting(given.clock_file).now()
    async with storage.opened(given.database_url) as engine:
        async with storage.reading(engine) as conn:
            losses = await forgetting.in_play(conn, learner_id, now)
        if losses and not is_forced:
            said = "; ".join(losses)
            raise StillInPlay(f"not forgotten: {said}. Wait until these are settled, or say --force: it will be lost")
        act = Act(audit.of_command(), "forget", "", reason)
        return await forgetting.forget(engine, learner_id, act, now)


async def _lifted(given: Settings, learner_id: str, reason: str) -> int:
    now = clocks.from_setting(given.clock_file).now()
    async with storage.opened(given.database_url) as engine, storage.writing(engine) as conn:
        count = await tombstones.lift(conn, learner_id)
        who = (await pseudonyms.of_installation(conn)).of(learner_id)
        await audit.record(conn, Act(audit.of_command(), "forget-lift", who, reason), now)
    return count
