"""``qos-monitor backup`` and ``restore``: a copy of the embedded database, made while the service runs."""

import argparse
import os
from pathlib import Path

from qos_monitor import settings
from qos_monitor.command_line import Commands
from qos_monitor.storage import backup
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
    database = backup.database_file(settings.load(os.environ, options.config).database_url)
    print(_told("restored to", database, backup.copy(options.file, database)))
    return 0


def _told(what: str, file: Path, copied: Copied) -> str:
    last = "none" if copied.last_received_at is None else format_instant(copied.last_received_at)
    return (
        f"{what} {file}: {copied.bytes:,} bytes, schema {copied.revision}, {copied.deliveries:,} deliveries "
        f"(the last: {last}), {copied.cases:,} cases"
    )
