"""Group commit: every row that arrived while the last transaction was committing forms the next one."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import clock, logs
from qos_monitor.errors import Overloaded, RowRefused, Stopping, StorageTrouble
from qos_monitor.storage.engine import is_sqlite, turn

Row = tuple[object, ...]
Waiter = tuple[Row, asyncio.Future[None], float]
"""A row, who waits for it, and since when by `clock.stopwatch_s`."""

WAIT_S_MAX: float = 3.0
"""How long a sender waits for the disk; providers hang up after 5 to 10 s, and then hear nothing at all."""

_ANSWER_S_MAX = 20.0  # who sent has long been told to come again; on another connection it may go better

_TROUBLE_S = 30.0  # a failure older than this says nothing: who is told that we are not ready sends nothing more

_LOOKS = 10  # so often within the longest wait somebody looks who has waited too long

_IDLE_TURNS = 3  # from its socket to the queue a request takes as many

_BATCH_MAX = 512  # beyond this a commit takes longer than it saves (LIMITS: nothing gained at 64 senders)


class Writer:
    """The one task that inserts into one table; ``put`` returns when the row is on the disk.

    A row that is there already (by any unique key of the table) counts as put. The order of columns is that
    of ``columns``; values are str, int, bytes or None, for SQLAlchemy's types are passed by.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        table: Table,
        columns: Sequence[str],
        queue_max: int = 4096,
        wait_s_max: float = WAIT_S_MAX,
    ) -> None:
        self._engine = engine
        self._queue_max = queue_max
        self._wait_s_max = wait_s_max
        self._pending: deque[Waiter] = deque()
        self._batch: list[Waiter] = []
        self._taken = 0
        self._patience: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._failed_at_s = float("-inf")
        self._insert = _Insert(engine, table, columns)
        self._connection: AsyncConnection | None = None
        self._raw: Any = None

    @property
    def depth(self) -> int:
        """How many rows wait for the disk."""
        return len(self._pending)

    @property
    def taken(self) -> int:
        """How many rows were handed to the database, stored or not."""
        return self._taken

    def has_trouble(self) -> bool:
        """Say whether the last write failed or took too long, not long ago."""
        return clock.stopwatch_s() - self._failed_at_s < _TROUBLE_S

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Write what was accepted, then end. ``put`` raises Stopping from now on."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._patience is not None:
            self._patience.cancel()
        await self._release()

    async def put(self, row: Row) -> None:
        """Store one row; returns after the commit. As `begin`, for those who wait at once."""
        await self.begin(row)

    def begin(self, row: Row) -> asyncio.Future[None]:
        """Take one row; what is given is done after the commit, and so it is for a repeat of a stored row.

        The row is stored even where who waits is cancelled. Raises Overloaded (queue full) or Stopping. To wait raises
        StorageTrouble (not stored, or not within the longest wait; try again, for a row that came in after all is a
        repeat then) or RowRefused (this row never will be; its neighbours were).
        """
        if self._stopping:
            raise Stopping("the service is stopping; send again")
        if len(self._pending) >= self._queue_max:
            raise Overloaded(f"{self._queue_max} deliveries wait for the disk; send again in a moment")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._pending.append((row, done, clock.stopwatch_s()))
        self._wake.set()
        if self._patience is None:
            self._patience = loop.call_later(self._wait_s_max / _LOOKS, self._look)
        return done

    def _look(self) -> None:
        """Tell those who have waited too long: one timer for all, for one each costs a tenth of a webhook."""
        late = clock.stopwatch_s() - self._wait_s_max
        for _, done, since in chain(self._batch, self._pending):
            if since > late:
                break  # the oldest stand first
            if not done.done():
                self._failed_at_s = clock.stopwatch_s()
                done.set_exception(StorageTrouble(f"not on the disk after {self._wait_s_max:g} s; send again"))
        is_idle = not self._batch and not self._pending
        loop = asyncio.get_running_loop()
        self._patience = None if is_idle else loop.call_later(self._wait_s_max / _LOOKS, self._look)

    async def _run(self) -> None:
        while self._pending or not self._stopping:
            await self._wake.wait()
            await self._gathered()
            self._batch = [self._pending.popleft() for _ in range(min(len(self._pending), _BATCH_MAX))]
            if not self._pending and not self._stopping:
                self._wake.clear()
            if self._batch:
                self._taken += len(self._batch)
                await self._settle(self._batch)
                self._batch = []

    async def _gathered(self) -> None:
        """Let in the requests that have come already; a commit costs alike for one row and for twenty.

        Not by the clock: as soon as some turns of the loop bring no row, nobody else is on the way.
        """
        seen, idle = len(self._pending), 0
        while idle < _IDLE_TURNS and seen < _BATCH_MAX and not self._stopping:
            await asyncio.sleep(0)
            idle = idle + 1 if len(self._pending) == seen else 0
            seen = len(self._pending)

    async def _settle(self, batch: list[Waiter]) -> None:
        """Write a batch and tell each waiter; where one row is at fault, halve until it stands alone."""
        try:
            await self._write([row for row, _, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, those who wait must be told
            # A fresh connection is cheap, and this one may be the fault; one that is silent serves nobody else either.
            await self._release(is_silent=isinstance(error, TimeoutError))
            if _is_trouble(error):
                self._failed_at_s = clock.stopwatch_s()
                logs.failure("write_failed", error, rows=len(batch))
                _tell(batch, StorageTrouble(f"the database cannot store at present ({type(error).__name__})"))
            elif len(batch) == 1:
                logs.failure("row_refused", error)
                _tell(batch, RowRefused(f"the database refuses this row ({type(error).__name__})"))
            else:
                await self._settle(batch[: len(batch) // 2])
                await self._settle(batch[len(batch) // 2 :])
        else:
            self._failed_at_s = float("-inf")
            _tell(batch, None)

    async def _write(self, rows: list[Row]) -> None:
        if self._connection is None:
            self._connection = await self._engine.connect()
            self._raw = (await self._connection.get_raw_connection()).driver_connection
        async with turn(self._engine):
            await self._insert.run(self._raw, rows)

    async def _release(self, *, is_silent: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(Exception):  # it is given up either way
            if is_silent:
                await connection.invalidate()
            await connection.close()


def _is_trouble(error: Exception) -> bool:
    """Say whether the database is at fault, rather than one of the rows."""
    if isinstance(error, sqlite3.OperationalError | OSError | SQLAlchemyError):
        return True
    # PostgreSQL's classes 22 (data) and 23 (integrity) are about the row; all others about the server.
    sqlstate = getattr(error, "sqlstate", None)
    return isinstance(sqlstate, str) and sqlstate[:2] not in {"22", "23"}


def _tell(batch: list[Waiter], outcome: Exception | None) -> None:
    for _, done, _ in batch:
        if done.done():  # the caller was cancelled; the row is stored all the same
            continue
        if outcome is None:
            done.set_result(None)
        else:
            done.set_exception(outcome)


class _Insert:
    """The one statement, written once in Core and sent by the driver itself: half the cost of Core's own way."""

    def __init__(self, engine: AsyncEngine, table: Table, columns: Sequence[str]) -> None:
        self._is_sqlite = is_sqlite(engine)
        make: Any = sqlite.insert if self._is_sqlite else postgresql.insert
        # inline: asking PostgreSQL for the new keys back costs 45 % more, and nobody wants them
        statement = make(table).values(dict.fromkeys(columns)).on_conflict_do_nothing().inline()
        compiled = statement.compile(dialect=engine.dialect)
        self._sql = compiled.string
        order = [list(columns).index(name) for name in compiled.positiontup]
        self._reorder = None if order == sorted(order) else itemgetter(*order)
        self._one = f"({', '.join('?' * len(order))})"

    async def run(self, raw: Any, rows: Sequence[Row]) -> None:  # noqa: ANN401 - either driver's own connection
        """Store the rows in one transaction of their own, all or none."""
        if self._reorder is not None:
            rows = [self._reorder(row) for row in rows]
        if self._is_sqlite:
            # One statement is one transaction, one trip to the driver's thread, and runs without the interpreter's
            # lock from its first row to the flush; row by row, the lock would be asked for after each.
            sql = self._sql.replace(self._one, ", ".join([self._one] * len(rows)))
            await raw.execute(sql, list(chain.from_iterable(rows)))
        else:
            await raw.executemany(self._sql, rows, timeout=_ANSWER_S_MAX)  # asyncpg: one implicit transaction
