"""The beacon's client in a real browser: what was not taken comes again, and a page that closes says goodbye."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import browser
import pytest
from aiohttp import web
from playwright.async_api import Browser, Page

from collectors.beacon import Beacon, mint
from collectors.contract import Delivery, Reading
from qos_monitor.clock import SystemClock
from rules.span import HOUR

HERE = Path(__file__).parent
PAGE = (HERE / "classroom.html", HERE / "classroom.js", HERE.parents[1] / "collectors" / "beacon" / "client.js")
SECRET = "a-beacon-secret-nobody-guesses"
_ARRIVAL_S_MAX = 20.0


@dataclass
class Taker:
    """A service that answers as it was told, and at last takes everything; what it takes, our collector believes."""

    answers: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Answer one post, or the question that a browser asks before it."""
        cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization, content-type"}
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=cors)
        status = self.answers.pop(0) if self.answers else 204
        self.bodies.append(await request.json())
        self.tokens.append(request.headers["Authorization"])
        if status == 204:
            headers = {"authorization": request.headers["Authorization"]}
            delivery = Delivery("beacon", await request.read(), headers, SystemClock().now())
            Beacon((SECRET,)).verify(delivery)
            self.readings.append(Beacon((SECRET,)).read(delivery))
        return web.Response(status=status, headers=cors)

    async def arrived(self, count: int) -> None:
        """Wait until so many posts came."""
        async with asyncio.timeout(_ARRIVAL_S_MAX):
            while len(self.bodies) < count:  # noqa: ASYNC110 - what is waited for is another process's
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen; gives the URL for beacons."""
        app = web.Application()
        app.router.add_route("*", "/webhooks/beacon", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/beacon"
        finally:
            await runner.cleanup()


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """Run a browser."""
    async with browser.chromium(tmp_path) as running:
        yield running


@asynccontextmanager
async def client(chromium: Browser, taker: Taker) -> AsyncIterator[Page]:
    """Open a page with a beacon that sends when it is told to, each time with a token of its own."""
    now = SystemClock().now()
    tokens = [mint(SECRET, "u1", "c1", now + HOUR + 1_000 * number) for number in range(9)]
    begin = """async ({url, tokens}) => {
        const {Beacon} = await import("./client.js");
        window.beacon = new Beacon({url, token: async () => tokens.shift(), sendEveryMs: 3_600_000});
    }"""
    async with (
        taker.listening() as url,
        browser.files("127.0.0.1", *PAGE) as origin,
        browser.page(chromium, f"{origin}/classroom.html", expected="Failed to load resource") as page,
    ):
        await page.evaluate(begin, {"url": url, "tokens": tokens})
        yield page


async def test_a_batch_that_was_not_taken_comes_again_under_its_name_with_a_new_token(chromium: Browser) -> None:
    taker = Taker(answers=[503, 401, 429])
    async with client(chromium, taker) as page:
        await page.evaluate("beacon.attempted(); beacon.joinFailed('NETWORK_TIMEOUT')")
        for _ in range(5):
            await page.evaluate("beacon.send()")
        await page.evaluate("beacon.attempted()")
        await page.evaluate("beacon.close()")

    again, other = taker.bodies[:4], taker.bodies[4:]
    for name in ("batch", "made_at", "items", "app", "domains"):
        assert all(body[name] == again[0][name] for body in again)
    assert again[0]["sent_at"] < again[1]["sent_at"] < again[2]["sent_at"] < again[3]["sent_at"]
    assert len(set(taker.tokens)) == 5
    assert [body["batch"] == again[0]["batch"] for body in other] == [False]
    told = [
        (one.observation.kind.value, one.observation.code) for reading in taker.readings for one in reading.sightings
    ]
    assert told == [("attempted", None), ("join_failed", "NETWORK_TIMEOUT"), ("attempted", None)]
    assert all(reading.unknown == reading.ignored == () for reading in taker.readings)


async def test_one_that_nobody_will_ever_take_does_not_hold_up_the_others(chromium: Browser) -> None:
    taker = Taker(answers=[413])
    async with client(chromium, taker) as page:
        await page.evaluate("beacon.attempted()")
        await page.evaluate("beacon.send()")
        await page.evaluate("beacon.joined()")
        await page.evaluate("beacon.close()")

    assert [[item["kind"] for item in body["items"]] for body in taker.bodies] == [["attempted"], ["joined"]]


async def test_a_page_that_closes_says_that_its_person_left(chromium: Browser) -> None:
    taker = Taker()
    async with client(chromium, taker) as page:
        await page.evaluate("beacon.joined()")
        await page.goto("about:blank")
        await taker.arrived(1)

    [reading] = taker.readings
    joined, left = (one.observation for one in reading.sightings)
    assert (left.kind.value, left.code, left.fault.value) == ("left", "LEAVE", "learner")
    assert joined.session == left.session
