"""Sets the demo up: a folder, a clock file, a refund system in this process, the service in its own."""

import secrets
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from qos_monitor import clock
from qos_monitor.claims.receiver import Receiver
from qos_monitor.simulation.driver import Driver
from qos_monitor.simulation.post import Keys
from qos_monitor.simulation.school import MIDNIGHT
from qos_monitor.simulation.score import Score
from qos_monitor.simulation.service import NotServing, RunningService
from rules.span import DAY

CLOCK = "clock"
"""The file that holds the time of the play."""
TICK_S = "0.05"
TOKEN = "demo-token-of-the-cases"  # noqa: S105 - printed on purpose, and good on this machine alone
KEYS = Keys(
    agora="demo-ncs-secret-of-agora",
    livekit=("APIdemo", "demo-secret-of-livekit-32-bytes-long"),
    beacon="demo-secret-of-the-beacon-32-bytes",
    observations="demo-token-of-the-backend",
)
ROSTER_TOKEN = "demo-token-of-the-roster"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that plays a part."""

    folder: Path
    service: RunningService
    receiver: Receiver
    receiver_url: str
    session: aiohttp.ClientSession
    driver: Driver
    status_secret: str
    score: Score


@asynccontextmanager
async def stage(folder: Path, port: int, more: Mapping[str, str] | None = None) -> AsyncIterator[Stage]:
    """Set up in this (new) folder, and take down in order: the service first, so that it can still file.

    ``port`` is the service's; a free one is taken where it is 0 or in use. ``more`` are settings of the service
    beside the demo's, or in their place.
    """
    clock_file = folder / CLOCK
    clock.drive(clock_file, MIDNIGHT - DAY)
    claim_secret, status_secret = _whsec(), _whsec()
    # The clock moves ten minutes at a time, perhaps while a claim is on its way.
    receiver = Receiver([claim_secret], now=clock.DrivenClock(clock_file).now, tolerance_s=3600)
    app, score = receiver.app(), Score(receiver)
    app.router.add_get("/metrics", score.metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver_url = f"http://127.0.0.1:{runner.addresses[0][1]}/claims"
    settings = _settings(folder, clock_file, port) | {
        "QOS_CLAIMS_URL": receiver_url,
        "QOS_CLAIMS_SECRETS": claim_secret,
        "QOS_STATUS_SECRETS": status_secret,
        **(more or {}),
    }
    service = RunningService(settings, folder / "service.log")
    try:
        async with aiohttp.ClientSession() as session:
            await service.start()
            driver = Driver(session, service, clock_file)
            yield Stage(folder, service, receiver, receiver_url, session, driver, status_secret, score)
    finally:
        await service.stop()
        await runner.cleanup()


def _settings(folder: Path, clock_file: Path, port: int) -> dict[str, str]:
    port = _free_port(port)
    return {
        "QOS_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'qos-monitor.sqlite3'}",
        "QOS_PORT": str(port),
        "QOS_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "QOS_CLOCK_FILE": str(clock_file),
        "QOS_TICK_S": TICK_S,
        "QOS_LOG_LEVEL": "info",
        "QOS_AGORA_SECRETS": KEYS.agora,
        "QOS_LIVEKIT_KEYS": ":".join(KEYS.livekit),
        "QOS_BEACON_SECRETS": KEYS.beacon,
        "QOS_OBSERVATIONS_TOKEN": KEYS.observations,
        "QOS_ROSTER_TOKEN": ROSTER_TOKEN,
        "QOS_CASES_TOKEN": TOKEN,
    }


def _whsec() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


def _free_port(wanted: int) -> int:
    """Take the port that is wanted, or any where it is in use: links in claims need it before the service starts."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise NotServing("no port is free on 127.0.0.1")
