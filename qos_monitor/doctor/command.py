"""``qos-monitor doctor``: one line for each thing looked at; exit code 1 where something must be done now."""

import argparse
import asyncio
import json
import os

from qos_monitor import clock as clocks
from qos_monitor import settings
from qos_monitor.command_line import Commands
from qos_monitor.doctor import visit
from qos_monitor.doctor.finding import Finding, Level
from qos_monitor.errors import SettingsError


def add_to(commands: Commands, configured: argparse.ArgumentParser) -> None:
    """Put it into the command line."""
    asked = commands.add_parser("doctor", parents=[configured], help="look at everything, and say what to do")
    asked.add_argument("--json", action="store_true", help="for a program")
    asked.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    found = _found(options)
    if options.json:
        print(json.dumps({"findings": [one.as_json() for one in found]}, indent=2))
    else:
        print("\n".join(map(str, found)))
    return 1 if any(one.level is Level.FAIL for one in found) else 0


def _found(options: argparse.Namespace) -> list[Finding]:
    try:
        given = settings.load(os.environ, options.config)
        now = clocks.from_setting(given.clock_file).now()
        return asyncio.run(visit.findings(given, now))
    except SettingsError as error:
        advice = "See the README's table of settings"
        return [Finding("settings", Level.FAIL, problem, advice) for problem in error.problems]
