"""A refund system that is slow or silent: it holds back nobody but the claim it is slow with."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, dark_life, multiply, send_due, states
from service_parts import SetClock
from sqlalchemy import event, select
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import relay
from qos_monitor.claims.gateway import Accepted, Answer, Stop, Unavailable
from qos_monitor.claims.line import Line
from qos_monitor.relay import Relay
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import claims
from rules.span import MINUTE, SECOND, Instant


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.judge(dark_life())
    return made


async def rows(court: Court) -> dict[str, tuple[str, Instant | None, Instant]]:
    """Tell of each claim its state, when it is tried next, and until when it is leased."""
    query = select(claims.c.claim_key, claims.c.state, claims.c.next_attempt_at, claims.c.lease_until)
    async with storage.reading(court.engine) as conn:
        return {row[0]: (row[1], row[2], row[3]) for row in await conn.execute(query)}


@dataclass
class Hanging(FakeGateway):
    """Never answers some claims until it is let go."""

    silent_to: set[str] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        answer = await super().send(claim_key, body, now)
        if claim_key in self.silent_to:
            await self.released.wait()
        return answer

    def count(self, claim_key: str) -> int:
        """Tell how often a claim was sent."""
        return sum(key == claim_key for key, _, _ in self.sent)


@dataclass
class Ponderous(FakeGateway):
    """Answers so and so much later."""

    clock: SetClock = field(default_factory=SetClock)
    takes_ms: int = 0

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        self.clock.at += self.takes_ms
        return await super().send(claim_key, body, now)


async def test_retry_after_counts_from_the_answer_not_from_the_sending(court: Court) -> None:
    clock = SetClock(FILED)
    answer = Unavailable("429", retry_after_ms=10 * MINUTE)

    await Relay(
        court.engine, Ponderous(deque([answer]), clock=clock, takes_ms=20 * SECOND), clock, patience_s=60
    ).send_due()

    ((_, next_attempt_at, _),) = (await rows(court)).values()
    assert next_attempt_at == FILED + 20 * SECOND + 10 * MINUTE


async def test_each_claim_is_signed_at_the_time_it_is_sent(court: Court) -> None:
    await multiply(court, 3)
    clock = SetClock(FILED)
    gateway = Ponderous(clock=clock, takes_ms=20 * SECOND)

    await Relay(court.engine, gateway, clock, patience_s=60).send_due()

    assert [at for _, _, at in gateway.sent] == [FILED, FILED + 20 * SECOND, FILED + 40 * SECOND]


async def test_the_75_hours_end_with_the_answer_not_with_the_sending(court: Court) -> None:
    for _ in range(relay.RETRIES_MIN):
        await send_due(court.engine, FakeGateway(deque([Unavailable("503")])), FILED, jitter=lambda: 0.0)
    clock = SetClock(FILED + 75 * HOUR - 1)
    gateway = Ponderous(deque([Unavailable("503")]), clock=clock, takes_ms=1)

    await Relay(court.engine, gateway, clock, jitter=lambda: 0.0, patience_s=60).send_due()

    assert states(await court.case()) == ["filed", "1 refund parked"]


async def test_a_claim_that_hangs_does_not_hold_back_the_retries_of_others(court: Court) -> None:
    silent, other, *_ = await multiply(court, 2)
    gateway = Hanging(deque([Accepted("200"), Unavailable("503")]), silent_to={silent})
    clock = SetClock(FILED)
    outbox = Relay(court.engine, gateway, clock, jitter=lambda: 1.0, patience_s=0.2)

    assert await outbox.send_due() == 2
    while (await rows(court))[other][1] == FILED:
        await outbox.send_due()
    clock.at = FILED + relay.BACKOFF_FIRST_MS
    while gateway.count(other) < 2:
        await outbox.send_due()

    assert gateway.count(silent) == 1
    gateway.released.set()
    await outbox.land()
    assert {row[0] for row in (await rows(court)).values()} == {"accepted"}


async def test_a_claim_on_its_way_is_not_sent_again_even_when_its_lease_is_over(court: Court) -> None:
    """A clock that jumps must not make us our own rival."""
    (silent,) = await multiply(court, 1)
    gateway, clock = Hanging(silent_to={silent}), SetClock(FILED)
    outbox = Relay(court.engine, gateway, clock, patience_s=0.0)

    assert await outbox.send_due() == 1
    clock.at = FILED + relay.LEASE_MS
    assert await outbox.send_due() == 0

    gateway.released.set()
    await outbox.land()
    assert gateway.count(silent) == 1
    assert (await rows(court))[silent][0] == "accepted"


async def test_no_more_claims_than_there_are_places_are_on_their_way(court: Court) -> None:
    keys = await multiply(court, relay.PARALLEL_MAX + 3)
    gateway = Hanging(silent_to=set(keys))
    outbox = Relay(court.engine, gateway, SetClock(FILED), patience_s=0.0)

    assert await outbox.send_due() == relay.PARALLEL_MAX
    assert await outbox.send_due() == 0

    gateway.released.set()
    await outbox.land()
    assert await outbox.send_due() == 3
    await outbox.land()


async def test_410_stops_the_claims_of_everybody_until_a_person_lets_go_the_one_it_was_said_of(court: Court) -> None:
    keys = await multiply(court, relay.PARALLEL_MAX + 3)
    later = FILED + relay.LEASE_MS
    first = FakeGateway(deque([Stop("410")]))
    await send_due(court.engine, first, FILED)
    gateway = FakeGateway()
    assert await send_due(court.engine, gateway, later) == 0
    stopped = [key for key, row in (await rows(court)).items() if row[0] == "stopped"]

    await court.decide(stopped[0], "release", later)
    while await send_due(court.engine, gateway, later):
        pass

    assert stopped == [first.sent[0][0]]
    assert {row[0] for row in (await rows(court)).values()} == {"accepted"}
    assert {key for key, _, _ in [*first.sent, *gateway.sent]} == set(keys)


async def test_nobody_sets_out_while_a_410_is_being_written_down(embedded: AsyncEngine) -> None:
    court = Court(embedded)
    await court.judge(dark_life())
    keys = await multiply(court, relay.PARALLEL_MAX + 1)
    gateway = Hanging(deque([Stop("410")]), silent_to={keys[0]})
    outbox = Relay(court.engine, gateway, SetClock(FILED), patience_s=0.0)
    await outbox.send_due()
    async with storage.turn(court.engine):
        gateway.released.set()
        while not outbox.is_stopping_all:  # noqa: ASYNC110 - the outbox knows nothing of who waits
            await asyncio.sleep(0)
        assert await outbox.send_due() == 0
    await outbox.land()
    assert (await rows(court))[keys[0]][0] == "stopped"
    assert await outbox.send_due() == 0


async def test_a_claim_waited_for_when_the_line_is_hung_up_is_due_at_once_and_the_same_bytes_go_out_again(
    court: Court,
) -> None:
    keys = await multiply(court, 3)
    gateway, again = Hanging(silent_to=set(keys)), FakeGateway()
    line = Line(gateway)
    outbox = Relay(court.engine, line, SetClock(FILED), patience_s=0.0)
    assert await outbox.send_due() == 3
    while len(gateway.sent) < 3:  # noqa: ASYNC110 - the gateway tells nobody
        await asyncio.sleep(0)

    line.hang_up()
    await outbox.land()

    assert await rows(court) == dict.fromkeys(keys, ("ready", FILED, 0))
    assert await send_due(court.engine, again, FILED) == 3
    assert [sent[:2] for sent in again.sent] == [sent[:2] for sent in gateway.sent]


async def test_nothing_sets_out_on_a_line_that_is_hung_up(court: Court) -> None:
    gateway = FakeGateway()
    line = Line(gateway)
    line.hang_up()

    await send_due(court.engine, line, FILED)

    assert gateway.sent == []
    assert {row[2] for row in (await rows(court)).values()} == {0}


@dataclass
class Disk:
    """What the database is on: may be written or not."""

    engine: AsyncEngine
    is_read_only: bool = False

    def __post_init__(self) -> None:
        event.listen(self.engine.sync_engine, "begin", self._begin, insert=True)

    def _begin(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA query_only={'on' if self.is_read_only else 'off'}")


@dataclass
class Full(FakeGateway):
    """Takes the claim, and meanwhile our disk becomes read-only."""

    disk: Disk | None = None

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        assert self.disk is not None
        self.disk.is_read_only = True
        return await super().send(claim_key, body, now)


async def test_a_database_that_becomes_read_only_before_or_after_sending_loses_nothing(embedded: AsyncEngine) -> None:
    court, disk = Court(embedded), Disk(embedded)
    await court.judge(dark_life())
    disk.is_read_only = True
    never, once, again = FakeGateway(), Full(disk=disk), FakeGateway()
    with pytest.raises(Exception, match="readonly"):
        await send_due(embedded, never, FILED)
    disk.is_read_only = False
    with pytest.raises(ExceptionGroup):
        await send_due(embedded, once, FILED)
    disk.is_read_only = False

    assert await send_due(embedded, again, FILED + relay.LEASE_MS) == 1

    assert never.sent == []
    assert [sent[:2] for sent in again.sent] == [sent[:2] for sent in once.sent]
    assert states(await court.case()) == ["accepted", "1 refund accepted"]
