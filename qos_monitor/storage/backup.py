"""Copies the embedded database while it is in use, and puts a copy back where none is."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from qos_monitor.errors import QosError, StorageTrouble
from qos_monitor.storage.engine import migrations

PAGES_AT_ONCE = 4_096
"""Copied between two looks at the source; a writer waits no longer than for these."""

BESIDE: tuple[str, ...] = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database's name; a stray one of these would be taken for the copy's."""


class NotACopy(QosError):  # noqa: N818 - a state of the file, told to whoever gave it
    """The file is not a whole database of ours."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds, so that a person sees at once whether it is the right one."""

    bytes: int
    revision: str
    deliveries: int
    cases: int
    last_received_at: int | None
    """Instant (UTC ms) of the newest delivery; None where there is none."""


def database_file(url: str) -> Path:
    """Name the file behind a database URL. Raises QosError for a server, which has tools of its own."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise QosError("QOS_DATABASE_URL names a server; copy it with pg_dump, and put it back with pg_restore")
    return Path(parsed.database)


def copy(source: Path, target: Path) -> Copied:
    """Copy a database, in use or not, into a file that does not exist yet; it appears only when it is whole.

    The copy holds everything committed before this began. It is checked, flushed to disk and then named; nobody but
    its owner may read it.
    Raises NotACopy where the source is not a whole database of ours, StorageTrouble where the disk does not take it,
    QosError where the target is there already.
    """
    if not source.is_file():
        raise NotACopy(f"{source}: there is no such file")
    if taken := [f"{target}{end}" for end in BESIDE if Path(f"{target}{end}").exists()]:
        raise QosError(f"{taken[0]} is there already; move it away first, nothing is overwritten")
    half = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        half.unlink(missing_ok=True)
        half.touch(0o600)  # all that is known of learners is in it: for its owner alone, whatever the umask
        with _opened(source, "ro") as original, closing(sqlite3.connect(half)) as made:
            original.backup(made, pages=PAGES_AT_ONCE, sleep=0.01)
            made.execute("PRAGMA journal_mode=delete")  # the copy is one file
            copied = _looked_at(made, half)
        _flush(half)
        half.rename(target)
        _flush(target.parent)
    except (sqlite3.Error, OSError) as trouble:
        raise StorageTrouble(f"the copy was not made ({type(trouble).__name__}: {trouble})") from None
    finally:
        half.unlink(missing_ok=True)
    return copied


@contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode={mode}", uri=True, timeout=30)) as connection:
        yield connection


def _looked_at(made: sqlite3.Connection, file: Path) -> Copied:
    try:
        if made.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise NotACopy("the database is damaged: SQLite's integrity check fails")
        revision = made.execute("SELECT version_num FROM alembic_version").fetchone()
        received = made.execute("SELECT count(*), max(received_at) FROM deliveries").fetchone()
        cases = made.execute("SELECT count(*) FROM cases").fetchone()
    except sqlite3.DatabaseError:
        raise NotACopy("this is not a database of qos-monitor") from None
    known = {script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()}
    if revision is None or revision[0] not in known:
        raise NotACopy("the database was made by a later version of qos-monitor; restore it with that one")
    return Copied(file.stat().st_size, revision[0], received[0], cases[0], received[1])


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
