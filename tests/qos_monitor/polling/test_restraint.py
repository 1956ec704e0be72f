"""A provider is asked within its plan's rate, and not while it is in trouble."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.polls import Limits
from qos_monitor.polling.restraint import FAILURES_MAX, REST, Breaker, Pace
from rules.span import DAY, HOUR, MINUTE, SECOND

NOON = 20_000 * DAY + DAY // 2
PLAN = Limits(per_second=2, per_day=5, kept_ms=DAY, delay_ms=300 * SECOND)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(NOON)
    return breaker


def test_the_breaker_opens_at_the_fifth_failure_in_a_row_and_says_so_once() -> None:
    breaker = Breaker()

    assert [breaker.failed(NOON) for _ in range(FAILURES_MAX)] == [False] * (FAILURES_MAX - 1) + [True]
    assert breaker.wait(NOON) == REST


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(NOON)
    breaker.succeeded()

    assert breaker.failed(NOON) is False
    assert breaker.wait(NOON) == 0


def test_after_the_rest_one_request_may_try() -> None:
    breaker = opened()

    assert breaker.wait(NOON + REST - 1) == 1
    assert breaker.wait(NOON + REST) == 0


def test_the_trial_decides() -> None:
    failing, healing = opened(), opened()

    assert failing.failed(NOON + REST) is False
    healing.succeeded()

    assert failing.wait(NOON + REST) == REST
    assert healing.wait(NOON + REST) == 0
    assert healing.failed(NOON + REST) is False


def test_so_many_in_a_second_and_not_one_more() -> None:
    pace = Pace(PLAN)
    pace.spend(NOON)
    assert pace.wait(NOON + 100) == 0
    pace.spend(NOON + 100)

    assert pace.wait(NOON + 200) == 800
    assert pace.wait(NOON + SECOND - 1) == 1
    assert pace.wait(NOON + SECOND) == 0


def test_when_the_day_is_spent_the_next_begins_at_midnight_utc() -> None:
    pace = Pace(PLAN)
    for number in range(PLAN.per_day):
        pace.spend(NOON + number * SECOND)

    assert pace.wait(NOON + DAY // 2 - 1) == 1
    assert pace.wait(NOON + DAY // 2) == 0


def test_a_provider_that_says_the_day_is_spent_is_believed() -> None:
    pace = Pace(PLAN)
    pace.spend(NOON)
    pace.spent(NOON + SECOND)

    assert pace.wait(NOON + 2 * SECOND) == DAY // 2 - 2 * SECOND


def test_a_provider_that_says_when_to_come_again_is_believed() -> None:
    pace = Pace(PLAN)
    pace.hold(NOON + 9 * SECOND)
    pace.hold(NOON + SECOND)

    assert pace.wait(NOON) == 9 * SECOND
    assert pace.wait(NOON + 9 * SECOND) == 0


@given(st.lists(st.integers(0, 700), min_size=1, max_size=60))
def test_no_second_and_no_day_ever_sees_more_than_the_plan_allows(steps: list[int]) -> None:
    pace, now, sent = Pace(PLAN), NOON, []
    for step in steps:
        now += step
        now += pace.wait(now)
        pace.spend(now)
        sent.append(now)

    assert all(later - one >= SECOND for one, later in zip(sent, sent[PLAN.per_second :], strict=False))
    days = [at // DAY for at in sent]
    assert max(days.count(day) for day in days) <= PLAN.per_day


def test_a_clock_that_steps_back_makes_nobody_wait_until_it_is_that_late_again() -> None:
    breaker, pace = opened(), Pace(PLAN)
    for _ in range(PLAN.per_second):
        pace.spend(NOON)
    pace.hold(NOON + MINUTE)

    assert (breaker.wait(NOON - HOUR), pace.wait(NOON - HOUR)) == (0, 0)


def test_what_another_process_asked_today_counts_too() -> None:
    pace = Pace(PLAN)
    pace.spend(NOON)

    pace.seen(PLAN.per_day - 1, NOON + SECOND)
    pace.spend(NOON + SECOND)

    assert pace.wait(NOON + 2 * SECOND) > HOUR
