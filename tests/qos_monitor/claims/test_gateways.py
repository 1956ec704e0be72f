"""One suite for every way to the refund system: the fake of the tests and the signed HTTP one, answering alike."""

import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import jsonschema
import pytest
from aiohttp.test_utils import TestServer
from claim_parts import FILED, NEW_SECRET, SECRET, Court, FakeGateway, dark_life, send_due
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook, WebhookVerificationError

from qos_monitor import relay
from qos_monitor.claims.gateway import (
    Accepted,
    Answer,
    ClaimGateway,
    Conflict,
    NotKnown,
    Refused,
    Stop,
    Told,
    Unavailable,
)
from qos_monitor.claims.http import ANSWER_BYTES_MAX, WORDS_MAX, HttpClaimGateway, retry_after_ms, understood
from qos_monitor.claims.message import schema
from qos_monitor.claims.receiver import Misbehaviour, Receiver
from qos_monitor.clock import SystemClock
from rules.span import DAY, SECOND, Instant, parse_instant


def now() -> Instant:
    """Tell the machine's time: the library on the other side compares with it, and no more than five minutes apart."""
    return SystemClock().now()


@dataclass
class Way:
    """A gateway with the means to make the other side answer in some way."""

    gateway: ClaimGateway
    make_it: Callable[[Misbehaviour], None]
    receiver: Receiver | None = None


AS_FAKED: dict[Misbehaviour, Answer] = {
    Misbehaviour.ERROR: Unavailable("500"),
    Misbehaviour.BUSY: Unavailable("429", 120 * SECOND),
    Misbehaviour.CONFLICT: Conflict("409"),
    Misbehaviour.GONE: Stop("410"),
    Misbehaviour.REFUSE: Refused("422"),
    Misbehaviour.REDIRECT: Unavailable("307"),
    Misbehaviour.HANG: Unavailable("TimeoutError"),
    Misbehaviour.LOSE_ANSWER: Unavailable("ServerDisconnectedError"),
    Misbehaviour.FLOOD: Accepted("200"),
}


@pytest.fixture
async def body(engine: AsyncEngine) -> bytes:
    court = Court(engine)
    await court.judge(dark_life())
    return (await court.case()).claims[0].body.encode()


@pytest.fixture(params=["fake", "http"])
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    if request.param == "fake":
        fake = FakeGateway(deque())
        yield Way(fake, lambda trick: fake.answers.append(AS_FAKED[trick]))
        return
    receiver = Receiver([SECRET])
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        gateway = HttpClaimGateway(session, str(server.make_url("/claims")), [NEW_SECRET, SECRET], timeout_s=1.0)
        yield Way(gateway, receiver.script.append, receiver)


async def test_a_claim_is_accepted(way: Way, body: bytes) -> None:
    assert isinstance(await way.gateway.send(_key(body), body, now()), Accepted)


async def test_the_same_claim_twice_is_accepted_twice(way: Way, body: bytes) -> None:
    await way.gateway.send(_key(body), body, now())

    assert isinstance(await way.gateway.send(_key(body), body, now()), Accepted)


@pytest.mark.parametrize("trick", list(Misbehaviour))
async def test_each_trouble_gets_its_answer(way: Way, body: bytes, trick: Misbehaviour) -> None:
    way.make_it(trick)

    answer = await way.gateway.send(_key(body), body, now())

    wanted = AS_FAKED[trick]
    assert type(answer) is type(wanted)
    if isinstance(answer, Unavailable) and isinstance(wanted, Unavailable):
        assert answer.retry_after_ms == wanted.retry_after_ms


async def test_a_claim_never_sent_is_not_known(way: Way, body: bytes) -> None:
    assert await way.gateway.ask(_key(body), now()) == NotKnown()


@pytest.fixture
async def receiver_and_gateway() -> AsyncIterator[tuple[Receiver, HttpClaimGateway]]:
    receiver = Receiver([SECRET], problems=_schema_problems)
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        yield receiver, HttpClaimGateway(session, str(server.make_url("/claims")), [NEW_SECRET, SECRET], 1.0)


def _key(body: bytes) -> str:
    return str(json.loads(body)["claim_key"])


def _schema_problems(body: bytes) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    return [error.message for error in validator.iter_errors(json.loads(body))]


async def test_an_independent_verifier_believes_the_claim_under_the_old_and_the_new_secret(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes
) -> None:
    receiver, gateway = receiver_and_gateway

    assert isinstance(await gateway.send(_key(body), body, now()), Accepted)

    (got,) = receiver.received.values()
    for secret in (SECRET, NEW_SECRET):
        assert Webhook(secret).verify(got.body, dict(got.headers)) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body.replace(b"280000", b"980000"), dict(got.headers))


async def test_id_and_idempotency_key_are_the_claims_key_in_every_try_and_the_timestamp_is_the_clocks(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes
) -> None:
    receiver, gateway = receiver_and_gateway
    receiver.script.extend([Misbehaviour.LOSE_ANSWER])

    first = now()
    await gateway.send(_key(body), body, first)
    await gateway.send(_key(body), body, first + 9 * SECOND)

    (got,) = receiver.received.values()
    assert (got.count, got.body) == (2, body)
    assert got.headers["webhook-id"] == got.headers["idempotency-key"] == _key(body)
    assert got.headers["webhook-timestamp"] == str(first // SECOND)
    assert len(got.headers["webhook-signature"].split(" ")) == 2


async def test_another_body_under_the_same_key_is_a_conflict(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes
) -> None:
    _, gateway = receiver_and_gateway
    await gateway.send(_key(body), body, now())

    other = body.replace(b"280000", b"270000")

    assert isinstance(await gateway.send(_key(body), other, now()), Conflict)


async def test_a_claim_signed_with_a_secret_unknown_over_there_is_refused_for_good(body: bytes) -> None:
    receiver = Receiver([SECRET])
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession() as session:
        gateway = HttpClaimGateway(session, str(server.make_url("/claims")), [NEW_SECRET])

        answer = await gateway.send(_key(body), body, now())

    assert isinstance(answer, Refused)
    assert answer.words.startswith("401 ")


async def test_an_answer_without_end_is_cut_off_and_only_its_beginning_kept(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes
) -> None:
    receiver, gateway = receiver_and_gateway
    receiver.script.append(Misbehaviour.FLOOD)

    answer = await gateway.send(_key(body), body, now())

    assert isinstance(answer, Accepted)
    assert len(answer.words) <= WORDS_MAX < ANSWER_BYTES_MAX


async def test_a_redirect_is_not_followed(receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes) -> None:
    receiver, gateway = receiver_and_gateway
    receiver.script.append(Misbehaviour.REDIRECT)

    assert isinstance(await gateway.send(_key(body), body, now()), Unavailable)
    assert receiver.received == {}


async def test_nobody_there_is_no_exception(body: bytes) -> None:
    async with aiohttp.ClientSession() as session:
        gateway = HttpClaimGateway(session, "http://127.0.0.1:9/claims", [SECRET])

        assert isinstance(await gateway.send(_key(body), body, now()), Unavailable)
        assert isinstance(await gateway.ask(_key(body), now()), Unavailable)


async def test_what_the_refund_system_knows_of_a_claim_is_told(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], body: bytes
) -> None:
    receiver, gateway = receiver_and_gateway
    await gateway.send(_key(body), body, now())
    receiver.received[_key(body)].status = "paid"

    assert await gateway.ask(_key(body), now()) == Told("paid", None)


async def test_a_claim_goes_the_whole_way_over_http(
    receiver_and_gateway: tuple[Receiver, HttpClaimGateway], engine: AsyncEngine
) -> None:
    receiver, gateway = receiver_and_gateway
    court = Court(engine)
    await court.judge(dark_life())
    receiver.script.extend([Misbehaviour.ERROR, Misbehaviour.LOSE_ANSWER])

    began = now()
    for step in range(3):
        await send_due(engine, gateway, began + step * relay.LEASE_MS, jitter=lambda: 0.0)

    (claim,) = (await court.case()).claims
    assert [got.body for got in receiver.received.values()] == [claim.body.encode()]
    assert (claim.state.value, claim.attempts, receiver.refused) == ("accepted", 3, [])


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_accepted(status: int) -> None:
    assert isinstance(understood(status, "", {}, FILED), Accepted)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert isinstance(understood(status, "", {}, FILED), Unavailable)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 451])
def test_other_4xx_are_refusals_with_their_words(status: int) -> None:
    assert understood(status, "no such thing", {}, FILED) == Refused(f"{status} no such thing")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, 0),
        ("", 0),
        ("120", 120 * SECOND),
        ("-5", 0),
        ("soon", 0),
        ("999999999999", DAY),
        ("Mon, 02 Nov 2026 11:00:30 GMT", 30 * SECOND),
        ("Mon, 02 Nov 2026 10:00:00 GMT", 0),
        ("Mon, 02 Nov 2099 10:00:00 GMT", DAY),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, wanted: int) -> None:
    assert retry_after_ms(header, parse_instant("2026-11-02T11:00:00Z")) == wanted
