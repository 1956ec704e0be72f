"""Sessions out of threads of joins and leaves."""

from collector_specimens import unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import Sighting
from collectors.threads import named
from rules.observation import Kind, Observation, Role, Vantage


def sighting(kind: Kind, order: int, at: int = 1_000) -> Sighting:
    """Build one step of the thread "room:7"."""
    seen = Observation(
        source="agora",
        id=f"room:7:{order}:{kind}",
        kind=kind,
        at=at,
        class_id="room",
        participant_id="u1",
        role=Role.LEARNER,
        session="room:7",
        vantage=Vantage.SERVER,
    )
    return Sighting(seen, thread="room:7", order=order)


JOIN, LEAVE = Kind.JOINED, Kind.LEFT
steps = st.builds(sighting, st.sampled_from([JOIN, LEAVE]), st.integers(0, 6), st.integers(0, 3))


def sessions(thread: list[Sighting]) -> set[tuple[str, str | None]]:
    """Map each observation to the session it was given."""
    return {(seen.observation.id, seen.observation.session) for seen in named(thread)}


def test_a_leave_closes_the_last_join_before_it_and_no_other() -> None:
    first, left, second = sighting(JOIN, 1), sighting(LEAVE, 2), sighting(JOIN, 3)

    named_ones = named([second, left, first])

    assert [s.observation.session for s in named_ones] == ["room:7#1", "room:7#1", "room:7#3"]


def test_a_leave_that_arrives_after_the_next_join_still_closes_the_first() -> None:
    late = sighting(LEAVE, 2, at=5_000)

    result = sessions([sighting(JOIN, 1), sighting(JOIN, 3), late])

    assert (late.observation.id, "room:7#1") in result


def test_a_leave_before_every_join_has_a_session_of_its_own() -> None:
    result = named([sighting(JOIN, 5), sighting(LEAVE, 2)])

    assert result[0].observation.session == "room:7#before-2"
    assert result[1].observation.session == "room:7#5"


@unhurried
@given(st.lists(steps, max_size=12).flatmap(lambda thread: st.tuples(st.just(thread), st.permutations(thread))))
def test_the_order_of_arrival_changes_nothing(given: tuple[list[Sighting], list[Sighting]]) -> None:
    thread, shuffled = given

    assert named(thread) == named(shuffled)


@unhurried
@given(st.lists(steps, max_size=8), st.data())
def test_repeats_change_nothing(thread: list[Sighting], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(thread), max_size=8)) if thread else []

    assert sessions(thread + repeats) == sessions(thread)


@unhurried
@given(st.lists(steps, max_size=12))
def test_a_session_holds_one_place_of_joining_and_leaves_only_after_it(thread: list[Sighting]) -> None:
    joined = {s.order for s in thread if s.observation.kind is JOIN}
    for seen in named(thread):
        start = str(seen.observation.session).partition("#")[2]
        if seen.observation.kind is JOIN:
            assert start == str(seen.order)
        elif start.startswith("before-"):
            assert not any(order < seen.order for order in joined)
        else:
            assert int(start) <= seen.order
            assert not any(int(start) < order < seen.order for order in joined)


@unhurried
@given(st.lists(steps, max_size=12))
def test_naming_changes_nothing_but_the_session_and_loses_nothing(thread: list[Sighting]) -> None:
    before = sorted((s.observation.id, s.observation.at) for s in thread)

    assert sorted((s.observation.id, s.observation.at) for s in named(thread)) == before
