"""``qos-monitor import oneroster-rest`` and ``nrps``: rosters that another system gives over HTTP."""

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

import aiohttp
from yarl import URL

from qos_monitor import clock as clocks
from qos_monitor import documents, settings
from qos_monitor.clock import Clock
from qos_monitor.errors import SettingsError
from qos_monitor.importing import arrival, enrolling, nrps, oneroster_rest
from qos_monitor.importing.credentials import Grant, PrivateKey, SharedSecret
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import counted
from qos_monitor.importing.oneroster_records import Mapped
from qos_monitor.importing.remote import Remote, is_safe
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from rules.document import Invalid, Problem

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names it no other way
_T = TypeVar("_T")
_TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=10.0, sock_read=30.0)


def add_to(kinds: Kinds, people: list[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    """Put the systems that are asked into the command line."""
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--token-url", required=True, metavar="URL", help="where the system gives tokens (OAuth 2)")
    rest = kinds.add_parser("oneroster-rest", parents=[*people, asked], help="courses, from OneRoster 1.2 over REST")
    rest.add_argument("url", metavar="URL", help="all before /users, such as …/ims/oneroster/rostering/v1p2")
    rest.add_argument("--scope", default=oneroster_rest.SCOPE, metavar="TEXT", help="scopes, separated by spaces")
    rest.add_argument("--limit", type=int, default=1000, metavar="N", help="records a page (1000)")
    rest.add_argument("--active-only", action="store_true", help="ask with filter=status='active'")
    rest.add_argument("--save", type=Path, metavar="ZIP", help="write what was read, to be used as --groups")
    rest.set_defaults(run=_oneroster_rest)
    parser = kinds.add_parser("nrps", parents=[shared, asked], help="who is in the classes of a course, from LTI NRPS")
    parser.add_argument("url", metavar="URL", help="context_memberships_url of the course")
    parser.add_argument(
        "--course", required=True, metavar="ID", help="the course of the roster whose classes they join"
    )
    parser.add_argument("--classes", default="*", metavar="GLOB", help="only classes of the course with such ids (*)")
    parser.add_argument("--client-id", required=True, metavar="ID", help="our client id on the platform")
    parser.add_argument("--key-id", metavar="ID", help="kid of our key in the set we publish")
    parser.add_argument("--audience", metavar="TEXT", help="aud of our assertion (the token URL)")
    parser.add_argument("--scope", default=nrps.SCOPE, metavar="TEXT", help="scopes, separated by spaces")
    parser.add_argument("--person", choices=nrps.PERSON_KEYS, default="user_id", help="what of a member is the id")
    parser.add_argument("--keep-teachers", action="store_true", help="leave the teachers to the timetable")
    parser.add_argument("--differences", type=Path, metavar="FILE", help="keep here where to ask for changes next time")
    parser.set_defaults(run=_nrps)


def _oneroster_rest(options: argparse.Namespace) -> int:
    given = settings.load(os.environ, options.config)
    if given.oneroster_client is None:
        raise SettingsError(["QOS_ONEROSTER_CLIENT: nothing was given; client id and secret of this system are wanted"])
    if not 1 <= options.limit <= oneroster_rest.LIMIT_MAX:
        raise Invalid([Problem("--limit", f"must be from 1 to {oneroster_rest.LIMIT_MAX}")])
    base = _url("URL", options.url)
    grant = SharedSecret(*given.oneroster_client, options.scope)
    draft, told = asyncio.run(_read_records(given, options, base, grant))
    outcome = asyncio.run(_imported(given, draft, is_dry=options.dry_run))
    print(json.dumps({"dry_run": options.dry_run, **outcome.as_json(), **told}, indent=2, ensure_ascii=False))
    return 0


async def _read_records(
    given: Settings, options: argparse.Namespace, base: URL, grant: Grant
) -> tuple[Draft, dict[str, object]]:
    async def ask(remote: Remote) -> dict[str, list[object]]:
        found = await oneroster_rest.fetched(remote, base, options.limit, is_active_only=options.active_only)
        return dict(found)

    records = await _asking(given, options.token_url, grant, ask)
    draft, groups, lines = oneroster_rest.read(records, Mapped(options.person, options.course_is))
    draft.roster()  # what is wrong is told before anything is saved
    if options.save is not None:
        _write(options.save, oneroster_rest.as_delivery(lines))
    return draft, {"groups": counted(groups)}


async def _imported(given: Settings, draft: Draft, *, is_dry: bool) -> arrival.Outcome:
    async with storage.opened(given.database_url) as engine:
        return await arrival.imported(engine, draft, _clock(given), whole=None, is_dry=is_dry)


def _nrps(options: argparse.Namespace) -> int:
    given = settings.load(os.environ, options.config)
    if given.lti_private_key is None:
        raise SettingsError(["QOS_LTI_PRIVATE_KEY: nothing was given; the key we sign with is wanted"])
    audience = options.audience or options.token_url
    grant = PrivateKey(options.client_id, given.lti_private_key, options.key_id, audience, options.scope)
    url = _url("URL", options.url)
    since = _differences(options.differences, url)
    container = asyncio.run(_asking(given, options.token_url, grant, lambda remote: nrps.fetched(remote, since or url)))
    draft = Draft()
    people = nrps.read(container.pages, options.person, draft)
    draft.roster()
    target = enrolling.Target(options.course, options.classes, options.keep_teachers)
    outcome = asyncio.run(_enrolled(given, people, target, is_delta=since is not None, is_dry=options.dry_run))
    if options.differences is not None and container.differences is not None and not options.dry_run:
        _write(options.differences, f"{container.differences}\n".encode())
    told = {"dry_run": options.dry_run, **outcome.as_json(), "skipped": draft.skipped}
    print(json.dumps({**told, "is_whole": since is None}, indent=2, ensure_ascii=False))
    return 0


async def _enrolled(
    given: Settings, people: Mapping[str, nrps.Person], target: enrolling.Target, *, is_delta: bool, is_dry: bool
) -> enrolling.Outcome:
    async with storage.opened(given.database_url) as engine:
        return await enrolling.imported(engine, people, target, _clock(given), is_delta=is_delta, is_dry=is_dry)


def _differences(file: Path | None, url: URL) -> URL | None:
    """Read where to ask for what changed since the last time; None where there was none."""
    if file is None or not file.exists():
        return None
    kept = documents.read_bytes(file).decode("utf-8", "replace").strip()
    found = _url(str(file), kept)
    if found.origin() != url.origin():
        raise Invalid([Problem(str(file), "holds the address of another server: remove it to ask for everyone")])
    return found


async def _asking(given: Settings, token_url: str, grant: Grant, ask: Callable[[Remote], Awaitable[_T]]) -> _T:
    async with aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await ask(Remote(session, _url("--token-url", token_url), grant, _clock(given)))


def _url(option: str, text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if not is_safe(url) or not url.host or url.user is not None:
        raise Invalid([Problem(option, "must be an https address without a password (http to this machine alone)")])
    return url


def _clock(given: Settings) -> Clock:
    return clocks.from_setting(given.clock_file)


def _write(file: Path, body: bytes) -> None:
    """Write a file whole or not at all, for our own eyes."""
    beside = file.with_name(f"{file.name}.new")
    try:
        beside.touch(mode=0o600)
        beside.write_bytes(body)
        beside.replace(file)
    except OSError as error:
        raise Invalid([Problem(str(file), f"cannot be written ({error.strerror})")]) from None
