"""The ten recorded days with what the recording rules make of them, in a Prometheus; recorded once for a test run."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import played_alerts
import prometheus_lab as lab
import pytest
import recorded_school
from recorded_school import ENDS_AT

from qos_monitor.simulation.school import MIDNIGHT
from rules.span import HOUR, SECOND

BEGINS_S = (MIDNIGHT + 16 * HOUR) / SECOND
ENDS_S = ENDS_AT / SECOND
LOOKBACK = "15m"
"""Longer than a sample may be old: there is one every ten minutes at least."""
_DONE = "recorded"


def make(folder: Path) -> None:
    """Record the school into this folder, let the rules run over it, and keep it all as blocks."""
    for file in asyncio.run(recorded_school.record(folder)):
        lab.make_blocks(folder, file)
    for number, layer in enumerate(played_alerts.layers()):
        file = folder / f"rules-{number}.txt"
        with server(folder) as running:
            played_alerts.record(running, layer, (BEGINS_S, ENDS_S), file)
        lab.make_blocks(folder, file)
    with server(folder) as running:
        played_alerts.record_alerts(played_alerts.firings(running, BEGINS_S, ENDS_S), folder / "alerts.txt")
    lab.make_blocks(folder, folder / "alerts.txt")


@contextmanager
def server(folder: Path) -> Iterator[lab.Prometheus]:
    """Answer questions about a past that was made."""
    with lab.prometheus(folder, lookback=LOOKBACK) as running:
        yield running


def recorded(factory: pytest.TempPathFactory) -> Path:
    """Give the folder of this test run's one recording, whichever of its processes makes it."""
    base = factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "recorded-school"
    made.mkdir(exist_ok=True)
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / _DONE).exists():
            make(made)
            (made / _DONE).touch()
    return made


@contextmanager
def shared(factory: pytest.TempPathFactory) -> Iterator[lab.Prometheus]:
    """Answer questions about the one recording; every process has a copy, for two servers cannot share a folder."""
    mine = factory.mktemp("past")
    shutil.copytree(recorded(factory) / "tsdb", mine / "tsdb")
    with server(mine) as running:
        yield running
