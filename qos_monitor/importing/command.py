"""``qos-monitor import``: what each kind of file needs to be told, and what it does to the roster."""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from datetime import datetime, time
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from qos_monitor import clock as clocks
from qos_monitor import documents, settings
from qos_monitor import identities as names
from qos_monitor.access import audit
from qos_monitor.importing import arrival, calendar, delivery, identity_sheet, oneroster, remote_command, sheets
from qos_monitor.importing.calendar_options import CalendarOptions
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups, counted
from qos_monitor.importing.oneroster_records import COURSE_RECORDS, PERSON_COLUMNS, Mapped
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from rules.document import Invalid, Problem
from rules.span import DAY, Instant, Span, parse_instant

_WINDOW_MAX = 400 * DAY
"""A school year and some more: a daily series expanded over centuries would be millions of classes."""

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names it no other way


def add_to(kinds: Kinds, configured: argparse.ArgumentParser) -> None:
    """Put the kinds of file into the command line."""
    shared = argparse.ArgumentParser(add_help=False, parents=[configured])
    shared.add_argument("--dry-run", action="store_true", help="only tell what would change")
    people = argparse.ArgumentParser(add_help=False)
    people.add_argument("--person", choices=PERSON_COLUMNS, default="sourcedId", help="what of a user is the id")
    people.add_argument(
        "--course-is", choices=COURSE_RECORDS, default="course", help="which OneRoster record is a course"
    )
    timed = argparse.ArgumentParser(add_help=False)
    timed.add_argument(
        "--groups",
        type=Path,
        action="append",
        metavar="PATH",
        help="OneRoster folder or zip that says who is in a group; again for each delta after it",
    )
    timed.add_argument("--zone", metavar="ZONE", help="time zone, such as Asia/Shanghai, of times that name none")
    timed.add_argument("--whole", action="store_true", help="a stored class that is in the files no more has ended")
    _add_csv(kinds, [shared, people, timed])
    _add_ical(kinds, [shared, people, timed])
    parser = kinds.add_parser("oneroster", parents=[shared, people], help="courses, from OneRoster 1.2 CSV")
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="folder or zip: a bulk one, then its deltas"
    )
    parser.set_defaults(run=_oneroster)
    remote_command.add_to(kinds, [shared, people], shared)
    parser = kinds.add_parser("identities", parents=[shared], help="whose a provider's uid or account is, as CSV")
    parser.add_argument("file", type=Path, metavar="FILE", help="columns provider, name, person_id")
    parser.set_defaults(run=_identities)


def _add_csv(kinds: Kinds, parents: list[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser("csv", parents=parents, help="courses, enrolments and classes, as CSV")
    for table in sheets.COLUMNS:
        parser.add_argument(f"--{table}", type=Path, metavar="FILE")
    parser.add_argument("--from", dest="begins", metavar="T", help="with --whole: the span the files are whole in")
    parser.add_argument("--until", metavar="T")
    parser.set_defaults(run=_csv)


def _add_ical(kinds: Kinds, parents: list[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser("ical", parents=parents, help="classes, from iCalendar")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--from", dest="begins", metavar="T", required=True, help="a day, or an instant")
    parser.add_argument("--until", metavar="T", required=True, help="a day, or an instant; not included")
    template = "template where the event has no property for it"
    for option in ("course", "provider", "room", "teacher", "group"):
        parser.add_argument(f"--{option}", metavar="TEXT", help=template)
    parser.add_argument("--class-id", metavar="TEXT", default="{uid}{instance}", help="template of the class's id")
    parser.add_argument("--category", metavar="NAME", help="only events of this category are lessons")
    parser.add_argument("--local-part", action="store_true", help="a person's id is what stands before the @")
    parser.set_defaults(run=_ical)


def _csv(options: argparse.Namespace) -> int:
    named = {table: getattr(options, table) for table in sheets.COLUMNS}
    given = {table: file for table, file in named.items() if file is not None}
    if not given:
        raise Invalid([Problem("import csv", "needs at least one of --courses, --enrolments and --classes")])
    zone = _zone(options.zone)
    if options.whole and not (options.begins and options.until and options.classes):
        raise Invalid([Problem("--whole", "needs --classes, and the span it speaks of: --from and --until")])
    bodies = {table: (str(file), documents.read_bytes(file)) for table, file in given.items()}
    draft = sheets.read(bodies, _groups(options), zone)
    return _arrive(options, draft, _window(options, zone) if options.whole else None)


def _ical(options: argparse.Namespace) -> int:
    zone = _zone(options.zone)
    window = _window(options, zone)
    told = CalendarOptions(
        begins_at=window.start,
        ends_at=window.end,
        zone=zone,
        class_id=options.class_id,
        course=options.course,
        provider=options.provider,
        room=options.room,
        teacher=options.teacher,
        group=options.group,
        category=options.category,
        is_local_part=options.local_part,
        groups=_groups(options) or {},
    )
    draft = calendar.read(str(options.file), documents.read_bytes(options.file), told)
    return _arrive(options, draft, window if options.whole else None)


def _oneroster(options: argparse.Namespace) -> int:
    draft, groups = oneroster.read_all(_deliveries(options.paths), Mapped(options.person, options.course_is))
    return _arrive(options, draft, None, {"groups": counted(groups)})


def _identities(options: argparse.Namespace) -> int:
    found = identity_sheet.read(str(options.file), documents.read_bytes(options.file))
    given = settings.load(os.environ, options.config)
    planned = asyncio.run(_named(given, found, is_dry=options.dry_run))
    print(json.dumps({"dry_run": options.dry_run, **planned}, indent=2, ensure_ascii=False))
    return 0


async def _named(given: Settings, found: list[names.Identity], *, is_dry: bool) -> dict[str, object]:
    clock = clocks.from_setting(given.clock_file)
    async with storage.opened(given.database_url) as engine:
        return (await names.imported(engine, found, clock, audit.of_command(), is_dry=is_dry)).as_json()


def _deliveries(paths: list[Path]) -> list[tuple[str, Mapping[str, bytes]]]:
    return [(f"{path}/", delivery.opened(path)) for path in paths]


def _groups(options: argparse.Namespace) -> Groups | None:
    if options.groups is None:
        return None
    mapped = Mapped(options.person, options.course_is)
    draft, groups = oneroster.read_all(_deliveries(options.groups), mapped, must_be_whole=True)
    draft.roster()
    return groups


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # LookupError: ZoneInfoNotFoundError is a KeyError
        raise Invalid([Problem("--zone", "must be the name of a time zone, such as Asia/Shanghai")]) from None


def _window(options: argparse.Namespace, zone: ZoneInfo | None) -> Span:
    low, high = _moment("--from", options.begins, zone), _moment("--until", options.until, zone)
    if not low < high <= low + _WINDOW_MAX:
        raise Invalid([Problem("--until", f"must be later than --from, and at most {_WINDOW_MAX // DAY} days")])
    return Span(low, high)


def _moment(option: str, text: str, zone: ZoneInfo | None) -> Instant:
    """Read an instant, or a day: its first moment in ``--zone`` (UTC without one)."""
    try:
        if len(text) != 10:
            return parse_instant(text)
        day = datetime.combine(datetime.fromisoformat(text).date(), time(), zone or ZoneInfo("UTC"))
        return int(day.timestamp()) * 1000
    except (ValueError, OverflowError):
        raise Invalid(
            [Problem(option, "must be a day such as 2026-11-02, or an instant such as 2026-11-02T11:00Z")]
        ) from None


def _arrive(
    options: argparse.Namespace, draft: Draft, whole: Span | None, more: dict[str, object] | None = None
) -> int:
    given = settings.load(os.environ, options.config)
    outcome = asyncio.run(_imported(given, draft, whole, is_dry=options.dry_run))
    told = {"dry_run": options.dry_run, **outcome.as_json(), **(more or {})}
    print(json.dumps(told, indent=2, ensure_ascii=False))
    return 0


async def _imported(given: Settings, draft: Draft, whole: Span | None, *, is_dry: bool) -> arrival.Outcome:
    clock = clocks.from_setting(given.clock_file)
    async with storage.opened(given.database_url) as engine:
        return await arrival.imported(engine, draft, clock, whole=whole, is_dry=is_dry)
