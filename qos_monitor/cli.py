"""The command line: each command is a thin call into its room."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import uvloop

from collectors.beacon import token
from qos_monitor import (
    backup_commands,
    bootstrap,
    checking,
    documents,
    forget_commands,
    from_settings,
    live_check,
    mapping_commands,
    release,
    replay_commands,
    reread_commands,
    roster,
    settings,
    supervising,
)
from qos_monitor import clock as clocks
from qos_monitor.access import audit
from qos_monitor.access import commands as access_commands
from qos_monitor.claims import proof
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.command_line import Commands
from qos_monitor.doctor import command as doctor
from qos_monitor.errors import QosError, SettingsError, SourceTrouble, StorageTrouble
from qos_monitor.importing import command as importing
from qos_monitor.in_force import Source
from qos_monitor.place import Place, ServiceRole
from qos_monitor.settings import Settings
from qos_monitor.simulation import demo
from qos_monitor.storage import engine as storage
from rules import judge, report, world
from rules import policy as policies
from rules.document import Invalid, Problem
from rules.observation import Role
from rules.span import SECOND, Instant, parse_instant
from rules.world import World

WRONG_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answer its exit code: 0 good, 1 not good, 2 wrong input (told on standard error)."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["demo"]:  # the demo has options of its own
        return _run(demo.run(given[1:]))
    options = _parser().parse_args(given)
    try:
        code: int = options.run(options)
    except (Invalid, QosError) as error:
        for problem in getattr(error, "problems", (error,)):
            print(problem, file=sys.stderr)
        return 1 if isinstance(error, StorageTrouble | SourceTrouble) else WRONG_INPUT
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qos-monitor", description="Settles, unasked, what learners are owed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; the environment goes first")

    serve = commands.add_parser("serve", parents=[configured], help="run the service")
    serve.add_argument("--role", choices=list(ServiceRole), type=ServiceRole, help="what this process does (QOS_ROLE)")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="so many processes on one port (1)")
    for name in ("--process", "--shared-port"):  # what one of several is told by its parent
        serve.add_argument(name, type=int, help=argparse.SUPPRESS)
    serve.set_defaults(run=_serve)
    check = commands.add_parser("check", parents=[configured], help="tell what is configured and what is missing")
    check.add_argument("--live", metavar="PROVIDER", help="try this provider's credentials with one harmless question")
    check.set_defaults(run=_check)
    _add_judge(commands)
    _add_token(commands, configured)
    _add_import(commands, configured)
    mapping_commands.add_to(commands, configured)
    backup_commands.add_to(commands, configured)
    access_commands.add_to(commands, configured)
    forget_commands.add_to(commands, configured)
    doctor.add_to(commands, configured)
    replay_commands.add_to(commands, configured)
    reread_commands.add_to(commands, configured)
    verify = commands.add_parser("verify", help="recompute bundles of evidence, and say equal or what differs")
    verify.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="several: oldest first, as a chain")
    verify.add_argument("--sha256", metavar="HEX", help="the hash that the claim carries of the (last) bundle")
    verify.set_defaults(run=_verify)
    commands.add_parser("demo", help="a school with planted faults, watched by the real service")
    told = commands.add_parser("version", help="tell the version")
    told.set_defaults(run=_version)
    return parser


def _add_judge(commands: Commands) -> None:
    judged = commands.add_parser("judge", help="judge a world file; needs no database")
    judged.add_argument("world", type=Path, metavar="WORLD.json")
    judged.add_argument("--as-of", metavar="T", help="the instant to judge as of, such as 2026-11-02T11:00:00Z (now)")
    judged.add_argument("--policy", type=Path, metavar="FILE", help="a policy.toml instead of the one delivered")
    judged.add_argument("--format", choices=("json", "text"), default="json")
    judged.set_defaults(run=_judge)


def _add_token(commands: Commands, configured: argparse.ArgumentParser) -> None:
    minted = commands.add_parser("token", parents=[configured], help="mint a beacon token for one person in one class")
    minted.add_argument("--learner", required=True, metavar="ID", help="the person's id, as in the roster")
    minted.add_argument("--class", required=True, metavar="ID", dest="class_id")
    minted.add_argument("--role", choices=[role.value for role in Role], default=Role.LEARNER.value)
    minted.add_argument("--ttl-s", type=int, default=4 * 3600, help="seconds it is good for (14400)")
    minted.set_defaults(run=_token)


def _add_import(commands: Commands, configured: argparse.ArgumentParser) -> None:
    imported = commands.add_parser("import", help="take in a file")
    kinds = imported.add_subparsers(required=True, metavar="KIND")
    of_school = kinds.add_parser("roster", parents=[configured], help="courses, enrolments and classes, as JSON")
    of_school.add_argument("file", type=Path, metavar="FILE")
    of_school.add_argument("--dry-run", action="store_true", help="only tell what would change")
    of_school.set_defaults(run=_import_roster)
    importing.add_to(kinds, configured)


def _settings(options: argparse.Namespace) -> Settings:
    return settings.load(os.environ, options.config)


def _run(work: Coroutine[None, None, int | None]) -> int:
    """Run to the end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work) or 0


def _serve(options: argparse.Namespace) -> int:
    given = _settings(options)
    role = given.role if options.role is None else options.role
    source = Source(dict(os.environ), options.config)
    if options.workers < 1:
        raise Invalid([Problem("--workers", f"must be 1 or more processes, not {options.workers}")])
    if options.workers > 1:
        return _run(supervising.supervise(given, supervising.Group(options.workers, role, options.config)))
    return _run(bootstrap.serve(given, source, Place(role, options.process, options.shared_port)))


def _check(options: argparse.Namespace) -> int:
    try:
        given = _settings(options)
    except SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    if options.live is not None:
        return _check_live(given, options.live)
    found = asyncio.run(checking.findings(given))
    for name, value in settings.shown(given).items():
        print(f"        {name}={value}")
    for finding in found:
        print(finding)
    return 0 if checking.is_ready(found) else 1


def _check_live(given: Settings, provider: str) -> int:
    found = asyncio.run(live_check.lines(given, provider, clocks.from_setting(given.clock_file)))
    for line in found:
        print(line)
    return 0 if live_check.is_working(found) else 1


def _judge(options: argparse.Namespace) -> int:
    as_of = clocks.SystemClock().now() if options.as_of is None else _instant(options.as_of)
    policy = from_settings.policy_of(options.policy)
    given = world.read_world(documents.read_json(options.world))
    judgement = judge.judge(given, as_of, policy, is_working_day_in_china)
    if options.format == "text":
        print(report.text(judgement, ZoneInfo(policy.deadlines.zone)), end="")
    else:
        print(json.dumps(judgement.as_json(), indent=2, ensure_ascii=False))
    return 0


def _instant(text: str) -> Instant:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise Invalid([Problem("--as-of", str(error))]) from None


def _token(options: argparse.Namespace) -> int:
    given = _settings(options)
    if not given.beacon_secrets:
        raise SettingsError(["QOS_BEACON_SECRETS: nothing was given; the secret that signs tokens is wanted"])
    if options.ttl_s < 1:
        raise Invalid([Problem("--ttl-s", f"must be 1 or more seconds, not {options.ttl_s}")])
    expires_at = clocks.from_setting(given.clock_file).now() + options.ttl_s * SECOND
    secret, role = given.beacon_secrets[0], Role(options.role)
    try:
        print(token.mint(secret, options.learner, options.class_id, expires_at, role))
    except ValueError as error:
        raise Invalid([Problem("token", str(error))]) from None
    return 0


def _import_roster(options: argparse.Namespace) -> int:
    given = world.read_roster(documents.read_json(options.file))
    planned = asyncio.run(_imported(_settings(options), given, is_dry=options.dry_run))
    print(json.dumps({"dry_run": options.dry_run, **planned}, indent=2, ensure_ascii=False))
    return 0


async def _imported(in_force: Settings, given: World, *, is_dry: bool) -> dict[str, object]:
    clock = clocks.from_setting(in_force.clock_file)
    async with storage.opened(in_force.database_url) as engine:
        return (await roster.imported(engine, given, clock, audit.of_command(), is_dry=is_dry)).as_json()


def _verify(options: argparse.Namespace) -> int:
    files = [proof.File(str(path), documents.read_bytes(path)) for path in options.bundles]
    found = proof.examine(files, options.sha256)
    print("\n".join(found.lines))
    return 0 if found.is_good else 1


def _version(_options: argparse.Namespace) -> int:
    print(f"qos-monitor {release.version()}, rules {policies.default().rule_version}")
    return 0
