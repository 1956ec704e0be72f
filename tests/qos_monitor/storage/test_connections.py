"""What a process that is stopped or cut off leaves on PostgreSQL does not hold up the others."""

import asyncio
import socket

import pytest
from postgresql_server import Server
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import cursors


async def test_a_transaction_in_which_nothing_is_heard_any_more_is_undone_and_cannot_be_committed(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "IDLE_S_MAX", 1)
    stopped, other = storage.create(postgresql.url), storage.create(postgresql.url)
    async with postgresql.engine() as engine, storage.writing(engine) as conn:
        await conn.execute(cursors.insert(), [{"name": "one", "value": 0}])

    async def held() -> None:
        async with storage.writing(stopped) as conn:
            await conn.execute(update(cursors).values(value=1))
            async with storage.writing(other) as waiting:  # until the row is free
                await waiting.execute(update(cursors).values(value=2))

    with pytest.raises(storage.TROUBLE):
        await held()

    async with storage.reading(other) as conn:
        assert (await conn.execute(select(cursors.c.value))).scalar_one() == 2
    await asyncio.gather(stopped.dispose(), other.dispose())


async def test_a_network_that_swallows_what_is_said_is_found_out_by_the_kernel(postgresql: Server) -> None:
    engine = storage.create(postgresql.url)
    async with engine.connect() as conn:
        raw = await conn.get_raw_connection()
        assert raw.driver_connection is not None
        line = raw.driver_connection._transport.get_extra_info("socket")
        options = {
            name: line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        }
        wanted = (
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_keepalives_count",
            "tcp_user_timeout",
            "statement_timeout",
        )
        theirs = [(await conn.exec_driver_sql(f"SHOW {name}")).scalar_one() for name in wanted]
        is_kept_alive = line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    await engine.dispose()

    assert is_kept_alive
    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"] == 15
    assert options["TCP_USER_TIMEOUT"] == 15_000
    assert theirs == ["5", "5", "2", "15000", "35s"]


async def test_where_one_connection_is_silent_none_of_its_time_is_used_again(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "ANSWER_S_MAX", 0.5)
    engine = storage.create(postgresql.url)
    try:
        async with engine.connect() as one, engine.connect() as other:
            before = {await _pid(one), await _pid(other)}

        with pytest.raises(TimeoutError):
            async with engine.connect() as silent:
                await silent.execute(text("SELECT pg_sleep(30)"))

        async with engine.connect() as one, engine.connect() as other:
            assert before.isdisjoint({await _pid(one), await _pid(other)})
    finally:
        await engine.dispose()


async def _pid(conn: AsyncConnection) -> int:
    return int((await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one())
