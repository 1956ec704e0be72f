"""Answers written beforehand are read by a client as any other is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from aiohttp import web

from qos_monitor import clock
from qos_monitor.intake import Answer
from qos_monitor.web import app as web_app
from qos_monitor.web.ready import Readied, Ready

JSON = Answer(200, b'{"code":0}', "application/json")
EMPTY = Answer(200, b"", "text/plain")
NOTHING = Answer(204, b"", "text/plain")


@dataclass
class Asked:
    """A server that gives the answer it is set to, and counts the connections."""

    port: int
    answer: Answer = JSON
    given: list[web.StreamResponse] | None = None

    async def raw(self, request: str) -> bytes:
        """Send a request as text and read until the server hangs up or says no more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.replace("\n", "\r\n").encode())
        got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return got


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """Run it."""
    readied, server = Readied({"X-Everywhere": "yes"}), Asked(0)
    server.given = []

    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert server.given is not None
        server.given.append(readied.of(request, server.answer))
        return server.given[-1]

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web_app.runner(app, 1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.mark.parametrize("answer", [JSON, EMPTY, NOTHING])
async def test_many_requests_on_one_connection_hear_it_whole(asked: Asked, answer: Answer) -> None:
    asked.answer = answer
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as client:
        for _ in range(3):
            async with client.post(f"http://127.0.0.1:{asked.port}/", data=b"x") as heard:
                assert (heard.status, await heard.read()) == (answer.status, answer.body)
                assert heard.headers["X-Everywhere"] == "yes"

    assert asked.given is not None
    assert all(isinstance(given, Ready) for given in asked.given)


async def test_it_says_its_type_its_length_and_when(asked: Asked) -> None:
    async with aiohttp.ClientSession() as client, client.post(f"http://127.0.0.1:{asked.port}/", data=b"x") as heard:
        headers = heard.headers
        told = parsedate_to_datetime(headers["Date"]).timestamp()

    assert (headers["Content-Type"], headers["Content-Length"]) == ("application/json", "10")
    assert abs(told * 1000 - clock.SystemClock().now()) < 60_000


@pytest.mark.parametrize("head", ["POST / HTTP/1.0", "POST / HTTP/1.1\nHost: here\nConnection: close"])
async def test_who_wants_the_connection_closed_gets_an_answer_of_their_own(asked: Asked, head: str) -> None:
    got = await asked.raw(f"{head}\nContent-Length: 1\n\nx")

    assert b" 200 OK\r\n" in got
    assert got.endswith(b'\r\n\r\n{"code":0}')
    assert asked.given is not None
    assert not isinstance(asked.given[0], Ready)


async def test_answers_that_differ_each_time_are_not_all_kept(asked: Asked) -> None:
    async with aiohttp.ClientSession() as client:
        for number in range(200):
            asked.answer = Answer(200, b"%d" % number, "text/plain")
            async with client.post(f"http://127.0.0.1:{asked.port}/", data=b"x") as heard:
                assert await heard.read() == asked.answer.body
