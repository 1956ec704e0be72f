"""The demonstration's refund system keeps its side of the contract."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from claim_parts import FILED, SECRET, Court, dark_life
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.gateway import Accepted, Conflict, NotKnown, Refused, Told
from qos_monitor.claims.http import HttpClaimGateway
from qos_monitor.claims.receiver import Receiver
from qos_monitor.claims.signing import signed
from rules.span import DAY, MINUTE


@pytest.fixture
async def body(engine: AsyncEngine) -> bytes:
    court = Court(engine)
    await court.judge(dark_life())
    return (await court.case()).claims[0].body.encode()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver([SECRET], now=lambda: FILED)


@pytest.fixture
async def gateway(receiver: Receiver) -> AsyncIterator[HttpClaimGateway]:
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        yield HttpClaimGateway(session, str(server.make_url("/claims")), [SECRET])


def key_of(body: bytes) -> str:
    return str(json.loads(body)["claim_key"])


async def test_under_a_driven_clock_the_signature_is_checked_at_that_clocks_time(
    receiver: Receiver, gateway: HttpClaimGateway, body: bytes
) -> None:
    assert isinstance(await gateway.send(key_of(body), body, FILED + 4 * MINUTE), Accepted)
    assert isinstance(await gateway.send(key_of(body), body, FILED + DAY), Refused)
    assert receiver.refused == ["timestamp"]


async def test_it_takes_a_claim_once_and_knows_it_afterwards(
    receiver: Receiver, gateway: HttpClaimGateway, body: bytes
) -> None:
    assert await gateway.ask(key_of(body), FILED) == NotKnown()

    for _ in range(3):
        assert isinstance(await gateway.send(key_of(body), body, FILED), Accepted)

    assert await gateway.ask(key_of(body), FILED) == Told("accepted", None)
    (got,) = receiver.received.values()
    assert (got.count, got.message["amount_minor"]) == (3, 280_000)


async def test_the_same_key_with_another_body_is_a_conflict_and_the_first_stays(
    receiver: Receiver, gateway: HttpClaimGateway, body: bytes
) -> None:
    await gateway.send(key_of(body), body, FILED)

    assert isinstance(await gateway.send(key_of(body), body.replace(b"280000", b"1"), FILED), Conflict)
    assert receiver.received[key_of(body)].body == body


async def test_a_message_of_another_shape_is_refused_in_words(
    receiver: Receiver, gateway: HttpClaimGateway, body: bytes
) -> None:
    odd = json.dumps({**json.loads(body), "bonus": 1}).encode()

    assert isinstance(await gateway.send(key_of(body), odd, FILED), Refused)
    assert receiver.refused == ["bonus: is not a key of a claim"]


async def test_a_key_that_is_not_the_claims_own_is_refused(receiver: Receiver, body: bytes) -> None:
    other = "f" * 64
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        headers = {**signed([SECRET], other, body, FILED), "Idempotency-Key": other}
        async with session.post(server.make_url("/claims"), data=body, headers=headers) as answer:
            assert answer.status == 400
    assert receiver.received == {}


async def test_nobody_without_the_secret_is_told_anything(receiver: Receiver) -> None:
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        async with session.get(server.make_url(f"/claims/{'0' * 64}")) as answer:
            assert answer.status == 401
        async with session.post(server.make_url("/claims"), data=b"{}") as answer:
            assert answer.status == 401
