"""How often somebody may come, on a clock that is told."""

from hypothesis import given
from hypothesis import strategies as st

from qos_monitor.access.buckets import Buckets


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=2, burst=3)

    assert [buckets.takes("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.is_empty("a", 0.4)
    assert not buckets.is_empty("a", 0.5)
    assert [buckets.takes("a", 0.5) for _ in range(2)] == [True, False]
    assert [buckets.takes("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_a_rate_of_nothing_is_no_limit() -> None:
    buckets = Buckets(rate=0, burst=0)

    assert all(buckets.takes("a", 0.0) for _ in range(1000))
    assert not buckets.is_empty("a", 0.0)
    assert buckets.wait_s("a", 0.0) == 1


def test_one_does_not_use_up_what_is_another_s() -> None:
    buckets = Buckets(rate=1, burst=1)
    buckets.takes("a", 0.0)

    assert not buckets.takes("a", 0.0)
    assert buckets.takes("b", 0.0)


def test_after_the_wait_that_was_told_there_is_one_again() -> None:
    buckets = Buckets(rate=0.1, burst=1)
    buckets.takes("a", 0.0)

    assert buckets.wait_s("a", 0.0) == 10
    assert buckets.wait_s("a", 9.5) == 1
    assert buckets.takes("a", 10.0)


def test_names_without_end_take_no_memory_without_end_and_whoever_is_over_stays_so() -> None:
    buckets = Buckets(rate=0.001, burst=5, names_max=100)
    while buckets.takes("greedy", 0.0):
        pass
    for number in range(1_000):
        buckets.takes(f"n{number}", 0.0)

    assert buckets.count <= 100
    assert not buckets.takes("greedy", 0.0)


@given(st.lists(st.floats(0, 50), max_size=60), st.floats(0.1, 20), st.floats(1, 20))
def test_never_more_come_than_burst_and_rate_allow(moments: list[float], rate: float, burst: float) -> None:
    buckets = Buckets(rate, burst)
    moments.sort()
    taken = sum(buckets.takes("a", moment) for moment in moments)

    assert taken <= burst + rate * ((moments[-1] - moments[0]) if moments else 0) + 1e-6
