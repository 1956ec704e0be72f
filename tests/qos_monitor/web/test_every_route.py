"""What holds for every route the service has, whoever adds one: a scope or a reason to have none, and safe headers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from gates import SOMEBODY

from qos_monitor.access import keys
from qos_monitor.access.scopes import Scope
from qos_monitor.bootstrap import Service
from qos_monitor.settings import load
from qos_monitor.storage import engine as storage

READ, DECIDE, ROSTER = Scope.CASES_READ, Scope.CASES_DECIDE, Scope.ROSTER
SCOPES: dict[str, Scope] = {
    "PUT /v1/roster": ROSTER,
    "PUT /v1/identities": ROSTER,
    "GET /v1/unmapped": ROSTER,
    "POST /v1/observations": Scope.OBSERVATIONS,
    "POST /v1/evidence": Scope.EVIDENCE,
    "GET /v1/cases": READ,
    "GET /v1/cases/{key}": READ,
    "POST /v1/cases/{key}/decision": DECIDE,
    "GET /v1/learners/{id}/timeline": READ,
    "GET /v1/bundles/{sha256}": READ,
    "GET /v1/incidents": READ,
    "GET /v1/feeds": READ,
    "GET /v1/audit": READ,
}
SIGNED = {"POST /webhooks/agora", "POST /webhooks/beacon", "POST /webhooks/{provider}", "POST /v1/claims/{key}/status"}
"""Whoever comes here signs; `tests/collectors/test_conformance.py` and `test_cases.py` have what is believed."""
NOTHING_PERSONAL = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /runbooks/",
    "GET /runbooks/{name}",
    "GET /schema/claim.json",
    "OPTIONS /webhooks/beacon",
    "GET /console",
    "GET /console/console.css",
    "GET /console/sign-in",
    "POST /console/sign-in",
    "POST /console/sign-out",
}
INSIDE = "/console/"
SETTINGS = {"QOS_AGORA_SECRETS": "an agora secret", "QOS_BEACON_SECRETS": "a beacon secret"}
WANTED = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control")


@dataclass
class House:
    """The service's own application, with a database, and one key for each scope."""

    client: aiohttp.ClientSession
    routes: list[tuple[str, str]]
    keys: dict[Scope, str]

    async def ask(self, method: str, path: str, key: str | None = None) -> aiohttp.ClientResponse:
        """Send a request without a body."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = await self.client.request(method, _filled(path), headers=headers, allow_redirects=False)
        await answer.read()
        return answer


def _filled(path: str) -> str:
    for name in ("key", "id", "sha256", "name", "provider"):
        path = path.replace(f"{{{name}}}", "x")
    return path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3"
    service = Service(load(SETTINGS | {"QOS_DATABASE_URL": url}))
    await storage.migrate(service.engine)
    made = {}
    async with storage.writing(service.engine) as conn:
        for scope in Scope:
            _, made[scope] = await keys.create(conn, scope, [scope], None, (SOMEBODY, service.clock.now()))
    app = service._app(service._hooks())
    routes = [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    ]
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as client:
        yield House(client, routes, made)
    await service.engine.dispose()


async def test_every_route_has_a_scope_or_is_known_to_need_none(house: House) -> None:
    every = {f"{method} {path}" for method, path in house.routes}
    inside = {f"{method} {path}" for method, path in house.routes if path.startswith(INSIDE)} - NOTHING_PERSONAL

    assert every - inside == {*SCOPES, *SIGNED, *NOTHING_PERSONAL}
    assert len(inside) > 8


async def test_the_api_lets_in_the_scope_of_each_route_and_no_other(house: House) -> None:
    for route, wanted in SCOPES.items():
        method, path = route.split(" ")
        assert (await house.ask(method, path)).status == 401, route
        assert (await house.ask(method, path, "qos_nobody_nothing")).status == 401, route
        for scope, key in house.keys.items():
            status = (await house.ask(method, path, key)).status
            assert (status in {401, 403}) == (scope is not wanted), (route, scope)


async def test_what_needs_a_signature_is_opened_by_no_key(house: House) -> None:
    for route in SIGNED - {"POST /webhooks/{provider}"}:
        method, path = route.split(" ")
        for key in house.keys.values():
            assert (await house.ask(method, path, key)).status in {401, 403}


async def test_no_page_of_the_console_opens_without_a_visit(house: House) -> None:
    for method, path in house.routes:
        if not path.startswith(INSIDE) or f"{method} {path}" in NOTHING_PERSONAL:
            continue
        answer = await house.ask(method, path, house.keys[READ])
        assert answer.status == 303 or "Sign in" in await answer.text(), path


async def test_every_answer_says_what_a_browser_may_do_with_it(house: House) -> None:
    asked = [*house.routes, ("GET", "/nowhere"), ("DELETE", "/v1/cases"), ("GET", "/webhooks/agora")]
    for method, path in asked:
        for key in (None, house.keys[READ]):
            answer = await house.ask(method, path, key)
            lacking = [name for name in WANTED if name not in answer.headers]
            assert lacking == [], (method, path, answer.status)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert len(answer.headers.getall("Content-Security-Policy")) == 1
