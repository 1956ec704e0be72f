"""SQLite without threads: every statement runs where it is asked for, so that one seed is one order of steps."""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


class _AtOnce:
    """Stands where aiosqlite has the queue of its thread, and does what is put into it."""

    def put_nowait(self, asked: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        """Do it, and let whoever waits know."""
        future, run = asked
        try:
            result = run()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if future is not None:
                future.set_exception(error)
        else:
            if future is not None:
                future.set_result(result)


class _Connection(aiosqlite.Connection):
    """A connection whose thread is never started."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, 64)
        self._tx: Any = _AtOnce()

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()


class _Executor(ThreadPoolExecutor):
    """Runs what is submitted at once; `asyncio.to_thread` takes nothing but a ThreadPoolExecutor."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as there
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - likewise
            future.set_exception(error)
        return future


def run_at_once() -> None:
    """Let whatever is sent to another thread by this event loop run in this one."""
    asyncio.get_running_loop().set_default_executor(_Executor(1))


def stay(engine: AsyncEngine) -> None:
    """Let this engine's connections run in this thread."""

    def connect(_dialect: Any, _record: Any, _args: Any, given: dict[str, Any]) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        given["async_creator_fn"] = lambda file, **how: _Connection(partial(sqlite3.connect, file, **how))

    event.listen(engine.sync_engine, "do_connect", connect)
