"""The rules and a second judge, written from the specification alone, agree on random worlds (SPEC 10)."""

from random import Random

import pytest
from reference.judging import Row
from reference.judging import judge as judge_plainly
from reference.worlds import crowded_world
from rules_school import judged
from rules_strategies import MONDAY_EVENING, a_world

from rules.span import HOUR, Instant, format_instant
from rules.world import World


def _assert_agreed(world: World, as_of: Instant) -> None:
    """Judge twice; what the second judge does not write (words, terms) is not compared."""
    answer = judged(world, as_of).as_json()

    told = judge_plainly(world.as_json(), format_instant(as_of))

    for name, wanted in zip(("verdicts", "outages", "cases"), told, strict=True):
        assert _shown(answer[name], wanted) == wanted


def _shown(rows: object, like: list[Row]) -> list[Row]:
    assert isinstance(rows, list)
    keys = like[0].keys() if like else ()
    return [{key: row[key] for key in keys} if keys else row for row in rows]


@pytest.mark.parametrize("seed", range(120))
def test_both_judges_agree_on_a_world_of_many(seed: int) -> None:
    world, as_of = crowded_world(seed)

    _assert_agreed(world, as_of)


@pytest.mark.parametrize("batch", range(10))
def test_both_judges_agree_on_forty_small_worlds(batch: int) -> None:
    chance = Random(batch)  # noqa: S311 - not for secrets
    for _ in range(40):
        world = a_world(chance.randbytes(150))
        _assert_agreed(world, MONDAY_EVENING + chance.choice([1, 7, 24, 55, 79, 200, 230, 500]) * HOUR)
