"""What docs/operations.md says of pg_dump and pg_restore is so, on the real server."""

import asyncio
import subprocess
from collections.abc import AsyncIterator

import asyncpg
import pytest
from claim_parts import FILED, Court, FakeGateway, dark_life, send_due, states
from postgresql_server import USER, Server
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import audit
from qos_monitor.access.audit import Act, Actor
from qos_monitor.doctor import ground
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import metadata

RESTORED = "qos_restored"


async def run(server: Server, program: str, *words: str, given: bytes = b"") -> bytes:
    """Run a program of the server's against it, as docs/operations.md says; answer what it wrote."""
    where = ["--host", "127.0.0.1", "--port", str(server.port), "--username", USER]
    process = await asyncio.create_subprocess_exec(
        server.program(program), *where, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told, trouble = await process.communicate(given)
    assert process.returncode == 0, trouble.decode()
    return told


async def everything(engine: AsyncEngine) -> dict[str, list[str]]:
    async with storage.reading(engine) as conn:
        return {
            name: sorted(str(tuple(one)) for one in (await conn.execute(select(table))).all())
            for name, table in metadata.tables.items()
        }


@pytest.fixture
async def filed(postgresql: Server) -> AsyncIterator[AsyncEngine]:
    """Give a database with a refund on its way, and an entry in the audit trail."""
    async with postgresql.engine() as made:
        court = Court(made)
        await court.enrol(dark_life())
        await court.observe(dark_life().observations, FILED)
        async with storage.writing(made) as conn:
            await audit.record(conn, Act(Actor("root", "command"), "forget", "x", "why"), FILED)
        yield made


@pytest.fixture
async def empty(postgresql: Server) -> AsyncIterator[str]:
    """Give a second database, without tables; name it as settings do."""
    conn = await asyncpg.connect(host="127.0.0.1", port=postgresql.port, user=USER, database=USER)
    await conn.execute(f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")
    await conn.execute(f"CREATE DATABASE {RESTORED}")
    yield postgresql.url.rpartition("/")[0] + f"/{RESTORED}"
    await conn.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")
    await conn.close()


async def test_what_is_restored_is_what_was_dumped_and_goes_on(
    postgresql: Server, filed: AsyncEngine, empty: str
) -> None:
    dumped = await run(postgresql, "pg_dump", "--format=custom", "--no-owner", filed.url.database or "")
    whole = ("--exit-on-error", "--no-owner", "--single-transaction")
    await run(postgresql, "pg_restore", *whole, "--dbname", RESTORED, given=dumped)

    async with storage.opened(empty) as back:
        assert await everything(back) == await everything(filed)
        assert await send_due(back, FakeGateway(), FILED) == 1
        assert states(await Court(back).case()) == ["accepted", "1 refund accepted"]
        async with storage.reading(back) as conn:
            looked = [*await ground.schema(conn), *await ground.proofs(conn), *await ground.trail(conn)]
        assert [one.level for one in looked] == ["ok"] * 3


async def test_the_guards_of_the_audit_trail_are_in_the_copy(
    postgresql: Server, filed: AsyncEngine, empty: str
) -> None:
    plain = await run(postgresql, "pg_dump", "--no-owner", filed.url.database or "")
    await run(postgresql, "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", RESTORED, given=plain)

    async with storage.opened(empty) as back:
        with pytest.raises(DBAPIError, match="append-only"):
            async with storage.writing(back) as conn:
                await conn.execute(text("DELETE FROM audit"))
