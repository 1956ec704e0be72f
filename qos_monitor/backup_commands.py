"""``qos-monitor backup`` and ``restore``: a copy of the embedded database, made while the service runs."""

import argparse
import asyncio
import os
from pathlib import Path

from qos_monitor import clock as clocks
from qos_monitor import settings
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.command_line import Commands
from qos_monitor.settings import Settings
from qos_monitor.storage import backup
from qos_monitor.storage import engine as storage
from qos_monitor.storage.backup import Copied
from rules.span import format_instant


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put both into the command line."""
    kept = commands.add_parser("backup", parents=[configured], help="copy the database while it is in use")
    kept.add_argument("file", type=Path, metavar="FILE", help="made new; nothing is overwritten")
    kept.set_defaults(run=_backup)
    put = commands.add_parser("restore", parents=[configured], help="put a copy where QOS_DATABASE_URL points")
    put.add_argument("file", type=Path, metavar="FILE")
    put.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> int:
    database = backup.database_file(settings.load(os.environ, options.config).database_url)
    print(_told("copied to", options.file, backup.copy(database, options.file)))
    return 0


def _restore(options: argparse.Namespace) -> int:
    given = settings.load(os.environ, options.config)
    database = backup.database_file(given.database_url)
    copied = backup.copy(options.file, database)
    asyncio.run(_noted(given, f"from {options.file.name}, {_counted(copied)}"))
    print(_told("restored to", database, copied))
    return 0


async def _noted(given: Settings, what: str) -> None:
    """Write on the trail of what was put back that it was; its tables are brought to the present for that."""
    async with storage.opened(given.database_url) as engine, storage.writing(engine) as conn:
        act = Act(audit.of_command(), "database.restored", "database", what)
        await audit.record(conn, act, clocks.from_setting(given.clock_file).now())


def _told(what: str, file: Path, copied: Copied) -> str:
    return f"{what} {file}: {copied.bytes:,} bytes, schema {copied.revision}, {_counted(copied)}"


def _counted(copied: Copied) -> str:
    last = "none" if copied.last_received_at is None else format_instant(copied.last_received_at)
    return f"{copied.deliveries:,} deliveries (the last: {last}), {copied.cases:,} cases"
