"""What must be true at the end of every seed, whatever died on the way."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from judging_parts import POLICY, expected, kept, undated, without_next_look
from rules_school import on_weekdays
from seeded_machine import RefundSystem
from seeded_school import SeededSchool, Words
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery, Sighting
from collectors.threads import settled
from qos_monitor.claims import ledger
from qos_monitor.claims.ledger import CaseRow
from qos_monitor.claims.lifecycle import ClaimKind, ClaimState
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import READ, deliveries, observations
from rules.judge import Judgement, judge
from rules.observation import Observation, Role, chosen
from rules.remedy import COMPENSATION, REFUND, Case
from rules.span import Instant
from rules.world import World


async def hold(engine: AsyncEngine, school: SeededSchool, refunds: RefundSystem, now: Instant) -> None:
    """Hold what is stored and what was received against the rules' word over all the evidence.

    Raises AssertionError with the law that is broken.
    """
    world = await _evidence(engine, school)
    judgement = judge(world, now, POLICY, on_weekdays)
    same = without_next_look(await kept(engine)) == without_next_look(expected(judgement))
    assert same, _difference(await kept(engine), expected(judgement))
    async with storage.reading(engine) as conn:
        people = sorted({row.learner_id for row in world.enrolments})
        rows = [row for who in people for row in await ledger.cases_of(conn, who)]
    _cases(judgement, rows, refunds)
    _money(judgement, rows, refunds)


async def _evidence(engine: AsyncEngine, school: SeededSchool) -> World:
    """Read each delivery as it was made, at the instant it was first stored; every one must be there, once."""
    async with storage.reading(engine) as conn:
        rows = (await conn.execute(select(deliveries))).all()
        stored = [observation_of(row) for row in await conn.execute(select(observations))]
    assert Counter(row.event_id for row in rows) == Counter(one.id for one in school.parcels), "deliveries"
    assert {row.state for row in rows} == {READ}, [row.problem for row in rows]
    received = {row.event_id: row.received_at for row in rows}
    threads: dict[str, list[Sighting]] = defaultdict(list)
    plain: list[Sighting] = []
    for parcel in school.parcels:
        read = Words(parcel.provider).read(Delivery(parcel.provider, parcel.body, {}, received[parcel.id]))
        for one in read.sightings:
            known = replace(one, observation=replace(one.observation, recorded_at=received[parcel.id]))
            (plain if one.thread is None else threads[one.thread]).append(known)
    named = [one for thread in threads.values() for one in settled(_once(thread))]
    seen = chosen(_placed(one, school) for one in [*plain, *named])
    wanted, there = (Counter(one.canonical() for one in told) for told in (seen, stored))
    assert wanted == there, f"observations: missing {wanted - there}, too many {there - wanted}"
    return replace(school.world, observations=tuple(seen))


def _once(thread: list[Sighting]) -> list[Sighting]:
    first = {one.id: one for one in chosen(sighting.observation for sighting in thread)}
    return [one for one in thread if first[one.observation.id] == one.observation]


def _placed(sighting: Sighting, school: SeededSchool) -> Observation:
    seen = sighting.observation
    if sighting.placed or seen.class_id is None:
        return replace(seen, role=Role.LEARNER) if seen.participant_id else seen
    row = next(row for row in school.roster.classes if row.room_id == seen.class_id)
    role = Role.TEACHER if seen.participant_id == row.teacher_id else Role.LEARNER
    return replace(seen, class_id=row.id, role=role)


def _difference(found: object, wanted: object) -> str:
    return f"verdicts and outages:\nstored {json.dumps(found)}\nwanted {json.dumps(wanted)}"


def _cases(judgement: Judgement, rows: list[CaseRow], refunds: RefundSystem) -> None:
    """Each case that is found is there, live, and as the rules describe it; no other says that it is found.

    Only lessons that were given before, when the rules saw more in them, need no case of their own.
    """
    refunded = _refunded(rows)
    wanted = Counter(_told(case) for case in judgement.cases if case.kind == REFUND)
    wanted += Counter(
        _told(case) for case in judgement.cases if case.kind != REFUND and case.enrolment_id not in refunded
    )
    found = Counter(_told_row(row) for row in rows if row.is_found and row.is_live)
    given = Counter(_told(case) for case in judgement.cases if _is_given(case, rows, refunds))
    missing, too_many = wanted - found - given, found - wanted
    assert not missing, f"cases: missing {missing}, too many {too_many}"
    assert not too_many, f"cases: too many {too_many}"


def _refunded(rows: list[CaseRow]) -> set[str]:
    return {row.enrolment_id for row in rows if row.kind == REFUND and row.is_live}


def _is_given(case: Case, rows: list[CaseRow], refunds: RefundSystem) -> bool:
    """Say whether the refund system got every lesson of a compensation, and every bonus, under whatever case."""
    if case.kind != COMPENSATION:
        return False
    mine = _halves(case.terms)
    before: Counter[str] = Counter()
    bonus = 0
    for row in rows:
        if row.kind != COMPENSATION or row.enrolment_id != case.enrolment_id:
            continue
        received = [claim.terms for claim in row.claims if claim.claim_key in refunds.kept]
        lessons = sum(map(_halves, received), Counter())
        before += lessons
        if lessons.keys() & mine.keys():
            bonus += sum(terms["bonus_lessons"] for terms in received)
    return mine <= before and bonus >= int(str(case.terms["bonus_lessons"]))


def _halves(terms: Mapping[str, Any]) -> Counter[str]:
    """Count the half lessons of each class."""
    if "half_lessons_by_class" in terms:
        return Counter(terms["half_lessons_by_class"])
    each = round(2 * terms["lessons_credited"]) // max(1, len(terms["class_ids"]))
    return Counter(dict.fromkeys(terms["class_ids"], each))


def _told(case: Case) -> str:
    return _described(undated(case))


def _told_row(row: CaseRow) -> str:
    return _described(row.body)


def _described(body: Mapping[str, object]) -> str:
    names = ("kind", "tier", "learner_id", "enrolment_id", "amount_minor", "currency", "terms")
    return json.dumps({name: body.get(name) for name in names}, sort_keys=True)


def _money(judgement: Judgement, rows: list[CaseRow], refunds: RefundSystem) -> None:
    """What is owed was received, each claim once and never with two contents; nothing was received that is not ours."""
    assert not refunds.contradictions, f"sent twice with different content: {refunds.contradictions}"
    ours = {claim.claim_key: claim for row in rows for claim in row.claims}
    unknown = refunds.kept.keys() - ours.keys()
    assert not unknown, f"received, and not ours: {unknown}"
    for key, claim in ours.items():
        if claim.state is ClaimState.ACCEPTED:
            assert key in refunds.kept, f"not received: {key}"
        assert claim.state in (ClaimState.ACCEPTED, ClaimState.SUPERSEDED, ClaimState.WAITING), f"{key} {claim.state}"
        if key in refunds.kept:
            assert refunds.kept[key] == claim.body.encode(), f"another content than ours: {key}"
    refunded = _refunded(rows)
    for case in judgement.cases:
        if case.kind == REFUND:
            got = _received(rows, refunds, case.enrolment_id)
            assert got >= (case.amount_minor or 0), f"{case.amount_minor} is owed, {got} was received"
        elif case.kind == COMPENSATION and case.enrolment_id not in refunded:
            assert _is_given(case, rows, refunds), f"lessons were not received: {_told(case)}"


def _received(rows: list[CaseRow], refunds: RefundSystem, enrolment_id: str) -> int:
    money = (ClaimKind.REFUND, ClaimKind.SUPPLEMENT)
    mine = [claim for row in rows if row.enrolment_id == enrolment_id and row.kind == REFUND for claim in row.claims]
    return sum(claim.amount_minor or 0 for claim in mine if claim.kind in money and claim.claim_key in refunds.kept)
