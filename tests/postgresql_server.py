"""A real PostgreSQL of the tests' own: started in a folder, its tables emptied for each test."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import metadata

USER = "postgres"
NAME = "qos_tests"
WANTED = "PostgreSQL is wanted and is not installed; on Debian or Ubuntu: apt-get install postgresql"
_START_S_MAX = 60.0


class Stopped(Exception):  # noqa: N818 - a state
    """The server ended by itself; its log says why."""


@dataclass(frozen=True)
class Server:
    """One server that listens on a port of this machine and believes everybody there."""

    port: int
    postmaster: "Postmaster"

    @property
    def url(self) -> str:
        """Name the database as settings do."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{NAME}"

    @staticmethod
    def program(name: str) -> Path:
        """Give one of the programs that come with the server, such as ``pg_dump``."""
        return _binaries() / name

    async def made_ready(self) -> None:
        """Make the database with every table. Raises OSError or CannotConnectNowError while the server starts."""
        conn = await asyncpg.connect(host="127.0.0.1", port=self.port, user=USER, database=USER)
        try:
            await conn.execute(f"CREATE DATABASE {NAME}")
        finally:
            await conn.close()
        made = storage.create(self.url)
        await storage.migrate(made)
        await made.dispose()

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[AsyncEngine]:
        """Give the database with every table empty: a new one for each test would take twenty times as long."""
        made = storage.create(self.url)
        try:
            await _empty(made)
            yield made
        finally:
            await made.dispose()


async def _empty(made: AsyncEngine) -> None:
    """Empty every table; where the test before took one away, make them all anew."""
    names = ", ".join(table.name for table in metadata.sorted_tables)
    try:
        async with storage.writing(made) as conn:
            await conn.execute(text("SET LOCAL session_replication_role = replica"))  # past the guards of the trail
            await conn.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    except ProgrammingError:
        async with storage.writing(made) as conn:
            await conn.execute(text("DROP SCHEMA public CASCADE"))
            await conn.execute(text("CREATE SCHEMA public"))
        await storage.migrate(made)


class Postmaster:
    """One server's process on a data folder: started, ended as a power cut ends it, and started again."""

    def __init__(self, data: Path, port: int, *, is_durable: bool) -> None:
        self._data = data
        self._port = port
        self._is_durable = is_durable
        self._user = USER if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def made(self) -> None:
        """Make the data folder. PostgreSQL does not run as root, so root hands it to the user that Debian made."""
        if self._user is not None:
            shutil.chown(self._data, self._user)
        given = ["--username", USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
        command: list[str | Path] = [_binaries() / "initdb", "--pgdata", self._data, *given]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", user=self._user)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it may take a while until it answers."""
        given = {"-D": self._data, "-h": "127.0.0.1", "-p": self._port, "-k": self._data}
        options = [str(word) for pair in given.items() for word in pair]
        options += ["-c", f"fsync={'on' if self._is_durable else 'off'}"]
        with (self._data / "log").open("ab") as log:
            command = [str(_binaries() / "postgres"), *options]
            self._process = subprocess.Popen(command, stderr=log, cwd="/", user=self._user)
        return self._process

    def pids(self) -> tuple[list[int], str | None]:
        """Name all its processes, itself first, and their user if that is not ours."""
        assert self._process is not None
        mine = self._process.pid
        return [mine, *(pid for pid, parent in _parents() if parent == mine)], self._user

    def has_ended(self) -> bool:
        """Say whether it ended by itself."""
        assert self._process is not None
        return self._process.poll() is not None

    def kill(self) -> None:
        """End every process of it at once, with nothing written any more."""
        assert self._process is not None
        for pid in self.pids()[0]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_START_S_MAX)

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_START_S_MAX)


@contextmanager
def served(*, is_durable: bool = False) -> Iterator[Server]:
    """Run a server with its data in a folder of its own, and a migrated database in it; all ends with the context.

    Unless ``is_durable`` it does not flush to disk: what survives a power cut is not for these tests to say.
    """
    with TemporaryDirectory(prefix="qos-postgresql-") as folder:
        data, port = Path(folder), _free_port()
        postmaster = Postmaster(data, port, is_durable=is_durable)
        postmaster.made()
        process = postmaster.start()
        try:
            with ThreadPoolExecutor(1) as aside:  # the test that asks first has a loop of its own already
                aside.submit(lambda: asyncio.run(_made_ready(Server(port, postmaster), process))).result()
            yield Server(port, postmaster)
        except Stopped:
            raise RuntimeError((data / "log").read_text()) from None
        finally:
            postmaster.stop()


def _parents() -> Iterator[tuple[int, int]]:
    """List the machine's processes, each with its parent (proc(5))."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


def _binaries() -> Path:
    """Find the newest version's programs where Debian puts them, or on the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if versions:
        return versions[-1]
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError(WANTED)
    return Path(found).resolve().parent


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


async def _made_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(_START_S_MAX):
        while True:
            try:
                return await server.made_ready()
            except (OSError, asyncpg.CannotConnectNowError):
                if process.poll() is not None:
                    raise Stopped from None
                await asyncio.sleep(0.05)
