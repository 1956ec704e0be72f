"""Work that one process does at a time: whoever has its lease, until that ends or somebody else may take it."""

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.errors import QosError
from qos_monitor.storage.engine import TROUBLE, insert, reading, writing
from qos_monitor.storage.fencing import fenced
from qos_monitor.storage.process_tables import leases
from rules.span import SECOND, Instant

LENGTH: int = 30 * SECOND
"""A lease ends so long after it was taken or last renewed; it is renewed when half of it is over."""


class Lost(QosError):  # noqa: N818 - what happened, not what is wrong
    """Somebody else has the lease now; what we were about to write is not ours to write any more."""


@dataclass(slots=True)
class _Held:
    token: int
    until: Instant


def is_over(until: Instant, now: Instant, length: int) -> bool:
    """Say whether a lease of this length has ended.

    One that ends later than any lease of today can was given before the clock stepped back, and has ended too.
    """
    return not now < until <= now + 2 * length


class Leases:
    """The leases of this process. The token grows whenever one changes hands; every write proves it (`fencing`)."""

    def __init__(self, engine: AsyncEngine, clock: Clock, holder: str | None = None) -> None:
        """Begin with none; ``holder`` names this process to the others."""
        self._engine = engine
        self._clock = clock
        self._holder = this_process() if holder is None else holder
        self._held: dict[str, _Held] = {}

    async def alone(self, name: str, work: Callable[[], Awaitable[int]]) -> int:
        """Do the work if its lease is ours or free; answer what it does, or 0 where others do it.

        Where the lease was lost meanwhile, the first write after that is refused, and the work ends there.
        """
        if not await self._is_ours(name):
            return 0
        try:
            with fenced(partial(self._prove, name)):
                return await work()
        except Lost:
            self._held.pop(name, None)
            logs.event("lease_lost", logging.WARNING, job=name)
            return 0

    async def give_back(self) -> None:
        """End all leases of this process, so that nobody need wait; without a database they end by themselves."""
        held, self._held = self._held, {}
        try:
            for name, mine in held.items():
                async with writing(self._engine) as conn:
                    await conn.execute(update(leases).where(*_is(name, mine.token)).values(until=0))
        except TROUBLE as trouble:
            logs.failure("leases_not_given_back", trouble)

    async def _is_ours(self, name: str) -> bool:
        now, mine = self._clock.now(), self._held.get(name)
        if mine is not None and _is_fresh(mine, now):
            return True
        if mine is not None:
            async with writing(self._engine) as conn:
                if await self._renew(conn, name, mine, now):
                    return True
            del self._held[name]
        return await self._take(name, now)

    async def _take(self, name: str, now: Instant) -> bool:
        async with reading(self._engine) as conn:
            found = (await conn.execute(select(leases).where(leases.c.name == name))).first()
        if found is not None and not self._is_free(found, now):
            return False
        until = now + LENGTH
        async with writing(self._engine) as conn:
            if found is None:
                row = {"name": name, "token": 1, "until": until, "holder": self._holder}
                taken = await conn.execute(insert(conn.dialect.name, leases).values(row).on_conflict_do_nothing())
            else:
                changes = {"token": found.token + 1, "until": until, "holder": self._holder}
                taken = await conn.execute(update(leases).where(*_is(name, found.token)).values(changes))
        if not taken.rowcount:
            return False  # another process was faster
        self._held[name] = _Held(1 if found is None else found.token + 1, until)
        return True

    def _is_free(self, found: Row[Any], now: Instant) -> bool:
        return is_over(found.until, now, LENGTH) or is_gone(found.holder)

    async def _renew(self, conn: AsyncConnection, name: str, mine: _Held, now: Instant) -> bool:
        renewed = await conn.execute(update(leases).where(*_is(name, mine.token)).values(until=now + LENGTH))
        if not renewed.rowcount:
            return False
        mine.until = now + LENGTH
        return True

    async def _prove(self, name: str, conn: AsyncConnection) -> None:
        """Hold the lease's row until the transaction ends: nobody can take it in between. Raises Lost."""
        now, mine = self._clock.now(), self._held.get(name)
        if mine is None:
            raise Lost(name)
        if _is_fresh(mine, now):
            kept = select(leases.c.name).where(*_is(name, mine.token)).with_for_update(read=True)
            is_kept = (await conn.execute(kept)).first() is not None
        else:
            is_kept = await self._renew(conn, name, mine, now)
        if not is_kept:
            raise Lost(name)


def _is(name: str, token: int) -> tuple[Any, Any]:
    return leases.c.name == name, leases.c.token == token


def _is_fresh(mine: _Held, now: Instant) -> bool:
    return now < mine.until - LENGTH // 2 and not is_over(mine.until, now, LENGTH)


def this_process() -> str:
    """Name this process such that others on the same machine can tell whether it still runs."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Say whether this is a process of this machine that has ended; of other machines' processes nobody knows."""
    place, _, process = holder.partition("/")
    pid, _, started = process.partition("/")
    return place == _place() and pid.isdigit() and _started(int(pid)) != started


def _place() -> str:
    """Name this run of this machine and its space of process numbers, of which containers have their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - it is no file
    except OSError:  # not Linux: nobody is told apart, and leases end by time alone
        return uuid4().hex


def _started(pid: int) -> str:
    """Read when a process began, in ticks since the machine did; empty where there is none, or it has ended."""
    try:
        said = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if said[0] in (b"Z", b"X") else said[19].decode()
