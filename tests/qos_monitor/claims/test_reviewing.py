"""What the passing of days does: reviews nobody answered, days newly known."""

import json
import logging
from collections import deque
from datetime import date

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, dark_life, life, send_due, states
from rules_school import kept_out, lesson, local, on_weekdays, present
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.desk import FilingOptions
from qos_monitor.claims.gateway import Unavailable
from qos_monitor.claims.reviewing import review_due
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import cases
from rules.deadline import UnpublishedYear
from rules.dossier import Dossier
from rules.span import DAY

MON, WED = lesson("mon", "Mon 19:00"), lesson("wed", "Wed 19:00")
DUE = local("Mon 00:00") + 7 * DAY
"""Filed on Thursday: the second working day is Monday; the review is due until it ends."""


def half_proved() -> Dossier:
    """Monday is on the server's record, Wednesday on the client's word alone."""
    return life([MON, WED], [*kept_out(MON), *kept_out(WED, vantage="client")])


def word_alone() -> Dossier:
    """Both are the client's word."""
    return life([MON, WED], [*kept_out(MON, vantage="client"), *kept_out(WED, vantage="client")])


@pytest.fixture
def court(engine: AsyncEngine) -> Court:
    return Court(engine)


async def test_a_review_is_a_claim_of_its_own_with_the_amount_a_refund_would_have(court: Court) -> None:
    await court.judge(half_proved())

    review = await court.case("review")
    assert states(review) == ["filed", "1 review ready"]
    assert (review.amount_minor, review.due_target, review.due_limit) == (280_000, "2026-11-09", "2026-11-09")
    message = json.loads(review.claims[0].body)
    assert (message["kind"], message["amount_minor"]) == ("review", 280_000)
    assert "A person must decide; a refund would be CNY 2800.00." in message["reason"]["en"]


async def test_an_unanswered_review_stands_where_a_class_is_on_the_servers_record(court: Court) -> None:
    await court.judge(half_proved())

    assert await court.let_days_pass(DUE + DAY - 1) == 0
    assert await court.let_days_pass(DUE + DAY) == 1

    review, refund = await court.case("review"), await court.case("refund")
    assert states(review) == ["supplemented", "1 review superseded"]
    assert states(refund) == ["filed", "1 refund ready"]
    assert (refund.amount_minor, refund.due_target) == (280_000, "2026-11-13")
    message = json.loads(refund.claims[0].body)
    assert message["alternatives"] == {"makeup_lessons": 2, "bonus_lessons": 1, "validity_extended_s": 49 * 3600}
    assert "stands_if_unanswered" not in message["terms"]
    assert (await court.moves(refund.case_key)) == ["- > candidate by deadline", "candidate > filed by deadline"]


async def test_a_review_on_its_way_stays_on_its_way_when_its_refund_is_filed(court: Court) -> None:
    """It may have arrived: what was sent is never called back silently."""
    await court.judge(half_proved())
    await send_due(court.engine, FakeGateway(deque([Unavailable("503")] * 3)), FILED)

    await court.let_days_pass(DUE + DAY)

    assert states(await court.case("review")) == ["supplemented", "1 review ready"]


async def test_the_clients_word_alone_never_pays_the_review_waits_and_alerts(
    court: Court, caplog: pytest.LogCaptureFixture
) -> None:
    await court.judge(word_alone())

    await court.let_days_pass(DUE + DAY)
    await court.let_days_pass(DUE + 30 * DAY)

    assert states(await court.case("review"))[0] == "held"
    assert await court.cases("refund") == []
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert alarms == ["review_waits_for_a_person"]


async def test_a_refund_filed_for_a_review_is_found_as_long_as_the_review_is(court: Court) -> None:
    await court.judge(half_proved())
    await court.let_days_pass(DUE + DAY)

    await court.judge(half_proved(), DUE + 2 * DAY)

    assert states(await court.case("refund")) == ["filed", "1 refund ready"]
    assert len(await court.cases("review")) == 1


async def test_when_neither_is_found_any_more_the_refund_is_held_and_the_review_stays_done(court: Court) -> None:
    await court.judge(half_proved())
    await send_due(court.engine, FakeGateway(), FILED)
    await court.let_days_pass(DUE + DAY)

    await court.judge(life([MON, WED], [*kept_out(MON), *present(WED)]), DUE + 2 * DAY)

    assert states(await court.case("refund")) == ["held", "1 refund waiting"]
    assert states(await court.case("review")) == ["supplemented", "1 review accepted"]


async def test_a_review_that_waits_goes_on_when_the_servers_record_comes(court: Court) -> None:
    await court.judge(word_alone())
    await court.let_days_pass(DUE + DAY)

    await court.judge(half_proved(), DUE + 2 * DAY)
    await court.let_days_pass(DUE + 2 * DAY)

    assert states(await court.case("refund")) == ["filed", "1 refund ready"]


async def test_a_review_that_turns_out_owed_gives_way_to_the_refund(court: Court) -> None:
    await court.judge(half_proved())
    await send_due(court.engine, FakeGateway(), FILED)

    await court.judge(dark_life(), FILED + HOUR)

    review = await court.case("review")
    assert states(review) == ["supplemented", "1 review accepted"]
    assert not review.is_found
    assert states(await court.case("refund")) == ["filed", "1 refund ready"]


async def test_a_review_no_longer_asked_for_is_held_and_pays_nothing_by_itself(court: Court) -> None:
    await court.judge(half_proved())
    await send_due(court.engine, FakeGateway(), FILED)

    await court.judge(life([MON, WED], [*kept_out(MON), *present(WED)]), FILED + HOUR)
    await court.let_days_pass(DUE + 9 * DAY)

    assert states(await court.case("review")) == ["held", "1 review accepted"]
    assert await court.cases("refund") == []


async def test_a_person_answers_a_review_for_the_learner(court: Court) -> None:
    await court.judge(word_alone())

    await court.decide((await court.case("review")).case_key, "release", FILED + HOUR)

    assert states(await court.case("refund")) == ["filed", "1 refund ready"]
    assert states(await court.case("review"))[0] == "supplemented"


async def test_the_deadline_of_a_review_runs_on_while_the_breaker_stops_it(court: Court) -> None:
    court.limits = BreakerLimits(claims_min=0)
    await court.judge(half_proved())

    await court.let_days_pass(DUE + DAY)

    assert states(await court.case("review")) == ["supplemented", "1 review superseded"]
    assert states(await court.case("refund")) == ["candidate", "1 refund waiting"]


async def test_compensation_goes_on_beside_a_review_and_stays_when_the_refund_comes(court: Court) -> None:
    await court.judge(half_proved())
    await send_due(court.engine, FakeGateway(), FILED)

    await court.let_days_pass(DUE + DAY)
    await court.judge(half_proved(), DUE + 2 * DAY)

    given = await court.cases("compensation")
    assert given
    assert {row.state.value for row in given} == {"accepted"}
    refund = await court.case("refund")
    mentioned = {entry["claim_key"] for entry in json.loads(refund.claims[0].body)["already_claimed"]}
    assert mentioned == {row.case_key for row in given}


async def test_provisional_days_are_counted_anew_once_their_calendar_is_published(court: Court) -> None:
    def unpublished(day: date) -> bool:
        raise UnpublishedYear(str(day.year))

    await court.judge(dark_life())
    async with storage.writing(court.engine) as conn:
        await conn.execute(update(cases).values(due_provisional=True, due_target="2026-11-08", due_limit="2026-11-10"))

    async with storage.writing(court.engine) as conn:
        assert await review_due(conn, FILED, court.policy, FilingOptions(unpublished)) == 0
        assert await review_due(conn, FILED, court.policy, FilingOptions(on_weekdays)) == 1

    case = await court.case()
    assert (case.due_target, case.due_limit, case.due_provisional) == ("2026-11-10", "2026-11-12", False)


async def test_three_lost_classes_call_a_person_and_waiting_alone_pays_nothing(court: Court) -> None:
    lost = [lesson(f"c{index}", local("Mon 19:00") + index * 3 * DAY) for index in range(3)]
    good = [lesson(f"g{index}", local("Tue 19:00") + index * 3 * DAY) for index in range(3)]
    seen = [*[o for row in lost for o in kept_out(row)], *[o for row in good for o in present(row)]]
    now = good[-1].ends_at + 6 * HOUR
    await court.judge(life([*lost, *good], seen), now)
    assert states(await court.case("review")) == ["filed", "1 review ready"]

    await court.let_days_pass(now + 9 * DAY)

    assert states(await court.case("review"))[0] == "held"
    assert await court.cases("refund") == []
