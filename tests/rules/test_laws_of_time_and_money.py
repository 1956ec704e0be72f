"""Laws of instants, spans, slots, chances and amounts, each against the plainest way to say it."""

import math
from fractions import Fraction
from itertools import pairwise
from math import comb

from hypothesis import assume, given
from hypothesis import strategies as st
from rules_school import enrolment

from rules.money import refund
from rules.span import SECOND, Grid, Span, covered, format_instant, parse_instant, united
from rules.statistics import adjusted, upper_tail
from rules.world import Enrolment

INSTANTS = st.integers(parse_instant("0001-01-02T00:00:00Z"), parse_instant("9999-12-30T23:59:59.999Z"))
SPANS = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
LENGTHS = st.one_of(st.integers(1, 200), st.integers(1, 60_000), st.sampled_from([10_000, 10_001, 30_000, 45_003]))


@given(INSTANTS)
def test_an_instant_written_and_read_is_the_same(at: int) -> None:
    assert parse_instant(format_instant(at)) == at


@given(INSTANTS, st.integers(-23, 23), st.integers(0, 59))
def test_an_offset_moves_the_clock_and_not_the_instant(at: int, hours: int, minutes: int) -> None:
    offset = hours * 60 + (minutes if hours >= 0 else -minutes)
    there = format_instant(at + offset * 60 * SECOND).removesuffix("Z")
    sign = "-" if offset < 0 else "+"

    assert parse_instant(f"{there}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}") == at


@given(st.integers(0, 100_000), LENGTHS, st.integers(-20_000, 80_000), st.integers(0, 80_000))
def test_a_span_covers_exactly_the_slots_whose_middle_it_holds(start: int, length: int, low: int, more: int) -> None:
    grid = Grid(Span(start, start + length), 10 * SECOND)
    span = Span(start + low, start + low + more)

    wanted = 0
    for index in range(grid.count):
        middle_doubled = grid.start(index) + grid.end(index)
        wanted |= (2 * span.start <= middle_doubled < 2 * span.end) << index

    assert grid.mask(span) == wanted


@given(LENGTHS, st.integers(0))
def test_runs_are_the_slots_told_in_spans(length: int, some: int) -> None:
    grid = Grid(Span(0, length), 10 * SECOND)
    slots = some & grid.all

    runs = list(grid.runs(slots))

    assert sum(run.length for run in runs) == grid.length(slots)
    assert all(before.end < after.start for before, after in pairwise(runs))
    rejoined = 0
    for run in runs:
        rejoined |= grid.mask(run)
    assert rejoined == slots


@given(st.lists(SPANS, max_size=8), SPANS)
def test_spans_united_hold_the_same_instants(spans: list[Span], within: Span) -> None:
    held = {at for span in spans for at in range(span.start, span.end)}

    whole = united(spans)

    assert {at for span in whole for at in range(span.start, span.end)} == held
    assert united(reversed(whole)) == whole
    assert all(before.end < after.start for before, after in pairwise(whole))
    assert covered(spans, within) == len(held & set(range(within.start, within.end)))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 400))
def test_a_tail_is_the_exact_sum(voters: int, lost: int, per_thousand: int) -> None:
    assume(lost <= voters)
    usual = Fraction(per_thousand, 1000)

    exact = sum(
        (comb(voters, hits) * usual**hits * (1 - usual) ** (voters - hits) for hits in range(lost, voters + 1)),
        Fraction(0),
    )

    assert math.isclose(upper_tail(voters, lost, float(usual)), float(exact), rel_tol=1e-9)


@given(st.integers(1, 2_000), st.integers(0, 2_000), st.integers(1, 999))
def test_a_tail_falls_with_every_one_lost(voters: int, lost: int, per_thousand: int) -> None:
    usual = per_thousand / 1000

    assert 0 <= upper_tail(voters, lost + 1, usual) <= upper_tail(voters, lost, usual) * (1 + 1e-9) <= 1 + 1e-9


NEARLY = 1 - 1e-12
TAILS = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8)


@given(TAILS)
def test_adjusting_keeps_the_order_and_never_flatters(tails: dict[str, float]) -> None:
    found = adjusted(tails)

    assert found.keys() == tails.keys()
    for name, tail in tails.items():
        assert tail * NEARLY <= found[name] <= min(1.0, tail * len(tails) / NEARLY)
        assert all(found[other] >= found[name] for other in tails if tails[other] >= tail)


@given(TAILS, st.data())
def test_a_smaller_tail_never_makes_any_adjusted_one_larger(tails: dict[str, float], data: st.DataObject) -> None:
    assume(tails)
    name = data.draw(st.sampled_from(sorted(tails)))
    smaller = tails | {name: tails[name] * data.draw(st.floats(0, 1))}

    before, after = adjusted(tails), adjusted(smaller)

    assert all(after[other] <= before[other] / NEARLY for other in tails)


@st.composite
def purchases(draw: st.DrawFn) -> Enrolment:
    """Buy any course for any money."""
    price = draw(st.integers(0, 10_000_000))
    return enrolment(
        price=price,
        paid=draw(st.one_of(st.just(price), st.integers(0, 10_000_000))),
        lessons=draw(st.integers(1, 300)),
        gift=draw(st.integers(0, 40)),
        used=draw(st.fractions(0, 400, max_denominator=2)),
        refunded=draw(st.one_of(st.just(0), st.integers(0, 10_000_000))),
        contract=draw(st.one_of(st.none(), st.integers(0, 10_000_000))),
    )


@given(purchases())
def test_a_refund_is_between_nothing_and_what_was_paid_and_not_refunded(row: Enrolment) -> None:
    left = max(row.paid_minor - row.price_refunded_minor, 0)

    assert 0 <= refund(row, ()).money.minor <= left


@given(purchases())
def test_a_refund_is_the_exact_amount_or_less_than_one_minor_unit_more(row: Enrolment) -> None:
    lessons = row.lessons_paid + row.lessons_gift
    exact = Fraction(row.paid_minor) - Fraction(row.price_minor, lessons) * row.lessons_used_before
    exact -= row.price_refunded_minor
    left = max(row.paid_minor - row.price_refunded_minor, 0)
    wanted = min(max(exact, Fraction(row.contract_refund_minor or 0), Fraction(0)), Fraction(left))

    assert wanted <= refund(row, ()).money.minor < wanted + 1
