"""When a domain is faulty and when it is well: the counts and tails of SPEC 4.3 at their edges."""

from dataclasses import replace
from fractions import Fraction

import pytest
from rules_school import POLICY

from rules.statistics import (
    Count,
    adjusted,
    faulty_among,
    is_faulty_alone,
    is_healthy,
    stands_out,
    upper_tail,
    usual_share,
)

TERMS = POLICY.attribution
RARE = Fraction(1, 200)


@pytest.mark.parametrize(("history", "usual"), [(Count(0, 0), RARE), (Count(1000, 1), RARE), (Count(250, 3), "3/250")])
def test_what_is_usual_is_at_least_half_a_percent(history: Count, usual: Fraction | str) -> None:
    assert usual_share(history, TERMS) == Fraction(usual)


def test_what_is_usual_is_at_most_four_percent() -> None:
    assert usual_share(Count(100, 4), TERMS) == usual_share(Count(100, 50), TERMS) == Fraction(1, 25)


@pytest.mark.parametrize(
    ("count", "usual", "expected"),
    [
        (Count(5, 3), RARE, True),
        (Count(4, 4), RARE, False),
        (Count(10, 2), RARE, False),
        (Count(15, 3), RARE, True),
        (Count(16, 3), RARE, False),
        (Count(100, 20), Fraction(1, 25), True),
        (Count(100, 24), Fraction(1, 20), False),
        (Count(100, 25), Fraction(1, 20), True),
    ],
)
def test_a_fault_needs_five_voters_three_lost_a_fifth_and_five_times_the_usual(
    count: Count, usual: Fraction, expected: bool
) -> None:
    assert stands_out(count, usual, TERMS) is expected


@pytest.mark.parametrize(
    ("count", "usual", "expected"),
    [
        (Count(20, 0), RARE, True),
        (Count(19, 0), RARE, False),
        (Count(100, 3), RARE, True),
        (Count(100, 4), RARE, False),
        (Count(100, 8), Fraction(1, 25), True),
        (Count(100, 9), Fraction(1, 25), False),
    ],
)
def test_health_needs_twenty_voters_and_three_percent_or_twice_the_usual(
    count: Count, usual: Fraction, expected: bool
) -> None:
    assert is_healthy(count, usual, TERMS) is expected


def test_the_tail_of_the_worked_example() -> None:
    tail = upper_tail(24, 9, 0.012)

    assert f"{tail:.1e}" == "5.7e-12"
    assert f"{46 * tail:.1e}" == "2.6e-10"


@pytest.mark.parametrize(
    ("voters", "lost", "usual", "tail"),
    [
        (10, 0, 0.5, 1),
        (0, 0, 0.5, 1),
        (1, 1, 0.25, 0.25),
        (10, 10, 0.5, 2**-10),
        (3, 1, 1, 1),
        (3, 1, 0, 0),
        (2, 3, 0.5, 0),
    ],
)
def test_the_tail_at_its_ends(voters: int, lost: int, usual: float, tail: float) -> None:
    assert upper_tail(voters, lost, usual) == pytest.approx(tail, rel=1e-12)


def test_tails_are_adjusted_by_rank_and_never_out_of_order() -> None:
    assert adjusted({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.9}) == pytest.approx(
        {"a": 0.04, "b": 0.04, "c": 0.04, "d": 0.9}
    )
    assert adjusted({}) == {}


def test_domains_with_fewer_than_five_voters_are_not_among_those_adjusted_for() -> None:
    terms = replace(TERMS, faulty_tail=2 * upper_tail(5, 3, 0.005))
    few = {f"node:{number}": Count(4, 0) for number in range(50)}
    many = {f"node:{number}": Count(5, 0) for number in range(2)}

    assert faulty_among({"node:x": Count(5, 3), **few}, _usual("node:x", *few), terms) == {"node:x"}
    assert faulty_among({"node:x": Count(5, 3), **many}, _usual("node:x", *many), terms) == frozenset()


def _usual(*names: str) -> dict[str, Fraction]:
    return dict.fromkeys(names, RARE)


def test_one_percent_of_chance_is_exactly_enough() -> None:
    at = upper_tail(5, 3, 0.005)

    assert is_faulty_alone(Count(5, 3), RARE, replace(TERMS, faulty_tail=at))
    assert not is_faulty_alone(Count(5, 3), RARE, replace(TERMS, faulty_tail=at * 0.999))
