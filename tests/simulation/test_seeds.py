"""Whatever the seed, late, doubled, lost and reordered deliveries and deaths at any step come to what the rules say."""

import os
from collections.abc import Iterator

import pytest
from seeded_flaws import FLAWS
from seeded_machine import Flaws
from seeded_run import Stage, stage

GIVEN = os.environ.get("SEED")
SEEDS = [int(GIVEN)] if GIVEN else range(120)
ENOUGH = 60
"""A flaw must be found within so many seeds."""


@pytest.fixture(scope="module")
def empty_stage() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_is_what_the_rules_say_whatever_died_on_the_way(empty_stage: Stage, seed: int) -> None:
    empty_stage.play(seed)


@pytest.mark.parametrize("name", sorted(FLAWS))
def test_a_flaw_that_is_planted_is_found(empty_stage: Stage, name: str) -> None:
    found = [seed for seed in range(ENOUGH) if _is_found(empty_stage, seed, FLAWS[name]())][:1]

    assert found


def _is_found(empty_stage: Stage, seed: int, flaws: Flaws) -> bool:
    try:
        empty_stage.play(seed, flaws)
    except AssertionError:
        return True
    return False
