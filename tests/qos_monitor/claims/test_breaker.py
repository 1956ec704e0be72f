"""The breaker, at its edges: the floor, the share, the sum."""

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, life, send_due, states
from rules_school import enrolment, kept_out, lesson
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import ACTIVE_KEPT_MS, BreakerLimits
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import class_learners, classes
from rules.span import DAY, Instant


async def one_more_claim(court: Court, name: str, now: Instant = FILED) -> str:
    """File a compensation for a learner nobody knew; tell the claim's state."""
    tue = lesson("tue", "Tue 19:00", name)
    dossier = life([tue], kept_out(tue, name), [enrolment(f"e-{name}", name)], learner_id=name)
    await court.judge(dossier, now)
    (row,) = await court.cases(learner_id=name)
    return row.claims[0].state.value


async def active_learners(engine: AsyncEngine, count: int, at: Instant = FILED - DAY) -> None:
    async with storage.writing(engine) as conn:
        row = {
            "id": f"c{at}", "course_id": "math", "starts_at": at, "ends_at": at + HOUR, "provider": "agora",
            "teacher_id": "t1", "window": at // (HOUR // 2),
        }  # fmt: skip
        await conn.execute(insert(classes).values(**row))
        people = [{"class_id": row["id"], "learner_id": f"l{index}"} for index in range(count)]
        await conn.execute(insert(class_learners), people)


@pytest.mark.parametrize("floor", [0, 1, 3])
async def test_the_floor_always_passes_and_the_next_one_waits(engine: AsyncEngine, floor: int) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=floor))

    found = [await one_more_claim(court, f"u{index}") for index in range(floor + 2)]

    assert found == ["ready"] * floor + ["waiting"] * 2


async def test_three_percent_of_the_active_learners_pass_and_no_more(engine: AsyncEngine) -> None:
    await active_learners(engine, 100)
    court = Court(engine, limits=BreakerLimits(claims_min=0))

    found = [await one_more_claim(court, f"u{index}") for index in range(4)]

    assert found == ["ready", "ready", "ready", "waiting"]


async def test_learners_without_a_class_in_28_days_are_not_active(engine: AsyncEngine) -> None:
    await active_learners(engine, 100, FILED - 28 * DAY - 1)
    court = Court(engine, limits=BreakerLimits(claims_min=0))
    assert await one_more_claim(court, "u1") == "waiting"

    later = FILED + ACTIVE_KEPT_MS
    await active_learners(engine, 100, later - 28 * DAY)

    assert await one_more_claim(court, "u2", later - 1) == "waiting"  # counted a moment ago
    assert await one_more_claim(court, "u3", later) == "ready"


async def test_claims_of_more_than_24_hours_ago_no_longer_count(engine: AsyncEngine) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=1))
    assert await one_more_claim(court, "u1") == "ready"

    assert await one_more_claim(court, "u2", FILED + DAY - 1) == "waiting"
    assert await one_more_claim(court, "u3", FILED + DAY) == "ready"


async def refund_of(court: Court, name: str) -> list[str]:
    mon, wed = lesson("mon", "Mon 19:00", name), lesson("wed", "Wed 19:00", name)
    seen = [*kept_out(mon, name), *kept_out(wed, name)]
    await court.judge(life([mon, wed], seen, [enrolment(f"e-{name}", name)], learner_id=name))
    (row,) = await court.cases("refund", name)
    return states(row)


async def test_a_sum_by_currency_stops_the_claim_that_would_exceed_it(engine: AsyncEngine) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=25, sum_minor={"CNY": 560_000, "JPY": 1}))

    assert await refund_of(court, "u1") == ["filed", "1 refund ready"]
    assert await refund_of(court, "u2") == ["filed", "1 refund ready"]  # exactly the limit
    assert await refund_of(court, "u3") == ["candidate", "1 refund waiting"]


async def test_what_waits_is_not_sent(engine: AsyncEngine) -> None:
    court = Court(engine, limits=BreakerLimits(claims_min=0))
    await one_more_claim(court, "u1")

    assert await send_due(engine, FakeGateway(), FILED + DAY) == 0
