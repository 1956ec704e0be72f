"""Whatever happens to a case, in whatever order: nothing is un-paid, nothing is claimed twice."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from claim_parts import FILED, HOUR, Court, FakeGateway, bright_life, dark_life, send_due
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_school import enrolment
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.gateway import Answer, Refused, Unavailable
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import GONE, CaseState, ClaimKind, ClaimState, IllegalMove
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles, case_transitions, cases, claims
from rules.span import DAY

SAME_DATABASE = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TAKEN_BACK = {CaseState.CANDIDATE, CaseState.WITHDRAWN, CaseState.REJECTED}

USED = st.sampled_from([10, 20, 25, 30])
STEPS = st.one_of(
    st.tuples(st.just("dark"), USED),
    st.tuples(st.just("bright"), st.just(0)),
    st.tuples(st.just("send"), st.sampled_from(["take", "refuse", "away"])),
    st.tuples(
        st.just("report"), st.tuples(st.integers(0, 3), st.sampled_from(["accepted", "rejected", "paid", "failed"]))
    ),
    st.tuples(st.just("days"), st.integers(1, 6)),
    st.tuples(st.just("decide"), st.sampled_from(["release", "withdraw"])),
)
ANSWERS: dict[str, list[Answer]] = {
    "take": [],
    "refuse": [Refused("422")] * 3,
    "away": [Unavailable("503")] * 3,
}


@pytest.fixture
def court(engine: AsyncEngine) -> Court:
    return Court(engine)


async def forget(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        for table in (cases, claims, case_transitions, bundles):
            await conn.execute(delete(table))


@dataclass
class Story:
    """One life of a case, with what must never change."""

    court: Court
    now: int = FILED
    owed_most: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)

    async def take(self, step: tuple[str, object]) -> None:
        self.now += HOUR
        try:
            await getattr(self, f"_{step[0]}")(step[1])
        except IllegalMove:
            assert step[0] in ("report", "decide"), "only what others ask for can be impossible"

    async def _dark(self, used: int) -> None:
        found = await self.court.judge(dark_life(enrolment(used=used)), self.now)
        self.owed_most = max(self.owed_most, *(case.amount_minor or 0 for case in found.cases))

    async def _bright(self, _: object) -> None:
        await self.court.judge(bright_life(), self.now)

    async def _send(self, mood: str) -> None:
        gateway = FakeGateway(deque(ANSWERS[mood]))
        await send_due(self.court.engine, gateway, self.now, jitter=lambda: 0.0)
        for key, body, _ in gateway.sent:
            assert self.bodies.setdefault(key, body) == body, "the same key always comes with the same bytes"

    async def _report(self, said: tuple[int, str]) -> None:
        claimed = [claim for row in await self.court.cases("refund") for claim in row.claims if claim.is_sent]
        if claimed:
            await self.court.report(claimed[said[0] % len(claimed)].claim_key, said[1], self.now)

    async def _days(self, count: int) -> None:
        self.now += count * DAY
        await self.court.let_days_pass(self.now)

    async def _decide(self, what: str) -> None:
        for row in await self.court.cases("refund"):
            await self.court.decide(row.case_key, what, self.now)

    async def check(self) -> None:
        rows = await self.court.cases("refund")
        assert len(rows) <= 1
        for row in rows:
            self.paid |= {claim.claim_key for claim in row.claims if claim.state is ClaimState.PAID}
            paid_now = {claim.claim_key for claim in row.claims if claim.state is ClaimState.PAID}
            assert paid_now == self.paid
            assert not (paid_now and row.state in TAKEN_BACK)
            assert claimed(row) <= self.owed_most


def claimed(row: CaseRow) -> int:
    return sum(
        claim.amount_minor or 0
        for claim in row.claims
        if claim.state not in GONE and claim.kind is not ClaimKind.WITHDRAWAL
    )


@SAME_DATABASE
@given(steps=st.lists(STEPS, min_size=2, max_size=10), claims_min=st.sampled_from([0, 25]))
async def test_no_order_of_events_unpays_or_claims_twice(
    court: Court, steps: list[tuple[str, object]], claims_min: int
) -> None:
    await forget(court.engine)
    court.limits = BreakerLimits(claims_min)
    story = Story(court)

    await story.take(("dark", 20))
    for step in steps:
        await story.take(step)

        await story.check()


@SAME_DATABASE
@given(amounts=st.lists(st.tuples(USED, st.booleans()), min_size=1, max_size=6))
async def test_what_is_claimed_sums_to_the_most_that_was_ever_owed(
    court: Court, amounts: list[tuple[int, bool]]
) -> None:
    await forget(court.engine)
    story = Story(court)

    for used, is_sent in amounts:
        await story.take(("dark", used))
        if is_sent:
            await story.take(("send", "take"))

    (row,) = await court.cases("refund")
    assert claimed(row) == story.owed_most == row.amount_minor
