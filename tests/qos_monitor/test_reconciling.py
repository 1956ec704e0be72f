"""Once a day each: what the refund system says of claims it has not settled."""

from dataclasses import dataclass, field

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, dark_life, richer, send_due, states
from service_parts import SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import reconciling
from qos_monitor.claims.gateway import Report, Told, Unavailable
from qos_monitor.claims.line import Line
from rules.span import DAY, SECOND, Instant


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.judge(dark_life())
    await send_due(engine, FakeGateway(), FILED)
    return made


async def ask(court: Court, now: Instant, report: Report | None = None) -> FakeGateway:
    gateway = FakeGateway()
    if report is not None:
        gateway.reports[(await court.case()).case_key] = report
    await reconciling.ask_unsettled(court.engine, gateway, SetClock(now))
    return gateway


async def test_a_claim_is_asked_about_a_day_after_it_was_last_heard_of_and_not_before(court: Court) -> None:
    assert (await ask(court, FILED + DAY - 1, Told("accepted", None))).asked == []
    assert len((await ask(court, FILED + DAY, Told("accepted", None))).asked) == 1
    assert (await ask(court, FILED + 2 * DAY - 1, Told("accepted", None))).asked == []
    assert len((await ask(court, FILED + 2 * DAY, Told("accepted", None))).asked) == 1


@pytest.mark.parametrize("word", ["paid", "rejected", "failed"])
async def test_what_it_says_is_applied_as_if_it_had_told_us(court: Court, word: str) -> None:
    await ask(court, FILED + DAY, Told(word, "by hand"))

    case = await court.case()
    assert states(case) == ["filed" if word == "failed" else word, f"1 refund {word}"]
    assert case.claims[0].answer == f"{word}: by hand"


@pytest.mark.parametrize("word", ["paid", "rejected"])
async def test_a_claim_with_a_final_status_is_not_asked_about_again(court: Court, word: str) -> None:
    await ask(court, FILED + DAY, Told(word, None))

    assert (await ask(court, FILED + 3 * DAY)).asked == []


async def test_a_claim_it_took_and_does_not_know_any_more_is_sent_again_with_the_same_bytes(court: Court) -> None:
    await ask(court, FILED + DAY)
    assert states(await court.case()) == ["filed", "1 refund ready"]
    gateway = FakeGateway()

    await send_due(court.engine, gateway, FILED + DAY)

    claim = (await court.case()).claims[0]
    assert [(key, body) for key, body, _ in gateway.sent] == [(claim.claim_key, claim.body.encode())]


async def test_no_answer_is_asked_for_again_within_the_hour_not_at_once(court: Court) -> None:
    await ask(court, FILED + DAY, Unavailable("503"))

    assert (await ask(court, FILED + DAY + HOUR - 1)).asked == []
    assert len((await ask(court, FILED + DAY + HOUR)).asked) == 1


@pytest.mark.parametrize("word", ["received", "", "PAID"])
async def test_a_word_we_do_not_know_changes_nothing(court: Court, word: str) -> None:
    await ask(court, FILED + DAY, Told(word, None))

    assert states(await court.case()) == ["accepted", "1 refund accepted"]


async def test_a_claim_of_ninety_days_ago_is_a_persons_matter(court: Court) -> None:
    assert len((await ask(court, FILED + 90 * DAY - 1, Told("accepted", None))).asked) == 1
    assert (await ask(court, FILED + 91 * DAY)).asked == []


@dataclass
class Busy(FakeGateway):
    """While it thinks, somebody else writes."""

    court: Court | None = None

    async def ask(self, claim_key: str, now: Instant) -> Report:
        assert self.court is not None
        await self.court.report(claim_key, "paid", now)
        return Told("accepted", None)


async def test_nothing_is_locked_while_it_thinks_and_what_it_told_meanwhile_stays(court: Court) -> None:
    await reconciling.ask_unsettled(court.engine, Busy(court=court), SetClock(FILED + DAY))

    assert states(await court.case()) == ["paid", "1 refund paid"]


@dataclass
class Ponderous(FakeGateway):
    """Takes twenty seconds for each answer, and remembers when it was asked."""

    clock: SetClock = field(default_factory=SetClock)
    asked_at: list[Instant] = field(default_factory=list)

    async def ask(self, claim_key: str, now: Instant) -> Report:
        self.asked_at.append(now)
        self.clock.at += 20 * SECOND
        await super().ask(claim_key, now)
        return Told("accepted", None)


async def test_each_question_of_a_slow_batch_is_signed_when_it_is_asked_and_the_day_counts_from_its_answer(
    court: Court,
) -> None:
    await court.judge(dark_life(richer()), FILED + HOUR)
    await send_due(court.engine, FakeGateway(), FILED + HOUR)
    clock = SetClock(FILED + HOUR + DAY)
    gateway = Ponderous(clock=clock)

    assert await reconciling.ask_unsettled(court.engine, gateway, clock) == 2

    assert gateway.asked_at == [FILED + HOUR + DAY, FILED + HOUR + DAY + 20 * SECOND]
    heard_at = {claim.answered_at for claim in (await court.case()).claims}
    assert heard_at == {at + 20 * SECOND for at in gateway.asked_at}


async def test_a_question_nobody_waits_for_when_the_line_is_hung_up_is_asked_another_time(
    court: Court,
) -> None:
    before = await court.case()
    line = Line(FakeGateway())
    line.hang_up()

    assert await reconciling.ask_unsettled(court.engine, line, SetClock(FILED + DAY)) == 0

    assert await court.case() == before
    assert len((await ask(court, FILED + DAY)).asked) == 1
