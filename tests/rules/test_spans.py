"""Instants, spans and slots: what SPEC 1 says of time."""

import pytest

from rules.span import HOUR, MINUTE, SECOND, Grid, Span, covered, format_instant, parse_instant, united

TEN = 10 * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02T11:00:05.120Z",
        "2026-11-02T11:00:05.12Z",
        "2026-11-02T11:00:05.120999Z",
        "2026-11-02T19:00:05.120+08:00",
        "2026-11-02T06:00:05.120-05:00",
        "2026-11-02t11:00:05.120z",
        "2026-11-02 11:00:05,120Z",
        "2026-11-02T19:00:05.120+0800",
    ],
)
def test_an_instant_has_many_spellings(text: str) -> None:
    assert format_instant(parse_instant(text)) == "2026-11-02T11:00:05.120Z"


def test_digits_beyond_the_millisecond_are_cut_off_and_not_rounded() -> None:
    assert parse_instant("2026-11-02T11:00:05.9999Z") == parse_instant("2026-11-02T11:00:05.999Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-02T11:00:05", "Z or an offset is needed"),
        ("2026-11-02", "not an instant"),
        ("2026-02-30T11:00:00Z", "that exists"),
        ("2026-11-02T24:00:00Z", "that exists"),
        ("2026-11-02T11:00:60Z", "that exists"),
        ("2026-11-02T11:00:00+24:00", "offset that does not exist"),
        ("2026-11-02T11:00:00+08:60", "offset that does not exist"),
        ("0000-01-01T00:00:00Z", "that exists"),
        ("0001-01-01T00:00:00+01:00", "outside the years"),
        ("9999-12-31T23:59:59-01:00", "outside the years"),
        ("٢٠٢٦-11-02T11:00:00Z", "not an instant"),
        ("2026-11-02T11:00:00Z\n", "not an instant"),
    ],
)
def test_what_is_no_instant_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_instant(text)


def test_a_year_is_written_with_four_digits() -> None:
    assert format_instant(parse_instant("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00.000Z"


def test_a_span_holds_its_start_and_not_its_end() -> None:
    span = Span(10, 20)

    assert (span.holds(9), span.holds(10), span.holds(19), span.holds(20)) == (False, True, True, False)


def test_spans_that_touch_share_no_instant() -> None:
    assert not Span(0, 10).meets(Span(10, 20))
    assert Span(0, 11).meets(Span(10, 20))


def test_a_span_never_ends_before_it_starts() -> None:
    with pytest.raises(ValueError, match="ends before"):
        Span(10, 9)


def test_spans_that_touch_are_united_and_empty_ones_vanish() -> None:
    assert united([Span(5, 9), Span(0, 5), Span(20, 30), Span(22, 25), Span(40, 40)]) == (Span(0, 9), Span(20, 30))


def test_what_is_covered_twice_counts_once_and_only_within() -> None:
    assert covered([Span(0, 6), Span(4, 8), Span(9, 20)], Span(2, 10)) == 7


def test_a_class_is_cut_into_slots_of_ten_seconds_and_the_last_may_be_short() -> None:
    grid = Grid(Span(0, 25 * SECOND), TEN)

    assert grid.count == 3
    assert (grid.start(2), grid.end(2)) == (20 * SECOND, 25 * SECOND)
    assert grid.length(grid.all) == 25 * SECOND


def test_a_slot_is_covered_by_a_span_that_holds_its_middle() -> None:
    grid = Grid(Span(0, MINUTE), TEN)

    assert grid.mask(Span(0, 5 * SECOND)) == 0
    assert grid.mask(Span(0, 5 * SECOND + 1)) == 0b1
    assert grid.mask(Span(5 * SECOND, 15 * SECOND)) == 0b1
    assert grid.mask(Span(5 * SECOND + 1, 15 * SECOND + 1)) == 0b10


def test_the_middle_of_a_short_last_slot_is_its_own() -> None:
    grid = Grid(Span(0, 13 * SECOND), TEN)  # the last slot is 10 s to 13 s, its middle 11.5 s

    assert grid.mask(Span(11_500, 11_501)) == 0b10
    assert grid.mask(Span(0, 11_500)) == 0b01


def test_a_middle_between_two_milliseconds_is_held_exactly() -> None:
    grid = Grid(Span(0, 10_001), TEN)  # the last slot is 1 ms long, its middle half a millisecond in

    assert grid.mask(Span(10_000, 10_001)) == 0b10
    assert grid.mask(Span(10_001, 20_000)) == 0


def test_slots_that_follow_one_another_are_one_run() -> None:
    grid = Grid(Span(HOUR, HOUR + 45 * SECOND), TEN)

    runs = list(grid.runs(0b11011))

    assert runs == [Span(HOUR, HOUR + 20 * SECOND), Span(HOUR + 30 * SECOND, HOUR + 45 * SECOND)]
