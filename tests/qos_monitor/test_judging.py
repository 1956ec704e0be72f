"""Judging by windows and learners, from the tables, gives what `judge` gives on the whole world at once."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging_parts import POLICY, Filed, drain, enrol, expected, kept, play, tell, undated, without_next_look
from rules_school import crowd, judged, kept_out, lesson, local, on_weekdays, present, school, seen
from rules_strategies import instants, worlds
from service_parts import row
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import due, judging
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries, learners, outages, verdicts, windows
from rules.dossier import Dossier, read_dossier
from rules.judge import judge, judge_learner
from rules.outage import Outage
from rules.remedy import Case
from rules.span import HOUR, MINUTE, SECOND, Instant
from rules.world import World


@settings(max_examples=60)
@given(world=worlds(), as_of=instants(), stages=st.integers(1, 4))
def test_judging_as_evidence_comes_ends_where_judging_it_all_at_once_does(
    world: World, as_of: Instant, stages: int
) -> None:
    whole = judge(world, as_of, POLICY, on_weekdays)

    filed, found = asyncio.run(play(world, as_of, stages))

    assert without_next_look(found) == without_next_look(expected(whole))
    assert filed.cases == {case.case_key: undated(case) for case in whole.cases}


@settings(max_examples=60)
@given(world=worlds(), as_of=instants())
def test_what_is_handed_to_filing_can_be_judged_again_from_its_dossier_alone(world: World, as_of: Instant) -> None:
    filed, _ = asyncio.run(play(world, as_of, stages=2))

    for cases, dossier, now in filed.by_learner.values():
        again = judge_learner(read_dossier(json.loads(json.dumps(dossier.as_json()))), now, POLICY, on_weekdays)
        assert [case.as_json() for case in again.cases] == [case.as_json() for case in cases]


MONDAY = lesson("mon")
WEDNESDAY = lesson("wed", "Wed 19:00")
OWED = school([MONDAY, WEDNESDAY], kept_out(MONDAY) + kept_out(WEDNESDAY))
FIRM: Instant = local("Wed 20:00") + 6 * HOUR


async def test_a_window_is_judged_when_its_classes_become_provisional_and_firm_and_not_between(
    engine: AsyncEngine,
) -> None:
    filed = Filed()
    await enrol(engine, OWED)
    await tell(engine, OWED.observations, MONDAY.starts_at)
    moments = {}

    for hours in (0, 1, 1.25, 2, 6.99, 7, 8):
        now = MONDAY.starts_at + int(hours * HOUR)
        moments[hours] = await judging.judge_due(engine, POLICY, on_weekdays, now, filed.settle)
        await drain(engine, now, filed)

    assert {hours for hours, count in moments.items() if count} == {1.25, 7}
    async with storage.reading(engine) as conn:
        states = (await conn.execute(select(verdicts.c.firm, verdicts.c.current).order_by(verdicts.c.seq))).all()
    assert [tuple(row) for row in states] == [(False, False), (True, True)]


async def test_nothing_is_filed_of_a_learner_while_another_window_of_theirs_is_due(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Judged alone, Monday is a lesson given back; with Wednesday it is a refund, which absorbs that.
    filed = Filed()
    monkeypatch.setattr(judging, "WINDOWS_MAX", 1)
    await enrol(engine, OWED)
    await tell(engine, OWED.observations, FIRM)

    await judging.judge_due(engine, POLICY, on_weekdays, FIRM, filed.settle)
    between = filed.times
    await drain(engine, FIRM, filed)

    assert between == 0
    assert [case["kind"] for case in filed.cases.values()] == ["refund"]
    assert filed.times == 1


async def test_judging_waits_while_a_delivery_is_unread_for_long(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(deliveries.insert(), [row(deliveries, seq=1, provider="agora", received_at=FIRM)])

    asked = [
        (name, later) for name in ("agora", "livekit") for later in (0, judging.UNREAD_MAX, judging.UNREAD_MAX + 1)
    ]
    lags = {(name, later): await judging.has_backlog(engine, [name], FIRM + later) for name, later in asked}

    assert {key for key, is_behind in lags.items() if is_behind} == {("agora", judging.UNREAD_MAX + 1)}


async def test_one_learner_whose_filing_fails_holds_up_nobody(engine: AsyncEngine) -> None:
    filed = Filed()
    both = lesson("mon", "Mon 19:00", "broken", "u1")
    await enrol(engine, school([both]))
    await tell(engine, kept_out(both, "broken") + kept_out(both, "u1"), FIRM)

    async def settle(
        conn: AsyncConnection,
        learner_id: str,
        cases: Sequence[Case],
        outages: Sequence[Outage],
        dossier: Dossier,
        now: Instant,
    ) -> None:
        if learner_id == "broken":
            raise RuntimeError("a bug in filing")
        await filed.settle(conn, learner_id, cases, outages, dossier, now)

    while await judging.judge_due(engine, POLICY, on_weekdays, FIRM, settle):
        pass

    async with storage.reading(engine) as conn:
        again = {one.id: one.look_again_at for one in await conn.execute(select(learners))}
        joined = (await conn.execute(select(outages.c.learner_id))).scalars().all()
    assert list(filed.by_learner) == ["u1"]
    assert joined == ["u1"]
    assert again["broken"] == FIRM + judging.LEASE


async def test_a_touch_while_a_window_is_in_hand_is_not_lost_however_late_it_is_due(engine: AsyncEngine) -> None:
    await enrol(engine, school([MONDAY]))
    held = MONDAY.ends_at + 10 * MINUTE
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=held, lease_until=held))
        await due.touch_classes(conn, [MONDAY.id], MONDAY.starts_at)

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(windows.c.due_at))).scalars().all() == [MONDAY.ends_at + 15 * MINUTE]


async def test_the_verdicts_of_learners_are_found_by_an_index(embedded: AsyncEngine) -> None:
    statement = select(verdicts.c.body).where(verdicts.c.current, verdicts.c.learner_id.in_(["u1", "u2"]))
    words = statement.compile(dialect=embedded.dialect, compile_kwargs={"literal_binds": True}).string

    async with storage.reading(embedded) as conn:
        plan = (await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}")).all()

    assert "uq_verdicts_current" in str(plan)


async def test_late_evidence_supersedes_a_verdict_and_keeps_the_one_before(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([MONDAY]))
    await drain(engine, FIRM, filed)
    await tell(engine, kept_out(MONDAY), FIRM + HOUR)

    await drain(engine, FIRM + HOUR, filed)

    async with storage.reading(engine) as conn:
        rows = (await conn.execute(select(verdicts).order_by(verdicts.c.seq))).all()
    assert [(row.verdict, row.current, row.supersedes) for row in rows] == [
        ("NO_SHOW", False, None),
        ("UNABLE_PLATFORM", True, rows[0].seq),
    ]


async def test_judging_again_what_did_not_change_writes_nothing_and_files_nothing(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, OWED)
    await tell(engine, OWED.observations, FIRM)
    await drain(engine, FIRM, filed)
    times = filed.times
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=FIRM))
        await conn.execute(learners.update().values(look_again_at=FIRM))

    await drain(engine, FIRM, filed)

    async with storage.reading(engine) as conn:
        count = (await conn.execute(select(func.count()).select_from(verdicts))).scalar()
    assert (count, filed.times) == (2, times)


async def test_an_outage_that_did_not_change_is_kept_with_every_domain_that_it_goes_by_now(engine: AsyncEngine) -> None:
    doubtful = lesson("wed", "Wed 19:00", provider="zoom")
    await enrol(engine, school([MONDAY, doubtful]))
    await tell(engine, [*kept_out(MONDAY), seen("attempted", doubtful.starts_at, doubtful, source="zoom")], FIRM)
    filed = Filed()
    await drain(engine, doubtful.starts_at, filed)

    await drain(engine, doubtful.ends_at + 15 * MINUTE, filed)

    async with storage.reading(engine) as conn:
        rows = (await conn.execute(select(outages.c.answer, outages.c.domains))).all()
    assert [tuple(row) for row in rows] == [("not_yet", "|provider:agora|provider:zoom|")]


async def test_a_window_whose_worker_died_is_judged_five_minutes_later(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, OWED)
    async with storage.writing(engine) as conn:  # as taking it up leaves it
        await conn.execute(
            windows.update().values(due_at=FIRM + judging.LEASE, lease_until=FIRM + judging.LEASE, lease_token=1)
        )

    before = await judging.judge_due(engine, POLICY, on_weekdays, FIRM + judging.LEASE - 1, filed.settle)
    after = await judging.judge_due(engine, POLICY, on_weekdays, FIRM + judging.LEASE, filed.settle)

    assert before == 0
    assert after >= 2


async def test_evidence_that_makes_an_earlier_window_ill_is_felt_by_windows_judged_before_it_came(
    engine: AsyncEngine,
) -> None:
    # Three of fifteen others: faulty where 1 in 200 usually loses, but not where 1 in 25 does, as Monday comes to tell.
    bad = {"provider": "agora", "node": "bj-7"}
    monday = crowd("Mon 19:00", 100, 4, bad, name="m")
    tuesday = crowd("Tue 19:00", 16, 4, bad, name="t")
    world = school(monday.classes + tuesday.classes, monday.observations + tuesday.observations, enrolments=())
    filed = Filed()
    await enrol(engine, world)
    await tell(engine, tuesday.observations, FIRM)
    await drain(engine, FIRM, filed)
    alone, _ = await kept(engine)
    await tell(engine, monday.observations, FIRM)

    await drain(engine, FIRM, filed)

    found, _ = await kept(engine)
    assert found == expected(judged(world, FIRM))[0]
    assert {name: alone[name] for name in found if name.startswith("t-")} != {
        name: body for name, body in found.items() if name.startswith("t-")
    }


async def test_an_enrolment_told_after_its_classes_were_judged_opens_the_case(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, replace(OWED, enrolments=()))
    await tell(engine, OWED.observations, FIRM)
    await drain(engine, FIRM, filed)
    before = dict(filed.cases)
    await enrol(engine, replace(OWED, classes=()))

    await drain(engine, FIRM, filed)

    assert before == {}
    assert [case["kind"] for case in filed.cases.values()] == ["refund"]


async def test_a_check_counts_from_when_the_roster_knows_the_learner(engine: AsyncEngine) -> None:
    filed = Filed()
    await tell(engine, [seen("check_failed", "Mon 10:00", None, "u1", fault="platform")], FIRM)
    await drain(engine, FIRM, filed)
    unknown = (await kept(engine))[1]
    await enrol(engine, replace(OWED, classes=()))

    await drain(engine, FIRM, filed)

    assert unknown == []
    assert len((await kept(engine))[1]) == 1


async def test_a_learner_taken_off_a_class_keeps_no_verdict_in_force(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([lesson("mon", "Mon 19:00", "u1", "u2")], present(MONDAY)))
    await drain(engine, FIRM, filed)
    await enrol(engine, school([MONDAY]))

    await drain(engine, FIRM, filed)

    found, _ = await kept(engine)
    assert [name.split()[0] for name in found] == ["u1"]


async def test_evidence_that_is_not_known_yet_is_judged_as_soon_as_it_is(engine: AsyncEngine) -> None:
    """The machine that took it is two seconds ahead of the one that judges; or the latter looks as of two ago."""
    filed, known_at = Filed(), FIRM + 2 * SECOND
    await enrol(engine, school([MONDAY]))
    await tell(engine, [replace(one, recorded_at=known_at) for one in kept_out(MONDAY)], FIRM)

    await drain(engine, FIRM, filed)
    before, _ = await kept(engine)
    await drain(engine, known_at, filed)

    after, _ = await kept(engine)
    told = [["UNABLE_PLATFORM" in str(body) for body in found.values()] for found in (before, after)]
    assert told == [[False], [True]]


async def test_a_check_that_is_not_known_yet_counts_as_soon_as_it_is(engine: AsyncEngine) -> None:
    filed, known_at = Filed(), FIRM + 2 * SECOND
    await enrol(engine, replace(OWED, classes=()))
    check = seen("check_failed", "Mon 10:00", None, "u1", fault="platform")
    await tell(engine, [replace(check, recorded_at=known_at)], FIRM)

    await drain(engine, FIRM, filed)
    before = (await kept(engine))[1]
    await drain(engine, known_at, filed)

    assert (len(before), len((await kept(engine))[1])) == (0, 1)
