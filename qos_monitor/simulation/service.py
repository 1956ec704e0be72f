"""The real service as a process of its own: started, looked at from outside, stopped."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from qos_monitor.errors import QosError

_START_S, _STOP_S, _STEP_S = 30.0, 20.0, 0.05


class NotServing(QosError):  # noqa: N818 - a state, told to whoever watches
    """The service did not start, or ended by itself; its log says why."""


class RunningService:
    """One `qos-monitor serve` with its own settings and its log in a file."""

    def __init__(self, settings: Mapping[str, str], log: Path) -> None:
        """Keep what is needed to start; nothing runs yet."""
        self._settings = settings
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Start it and wait until it listens. Raises NotServing with the end of its log."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("QOS_")}
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "qos_monitor",
                "serve",
                stderr=log,
                stdout=log,
                env=environ | dict(self._settings),
                start_new_session=True,  # Ctrl-C is ours; we stop it in our own order
            )
        for _ in range(round(_START_S / _STEP_S)):
            self.check()
            port = self._port()
            if port is not None:
                self.url = f"http://127.0.0.1:{port}"
                return
            await asyncio.sleep(_STEP_S)
        raise NotServing(f"the service did not listen within {_START_S:g} s; its log is {self._log}")

    def check(self) -> None:
        """Raise NotServing where the process has ended."""
        if self._process is None or self._process.returncode is not None:
            last = self._log.read_text(encoding="utf-8").splitlines()[-3:]
            raise NotServing("\n".join(["the service ended by itself:", *last, f"its log is {self._log}"]))

    async def stop(self) -> int | None:
        """Ask it to stop, wait, and answer its exit code; None where it never ran."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), _STOP_S)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def _port(self) -> int | None:
        for line in self._log.read_text(encoding="utf-8").splitlines():
            if '"listening"' in line:
                return int(json.loads(line)["port"])
        return None


class Meter:
    """Reads the service's own metrics, as Prometheus would."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Look at the service behind this URL."""
        self._session = session
        self._url = f"{url}/metrics"

    async def read(self, query: str = "") -> Mapping[str, float]:
        """Read every sample by its name and labels, as written; ``query`` says whose alone."""
        async with self._session.get(f"{self._url}{query}") as response:
            text = await response.text()
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def runs(self, job: str) -> float:
        """Count the runs of a background job that have ended."""
        samples = await self.read("?from=process")
        return sum(value for name, value in samples.items() if name.startswith(f'qos_job_runs_total{{job="{job}"'))
