"""Evidence is a semilattice (SPEC 3): repeats, order and any division into batches give the same."""

from functools import reduce
from operator import or_

from hypothesis import given
from hypothesis import strategies as st
from rules_school import POLICY, lesson
from rules_strategies import Choices, of_a_class

from rules.evidence import NOTHING, Evidence, gather
from rules.observation import Observation, Role, chosen
from rules.slots import states
from rules.span import SECOND, Grid

CLASS = lesson("c1")
SOME = st.binary(min_size=10, max_size=120)


def _seen(string: bytes) -> list[Observation]:
    """Observe the one learner of the class a few times."""
    choose = Choices(string)
    seen = [of_a_class(choose, CLASS, number) for number in range(len(string) // 10)]
    return chosen(one for one in seen if one.role is Role.LEARNER)


def _gathered(observations: list[Observation]) -> Evidence:
    return gather(observations, CLASS, POLICY, visual_essential=True)


@given(SOME, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_batches_merged_are_everything_gathered_at_once(string: bytes, batch_of: list[int]) -> None:
    seen = _seen(string)
    batches: dict[int, list[Observation]] = {}
    for number, one in enumerate(seen):
        batches.setdefault(batch_of[number], []).append(one)

    assert reduce(or_, map(_gathered, batches.values()), NOTHING) == _gathered(seen)


@given(SOME, st.integers(0, 12), st.integers(0, 12))
def test_batches_may_overlap(string: bytes, first: int, second: int) -> None:
    seen = _seen(string)
    low, high = sorted((first, second))

    assert _gathered(seen[:high]) | _gathered(seen[low:]) == _gathered(seen)


@given(SOME)
def test_merging_is_idempotent(string: bytes) -> None:
    evidence = _gathered(_seen(string))

    assert evidence | evidence == evidence
    assert evidence | NOTHING == evidence == NOTHING | evidence


@given(SOME, SOME)
def test_merging_is_commutative(one: bytes, other: bytes) -> None:
    a, b = _gathered(_seen(one)), _gathered(_seen(other))

    assert a | b == b | a


@given(SOME, SOME, SOME)
def test_merging_is_associative(one: bytes, other: bytes, third: bytes) -> None:
    a, b, c = (_gathered(_seen(string)) for string in (one, other, third))

    assert (a | b) | c == a | (b | c)


@given(SOME, st.permutations(range(12)))
def test_order_and_repetition_gather_the_same(string: bytes, order: list[int]) -> None:
    seen = _seen(string)
    shuffled = [seen[number] for number in order if number < len(seen)]

    assert _gathered(shuffled + seen[:3]) == _gathered(seen)


@given(SOME, st.integers(0, 2**360 - 1))
def test_every_slot_has_exactly_one_state(string: bytes, teacher_dark: int) -> None:
    found = states(_gathered(_seen(string)), CLASS, POLICY, teacher_dark)

    parts = [found.good, found.impaired, found.unusable, found.unobserved, found.away, *(p.slots for p in found.pieces)]
    grid = Grid(CLASS.span, POLICY.time.slot_s * SECOND)
    assert sum(parts) == reduce(or_, parts) == grid.all
