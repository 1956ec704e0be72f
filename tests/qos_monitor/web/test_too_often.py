"""Who comes too often is told when to come again: providers with 503, the API with 429; forgers cost nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp
from aiohttp.test_utils import TestServer
from gates import door_of
from service_parts import TOKEN, SetClock, SpokenCollector, said
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access.addresses import Addresses
from qos_monitor.access.buckets import Buckets
from qos_monitor.access.doorkeeper import Doorkeeper
from qos_monitor.access.scopes import Scope, StaticKey
from qos_monitor.intake import COLUMNS, Intake
from qos_monitor.storage.tables import deliveries
from qos_monitor.storage.writer import Writer
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import app as web_app
from qos_monitor.web.gate import Gate
from qos_monitor.web.hooks import Hooks
from qos_monitor.web.incidents import Incidents
from qos_monitor.web.turnstile import Turnstile

SLOW = 0.001  # a token in a thousand seconds: none comes back while a test runs
PROXY = Addresses([ip_network("127.0.0.0/8")])


class Door:
    """Webhooks behind a turnstile, and a client who may claim to be anywhere."""

    def __init__(self, client: aiohttp.ClientSession, telemetry: Telemetry) -> None:
        self.client = client
        self.telemetry = telemetry
        self._count = 0

    async def send(
        self, provider: str = "agora", *, signed: bool = True, at: str = "192.0.2.1", token: str = ""
    ) -> tuple[int, str | None]:
        """Send a webhook nobody sent before; tell status and Retry-After."""
        self._count += 1
        headers = {"X-Signed": "yes" if signed else "no", "X-Forwarded-For": at, "Authorization": token}
        async with self.client.post(f"/webhooks/{provider}", data=said(str(self._count)), headers=headers) as answer:
            return answer.status, answer.headers.get("Retry-After")

    def limited(self, limit: str) -> float:
        """Tell how many were told to come later."""
        return self.telemetry.registry.get_sample_value("qos_requests_limited_total", {"limit": limit}) or 0.0


@asynccontextmanager
async def opened(
    engine: AsyncEngine, *, provider: float = 1000, beacon: float = 1000, stranger: float = 1000
) -> AsyncIterator[Door]:
    """Open the door with budgets that are not refilled."""
    writer, telemetry = Writer(engine, deliveries, COLUMNS), Telemetry(["agora", "livekit", "beacon"])
    writer.start()
    collectors = {name: SpokenCollector(name) for name in ("agora", "livekit", "beacon")}
    of_provider, of_beacon, of_stranger = (Buckets(SLOW, most) for most in (provider, beacon, stranger))
    turnstile = Turnstile(of_provider, of_beacon, of_stranger, PROXY, telemetry.limited)
    hooks = Hooks(Intake(collectors, writer, SetClock()), telemetry, 10_000, (), turnstile)
    async with (
        TestServer(web_app.create([hooks], (), 10_000)) as server,
        aiohttp.ClientSession(server.make_url("/")) as client,
    ):
        yield Door(client, telemetry)
    await writer.stop()


async def test_a_provider_over_its_budget_is_told_to_come_again_and_another_is_not(embedded: AsyncEngine) -> None:
    async with opened(embedded, provider=3) as door:
        answers = [await door.send() for _ in range(4)]

        assert [status for status, _ in answers] == [200, 200, 200, 503]
        assert answers[3][1] == "1000"
        assert await door.send("livekit") == (200, None)
        assert door.limited("provider") == 1
        labels = {"provider": "agora", "result": "overloaded"}
        assert door.telemetry.registry.get_sample_value("qos_deliveries_total", labels) == 1


async def test_a_flood_of_forged_webhooks_uses_up_nothing_of_the_provider_s_budget(embedded: AsyncEngine) -> None:
    async with opened(embedded, provider=3, stranger=5) as door:
        forged = [(await door.send(signed=False, at="198.51.100.9"))[0] for _ in range(50)]

        assert forged == [401] * 5 + [503] * 45
        assert [(await door.send())[0] for _ in range(3)] == [200] * 3
        assert door.limited("address") == 45


async def test_a_forger_behind_the_provider_s_own_proxy_does_not_lock_it_out(embedded: AsyncEngine) -> None:
    async with opened(embedded, stranger=5) as door:
        for _ in range(3):
            await door.send(signed=False)
        assert (await door.send())[0] == 200
        forged = [(await door.send(signed=False))[0] for _ in range(10)]

        assert forged == [401] * 10
        assert (await door.send())[0] == 200


async def test_an_address_written_in_a_line_before_the_proxy_s_own_counts_for_nothing(embedded: AsyncEngine) -> None:
    async with opened(embedded, stranger=5) as door:
        heard = []
        for number in range(10):
            lines = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.9")]
            async with door.client.post("/webhooks/agora", data=b"{}", headers=lines) as answer:
                heard.append(answer.status)

        assert heard == [401] * 5 + [503] * 5


async def test_a_learner_who_sends_without_end_keeps_no_other_learner_out(embedded: AsyncEngine) -> None:
    mine, theirs = "Bearer mine." + "m" * 43, "Bearer theirs." + "t" * 43
    async with opened(embedded, provider=10, beacon=4) as door:
        sent = [(await door.send("beacon", token=mine))[0] for _ in range(30)]

        assert sent == [200] * 4 + [503] * 26
        assert [(await door.send("beacon", token=theirs))[0] for _ in range(4)] == [200] * 4
        assert door.limited("beacon") == 26


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(embedded: AsyncEngine) -> None:
    static = [
        StaticKey("QOS_TEST_TOKEN", TOKEN, frozenset(Scope)),
        StaticKey("QOS_OTHER_TOKEN", f"{TOKEN}-of-another", frozenset(Scope)),
    ]
    limited: list[str] = []
    door = Doorkeeper(embedded, SetClock(), lambda: static, Buckets(SLOW, 2), Buckets(SLOW, 2))
    incidents = Incidents(embedded, SetClock(), Gate(door, PROXY, limited.append))
    async with (
        TestServer(web_app.create([incidents], (), 1000)) as server,
        aiohttp.ClientSession(server.make_url("/")) as client,
    ):

        async def ask(token: str) -> tuple[int, str | None]:
            async with client.get("/v1/incidents", headers={"Authorization": f"Bearer {token}"}) as answer:
                return answer.status, answer.headers.get("Retry-After")

        asked = [await ask(TOKEN) for _ in range(3)]
        assert [status for status, _ in asked] == [200, 200, 429]
        assert asked[2][1] in {"999", "1000"}
        guessed = [(await ask("wrong"))[0] for _ in range(3)]
        assert guessed == [401, 401, 429]
        assert (await ask(f"{TOKEN}-of-another"))[0] == 200
    assert limited == ["key", "address"]


async def test_nobody_waits_where_the_budgets_are_off(embedded: AsyncEngine) -> None:
    assert await door_of(embedded, SetClock()).admit(TOKEN, "192.0.2.1") is not None
