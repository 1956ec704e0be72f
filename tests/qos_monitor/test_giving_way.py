"""Reading rests in a rush of webhooks, never for long, and not otherwise."""

import pytest

from qos_monitor.giving_way import FLOOD_PER_S, REST, REST_IN_FLOOD, REST_S_MAX, RUSH_PER_S, GivingWay, rest_s

RUSH, FLOOD = int(RUSH_PER_S), int(FLOOD_PER_S)


@pytest.mark.parametrize(
    ("rows", "elapsed_s", "worked_s", "rested_s", "rests_s"),
    [
        (RUSH - 1, 1.0, 0.02, 0.0, 0.0),  # an ordinary day
        (RUSH, 1.0, 0.02, 0.0, REST * 0.02),
        (RUSH, 1.0, 30.0, 0.0, REST_S_MAX),  # however long the last run took
        (FLOOD - 1, 1.0, 0.02, REST * 0.02, 0.0),
        (FLOOD, 1.0, 0.02, REST * 0.02, (REST_IN_FLOOD - REST) * 0.02),
        (FLOOD, 1.0, 0.3, REST * 0.3, REST_S_MAX - REST * 0.3),
        (FLOOD, 1.0, 0.02, REST_IN_FLOOD * 0.02, 0.0),  # it has rested enough
        (FLOOD, 0.0, 0.02, 0.0, 0.0),  # nothing to tell yet
        (FLOOD, 1.0, 0.0, 0.0, 0.0),  # there was nothing to read
    ],
)
def test_it_rests_as_long_as_the_rush_and_the_work_ask_for(
    rows: int, elapsed_s: float, worked_s: float, rested_s: float, rests_s: float
) -> None:
    assert rest_s(rows, elapsed_s, worked_s, rested_s) == pytest.approx(rests_s)


async def test_what_comes_between_two_runs_is_counted_once() -> None:
    taken = 0
    way = GivingWay(lambda: taken)
    for _ in range(3):
        await way.begin()
        taken += 5
        way.end()

    await way.begin()  # returns: there is no rush
