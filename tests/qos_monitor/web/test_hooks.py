"""The front door over real HTTP: what each sender hears, and what is on the disk by then."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from gates import gate_of
from service_parts import TOKEN, SetClock, SpokenCollector, said
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from collectors.contract import Delivery, DeliveryKey
from qos_monitor.intake import COLUMNS, Intake, storable
from qos_monitor.observation_lines import PROVIDER
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from qos_monitor.storage.writer import Writer
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import app as web_app
from qos_monitor.web import hooks
from qos_monitor.web.hooks import Hooks
from qos_monitor.web.observations import Observations
from rules.span import HOUR

SIGNED = {"X-Signed": "yes"}
ORIGIN = "https://class.school.example"


class BrokenCollector(SpokenCollector):
    """Has a bug where it names deliveries."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Fail."""
        raise ZeroDivisionError(delivery.provider)


@dataclass
class Door:
    """The front door, what is behind it, and a client before it."""

    engine: AsyncEngine
    writer: Writer
    telemetry: Telemetry
    client: aiohttp.ClientSession
    port: int
    clock: SetClock = field(default_factory=SetClock)

    async def post(self, body: bytes, provider: str = "agora", **headers: str) -> aiohttp.ClientResponse:
        """Send a webhook."""
        return await self.client.post(f"/webhooks/{provider}", data=body, headers=headers)

    async def stored(self) -> list[tuple[str, bytes, str]]:
        """Tell provider, body and headers of what is on the disk."""
        async with storage.reading(self.engine) as conn:
            rows = await conn.execute(select(deliveries).order_by(deliveries.c.seq))
            return [(row.provider, row.body, row.headers) for row in rows]

    def counted(self, result: str, provider: str = "agora") -> float:
        """Tell how many deliveries ended so."""
        labels = {"provider": provider, "result": result}
        return self.telemetry.registry.get_sample_value("qos_deliveries_total", labels) or 0.0


@pytest.fixture
async def door(embedded: AsyncEngine) -> AsyncIterator[Door]:
    """Open the front door with three providers, a body limit of 1000 and a queue of 3."""
    collectors = {
        "agora": SpokenCollector(),
        "beacon": SpokenCollector("beacon", status=204),
        "broken": BrokenCollector("broken"),
    }
    clock = SetClock()
    writer = Writer(embedded, deliveries, COLUMNS, queue_max=3)
    writer.start()
    intake = Intake(collectors, writer, clock)
    telemetry = Telemetry([*collectors, PROVIDER])
    taking = Hooks(intake, telemetry, 1000, (ORIGIN,))
    groups: list[web_app.Handlers] = [
        taking,
        Observations(embedded, intake, telemetry, clock, gate_of(embedded, clock)),
    ]
    runner = web_app.runner(web_app.create(groups, (), 100_000), 5.0)
    await runner.setup()
    web_app.open_ahead(runner, taking.doors())
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield Door(embedded, writer, telemetry, client, port, clock)
    await runner.cleanup()
    await writer.stop()


async def test_a_believed_delivery_is_on_the_disk_raw_and_answered_as_the_provider_likes(door: Door) -> None:
    body = b'{ "id":"e1" , "who":"u1"}'

    answer = await door.post(body, **SIGNED, Cookie="not kept")

    assert (answer.status, await answer.read()) == (200, b'{"provider":"content"}')
    assert answer.content_type == "application/json"
    assert await door.stored() == [("agora", body, '{"x-signed":"yes"}')]
    assert door.counted("accepted") == 1


async def test_a_repeat_is_answered_alike_and_stored_once(door: Door) -> None:
    for _ in range(3):
        door.clock.at += HOUR
        assert (await door.post(said("e1"), **SIGNED)).status == 200

    assert len(await door.stored()) == 1


@pytest.mark.parametrize("path", ["/webhooks/agora?from=console", "/webhooks/%61gora"])
async def test_the_path_may_be_written_in_another_way(door: Door, path: str) -> None:
    answer = await door.client.post(URL(path, encoded=True), data=said("e1"), headers=SIGNED)

    assert answer.status == 200
    assert door.counted("accepted") == 1


async def test_a_sender_who_asks_first_whether_to_go_on_is_told_to(door: Door) -> None:
    answer = await door.client.post("/webhooks/agora", data=said("e1"), headers=SIGNED, expect100=True)

    assert answer.status == 200
    assert len(await door.stored()) == 1


async def test_no_other_method_is_taken(door: Door) -> None:
    assert (await door.client.get("/webhooks/agora")).status == 405


async def test_who_is_not_believed_hears_401_and_is_counted_by_reason(door: Door) -> None:
    answer = await door.post(said("e1"))

    assert answer.status == 401
    assert await door.stored() == []
    labels = {"provider": "agora", "reason": "wrong_signature"}
    assert door.telemetry.registry.get_sample_value("qos_deliveries_refused_total", labels) == 1


async def test_a_provider_that_is_not_configured_is_404_and_not_a_label(door: Door) -> None:
    answer = await door.post(said("e1"), "nobody", **SIGNED)

    assert answer.status == 404
    assert door.telemetry.registry.get_sample_value("qos_deliveries_unknown_provider_total") == 1


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
async def test_the_limit_is_the_largest_body_taken(door: Door, size: int, status: int) -> None:
    assert (await door.post(b"x" * size, **SIGNED)).status == status


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
async def test_a_body_that_does_not_tell_its_length_has_the_same_limit(door: Door, size: int, status: int) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    answer = await door.client.post("/webhooks/agora", data=parts(), headers=SIGNED)

    assert answer.status == status


async def test_what_is_believed_and_unreadable_is_kept_and_answered_2xx(door: Door) -> None:
    body = b"\xff\xfe not json"

    assert (await door.post(body, **SIGNED)).status == 200
    assert [row[1] for row in await door.stored()] == [body]


async def test_a_compressed_body_is_kept_as_it_came(door: Door) -> None:
    answer = await door.post(b"\x1f\x8b whatever", **SIGNED, **{"Content-Encoding": "gzip"})

    assert answer.status == 200
    assert [row[1] for row in await door.stored()] == [b"\x1f\x8b whatever"]


async def test_too_much_at_once_is_503_with_a_time_to_come_again(door: Door) -> None:
    async with storage.writing(door.engine):  # the disk is busy
        first = asyncio.create_task(door.post(said("e0"), **SIGNED))
        await asyncio.sleep(0.1)  # the writer has it in hand
        waiting = [asyncio.create_task(door.post(said(f"w{number}"), **SIGNED)) for number in range(20)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answer = done.pop().result()
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 1
    statuses = [(await task).status for task in [first, *waiting]]

    assert set(statuses) == {200, 503}
    assert len(await door.stored()) == statuses.count(200)
    assert door.counted("overloaded") == statuses.count(503)


async def test_trouble_of_the_database_is_503_and_the_retry_is_stored(door: Door) -> None:
    async with storage.writing(door.engine) as conn:
        await conn.execute(text("ALTER TABLE deliveries RENAME TO away"))
    answer = await door.post(said("e1"), **SIGNED)
    async with storage.writing(door.engine) as conn:
        await conn.execute(text("ALTER TABLE away RENAME TO deliveries"))

    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert (await door.post(said("e1"), **SIGNED)).status == 200
    assert len(await door.stored()) == 1


async def test_a_bug_in_a_collector_is_503_never_a_4xx_that_loses_the_event(door: Door) -> None:
    assert (await door.post(said("e1"), "broken", **SIGNED)).status == 503
    assert door.counted("failed", "broken") == 1


async def test_a_body_that_does_not_end_in_time_is_503_for_it_may_be_we_who_stood_still(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_BODY_WAIT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"POST /webhooks/agora HTTP/1.1\r\nHost: x\r\nX-Signed: yes\r\nContent-Length: 9\r\n\r\nx")
    try:
        heard = await asyncio.wait_for(reader.readline(), 10)
    finally:
        writer.transport.abort()

    assert heard.startswith(b"HTTP/1.1 503 ")
    assert door.counted("broken_off") == 1
    assert await door.stored() == []


async def test_a_sender_who_hangs_up_after_sending_loses_only_the_answer(door: Door) -> None:
    body = said("left")
    head = f"POST /webhooks/agora HTTP/1.1\r\nHost: x\r\nX-Signed: yes\r\nContent-Length: {len(body)}\r\n\r\n"
    async with storage.writing(door.engine):
        _, sender = await asyncio.open_connection("127.0.0.1", door.port)
        sender.write(head.encode() + body)
        await sender.drain()
        await asyncio.sleep(0.1)  # the request is in hand, and waits for the disk
        sender.transport.abort()
    await door.post(said("after"), **SIGNED)  # is behind it in the queue

    assert [row[1] for row in await door.stored()] == [body, said("after")]


async def test_a_page_of_a_configured_origin_may_send_beacons(door: Door) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = await door.client.options("/webhooks/beacon", headers=asked)

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    sent = await door.post(said("b1"), "beacon", **SIGNED, Origin=ORIGIN)
    assert sent.status == 204
    assert sent.headers["Access-Control-Allow-Origin"] == ORIGIN
    refused = await door.post(said("b2"), "beacon", Origin=ORIGIN)
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)


async def test_a_page_of_another_origin_may_not(door: Door) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = await door.client.options("/webhooks/beacon", headers=asked)

    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def line(**changes: object) -> bytes:
    row = {
        "source": "school",
        "id": "o1",
        "kind": "attempted",
        "at": "2026-11-02T11:00:05Z",
        "class_id": "c1",
        "participant_id": "u1",
        "role": "learner",
        "vantage": "server",
        **changes,
    }
    return json.dumps(row).encode()


async def observe(door: Door, body: bytes, token: str = TOKEN, **headers: str) -> aiohttp.ClientResponse:
    given = {"Authorization": f"Bearer {token}", **headers}
    return await door.client.post("/v1/observations", data=body, headers=given)


async def test_lines_of_observations_are_stored_as_one_delivery(door: Door) -> None:
    body = line() + b"\n\n" + line(id="o2") + b"\n"

    answer = await observe(door, body)

    assert (answer.status, await answer.json()) == (202, {"accepted": 2})
    assert await door.stored() == [(PROVIDER, body, "{}")]
    assert (await observe(door, body)).status == 202
    assert len(await door.stored()) == 1


async def test_one_wrong_line_and_nothing_is_stored_and_every_mistake_is_told(door: Door) -> None:
    unkept = [line(id="x" * 301), line(id="nul\0"), line(domains={"node": "x" * 201})]
    body = b"\n".join([line(), line(kind="exploded", wrong=1), b"{", *unkept, b"[1]", b"7"])

    answer = await observe(door, body)

    assert answer.status == 422
    paths = [problem["path"] for problem in (await answer.json())["errors"]]
    assert paths == [
        *("line 2.kind", "line 2.wrong", "line 3", "line 4.id", "line 5.id", "line 6.domains.node", "line 7", "line 8"),
    ]
    assert await door.stored() == []


@pytest.mark.parametrize("token", ["", "another", TOKEN + "x", "ü" * 16])
async def test_without_the_token_nothing_is_taken(door: Door, token: str) -> None:
    answer = await observe(door, line(), token)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await door.stored() == []


async def test_the_scheme_of_the_token_may_be_written_in_any_case(door: Door) -> None:
    headers = {"Authorization": f"bearer {TOKEN}"}

    assert (await door.client.post("/v1/observations", data=line(), headers=headers)).status == 202


async def test_observations_beyond_the_limit_of_uploads_are_413(door: Door) -> None:
    assert (await observe(door, b"\n" * 100_001)).status == 413
    assert await door.stored() == []


async def test_compressed_observations_are_415(door: Door) -> None:
    assert (await observe(door, line(), **{"Content-Encoding": "gzip"})).status == 415


async def test_every_end_of_an_upload_of_observations_is_counted(door: Door) -> None:
    await observe(door, line(), "another")
    await observe(door, b"\n" * 100_001)
    await observe(door, b"{")
    await observe(door, line(), **{"Content-Encoding": "gzip"})
    await observe(door, line())

    results = ("refused", "too_large", "invalid", "accepted")
    assert [door.counted(result, PROVIDER) for result in results] == [1, 1, 2, 1]


@pytest.mark.parametrize("event_id", ["", "x" * 201, "nul\0", "half \ud800", "line\nbreak"])
def test_an_id_no_database_takes_becomes_its_hash_and_the_same_each_time(event_id: str) -> None:
    named = storable(DeliveryKey(5, event_id))

    assert named.event_id.startswith("sha256:")
    assert named == storable(DeliveryKey(5, event_id))


def test_a_plain_key_stays_and_a_minute_that_never_was_is_0() -> None:
    assert storable(DeliveryKey(5, "e-1")) == DeliveryKey(5, "e-1")
    assert storable(DeliveryKey(2**70, "e-1")).minute == 0
    assert storable(DeliveryKey(-1, "e-1")).minute == 0
