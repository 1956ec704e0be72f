"""The real service as a process of its own, for tests that stop it, kill it, and start it again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

START_S_MAX = 60


@dataclass
class Running:
    """One process of `qos-monitor serve`."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """Ask it to stop; answer its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def events(self) -> list[dict[str, object]]:
        """Read what it logged."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


def next_log(folder: Path) -> Path:
    """Name a file of its own for each start."""
    return folder / f"serve-{len(list(folder.glob('serve-*.log')))}.log"


async def start(
    folder: Path, environ: Mapping[str, str], port: int = 0, *words: str, program: Sequence[str] = ()
) -> Running:
    """Start the service on a database in the folder; returns when it listens.

    ``words`` follow `serve` in its command; ``program`` takes the place of `-m qos_monitor`.
    """
    log = next_log(folder)
    given = {
        "QOS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/qos.sqlite3",
        "QOS_PORT": str(port),
        "QOS_TICK_S": "0.05",
        **environ,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QOS_")}
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(program or ("-m", "qos_monitor")),
            "serve",
            *words,
            env=clean | given,
            stderr=stream,
            stdout=stream,
        )
    async with asyncio.timeout(START_S_MAX):
        while True:
            for line in log.read_text(encoding="utf-8").splitlines():
                if '"listening"' in line:
                    return Running(process, int(json.loads(line)["port"]), log)
            if process.returncode is not None:
                raise RuntimeError(f"the service ended: {log.read_text(encoding='utf-8')}")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """Run the service; it is killed at the end where it still runs."""
    service = await start(folder, environ)
    try:
        yield service
    finally:
        if service.process.returncode is None:
            await service.kill()
