"""From observations in the tables to claims at the refund system, through the judging the service does."""

import json
from dataclasses import replace

import pytest
from claim_parts import FILED, HOUR, WED, Court, FakeGateway, dark_life, send_due, states
from rules_school import present
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims import bundle
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.enrol(dark_life())
    await made.observe(dark_life().observations, FILED)
    return made


async def proofs(court: Court) -> list[bytes]:
    async with storage.reading(court.engine) as conn:
        return [
            body.encode() for body in (await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars()
        ]


async def test_what_was_seen_becomes_a_claim_whose_proof_recomputes(court: Court) -> None:
    gateway = FakeGateway()

    await send_due(court.engine, gateway, FILED)

    ((key, body, _),) = gateway.sent
    assert (json.loads(body)["amount_minor"], key) == (280_000, (await court.case()).case_key)
    assert [bundle.verify(data) for data in await proofs(court)] == [[]]


async def test_records_that_come_late_hold_the_case_and_every_proof_still_recomputes(court: Court) -> None:
    await send_due(court.engine, FakeGateway(), FILED)

    late = [replace(one, recorded_at=FILED + HOUR) for one in present(WED)]
    await court.observe(late, FILED + 2 * HOUR)

    assert states(await court.case()) == ["held", "1 refund accepted"]
    chain = await proofs(court)
    assert [bundle.verify(data) for data in chain] == [[]] * len(chain)
    assert bundle.verify_chain(chain) == []


async def test_what_a_withdrawn_refund_had_absorbed_is_filed_though_nothing_new_was_seen(court: Court) -> None:
    await send_due(court.engine, FakeGateway(), FILED)
    late = [replace(one, recorded_at=FILED + HOUR) for one in present(WED)]
    await court.observe(late, FILED + 2 * HOUR)
    assert await court.cases("compensation") == []

    await court.decide((await court.case()).case_key, "withdraw", FILED + 3 * HOUR)
    await court.catch_up(FILED + 4 * HOUR)

    assert states(await court.case("compensation")) == ["filed", "1 compensation ready"]
