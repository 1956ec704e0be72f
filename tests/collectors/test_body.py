"""Taking values that are not to be trusted."""

import math

import pytest
from collector_specimens import unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors import body


@pytest.mark.parametrize(
    ("given", "expected"),
    [(5, 5), ("5", 5), (5.0, 5), ("-3", -3), ("0005", 5), (0, 0), (10, 10), (11, None), (-4, None)],
)
def test_a_whole_number_may_be_written_in_three_ways(given: object, expected: int | None) -> None:
    assert body.whole(given, -3, 10) == expected


@pytest.mark.parametrize(
    "given", [None, True, "", " 5", "5 ", "5.0", "1e3", "٥", "--5", 5.5, math.nan, math.inf, [], {}, "9" * 400]
)
def test_nothing_else_is_a_whole_number(given: object) -> None:
    assert body.whole(given, -(2**80), 2**80) is None


@pytest.mark.parametrize("given", [None, False, "1", math.nan, math.inf, 10**400, -0.001, 1.001, [], {}])
def test_a_number_is_finite_and_within_bounds(given: object) -> None:
    assert body.number(given, 0, 1) is None


@pytest.mark.parametrize("given", [0, 1, 0.5])
def test_the_bounds_of_a_number_are_within(given: float) -> None:
    assert body.number(given, 0, 1) == given


@pytest.mark.parametrize(("given", "expected"), [("a", "a"), ("", None), ("a\x00", None), (7, None), (None, None)])
def test_a_text_is_not_empty_and_can_be_stored(given: object, expected: str | None) -> None:
    assert body.text(given) == expected


@pytest.mark.parametrize("given", [946_684_800, "946684800", 4_102_444_800])
def test_seconds_of_this_century_are_an_instant(given: object) -> None:
    assert body.seconds(given) == int(str(given)) * 1_000


@pytest.mark.parametrize("given", [946_684_799, 4_102_444_801, 0, -1, 1_762_081_200_000])
def test_seconds_outside_this_century_are_not(given: object) -> None:
    assert body.seconds(given) is None


@unhurried
@given(st.text(max_size=500), st.text(max_size=500))
def test_capping_keeps_short_texts_and_never_makes_two_into_one(one: str, other: str) -> None:
    capped = [body.capped(text, 100) for text in (one, other)]

    assert all(len(text) <= 100 for text in capped)
    assert (capped[0] == capped[1]) == (one == other)
    assert len(one) > 100 or capped[0] == one
