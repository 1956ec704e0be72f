"""The unit is one that systemd takes, lets the service do what it needs, and little else."""

import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from qos_monitor.claims.http import TIMEOUT_S

UNIT = Path(__file__).parents[2] / "docs" / "systemd" / "qos-monitor.service"
EXPOSED_MAX = 25
"""Tenths of what `systemd-analyze security` gives a service without any protection (96)."""


@pytest.fixture
def unit() -> RawConfigParser:
    """Read it; keys that stand twice add up, the last is kept here."""
    read = RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    read.optionxform = str  # type: ignore[assignment, method-assign]  # names of systemd have capitals
    read.read(UNIT, encoding="utf-8")
    return read


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Give a copy whose program is there: systemd looks for it."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/qos-monitor/bin/qos-monitor", sys.executable))
    return copy


def analysed(*words: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_it_without_a_word(installed: Path) -> None:
    assert analysed("verify", "--man=no", "--recursive-errors=no", installed) == ""


def test_it_is_exposed_as_little_as_a_service_on_the_network_can_be(installed: Path) -> None:
    analysed("security", "--offline=true", f"--threshold={EXPOSED_MAX}", installed)


def test_it_waits_for_as_long_as_stopping_may_take(unit: RawConfigParser) -> None:
    service = unit["Service"]

    assert int(service["TimeoutStopSec"]) > TIMEOUT_S
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")


def test_what_it_writes_is_in_its_own_folder(unit: RawConfigParser) -> None:
    service = unit["Service"]

    assert service["ProtectSystem"] == "strict"
    assert f"/var/lib/{service['StateDirectory']}/" in service["Environment"]
    assert service["NoNewPrivileges"] == "yes"
