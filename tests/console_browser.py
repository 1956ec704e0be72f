"""A browser without script before the console's pages, served over real HTTP."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import FILED, Court
from gates import SOMEBODY, gate_of
from service_parts import TOKEN, SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import keys
from qos_monitor.access.doorkeeper import Doorkeeper
from qos_monitor.access.scopes import Scope
from qos_monitor.storage import engine as storage
from qos_monitor.web.console import pages
from qos_monitor.web.console.pages import ConsoleOptions

INSIDE = ("/console/", "/console/outages", "/console/cases", "/console/claims")
"""The pages that are there whatever is stored."""


@dataclass
class Browser:
    """Keeps cookies, follows nothing by itself."""

    session: aiohttp.ClientSession
    url: str
    court: Court
    clock: SetClock
    door: Doorkeeper
    cookies: dict[str, str] = field(default_factory=dict)

    async def key(self, *scopes: Scope) -> str:
        """Make a key."""
        async with storage.writing(self.court.engine) as conn:
            _, text = await keys.create(conn, "desk", scopes, None, (SOMEBODY, FILED))
        self.door.forget()
        return text

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, cookies=self.cookies, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        url = self.url + path
        async with self.session.post(url, data=form, cookies=self.cookies, allow_redirects=False) as answer:
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def sign_in(self, name: str = "Li Wei", token: str = TOKEN, to: str = "/console/") -> tuple[int, str]:
        return await self.post("/console/sign-in", name=name, token=token, to=to)

    async def seal(self, case_key: str) -> str:
        """Read the word that the case's form carries."""
        _, page = await self.get(f"/console/cases/{case_key}")
        found = re.search(r'name="seal" value="([0-9a-f]{64})"', page)
        assert found is not None
        return found[1]


async def browsed(engine: AsyncEngine, court: Court, token: str | None = TOKEN) -> AsyncIterator[Browser]:
    clock = SetClock(FILED)
    app = web.Application()
    gate = gate_of(engine, clock, token)
    options = ConsoleOptions(gate, court.options, is_secure=False)
    app.add_routes(pages.routes(engine, clock, court.policy, options))
    async with TestServer(app) as server, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Browser(session, str(server.make_url("")).rstrip("/"), court, clock, gate.door)
