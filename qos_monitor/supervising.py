"""Keeps several processes of the service on one port: starts them, starts again what ends, and ends them together."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from qos_monitor import bootstrap, clock, logs
from qos_monitor.place import ServiceRole
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0
STEADY_S: float = 60.0
"""A process that ran for so long is started again at once; one that ended sooner after a pause that doubles."""

_WELL = {0, -signal.SIGTERM, -signal.SIGINT}
"""How a process ends that was told to; one that was only just starting knows no better way."""


@dataclass(frozen=True, slots=True)
class Group:
    """So many processes in one role, with the settings file that they all read."""

    count: int
    role: ServiceRole
    config: Path | None = None

    def command(self, number: int, port: int) -> list[str]:
        """Word what starts one of them."""
        given = ["--role", self.role.value, "--process", str(number), "--shared-port", str(port)]
        given += [] if self.config is None else ["--config", str(self.config)]
        return [sys.executable, "-m", "qos_monitor", "serve", *given]


async def supervise(settings: Settings, group: Group) -> int:
    """Run the group until SIGTERM or SIGINT; answer 1 where it could not start, or a process did not end well.

    A process that ends by itself is started again. None is killed: each answers what it accepted before it ends.
    Where this one is killed, they see that their standard input ends, and stop. Raises as `bootstrap.serve` does.
    """
    logs.start(settings.log_level, clock.from_setting(settings.clock_file))
    bootstrap.Service(settings)  # what is wrong with the settings is told here, once
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    loop.add_signal_handler(signal.SIGHUP, _leave_to_processes)
    try:
        await _migrated(settings)
        with _reserved(settings.host, settings.port) as port:
            logs.event("supervising", processes=group.count, role=group.role.value, port=port)
            codes = await asyncio.gather(*(_kept(group.command(k, port), k, ended) for k in range(group.count)))
    except storage.TROUBLE as trouble:  # the port is taken, the database is not there
        logs.failure("start_failed", trouble)
        return 1
    logs.event("all_stopped")
    return 0 if set(codes) <= _WELL else 1


def _leave_to_processes() -> None:
    """Do nothing, rather than end as SIGHUP has it by default: each process sees for itself that a secret is new."""


async def _migrated(settings: Settings) -> None:
    """Bring the tables to the present version before anybody works on them."""
    engine = storage.create(settings.database_url)
    try:
        await storage.migrate(engine)
    finally:
        await engine.dispose()


@contextmanager
def _reserved(host: str, port: int) -> Iterator[int]:
    """Keep the port for our processes, without listening. Raises OSError where it is taken and not shared."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(address)
        yield int(kept.getsockname()[1])


async def _kept(command: Sequence[str], number: int, ended: asyncio.Event) -> int:
    """Keep one process running until all are to end; answer how it ended then."""
    pause_s = BACKOFF_FIRST_S
    while True:
        began_s = clock.stopwatch_s()
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        code = await _ended(process, ended)
        if ended.is_set():
            return code
        if clock.stopwatch_s() - began_s >= STEADY_S:
            pause_s = BACKOFF_FIRST_S
        logs.event("process_ended", number=number, code=code, again_in_s=pause_s)
        if await _is_set_within(ended, pause_s):
            return 0
        pause_s = min(2 * pause_s, BACKOFF_MAX_S)


async def _ended(process: asyncio.subprocess.Process, ended: asyncio.Event) -> int:
    """Wait until a process ends, by itself or because it is told to; answer its exit code."""
    itself, told = asyncio.ensure_future(process.wait()), asyncio.ensure_future(ended.wait())
    await asyncio.wait({itself, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not itself.done():
        with suppress(ProcessLookupError):  # it ended by itself just now
            process.send_signal(signal.SIGTERM)
    return await itself


async def _is_set_within(ended: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await ended.wait()
    except TimeoutError:
        return False
