"""Laws every judgement keeps, whatever the world: SPEC 11, last paragraph."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from rules_dossiers import dossiers
from rules_school import POLICY, judged, on_weekdays
from rules_strategies import instants, worlds

from rules.dossier import read_dossier
from rules.judge import Judgement, judge, judge_learner
from rules.observation import Fault
from rules.record import ClassRecord, read_record
from rules.remedy import case_key
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.world import Enrolment, ScheduledClass, World, read_world

T = TypeVar("T")
SEEDS = st.integers(0, 2**32)


def _shuffled(world: World, seed: int) -> World:
    """Reorder everything a world lists, and repeat some of what was seen."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    rows = [
        replace(row, learner_ids=tuple(chance.sample(row.learner_ids, len(row.learner_ids)))) for row in world.classes
    ]
    seen = [*world.observations, *chance.sample(world.observations, len(world.observations) // 2)]
    for many in (rows, seen):
        chance.shuffle(many)
    bought = _in_any_order(world.enrolments, chance)
    return World(world.courses[::-1], tuple(bought), tuple(rows), tuple(seen))


def _in_any_order(rows: Sequence[T], chance: random.Random) -> list[T]:
    return chance.sample(rows, len(rows))


@given(worlds(), instants(), SEEDS)
def test_order_and_repetition_change_nothing(world: World, as_of: Instant, seed: int) -> None:
    assert judged(_shuffled(world, seed), as_of) == judged(world, as_of)


@given(worlds(), instants())
def test_copies_recorded_later_change_nothing(world: World, as_of: Instant) -> None:
    later = [replace(seen, recorded_at=seen.known_at + 1, fault=Fault.PLATFORM) for seen in world.observations]

    assert judged(replace(world, observations=(*later, *world.observations)), as_of) == judged(world, as_of)


def _moved(world: World, by: int) -> World:
    """Move a whole world in time."""

    def class_moved(row: ScheduledClass) -> ScheduledClass:
        off = None if row.cancelled is None else replace(row.cancelled, at=row.cancelled.at + by)
        return replace(row, starts_at=row.starts_at + by, ends_at=row.ends_at + by, cancelled=off)

    seen = tuple(
        replace(
            one,
            at=one.at + by,
            until=None if one.until is None else one.until + by,
            recorded_at=None if one.recorded_at is None else one.recorded_at + by,
        )
        for one in world.observations
    )
    bought = tuple(replace(row, starts_at=row.starts_at + by) for row in world.enrolments)
    return World(world.courses, bought, tuple(class_moved(row) for row in world.classes), seen)


def _still(judgement: Judgement, by: int) -> object:
    """Give everything of a judgement but words and due dates, moved back in time."""
    verdicts = [
        (row.learner_id, row.class_id, row.starts_at - by, row.verdict, row.by, row.grade, row.domain, row.shares)
        for row in judgement.records
    ]
    outages = [
        (
            outage.learner_id,
            outage.starts_at - by,
            outage.ends_at - by,
            outage.answer,
            outage.look_again_at and outage.look_again_at - by,
            [(a.id, a.kind, a.domain, a.grade, a.starts_at - by, a.ends_at - by) for a in outage.anchors],
        )
        for outage in judgement.outages
    ]
    cases = [(case.case_key, case.tier, case.amount_minor, case.lineage_at - by) for case in judgement.cases]
    return verdicts, outages, cases


@given(worlds(), instants(), st.integers(-48 * 400, 48 * 400))
def test_a_shift_by_whole_windows_shifts_everything_and_changes_nothing(
    world: World, as_of: Instant, windows: int
) -> None:
    by = windows * 30 * MINUTE

    assert _still(judged(_moved(world, by), as_of + by), by) == _still(judged(world, as_of), 0)


@given(worlds(), instants(), st.sampled_from([0, 1, 6 * HOUR, 30 * DAY]))
def test_a_case_found_again_has_the_same_key(world: World, as_of: Instant, later: int) -> None:
    first, again = judged(world, as_of), judged(world, as_of + later)

    keys = [case.case_key for case in first.cases]
    assert len(set(keys)) == len(keys)
    for case in (*first.cases, *again.cases):
        assert case.case_key == case_key(case.kind, case.learner_id, case.enrolment_id, case.lineage)
    if later == 0:
        assert again == first


@given(worlds(), instants())
def test_shares_sum_to_one_and_no_refund_leaves_its_bounds(world: World, as_of: Instant) -> None:
    judgement = judged(world, as_of)

    lengths = {row.id: row.span.length for row in world.classes}
    for row in judgement.records:
        parts = [getattr(row.shares, name) for name in row.shares.__slots__]
        assert min(parts) >= 0
        assert sum(parts) == lengths[row.class_id]
    bought = {row.id: row for row in world.enrolments}
    for case in judgement.cases:
        if case.amount_minor is not None:
            paid = bought[case.enrolment_id]
            assert 0 <= case.amount_minor <= paid.paid_minor - paid.price_refunded_minor


@given(worlds(), instants(), st.sampled_from(["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"]))
def test_a_zone_changes_due_dates_and_nothing_else(world: World, as_of: Instant, zone: str) -> None:
    there = replace(POLICY, deadlines=replace(POLICY.deadlines, zone=zone))

    here, elsewhere = judged(world, as_of), judged(world, as_of, there)

    assert elsewhere.records == here.records
    assert elsewhere.outages == here.outages
    assert [replace(case, due_target=None, due_limit=None) for case in elsewhere.cases] == [
        replace(case, due_target=None, due_limit=None) for case in here.cases
    ]


@given(worlds(), instants())
def test_what_was_recorded_later_has_no_say(world: World, as_of: Instant) -> None:
    known = replace(
        world,
        observations=tuple(seen for seen in world.observations if seen.known_at <= as_of),
        classes=tuple(
            replace(row, cancelled=None) if row.cancelled and row.cancelled.at > as_of else row for row in world.classes
        ),
    )

    assert judged(known, as_of) == judged(world, as_of)


@given(worlds(), instants())
def test_a_world_written_and_read_is_judged_alike(world: World, as_of: Instant) -> None:
    again = read_world(json.loads(json.dumps(world.as_json())))

    assert again == world
    assert json.dumps(judged(again, as_of).as_json()) == json.dumps(judged(world, as_of).as_json())


def _of(judgement: Judgement, who: str) -> Judgement:
    return replace(
        judgement,
        records=tuple(row for row in judgement.records if row.learner_id == who),
        firm=frozenset(pair for pair in judgement.firm if pair[0] == who),
        outages=tuple(row for row in judgement.outages if row.learner_id == who),
        cases=tuple(row for row in judgement.cases if row.learner_id == who),
    )


@given(worlds(), instants())
def test_a_dossier_alone_gives_the_answer_of_the_whole_world(world: World, as_of: Instant) -> None:
    whole = judge(world, as_of, POLICY, on_weekdays)

    made = dossiers(world, as_of, POLICY)

    for who in made.keys() & {"u1", "u2", "u3"}:
        assert judge_learner(made[who], as_of, POLICY, on_weekdays) == _of(whole, who)


@given(worlds(), instants())
def test_a_dossier_written_and_read_is_the_same_dossier(world: World, as_of: Instant) -> None:
    dossier = dossiers(world, as_of, POLICY)["u1"]

    again = read_dossier(json.loads(json.dumps(dossier.as_json())))

    assert judge_learner(again, as_of, POLICY, on_weekdays) == judge_learner(dossier, as_of, POLICY, on_weekdays)
    assert again.as_json() == dossier.as_json()


@given(worlds(), instants())
def test_a_record_written_and_read_is_the_same_record(world: World, as_of: Instant) -> None:
    for row in judged(world, as_of).records:
        again: ClassRecord = read_record(json.loads(json.dumps(row.as_json())))
        assert again == row


@given(worlds(), instants())
def test_a_learner_is_judged_by_roster_and_not_by_what_others_bought(world: World, as_of: Instant) -> None:
    mine: tuple[Enrolment, ...] = tuple(row for row in world.enrolments if row.learner_id == "u1")

    alone = judged(replace(world, enrolments=mine), as_of)

    assert _of(alone, "u1") == _of(judged(world, as_of), "u1")
