"""The life cycle of SPEC 7, on a database on disk: what is found, found again, changed, lost and paid."""

import json

import pytest
from claim_parts import (
    FILED,
    HOUR,
    MON,
    TARGET_PASSED,
    WED,
    Court,
    FakeGateway,
    bright_life,
    dark_life,
    life,
    richer,
    send_due,
)
from claim_parts import states as told
from rules_school import enrolment, kept_out, lesson, local, present
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims import bundle
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.views import bundle_body
from qos_monitor.storage import engine as storage
from rules.span import DAY, format_instant


@pytest.fixture
def court(engine: AsyncEngine) -> Court:
    return Court(engine)


async def sent(court: Court, now: int = FILED) -> None:
    await send_due(court.engine, FakeGateway(), now)


async def test_an_outage_of_49_hours_becomes_a_filed_case_with_a_claim_ready_and_its_proof(court: Court) -> None:
    await court.judge(dark_life())

    case = await court.case()
    assert told(case) == ["filed", "1 refund ready"]
    assert (case.amount_minor, case.currency, case.due_target, case.due_limit) == (
        280_000, "CNY", "2026-11-10", "2026-11-12",
    )  # fmt: skip
    assert await court.moves(case.case_key) == ["- > candidate by judge", "candidate > filed by judge"]
    message = json.loads(case.claims[0].body)
    async with storage.reading(court.engine) as conn:
        proof = await bundle_body(conn, message["evidence"]["sha256"])
    assert proof is not None
    assert bundle.verify(proof.encode()) == []


async def test_judging_again_changes_nothing(court: Court) -> None:
    await court.judge(dark_life())
    before, case = await court.counts(), await court.case()

    for later in (FILED, FILED + HOUR, FILED + DAY):
        await court.judge(dark_life(), later)

    assert await court.counts() == before
    assert (await court.case()).claims == case.claims


async def test_a_larger_amount_after_filing_is_a_supplement_for_the_difference(court: Court) -> None:
    await court.judge(dark_life())
    await sent(court)

    await court.judge(dark_life(richer()), FILED + HOUR)

    case = await court.case()
    assert told(case) == ["supplemented", "1 refund accepted", "2 supplement ready"]
    assert [claim.amount_minor for claim in case.claims] == [280_000, 100_000]
    assert case.claims[1].claim_key == f"{case.case_key}-2"
    assert case.amount_minor == 380_000
    message = json.loads(case.claims[1].body)
    assert (message["terms"]["owed_minor"], message["terms"]["claimed_before_minor"]) == (380_000, 280_000)
    assert [entry["claim_key"] for entry in message["already_claimed"]] == [case.case_key]


async def test_a_smaller_amount_after_filing_lowers_nothing(court: Court) -> None:
    await court.judge(dark_life())

    await court.judge(dark_life(enrolment(used=30)), FILED + HOUR)

    case = await court.case()
    assert told(case) == ["filed", "1 refund ready"]
    assert (case.amount_minor, case.claims[0].amount_minor) == (280_000, 280_000)


async def test_before_filing_new_evidence_supersedes_silently_in_both_directions(court: Court) -> None:
    court.limits = BreakerLimits(claims_min=0)
    await court.judge(dark_life())

    await court.judge(dark_life(richer()), FILED + HOUR)
    assert (await court.case()).claims[0].amount_minor == 380_000
    await court.judge(dark_life(enrolment(used=30)), FILED + 2 * HOUR)

    case = await court.case()
    assert told(case) == ["candidate", "1 refund waiting"]
    assert case.claims[0].amount_minor == case.amount_minor == 180_000
    assert case.filed_at == FILED


async def test_a_candidate_no_longer_found_is_withdrawn_and_made_anew_when_it_is(court: Court) -> None:
    court.limits = BreakerLimits(claims_min=0)
    await court.judge(dark_life())
    await court.judge(bright_life(), FILED + HOUR)
    assert told(await court.case()) == ["withdrawn", "1 refund superseded"]

    await court.judge(dark_life(), FILED + 2 * HOUR)

    assert told(await court.case()) == ["candidate", "1 refund waiting"]
    assert (await court.case()).filed_at == FILED + 2 * HOUR


async def test_an_outage_that_falls_under_48_hours_holds_its_case_and_what_was_sent_stays(court: Court) -> None:
    await court.judge(dark_life())
    await sent(court)

    await court.judge(bright_life(), FILED + HOUR)

    assert told(await court.case()) == ["held", "1 refund accepted"]


async def test_a_held_case_whose_claim_was_not_sent_keeps_it_back(court: Court) -> None:
    await court.judge(dark_life())

    await court.judge(bright_life(), FILED + HOUR)
    gateway = FakeGateway()
    await send_due(court.engine, gateway, FILED + 2 * HOUR)

    case = await court.case()
    assert told(case) == ["held", "1 refund waiting"]
    assert case.case_key not in [key for key, _, _ in gateway.sent]


async def test_a_held_case_that_is_found_again_goes_on(court: Court) -> None:
    await court.judge(dark_life())
    await court.judge(bright_life(), FILED + HOUR)

    await court.judge(dark_life(), FILED + 2 * HOUR)

    assert told(await court.case()) == ["filed", "1 refund ready"]


async def test_a_supplement_not_let_go_is_dropped_when_less_is_owed_and_what_was_filed_stays(court: Court) -> None:
    await court.judge(dark_life())
    court.limits = BreakerLimits(claims_min=0)
    await court.judge(dark_life(richer()), FILED + HOUR)

    await court.judge(dark_life(), FILED + 2 * HOUR)

    case = await court.case()
    assert told(case) == ["filed", "1 refund ready", "2 supplement superseded"]
    assert case.claims[0].amount_minor == 280_000


async def test_what_the_breaker_stopped_waits_on_when_a_held_case_goes_on(court: Court) -> None:
    await court.judge(dark_life())
    court.limits = BreakerLimits(claims_min=0)
    await court.judge(dark_life(richer()), FILED + HOUR)
    assert told(await court.case()) == ["supplemented", "1 refund ready", "2 supplement waiting"]
    await court.judge(bright_life(), FILED + 2 * HOUR)
    assert told(await court.case()) == ["held", "1 refund waiting", "2 supplement waiting"]

    await court.judge(dark_life(richer()), FILED + 3 * HOUR)

    assert told(await court.case()) == ["supplemented", "1 refund ready", "2 supplement waiting"]


async def test_an_enrolment_is_refunded_once_though_another_outage_is_found_to_owe_it(court: Court) -> None:
    first, second = (
        [MON, WED],
        [lesson("mon2", local("Mon 19:00") + 7 * DAY), lesson("wed2", local("Wed 19:00") + 7 * DAY)],
    )
    good = [lesson("fri", "Fri 19:00"), lesson("sun", "Sun 19:00")]
    seen = [o for row in good for o in present(row)] + [o for row in second for o in kept_out(row)] + kept_out(MON)
    week = [*first, *good, *second]
    await court.judge(life([*first, *good], [*seen, *kept_out(WED)]))
    await sent(court)

    found = await court.judge(life(week, [*seen, *present(WED)]), FILED + 8 * DAY)

    (refund,) = [case for case in found.cases if case.kind == "refund"]
    case = await court.case()
    assert refund.lineage == "mon2"
    assert case.lineage == "mon"
    assert told(case) == ["accepted", "1 refund accepted"]


async def test_a_held_case_stands_once_its_target_day_is_over_and_not_before(court: Court) -> None:
    await court.judge(dark_life())
    await court.judge(bright_life(), FILED + HOUR)

    await court.let_days_pass(TARGET_PASSED - 1)
    assert told(await court.case()) == ["held", "1 refund waiting"]
    await court.let_days_pass(TARGET_PASSED)

    assert told(await court.case()) == ["filed", "1 refund ready"]


async def test_a_case_that_stood_is_not_held_again_for_the_same_reason(court: Court) -> None:
    await court.judge(dark_life())
    await court.judge(bright_life(), FILED + HOUR)
    await court.let_days_pass(TARGET_PASSED)

    await court.judge(bright_life(), TARGET_PASSED + HOUR)

    assert told(await court.case()) == ["filed", "1 refund ready"]


async def test_after_paid_nothing_is_taken_back(court: Court) -> None:
    await court.judge(dark_life())
    await sent(court)
    await court.report((await court.case()).case_key, "paid", FILED)

    await court.judge(bright_life(), FILED + HOUR)

    assert told(await court.case()) == ["paid", "1 refund paid"]


async def test_more_owed_after_paid_is_a_supplement_and_paid_again(court: Court) -> None:
    await court.judge(dark_life())
    await sent(court)
    key = (await court.case()).case_key
    await court.report(key, "paid", FILED)

    await court.judge(dark_life(richer()), FILED + HOUR)
    assert told(await court.case()) == ["supplemented", "1 refund paid", "2 supplement ready"]
    await sent(court, FILED + HOUR)
    await court.report(f"{key}-2", "paid", FILED + HOUR)

    assert told(await court.case()) == ["paid", "1 refund paid", "2 supplement paid"]


async def test_the_older_case_survives_when_an_earlier_anchor_appears(court: Court) -> None:
    tue, thu = lesson("tue", "Tue 19:00"), lesson("thu", "Thu 19:00")
    dark = [*kept_out(tue), *kept_out(thu)]
    await court.judge(life([MON, tue, thu], dark), local("Fri 02:00"))
    older = await court.case()

    late = kept_out(MON, recorded_at="Fri 03:00")
    found = await court.judge(life([MON, tue, thu], [*late, *dark]), local("Fri 04:00"))

    (refund,) = [case for case in found.cases if case.kind == "refund"]
    assert refund.case_key != older.case_key
    assert (await court.case()).case_key == older.case_key
    assert told(await court.case()) == ["supplemented", "1 refund ready", "2 supplement ready"]
    assert (await court.case()).claims[1].amount_minor == 10_000  # Monday no longer counts as a no-show


async def test_the_older_case_survives_though_it_was_paid(court: Court) -> None:
    tue, thu = lesson("tue", "Tue 19:00"), lesson("thu", "Thu 19:00")
    dark = [*kept_out(tue), *kept_out(thu)]
    await court.judge(life([MON, tue, thu], dark), local("Fri 02:00"))
    await sent(court, local("Fri 02:00"))
    await court.report((await court.case()).case_key, "paid", local("Fri 02:00"))

    await court.judge(life([MON, tue, thu], [*kept_out(MON), *dark]), local("Fri 04:00"))

    case = await court.case()
    assert told(case) == ["supplemented", "1 refund paid", "2 supplement ready"]
    assert case.claims[1].amount_minor == 10_000


async def test_compensation_of_the_later_class_survives_when_an_earlier_one_is_found(court: Court) -> None:
    tue = lesson("tue", "Tue 19:00")
    later = [*present(tue), *kept_out(WED)]
    await court.judge(life([MON, tue, WED], later))
    await sent(court)

    await court.judge(life([MON, tue, WED], [*kept_out(MON), *later]), FILED + HOUR)

    case = await court.case("compensation")
    assert (case.lineage, case.tier) == ("wed", "T3")
    assert told(case) == ["supplemented", "1 compensation accepted", "2 supplement ready"]
    assert (case.claims[1].terms["class_ids"], case.claims[1].terms["bonus_lessons"]) == (["mon"], 1)


async def test_half_a_lesson_becomes_a_whole_one_by_the_other_half(court: Court) -> None:
    lost_late = [*kept_out(MON, start=MON.starts_at, end=local("Mon 19:25"))]
    await court.judge(life([MON], lost_late), local("Tue 02:00"))
    await sent(court, local("Tue 02:00"))
    assert (await court.case("compensation")).tier == "T1"

    await court.judge(life([MON], kept_out(MON)), local("Tue 03:00"))

    case = await court.case("compensation")
    assert (case.tier, case.claims[1].terms) == (
        "T2",
        {
            "class_ids": ["mon"],
            "lessons_credited": 0.5,
            "half_lessons_by_class": {"mon": 1},
            "makeup_lessons": 1,
            "bonus_lessons": 0,
            "validity_extended_s": 7 * DAY // 1000,
        },
    )


async def test_a_refund_absorbs_compensation_that_was_not_sent(court: Court) -> None:
    await court.judge(life([MON], kept_out(MON)), local("Tue 02:00"))
    assert [told(row) for row in await court.cases()] == [["filed", "1 compensation ready"]]

    await court.judge(dark_life())

    assert told(await court.case("compensation")) == ["withdrawn", "1 compensation superseded"]
    assert told(await court.case()) == ["filed", "1 refund ready"]


async def test_compensation_that_was_sent_stays_and_the_refund_mentions_it(court: Court) -> None:
    await court.judge(life([MON], kept_out(MON)), local("Tue 02:00"))
    await sent(court, local("Tue 03:00"))

    await court.judge(dark_life())

    compensation = await court.case("compensation")
    assert told(compensation) == ["accepted", "1 compensation accepted"]
    (entry,) = json.loads((await court.case()).claims[0].body)["already_claimed"]
    assert entry == {
        "claim_key": compensation.case_key,
        "kind": "compensation",
        "tier": "T2",
        "amount_minor": None,
        "currency": None,
        "state": "accepted",
        "class_ids": ["mon"],
    }


async def test_a_second_class_lost_in_the_week_adds_its_lesson_and_the_bonus_only(court: Court) -> None:
    tue = lesson("tue", "Tue 19:00")
    seen = [*kept_out(MON), *present(tue), *kept_out(WED)]
    await court.judge(life([MON, tue, WED], seen), local("Tue 20:30"))
    await court.judge(life([MON, tue, WED], seen), local("Wed 03:00"))
    await sent(court)

    await court.judge(life([MON, tue, WED], seen), FILED)

    case = await court.case("compensation")
    assert told(case) == ["supplemented", "1 compensation accepted", "2 supplement ready"]
    assert (case.tier, case.claims[1].terms) == (
        "T3",
        {
            "class_ids": ["wed"],
            "lessons_credited": 1,
            "half_lessons_by_class": {"wed": 2},
            "makeup_lessons": 1,
            "bonus_lessons": 1,
            "validity_extended_s": 7 * DAY // 1000,
        },
    )


async def test_a_lesson_given_back_by_a_case_of_its_own_is_not_given_back_again_when_linked(court: Court) -> None:
    first, middle, last = MON, lesson("fri", "Fri 19:00"), lesson("next", local("Tue 19:00") + 7 * DAY)
    good = [lesson("w1", "Tue 19:00"), lesson("w2", "Sat 19:00")]
    week = [first, *good, middle, last]
    seen = [*kept_out(first), *kept_out(last), *present(good[0]), *present(good[1])]
    now = last.ends_at + 6 * HOUR
    await court.judge(life(week, [*seen, *present(middle)]), now)
    await sent(court, now)
    assert [row.tier for row in await court.cases("compensation")] == ["T2", "T2"]

    await court.judge(life(week, [*seen, *kept_out(middle)]), now + HOUR)

    claimed = [claim.terms for row in await court.cases("compensation") for claim in row.claims]
    assert sorted(str(terms["class_ids"]) for terms in claimed) == ["['fri']", "['mon']", "['next']"]
    assert sum(terms["bonus_lessons"] for terms in claimed) == 1


async def test_a_bundle_names_the_one_before(court: Court) -> None:
    await court.judge(dark_life())
    await court.judge(dark_life(richer()), FILED + HOUR)

    case = await court.case()
    hashes = [json.loads(claim.body)["evidence"]["sha256"] for claim in case.claims]
    async with storage.reading(court.engine) as conn:
        proofs = [str(await bundle_body(conn, sha256)).encode() for sha256 in hashes]
    assert len(proofs) == 2
    assert bundle.verify_chain(proofs) == []
    assert [bundle.verify(proof) for proof in proofs] == [[], []]
    assert format_instant(FILED + HOUR) == json.loads(proofs[1])["as_of"]
    assert WED.id in proofs[0].decode()
