"""The outbox: at least once, the same bytes under the same key, and nobody waited for inside a transaction."""

import logging
from collections import deque
from dataclasses import dataclass, field

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, dark_life, richer, send_due, states
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import relay
from qos_monitor.claims.gateway import Accepted, Answer, Conflict, Refused, Stop, Unavailable
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles, case_transitions, cases, claims
from rules.span import MINUTE, SECOND, Instant


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.judge(dark_life())
    return made


async def next_attempt_at(court: Court) -> Instant | None:
    async with storage.reading(court.engine) as conn:
        at: Instant | None = (await conn.execute(select(claims.c.next_attempt_at))).scalar_one()
        return at


async def test_a_claim_that_is_taken_makes_its_case_accepted(court: Court) -> None:
    gateway, counted = FakeGateway(), list[str]()

    assert await send_due(court.engine, gateway, FILED, count=counted.append) == 1

    assert states(await court.case()) == ["accepted", "1 refund accepted"]
    assert (await court.moves((await court.case()).case_key))[-1] == "filed > accepted by relay"
    assert counted == ["accepted"]
    assert await send_due(court.engine, gateway, FILED + HOUR) == 0


async def test_the_stored_bytes_are_what_is_sent(court: Court) -> None:
    gateway = FakeGateway()

    await send_due(court.engine, gateway, FILED)

    claim = (await court.case()).claims[0]
    assert gateway.sent == [(claim.claim_key, claim.body.encode(), FILED)]


@pytest.mark.parametrize(
    ("answer", "state", "result"),
    [
        (Conflict("409"), "parked", "conflict"),
        (Refused("422"), "parked", "refused"),
        (Stop("410"), "stopped", "stopped"),
    ],
)
async def test_a_claim_that_will_never_be_taken_is_parked_and_an_error_is_logged(
    court: Court, caplog: pytest.LogCaptureFixture, answer: Answer, state: str, result: str
) -> None:
    counted = list[str]()

    await send_due(court.engine, FakeGateway(deque([answer])), FILED, count=counted.append)

    case = await court.case()
    assert states(case) == ["filed", f"1 refund {state}"]
    assert case.claims[0].answer == answer.words
    assert counted == [result]
    (alarm,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert alarm.getMessage() == "claim_not_taken"
    assert await send_due(court.engine, FakeGateway(), FILED + 100 * HOUR) == 0


async def test_after_410_nothing_is_sent_until_a_person_lets_the_claim_go(court: Court) -> None:
    await send_due(court.engine, FakeGateway(deque([Stop("410")])), FILED)
    await court.judge(dark_life(richer()), FILED + HOUR)
    gateway = FakeGateway()
    assert await send_due(court.engine, gateway, FILED + HOUR) == 0

    await court.decide((await court.case()).case_key, "release", FILED + 2 * HOUR)
    await send_due(court.engine, gateway, FILED + 2 * HOUR)
    await send_due(court.engine, gateway, FILED + 2 * HOUR)

    assert states(await court.case()) == ["accepted", "1 refund accepted", "2 supplement accepted"]


async def test_a_claim_not_answered_is_tried_again_later_and_later(court: Court) -> None:
    now, waits = FILED, []
    for _ in range(16):
        await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), now, jitter=lambda: 1.0)
        due = await next_attempt_at(court)
        assert due is not None
        waits.append((due - now) // SECOND)
        now = due

    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 4 * 3600
    assert states(await court.case()) == ["filed", "1 refund ready"]


async def test_the_jitter_is_full(court: Court) -> None:
    await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), FILED, jitter=lambda: 0.0)

    assert await next_attempt_at(court) == FILED


async def test_retry_after_is_honoured_when_it_is_later_than_our_own_wait(court: Court) -> None:
    answer = Unavailable("429", retry_after_ms=10 * MINUTE)

    await send_due(court.engine, FakeGateway(deque([answer])), FILED, jitter=lambda: 1.0)

    assert await next_attempt_at(court) == FILED + 10 * MINUTE


async def test_after_75_hours_of_trying_a_claim_is_parked_and_not_a_moment_before(court: Court) -> None:
    now = FILED
    for _ in range(20):
        await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), now, jitter=lambda: 0.0)

    last = FILED + 75 * HOUR
    await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), last - 1, jitter=lambda: 0.0)
    assert states(await court.case()) == ["filed", "1 refund ready"]
    await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), last, jitter=lambda: 0.0)

    assert states(await court.case()) == ["filed", "1 refund parked"]


async def test_a_claim_we_were_too_late_to_try_often_is_not_given_up(court: Court) -> None:
    """We were down for four days ourselves: that is not 75 hours of trying."""
    await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), FILED + 96 * HOUR)

    assert states(await court.case()) == ["filed", "1 refund ready"]


async def test_a_supplement_waits_until_the_claim_before_it_is_answered(court: Court) -> None:
    await court.judge(dark_life(richer()), FILED + HOUR)
    gateway = FakeGateway()

    assert await send_due(court.engine, gateway, FILED + HOUR) == 1
    assert await send_due(court.engine, gateway, FILED + HOUR) == 1

    key = (await court.case()).case_key
    assert [sent[0] for sent in gateway.sent] == [key, f"{key}-2"]


class Died(Exception):  # noqa: N818 - what happens, not what is wrong
    """The process is no more."""


@dataclass
class Dying(FakeGateway):
    """Takes the claim, and then the process dies before it can write that down."""

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        await super().send(claim_key, body, now)
        raise Died


async def test_dying_between_sending_and_recording_sends_the_same_again_once_the_lease_is_over(court: Court) -> None:
    dying, later = Dying(), FakeGateway()
    with pytest.raises(ExceptionGroup):
        await send_due(court.engine, dying, FILED)

    assert await send_due(court.engine, later, FILED + relay.LEASE_MS - 1) == 0
    assert await send_due(court.engine, later, FILED + relay.LEASE_MS) == 1

    assert [sent[:2] for sent in later.sent] == [sent[:2] for sent in dying.sent]
    assert states(await court.case()) == ["accepted", "1 refund accepted"]


@dataclass
class Slow(FakeGateway):
    """Answers so late that another worker has taken the claim meanwhile, and was told to come again."""

    court: Court | None = None

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        await super().send(claim_key, body, now)
        assert self.court is not None
        other = FakeGateway(deque([Unavailable("503", HOUR)]))
        assert await send_due(self.court.engine, other, now + relay.LEASE_MS) == 1
        return Refused("422")


async def test_an_answer_that_comes_after_the_lease_was_lost_changes_nothing(court: Court) -> None:
    await send_due(court.engine, Slow(court=court), FILED)

    assert states(await court.case()) == ["filed", "1 refund ready"]
    assert await next_attempt_at(court) == FILED + relay.LEASE_MS + HOUR


@dataclass
class Watching(FakeGateway):
    """While it is waited for, somebody else writes: nothing must be locked."""

    court: Court | None = None
    after: list[str] = field(default_factory=list)

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        assert self.court is not None
        await self.court.report(claim_key, "paid", now)
        self.after = states(await self.court.case())
        return await super().send(claim_key, body, now)


async def test_no_transaction_is_open_while_the_refund_system_thinks_and_its_report_wins(court: Court) -> None:
    gateway = Watching(court=court)

    await send_due(court.engine, gateway, FILED)

    assert gateway.after == ["paid", "1 refund paid"]
    assert states(await court.case()) == ["paid", "1 refund paid"]


ANSWER = st.sampled_from([Accepted("200"), Unavailable("503"), Unavailable("429", 7 * MINUTE), None])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=st.lists(ANSWER, max_size=8), gaps=st.lists(st.integers(0, 40), min_size=12, max_size=12))
async def test_whatever_goes_wrong_a_claim_arrives_and_always_as_the_same_bytes(
    engine: AsyncEngine, script: list[Answer | None], gaps: list[int]
) -> None:
    async with storage.writing(engine) as conn:
        for table in (cases, claims, case_transitions, bundles):
            await conn.execute(delete(table))
    court = Court(engine)
    await court.judge(dark_life())
    arrived, now = set[tuple[str, bytes]](), FILED

    for index, gap in enumerate(gaps):
        answer = script[index] if index < len(script) else Accepted("200")
        gateway = Dying() if answer is None else FakeGateway(deque([answer]))
        try:
            await send_due(engine, gateway, now, jitter=lambda: 1.0)
        except ExceptionGroup:
            assert answer is None
        arrived |= {(key, body) for key, body, _ in gateway.sent}
        now += gap * MINUTE + relay.LEASE_MS
    for _ in range(3):
        await send_due(engine, FakeGateway(), now + 5 * HOUR)

    assert len(arrived) <= 1
    assert states(await court.case()) == ["accepted", "1 refund accepted"]
