"""What people and the refund system hear where a body cannot be read, or the database does not answer."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import FILED, SECRET, Court
from service_parts import TOKEN, SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.signing import signed
from qos_monitor.web.cases import CasesOptions, routes
from qos_monitor.web.observations import Roster

BEARER = {"Authorization": f"Bearer {TOKEN}"}
LATIN = b'{"id":"\xe9","decision":"\xe9"}'


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve every door that reads or writes the database itself."""
    court, clock = Court(engine), SetClock(FILED)
    app = web.Application()
    app.add_routes(routes(engine, clock, court.policy, CasesOptions(TOKEN, [SECRET], court.options)))
    Roster(engine, clock, TOKEN).add_to(app)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
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
