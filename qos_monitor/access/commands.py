"""``qos-monitor keys`` and ``qos-monitor audit``: who may do what, and who did what."""

import argparse
import asyncio
import json
import os
from collections.abc import Sequence

from qos_monitor import clock as clocks
from qos_monitor import settings
from qos_monitor.access import audit, keys
from qos_monitor.access.audit import Entry
from qos_monitor.access.keys import Key
from qos_monitor.access.scopes import Scope
from qos_monitor.command_line import Commands
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from rules.document import Invalid, Problem
from rules.span import DAY, Instant, parse_instant

DAYS_MAX: int = 3_660


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put both into the command line."""
    grouped = commands.add_parser("keys", help="make, list and revoke the keys that open the API and the console")
    kinds = grouped.add_subparsers(required=True, metavar="WHAT")
    made = kinds.add_parser("create", parents=[configured], help="make a key; it is shown once, on standard output")
    made.add_argument("name", metavar="NAME", help="whose it is, such as timetable or li-wei")
    scopes = ", ".join(Scope)
    made.add_argument("--scope", action="append", choices=list(Scope), required=True, help=f"{scopes}; may be repeated")
    made.add_argument("--days", type=int, metavar="N", help="it ends after so many days (never)")
    made.add_argument("--expires", metavar="T", help="it ends at this instant, such as 2027-01-31T00:00:00Z")
    made.set_defaults(run=_create)
    listed = kinds.add_parser("list", parents=[configured], help="list every key there ever was, without its secret")
    listed.set_defaults(run=_list)
    ended = kinds.add_parser("revoke", parents=[configured], help="end a key; within seconds it opens nothing")
    ended.add_argument("id", metavar="ID")
    ended.add_argument("--reason", required=True, metavar="TEXT", help="kept in the audit trail")
    ended.set_defaults(run=_revoke)
    shown = commands.add_parser("audit", parents=[configured], help="show who changed what, and check the chain")
    shown.add_argument("--limit", type=int, default=50, metavar="N", help="so many of the newest entries (50)")
    shown.add_argument("--before", type=int, metavar="SEQ", help="older ones, from before this number")
    shown.set_defaults(run=_audit)


def _create(options: argparse.Namespace) -> int:
    given = settings.load(os.environ, options.config)
    if options.days is not None and options.expires is not None:
        raise Invalid([Problem("--expires", "goes without --days")])
    if options.days is not None and not 1 <= options.days <= DAYS_MAX:
        raise Invalid([Problem("--days", f"must be from 1 to {DAYS_MAX}")])
    key, text = asyncio.run(_created(given, options))
    print(text)
    return 0 if key.is_good(key.created_at) else 1


async def _created(given: Settings, options: argparse.Namespace) -> tuple[Key, str]:
    now = clocks.from_setting(given.clock_file).now()
    expires_at = _instant(options.expires) if options.days is None else now + options.days * DAY
    async with storage.opened(given.database_url) as engine, storage.writing(engine) as conn:
        scopes = [Scope(scope) for scope in options.scope]
        return await keys.create(conn, options.name, scopes, expires_at, (audit.of_command(), now))


def _instant(text: str | None) -> Instant | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise Invalid([Problem("--expires", str(error))]) from None


def _list(options: argparse.Namespace) -> int:
    found = asyncio.run(_listed(settings.load(os.environ, options.config)))
    print(json.dumps({"keys": [key.as_json() for key in found]}, indent=2, ensure_ascii=False))
    return 0


async def _listed(given: Settings) -> Sequence[Key]:
    async with storage.opened(given.database_url) as engine, storage.reading(engine) as conn:
        return await keys.listed(conn)


def _revoke(options: argparse.Namespace) -> int:
    if not options.reason.strip():
        raise Invalid([Problem("--reason", "must say why")])
    is_new = asyncio.run(_revoked(settings.load(os.environ, options.config), options.id, options.reason.strip()))
    print("revoked; no process believes it after a few seconds" if is_new else "it had been revoked before")
    return 0


async def _revoked(given: Settings, key_id: str, why: str) -> bool:
    now = clocks.from_setting(given.clock_file).now()
    async with storage.opened(given.database_url) as engine, storage.writing(engine) as conn:
        return await keys.revoke(conn, key_id, why, audit.of_command(), now)


def _audit(options: argparse.Namespace) -> int:
    if not 1 <= options.limit <= audit.PAGE_MAX:
        raise Invalid([Problem("--limit", f"must be from 1 to {audit.PAGE_MAX}")])
    entries, broken = asyncio.run(_shown(settings.load(os.environ, options.config), options))
    told = {"entries": [entry.as_json() for entry in entries], "first_broken": broken}
    print(json.dumps(told, indent=2, ensure_ascii=False))
    return 0 if broken is None else 1


async def _shown(given: Settings, options: argparse.Namespace) -> tuple[list[Entry], int | None]:
    async with storage.opened(given.database_url) as engine, storage.reading(engine) as conn:
        return await audit.page(conn, options.before, options.limit), await audit.first_broken(conn)
