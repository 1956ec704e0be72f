"""The play: the same seed gives the same bytes, every collector believes them, and the rules owe what was planned."""

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise

from played import KEYS, collectors, delivery, observations

from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.simulation.expectations import HALF, REFUND, SET, WHOLE, dues
from qos_monitor.simulation.faults import SICK_NODE, Cause, Way, single_out
from qos_monitor.simulation.plan import TICK, Plan, make
from qos_monitor.simulation.school import DAYS, day
from rules import policy
from rules.judge import judge
from rules.observation import Observation
from rules.span import HOUR
from rules.world import read_roster

PLAN = make(1, KEYS)


@cache
def _seen() -> tuple[Observation, ...]:
    return observations(PLAN)


def test_the_same_seed_gives_the_same_bytes_in_the_same_order() -> None:
    assert make(1, KEYS).posts == PLAN.posts


def test_another_seed_gives_another_play() -> None:
    assert make(2, KEYS).posts != PLAN.posts


def test_requests_are_in_the_order_they_are_sent_and_none_before_its_tick() -> None:
    assert all(before.sent_at <= after.sent_at for before, after in pairwise(PLAN.posts))
    assert all(post.sent_at % TICK == 0 for post in PLAN.posts)


def test_the_real_collectors_believe_and_read_every_request() -> None:
    known = collectors()
    unknown: Counter[str] = Counter()
    for post in PLAN.posts:
        if post.path.startswith("/webhooks/"):
            received = delivery(post)
            known[received.provider].verify(received)
            unknown.update(known[received.provider].read(received).unknown)
    assert unknown == Counter()


def test_some_webhooks_are_sent_twice_and_some_arrive_late() -> None:
    known = collectors()
    received = [delivery(post) for post in PLAN.posts if post.path.startswith("/webhooks/")]
    names = Counter((one.provider, known[one.provider].key(one)) for one in received)
    assert sum(count - 1 for count in names.values()) > 100
    delays = [seen.known_at - (seen.until or seen.at) for seen in _seen()]
    assert sum(delay > HOUR for delay in delays) > 10


def test_the_roster_is_one_the_service_takes() -> None:
    world = read_roster(PLAN.school.roster())
    assert len({learner for row in world.classes for learner in row.learner_ids}) == 288
    assert len(world.classes) == len(PLAN.school.lessons)


def test_every_planted_fault_befalls_somebody() -> None:
    assert {fate.cause for fate in PLAN.fates.values() if fate.cause} == set(Cause)


def test_the_login_outage_leaves_no_trace_of_four_in_five() -> None:
    vanished = [fate for fate in PLAN.fates.values() if fate.cause is Cause.LOGIN]
    assert len(vanished) == 39  # of 48
    assert all(fate.way is Way.LEAVES_NO_TRACE for fate in vanished)


def test_what_befalls_one_learner_alone_befalls_nobody_on_the_sick_node() -> None:
    singled = single_out(PLAN.school)
    for learner_id in (singled.account, singled.wifi, singled.skipper):
        assert PLAN.school.learners[learner_id].domains("agora")["node"] != SICK_NODE


def _judged(plan: Plan, seen: tuple[Observation, ...]) -> dict[tuple[str, str, str], tuple[str | None, int | None]]:
    """Judge every night of the play; a refund stands as it was first found."""
    world = replace(read_roster(plan.school.roster()), observations=seen)
    found: dict[tuple[str, str, str], tuple[str | None, int | None]] = {}
    for night in range(DAYS):
        judged = judge(world, day(night, 27 * HOUR), policy.default(), is_working_day_in_china)
        for case in judged.cases:
            key = (case.learner_id, case.enrolment_id, case.kind)
            if case.kind != "refund" or key not in found:
                found[key] = (case.tier, case.amount_minor)
    return found


TIERS = {HALF: "T1", WHOLE: "T2", SET: "T3"}


def _wanted(plan: Plan) -> dict[tuple[str, str, str], tuple[str | None, int | None]]:
    """Take what each enrolment is owed last, and the compensation that went before a refund."""
    last: dict[tuple[str, str, str], tuple[str | None, int | None]] = {}
    for due in dues(plan):
        name = (due.learner_id, due.enrolment_id)
        if due.remedy == REFUND:
            last[*name, "refund"] = (None, due.amount_minor)
            last[*name, "compensation"] = ("T3" if len(due.half_lessons) > 1 else "T2", None)
        else:
            last[*name, "compensation"] = (TIERS[due.remedy], None)
    return last


def test_judging_the_play_night_by_night_owes_what_the_plan_expects() -> None:
    assert _judged(PLAN, _seen()) == _wanted(PLAN)


def test_another_seed_is_owed_what_its_plan_expects_too() -> None:
    plan = make(7, KEYS)
    assert _judged(plan, observations(plan)) == _wanted(plan)
