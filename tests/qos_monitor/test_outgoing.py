"""What we ask of others goes where the operator said and nowhere else, whatever the other side answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import SECRET
from service_parts import SetClock
from yarl import URL

from collectors.polls import Request
from qos_monitor.claims.http import HttpClaimGateway
from qos_monitor.errors import InputError
from qos_monitor.importing import nrps
from qos_monitor.importing.credentials import SharedSecret
from qos_monitor.importing.remote import Remote
from qos_monitor.polling.authorizing import Basic
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.oauth import AccountToken
from qos_monitor.polling.page_client import PageClient

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Lure:
    """A server that sends everybody to another one, which must hear nothing."""

    session: aiohttp.ClientSession
    url: str
    inside: str
    status: list[int]
    heard: list[str] = field(default_factory=list)


@pytest.fixture
async def lure() -> AsyncIterator[Lure]:
    heard: list[str] = []
    status = [302]

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.json_response({"access_token": "x", "token_type": "bearer", "expires_in": 3600, "members": []})

    inner, outer = web.Application(), web.Application()
    inner.router.add_route("*", "/{path:.*}", hear)
    async with TestServer(inner) as hidden:
        inside = str(hidden.make_url("/latest/meta-data")).replace("127.0.0.1", "localhost")

        async def lead_astray(request: web.Request) -> web.Response:
            if request.path == "/token":
                return web.json_response({"access_token": "x", "token_type": "bearer", "expires_in": 3600})
            if request.path == "/nrps":
                return web.json_response({"members": []}, headers={"Link": f"<{inside}>; rel=next"})
            return web.Response(status=status[0], headers={"Location": inside})

        outer.router.add_route("*", "/{path:.*}", lead_astray)
        async with TestServer(outer) as seen, aiohttp.ClientSession() as session:
            yield Lure(session, str(seen.make_url("")).rstrip("/"), inside, status, heard)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_redirect_and_no_next_page_leads_into_our_own_network(lure: Lure, status: int) -> None:
    lure.status[0] = status
    asked = Request("/x", {}, "1", 0, "1")
    gateway = HttpClaimGateway(lure.session, f"{lure.url}/claims", [SECRET])
    remote = Remote(lure.session, URL(f"{lure.url}/token"), SharedSecret("id", "secret", "s"), SetClock())
    astray = Remote(lure.session, URL(f"{lure.url}/elsewhere"), SharedSecret("id", "secret", "s"), SetClock())

    await gateway.send("key", b"{}", 0)
    await gateway.ask("key", 0)
    await PageClient(lure.session).look(f"{lure.url}/status.json", ())
    await StatisticsClient(lure.session, lure.url, Basic("id", "secret")).ask(asked, 0)
    zoom = AccountToken(lure.session, f"{lure.url}/oauth", ("a", "b", "c"))
    await StatisticsClient(lure.session, lure.url, zoom).ask(asked, 0)
    for one, path in ((remote, "/records"), (astray, "/records")):
        with pytest.raises(InputError):
            await one.get(URL(lure.url + path), ["application/json"])
    with pytest.raises(InputError, match="next page on the same server"):
        await nrps.fetched(remote, URL(f"{lure.url}/nrps"))

    assert lure.heard == []
