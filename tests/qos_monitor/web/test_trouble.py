"""What people and the refund system hear where a body cannot be read, or the database does not answer."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import FILED, SECRET, Court
from gates import gate_of
from service_parts import TOKEN, SetClock
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.signing import signed
from qos_monitor.storage import engine as storage
from qos_monitor.web.cases import CasesOptions, routes
from qos_monitor.web.roster import Roster

BEARER = {"Authorization": f"Bearer {TOKEN}"}
DECISION = b'{"decision":"release","actor":"Li Wei","reason":"Looked at."}'
STATUS = b'{"status":"paid","at":"2026-11-05T00:00:00Z","reason":null}'
LATIN = b'{"id":"\xe9","decision":"\xe9"}'


@asynccontextmanager
async def served(engine: AsyncEngine) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve every door that reads or writes the database itself."""
    court, clock = Court(engine), SetClock(FILED)
    gate = gate_of(engine, clock)
    app = web.Application()
    app.add_routes(routes(engine, clock, court.policy, CasesOptions(gate, lambda: [SECRET], court.options)))
    Roster(engine, clock, gate).add_to(app)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client in front of every such door."""
    async with served(engine) as session:
        yield session


def headers(path: str, body: bytes) -> dict[str, str]:
    return signed([SECRET], "m1", body, FILED) if path.endswith("/status") else BEARER


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/roster", LATIN),
        ("PUT", "/v1/roster", b"{"),
        ("POST", "/v1/cases/k/decision", LATIN),
        ("POST", "/v1/cases/all/decision", LATIN),
        ("POST", "/v1/claims/k/status", b"{"),
    ],
)
async def test_a_body_that_is_not_json_in_utf_8_is_400_with_words(
    client: aiohttp.ClientSession, method: str, path: str, body: bytes
) -> None:
    async with client.request(method, path, data=body, headers=headers(path, body)) as answer:
        assert answer.status == 400
        [problem] = (await answer.json())["errors"]
        assert problem["message"].startswith("must be JSON in UTF-8 (")


async def without_tables(engine: AsyncEngine) -> None:
    """Take the database away as a whole."""
    async with storage.writing(engine) as conn:
        found = MetaData()
        await conn.run_sync(found.reflect)
        await conn.run_sync(found.drop_all)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/cases", b""),
        ("GET", "/v1/cases/k", b""),
        ("GET", "/v1/learners/u1/timeline", b""),
        ("GET", "/v1/bundles/0", b""),
        ("POST", "/v1/cases/k/decision", DECISION),
        ("POST", "/v1/cases/all/decision", DECISION),
        ("POST", "/v1/claims/k/status", STATUS),
        ("PUT", "/v1/roster", b'{"courses":[{"id":"m","title":"M","visual_essential":false}]}'),
    ],
)
async def test_trouble_of_the_database_is_503_with_a_time_to_come_again(
    engine: AsyncEngine, client: aiohttp.ClientSession, method: str, path: str, body: bytes
) -> None:
    await without_tables(engine)

    async with client.request(method, path, data=body, headers=headers(path, body)) as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 1


async def test_a_database_locked_by_somebody_else_is_503_too(
    embedded: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = tuple(p.replace("busy_timeout=5000", "busy_timeout=1") for p in storage.PRAGMAS)
    monkeypatch.setattr(storage, "PRAGMAS", impatient)
    await embedded.dispose()  # what connects from now on does not wait
    with closing(sqlite3.connect(tmp_path / "embedded.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        async with served(embedded) as session:
            answer = await session.post("/v1/cases/all/decision", data=DECISION, headers=BEARER)

    assert answer.status == 503
