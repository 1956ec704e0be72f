"""Reading rests in a rush of webhooks, never for long, and not otherwise."""

import pytest

from qos_monitor.giving_way import REST, REST_BUSY, REST_S_MAX, RUSH_PER_S, GivingWay, more_s, rest_s

RUSH = int(RUSH_PER_S)


@pytest.mark.parametrize(
    ("rows", "elapsed_s", "worked_s", "rests_s"),
    [
        (RUSH, 1.0, 0.2, REST * 0.2),
        (RUSH - 1, 1.0, 0.2, 0.0),  # an ordinary day
        (10 * RUSH, 1.0, 30.0, REST_S_MAX),  # however long the last run took
        (RUSH, 0.0, 0.2, 0.0),  # nothing to tell yet
        (RUSH, 1.0, 0.0, 0.0),  # there was nothing to read
    ],
)
def test_it_rests_as_long_as_the_rush_and_the_work_ask_for(
    rows: int, elapsed_s: float, worked_s: float, rests_s: float
) -> None:
    assert rest_s(rows, elapsed_s, worked_s) == pytest.approx(rests_s)


@pytest.mark.parametrize(
    ("worked_s", "rested_s", "used_s", "rests_s"),
    [
        (0.02, 0.06, 0.05, REST_BUSY * 0.02 - 0.06),  # the intake alone keeps it busy
        (0.02, 0.06, 0.01, 0.0),  # there is room for both
        (0.2, 0.6, 0.5, REST_S_MAX - 0.6),
        (2.0, REST_S_MAX, 0.9, 0.0),
    ],
)
def test_it_rests_longer_where_the_intake_alone_keeps_the_processor_busy(
    worked_s: float, rested_s: float, used_s: float, rests_s: float
) -> None:
    assert more_s(worked_s, rested_s, used_s) == pytest.approx(rests_s)


async def test_what_comes_between_two_runs_is_counted_once() -> None:
    taken = 0
    way = GivingWay(lambda: taken)
    for _ in range(3):
        await way.begin()
        taken += 5
        way.end()

    await way.begin()  # returns: there is no rush
