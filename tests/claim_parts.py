"""Builders for the tests of claims: a learner's life judged and filed, a refund system that does as it is told."""

import base64
import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rules_school import POLICY, enrolment, kept_out, lesson, local, on_weekdays, present, school
from service_parts import SetClock
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Sighting
from qos_monitor import judging, observing, roster
from qos_monitor.claims import decision, ledger
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.desk import Desk, FilingOptions
from qos_monitor.claims.gateway import Accepted, Answer, ClaimGateway, NotKnown, Report
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import CaseState, ClaimState
from qos_monitor.claims.reviewing import review_due
from qos_monitor.claims.status import Status, apply
from qos_monitor.filing import settler
from qos_monitor.observing import Entry
from qos_monitor.relay import Relay
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import bundles, case_transitions, cases, claims
from rules.dossier import Dossier
from rules.judge import Judgement, judge_learner
from rules.observation import Observation
from rules.policy import Policy
from rules.span import DAY, HOUR, Instant
from rules.world import Enrolment, ScheduledClass

SECRET = "whsec_" + base64.b64encode(b"an older secret of 32 bytes long").decode()
NEW_SECRET = "whsec_" + base64.b64encode(b"the newer secret, 32 bytes long!").decode()

MON = lesson("mon", "Mon 19:00")
WED = lesson("wed", "Wed 19:00")
FILED: Instant = local("Thu 02:00")
"""Both classes are firm: the refund is found."""

TARGET_PASSED: Instant = local("Wed 00:00") + 7 * DAY
"""The first instant after the target day (Tuesday) of a refund filed on Thursday."""


def life(
    classes: Sequence[ScheduledClass],
    observations: Iterable[Observation] = (),
    enrolments: Sequence[Enrolment] | None = None,
    learner_id: str = "u1",
) -> Dossier:
    """Put together all that is known of one learner whom nobody else's fate concerns."""
    return Dossier(
        learner_id=learner_id,
        roster=school(classes, enrolments=enrolments),
        observations=tuple(observations),
        surroundings={},
        settled=(),
        class_ends=tuple(row.ends_at for row in classes),
        windows={},
    )


def dark_life(enrolled: Enrolment | None = None) -> Dossier:
    """The first worked example: Monday and Wednesday shut out for the whole class, 49 hours."""
    seen = [*kept_out(MON), *kept_out(WED)]
    return life([MON, WED], seen, None if enrolled is None else [enrolled])


def bright_life() -> Dossier:
    """The same week after the missing records came: Wednesday was attended after all."""
    return life([MON, WED], [*kept_out(MON), *present(WED)])


@dataclass
class Court:
    """A database with the policy and the options that cases are filed under."""

    engine: AsyncEngine
    policy: Policy = POLICY
    limits: BreakerLimits = field(default_factory=BreakerLimits)

    @property
    def options(self) -> FilingOptions:
        """Say where links begin and which days are worked."""
        return FilingOptions(on_weekdays, "https://qos.example", self.limits)

    async def judge(self, dossier: Dossier, now: Instant = FILED) -> Judgement:
        """Judge a learner and file what is found."""
        found = judge_learner(dossier, now, self.policy, on_weekdays)
        settle = settler(self.policy, self.options)
        async with storage.writing(self.engine) as conn:
            await settle(conn, dossier.learner_id, found.cases, found.outages, dossier, now)
        return found

    async def enrol(self, dossier: Dossier) -> None:
        """Put the learner on the roster."""
        async with storage.writing(self.engine) as conn:
            await roster.apply(conn, dossier.roster, now=0)

    async def observe(self, seen: Iterable[Observation], now: Instant) -> None:
        """Store what was seen, and judge all that is due, the way the service does."""
        entries = [Entry(Sighting(replace(one, recorded_at=one.known_at), placed=True), 1) for one in seen]
        async with storage.writing(self.engine) as conn:
            await observing.store(conn, entries, now)
        await self.catch_up(now)

    async def catch_up(self, now: Instant) -> None:
        """Judge all that is due."""
        settle = settler(self.policy, self.options)
        while await judging.judge_due(self.engine, self.policy, on_weekdays, now, settle):
            pass

    async def let_days_pass(self, now: Instant) -> int:
        """Do what is due because of the date."""
        async with storage.writing(self.engine) as conn:
            return await review_due(conn, now, self.policy, self.options)

    async def decide(self, case_key: str, what: str, now: Instant, evidence: str | None = "log 7") -> CaseRow:
        """Have a person decide."""
        async with storage.writing(self.engine) as conn:
            desk = Desk(conn, self.policy, self.options, now)
            said = decision.Decision(what, "Li Wei", "It was looked at.", evidence)
            return await decision.decide(desk, case_key, said)

    async def report(self, claim_key: str, status: str, now: Instant) -> ClaimState:
        """Have the refund system say what became of a claim."""
        async with storage.writing(self.engine) as conn:
            return await apply(conn, claim_key, Status(status, now, None), now)

    async def cases(self, kind: str | None = None, learner_id: str = "u1") -> list[CaseRow]:
        """Read the learner's cases."""
        async with storage.writing(self.engine) as conn:
            rows = await ledger.cases_of(conn, learner_id)
        return [row for row in rows if kind in (None, row.kind)]

    async def case(self, kind: str = "refund") -> CaseRow:
        """Read the one case of a kind."""
        (row,) = await self.cases(kind)
        return row

    async def moves(self, case_key: str) -> list[str]:
        """Tell how a case moved, and by whom."""
        query = select(case_transitions).where(case_transitions.c.case_key == case_key).order_by(case_transitions.c.seq)
        async with storage.reading(self.engine) as conn:
            return [f"{row.from_state or '-'} > {row.to_state} by {row.actor}" for row in await conn.execute(query)]

    async def counts(self) -> dict[str, int]:
        """Count what is stored."""
        async with storage.reading(self.engine) as conn:
            return {
                table.name: (await conn.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (cases, case_transitions, claims, bundles)
            }


def states(row: CaseRow) -> list[str]:
    """Tell the state of a case and of each of its claims: ``filed``, ``1 refund ready``."""
    return [row.state.value, *(f"{c.version} {c.kind.value} {c.state.value}" for c in row.claims)]


@dataclass
class FakeGateway:
    """A refund system in memory: gives the answers it was given, then accepts; remembers what it was sent."""

    answers: deque[Answer] = field(default_factory=deque)
    reports: dict[str, Report] = field(default_factory=dict)
    sent: list[tuple[str, bytes, Instant]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        """Take a claim."""
        self.sent.append((claim_key, body, now))
        return self.answers.popleft() if self.answers else Accepted("200")

    async def ask(self, claim_key: str, now: Instant) -> Report:  # noqa: ARG002 - named as in ClaimGateway
        """Tell of a claim; of one nobody told it to know, that it does not know it."""
        self.asked.append(claim_key)
        return self.reports.get(claim_key, NotKnown())


async def send_due(engine: AsyncEngine, gateway: ClaimGateway, now: Instant, **how: Any) -> int:  # noqa: ANN401 - Relay's own
    """Send what is due at an instant that lasts, and see it all come back; tell how many claims set out."""
    return await Relay(engine, gateway, SetClock(now), patience_s=60, **how).send_due()


async def multiply(court: Court, count: int) -> list[str]:
    """File the same claim for more learners; give the keys of all, in the order they are due."""
    keys = sorted(hashlib.sha256(f"{number}".encode()).hexdigest() for number in range(count - 1))
    async with storage.writing(court.engine) as conn:
        case = dict((await conn.execute(select(cases))).one()._mapping)
        claim = dict((await conn.execute(select(claims))).one()._mapping)
        for key in keys:
            await conn.execute(insert(cases).values({**case, "case_key": key, "learner_id": key}))
            body = claim["body"].replace(claim["claim_key"], key)
            await conn.execute(insert(claims).values({**claim, "case_key": key, "claim_key": key, "body": body}))
    return sorted([*keys, claim["claim_key"]])


def richer(used: int = 10) -> Enrolment:
    """The same enrolment with fewer lessons used: more is owed."""
    return enrolment(used=used)


__all__ = [
    "DAY", "FILED", "HOUR", "MON", "NEW_SECRET", "SECRET", "TARGET_PASSED", "WED", "CaseState", "ClaimState", "Court",
    "FakeGateway", "bright_life", "dark_life", "life", "multiply", "richer", "send_due", "states",
]  # fmt: skip
