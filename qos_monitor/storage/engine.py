"""One way to open the database and two ways to use it: to read, and to write."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Pool, Table, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from qos_monitor import logs
from qos_monitor.errors import SettingsError, StorageTrouble
from qos_monitor.storage import fencing
from qos_monitor.storage.tables import cursors

PRAGMAS: tuple[str, ...] = (
    "PRAGMA busy_timeout=5000",  # first: another process may be making the file just now
    "PRAGMA journal_mode=wal",
    "PRAGMA synchronous=full",  # a 2xx outlives a power cut, not only a crash
    "PRAGMA wal_autocheckpoint=16000",  # fewer, larger checkpoints: 8.2 KB written per event, not 10.9
    "PRAGMA cache_size=-65536",
    "PRAGMA foreign_keys=on",
)


def _of_connecting() -> tuple[type[Exception], ...]:
    """Find what asyncpg raises while it connects, which SQLAlchemy passes on as it is; it is an optional package."""
    try:
        from asyncpg import InterfaceError, PostgresError  # noqa: PLC0415 - optional
    except ImportError:
        return ()
    return InterfaceError, PostgresError


TROUBLE: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, CommandError, *_of_connecting())
"""What says that the database cannot be used at present: not there, locked, broken, or made by a later version."""

IDLE_S_MAX: int = 10
"""A transaction in which PostgreSQL hears nothing of us for so long is undone: we were stopped, or are cut off, and
others wait for what it holds."""
ANSWER_S_MAX: int = 30
"""So long we wait for PostgreSQL's answer to one statement; migrations take the time they take."""
AWAY_S: int = 5
"""So much later PostgreSQL ends it too: nobody waits for it any more, and our word to cancel it may be lost."""
_LINE: Mapping[str, int] = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 15_000}
"""After 15 s without a sign of PostgreSQL's machine a connection is over (tcp(7); seconds, a count, milliseconds)."""
_LINE_AT_SERVER: Mapping[str, str] = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "15s",
}
"""And after as long without a sign of ours."""
FLOOR = "schema floor"
"""The cursor that holds the oldest revision whose code may still work on these tables; none: every one."""

_WRITING = "qos_writing"
_MIGRATION_LOCK = 0x514F53  # any number that nobody else locks: "QOS"
_turns: WeakKeyDictionary[Pool, asyncio.Lock] = WeakKeyDictionary()


def create(url: str) -> AsyncEngine:
    """Make an engine for ``sqlite+aiosqlite:///FILE`` or ``postgresql+asyncpg://…``; connects to nothing yet.

    In-memory databases are refused: each connection would see its own. Raises SettingsError where the driver
    is not installed.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return _server(parsed)
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("a database in memory is not shared between connections; give a file")
    engine = create_async_engine(parsed, poolclass=AsyncAdaptedQueuePool, pool_size=10, max_overflow=10)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    """Open the database for one command, brought to the present version.

    Raises StorageTrouble, with words for a person, where it cannot be used.
    """
    engine = create(url)
    try:
        await migrate(engine)
        yield engine
    except TROUBLE as trouble:
        words = f"the database cannot be used ({type(trouble).__name__}); look at QOS_DATABASE_URL"
        raise StorageTrouble(words) from None
    finally:
        await engine.dispose()


def _server(url: URL) -> AsyncEngine:
    session = {
        "application_name": f"qos-monitor {os.getpid()}",  # in pg_stat_activity: who waits, or is waited for
        "idle_in_transaction_session_timeout": f"{IDLE_S_MAX}s",
        "statement_timeout": f"{round((ANSWER_S_MAX + AWAY_S) * 1000)}",
        **_LINE_AT_SERVER,
    }
    given = {"command_timeout": ANSWER_S_MAX, "server_settings": session}
    try:
        engine = create_async_engine(url, pool_size=10, pool_pre_ping=True, connect_args=given)
    except ModuleNotFoundError:
        raise SettingsError(["QOS_DATABASE_URL: PostgreSQL needs `pip install qos-monitor[postgresql]`"]) from None
    event.listen(engine.sync_engine, "connect", _watch_line)
    event.listen(engine.sync_engine, "handle_error", _give_up_line)
    return engine


def _give_up_line(context: ExceptionContext) -> None:
    """Where one connection is silent, use no other of its time either: each would be waited for, one by one."""
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True


def _watch_line(connection: DBAPIConnection, _record: object) -> None:
    """Have the kernel tell soon that a network swallows what is said; by itself it tries for a quarter of an hour."""
    line = connection.driver_connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg shows it nowhere else
    if line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _LINE.items():
        if hasattr(socket, name):  # Linux has them all
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_sqlite(engine: AsyncEngine) -> bool:
    """Say whether this is the embedded database, which has one writer at a time."""
    return engine.dialect.name == "sqlite"


def file_of(engine: AsyncEngine) -> Path | None:
    """Name the file of the embedded database; a server has none."""
    return Path(engine.url.database or "") if is_sqlite(engine) else None


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    # We say BEGIN ourselves: Python's own rules leave DDL outside of any transaction.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that first reads and then writes fails at once, without waiting its turn, where
    # somebody wrote in between; hence a writer says so from the start.
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def turn(engine: AsyncEngine) -> AbstractAsyncContextManager[object]:
    """Wait for this process's turn to write.

    SQLite has one writer, and lets the others poll for it with growing sleeps; queueing here, in order of
    arrival, costs nothing. Other processes are still met by busy_timeout. On PostgreSQL there is nothing to
    wait for.
    """
    if not is_sqlite(engine):
        return nullcontext()
    return _turns.setdefault(engine.sync_engine.pool, asyncio.Lock())


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection inside one write transaction: committed at the end, rolled back on any error.

    Where the work is held by a lease, the transaction begins by proving that it is still ours (see `fencing`).
    Await nothing but this connection inside: on SQLite everybody who writes is waiting.
    """
    async with turn(engine), engine.execution_options(**{_WRITING: True}).begin() as connection:
        await fencing.prove(connection)
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection that sees one state of the database throughout, and is never committed."""
    options = {} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    async with engine.connect() as connection:
        if options:
            await connection.execution_options(**options)
        async with connection.begin() as transaction:
            yield connection
            await transaction.rollback()


Upsert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert(dialect: str, table: Table) -> Upsert:
    """Begin an insert that can say ON CONFLICT; both databases speak it alike."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upsert(dialect: str, table: Table, replace: Sequence[str] | None = None) -> Upsert:
    """Build an insert that replaces the row of the same primary key; with ``replace``, only those columns.

    An empty ``replace`` leaves the existing row as it is.
    """
    keys = [column.name for column in table.primary_key]
    names = [column.name for column in table.columns if column.name not in keys] if replace is None else replace
    statement = insert(dialect, table)
    if not names:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_={name: statement.excluded[name] for name in names})


def migrations(**attributes: object) -> Config:
    """Point alembic at the migrations in this package; attributes go to their env.py."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes.update(attributes)
    return config


async def migrate(engine: AsyncEngine) -> None:
    """Bring the tables to the present version, in one transaction; does nothing where they are.

    Makes a SQLite file with its folder. Raises one of TROUBLE where the database cannot be used, and StorageTrouble
    where a later version made it such that this one cannot work on it any more (docs/operations.md).
    Several processes may start at once: the second waits for the first, and finds nothing to do.
    """
    if file := file_of(engine):
        file.parent.mkdir(parents=True, exist_ok=True)
    async with _patient(engine) as patient, writing(patient) as connection:
        if not is_sqlite(engine):
            await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        await connection.run_sync(_upgrade)


@asynccontextmanager
async def _patient(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Give an engine that waits for every answer: a migration of a large table takes its time."""
    if is_sqlite(engine):
        yield engine
        return
    made = create_async_engine(engine.url, poolclass=NullPool)
    try:
        yield made
    finally:
        await made.dispose()


def _upgrade(connection: Connection) -> None:
    config = migrations(connection=connection)
    ours = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None or current in ours:
        command.upgrade(config, "head")
        return
    floor = connection.execute(select(cursors.c.value).where(cursors.c.name == FLOOR)).scalar()
    if floor is not None and f"{floor:04}" not in ours:
        raise StorageTrouble("a later version has made the database its own; this one is too old to work on it")
    logs.event("database_is_newer", logging.WARNING, revision=current)
