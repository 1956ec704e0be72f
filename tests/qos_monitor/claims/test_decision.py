"""What a person may decide, and what is refused."""

import json

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, bright_life, dark_life, life, richer, send_due, states
from rules_school import kept_out, lesson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.decision import Decision, NoSuchCase, read_decision, release_all
from qos_monitor.claims.desk import Desk
from qos_monitor.claims.lifecycle import IllegalMove
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import learners
from rules.document import Invalid


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.judge(dark_life())
    return made


async def sent(court: Court, now: int = FILED) -> None:
    await send_due(court.engine, FakeGateway(), now)


async def held(court: Court) -> str:
    await sent(court)
    await court.judge(bright_life(), FILED + HOUR)
    return (await court.case()).case_key


async def test_a_person_lets_go_what_the_breaker_stopped(engine: AsyncEngine) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=0))
    await court.judge(dark_life())

    await court.decide((await court.case()).case_key, "release", FILED + HOUR)

    case = await court.case()
    assert states(case) == ["filed", "1 refund ready"]
    assert case.filed_at == FILED  # its deadline ran on
    assert (await court.moves(case.case_key))[-1] == "candidate > filed by Li Wei"


async def test_all_that_the_breaker_stopped_can_be_let_go_at_once(engine: AsyncEngine) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=0))
    tue = lesson("tue", "Tue 19:00")
    await court.judge(life([tue], kept_out(tue)))
    await court.judge(life([tue], kept_out(tue), learner_id="u1"))

    async with storage.writing(engine) as conn:
        desk = Desk(conn, court.policy, court.options, FILED + HOUR)
        assert await release_all(desk, Decision("release", "Li Wei", "A real outage.", None)) == 1
        assert await release_all(desk, Decision("release", "Li Wei", "A real outage.", None)) == 0

    assert states(await court.case("compensation")) == ["filed", "1 compensation ready"]


async def test_cases_are_never_withdrawn_all_at_once(court: Court) -> None:
    async with storage.writing(court.engine) as conn:
        desk = Desk(conn, court.policy, court.options, FILED)
        with pytest.raises(IllegalMove, match="one by one"):
            await release_all(desk, Decision("withdraw", "Li Wei", "No.", "log 7"))


async def test_a_held_case_is_withdrawn_with_proof_and_the_refund_system_is_told(court: Court) -> None:
    key = await held(court)

    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    case = await court.case()
    assert states(case) == ["withdrawn", "1 refund withdrawn", "2 withdrawal ready"]
    assert (await court.moves(key))[-1] == "held > withdrawn by Li Wei"
    message = json.loads(case.claims[1].body)
    assert message["terms"] == {"withdraws": [key], "evidence": "log 7"}
    assert message["reason"]["en"] == (
        "The claims of this case are withdrawn: It was looked at. Evidence of grade A: log 7"
    )


async def test_the_withdrawal_is_sent_and_changes_the_case_no_more(court: Court) -> None:
    key = await held(court)
    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    await sent(court, FILED + 2 * HOUR)

    assert states(await court.case()) == ["withdrawn", "1 refund withdrawn", "2 withdrawal accepted"]


async def test_a_withdrawn_case_stays_withdrawn_though_it_is_found_again(court: Court) -> None:
    key = await held(court)
    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    await court.judge(dark_life(richer()), FILED + 3 * HOUR)

    assert states(await court.case())[0] == "withdrawn"


async def test_a_withdrawal_that_comes_after_the_money_takes_nothing_back(court: Court) -> None:
    key = await held(court)
    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    await court.report(key, "paid", FILED + 3 * HOUR)

    assert states(await court.case()) == ["paid", "1 refund paid", "2 withdrawal ready"]


async def test_withdrawing_a_supplement_leaves_what_was_paid_before_it(court: Court) -> None:
    await sent(court)
    key = (await court.case()).case_key
    await court.report(key, "paid", FILED)
    await court.judge(dark_life(richer()), FILED + HOUR)
    await sent(court, FILED + HOUR)
    await court.judge(bright_life(), FILED + 2 * HOUR)
    assert states(await court.case()) == ["held", "1 refund paid", "2 supplement accepted"]

    await court.decide(key, "withdraw", FILED + 3 * HOUR)

    case = await court.case()
    assert states(case) == ["paid", "1 refund paid", "2 supplement withdrawn", "3 withdrawal ready"]
    assert case.claims[2].terms["withdraws"] == [f"{key}-2"]


async def test_after_a_withdrawal_the_learner_is_looked_at_anew(court: Court) -> None:
    async with storage.writing(court.engine) as conn:
        await conn.execute(insert(learners).values(id="u1", look_again_at=None))
    key = await held(court)

    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    async with storage.reading(court.engine) as conn:
        assert (await conn.execute(select(learners.c.look_again_at))).scalar_one() == FILED + 2 * HOUR


async def test_compensation_comes_back_when_the_refund_that_absorbed_it_is_withdrawn(court: Court) -> None:
    key = await held(court)
    assert await court.cases("compensation") == []
    await court.decide(key, "withdraw", FILED + 2 * HOUR)

    await court.judge(bright_life(), FILED + 3 * HOUR)

    assert states(await court.case("compensation")) == ["filed", "1 compensation ready"]


@pytest.mark.parametrize("way", ["filed", "accepted", "paid"])
async def test_a_case_that_nobody_held_cannot_be_withdrawn(court: Court, way: str) -> None:
    key = (await court.case()).case_key
    if way != "filed":
        await sent(court)
    if way == "paid":
        await court.report(key, "paid", FILED)

    with pytest.raises(IllegalMove, match=f"a case that is {way} cannot be withdrawn"):
        await court.decide(key, "withdraw", FILED + HOUR)


async def test_a_held_case_let_go_stands_at_once(court: Court) -> None:
    key = await held(court)

    await court.decide(key, "release", FILED + 2 * HOUR)

    assert states(await court.case()) == ["accepted", "1 refund accepted"]


@pytest.mark.parametrize("refusal", ["failed", "rejected"])
async def test_what_failed_or_was_rejected_is_filed_anew_as_a_new_version(court: Court, refusal: str) -> None:
    await sent(court)
    key = (await court.case()).case_key
    await court.report(key, refusal, FILED)

    await court.decide(key, "release", FILED + HOUR)

    case = await court.case()
    assert states(case) == ["filed", "1 refund superseded", "2 refund ready"]
    assert (case.claims[1].claim_key, case.claims[1].amount_minor) == (f"{key}-2", 280_000)


async def test_nothing_to_release_is_said(court: Court) -> None:
    await sent(court)

    with pytest.raises(IllegalMove, match="nothing of this case, which is accepted, waits to be released"):
        await court.decide((await court.case()).case_key, "release", FILED + HOUR)


async def test_a_case_nobody_knows_is_said(court: Court) -> None:
    with pytest.raises(NoSuchCase):
        await court.decide("0" * 64, "release", FILED)


GOOD = {"decision": "withdraw", "actor": "Li Wei", "reason": "The server's log shows the learner inside."}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, 'evidence: is required for a withdrawal: {"grade": "A", "reference": "…"}'),
        ({"evidence": {"grade": "B", "reference": "x"}}, "evidence.grade: must be A"),
        ({"evidence": {"grade": "A"}}, "evidence.reference: must be a text that is not empty"),
        ({"evidence": {"grade": "A", "reference": "x"}, "actor": "judge"}, "actor: must be a person's name"),
        ({"evidence": {"grade": "A", "reference": "x"}, "actor": "x" * 101}, "actor: must have at most 100"),
        ({"evidence": {"grade": "A", "reference": "x"}, "reason": "a\0b"}, "reason: must have at most 2000"),
        ({"evidence": {"grade": "A", "reference": "\0"}}, "evidence.reference: must have at most 2000"),
        ({"evidence": {"grade": "A", "reference": "x"}, "reason": ""}, "reason: must be a text that is not empty"),
        ({"evidence": {"grade": "A", "reference": "x"}, "reason": " \t\n"}, "reason: must not be blank"),
        ({"evidence": {"grade": "A", "reference": "x"}, "reason": "\u200b\u2060"}, "reason: must not be blank"),
        ({"evidence": {"grade": "A", "reference": "x"}, "actor": "  "}, "actor: must not be blank"),
        ({"evidence": {"grade": "A", "reference": " "}}, "evidence.reference: must not be blank"),
        ({"evidence": {"grade": "A", "reference": "x"}, "actor": " relay "}, "actor: must be a person's name"),
        ({"evidence": {"grade": "A", "reference": "x"}, "actor": "iL\u202eieW"}, "actor: must be written in signs"),
        ({"evidence": {"grade": "A", "reference": "x"}, "extra": 1}, "extra: is not a key"),
        ({"decision": "delete"}, "decision: must be one of release, withdraw"),
    ],
)
def test_a_decision_without_what_it_needs_is_refused_with_the_key(change: dict[str, object], told: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_decision(GOOD | change)

    assert any(str(problem).startswith(told) for problem in refused.value.problems), refused.value


def test_a_complete_withdrawal_is_read() -> None:
    read = read_decision(GOOD | {"evidence": {"grade": "A", "reference": "sfu log 2026-11-04, line 7"}})

    assert read == Decision("withdraw", "Li Wei", GOOD["reason"], "sfu log 2026-11-04, line 7")
