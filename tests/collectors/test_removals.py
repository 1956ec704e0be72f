"""A removal by the school says why a session ended, and takes a provider's place nowhere."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_school import dropped, judged, lesson, present, school, seen, told

from collectors.livekit.webhook import DISCONNECT_REASONS
from collectors.removals import CODE, NEAR, REASONS, SOURCE, blame, explained
from rules.observation import Fault, Observation, Role
from rules.span import MINUTE, SECOND
from rules.world import World

CLASS = lesson("c1")
KICKED_AT = CLASS.starts_at + 20 * MINUTE


def kick(reason: str, at: int = KICKED_AT, who: str = "u1", role: str = "learner", name: str = "k1") -> Observation:
    fault, dimension = blame(reason, Role(role))
    told_of = seen("left", at, CLASS, who, id=f"kicked:{name}", source=SOURCE, session=f"kicked:{name}", role=role)
    return replace(told_of, fault=fault, blames=dimension, code=f"{CODE}{reason}", domains={})


def removed(at: int = KICKED_AT, **said: str) -> list[Observation]:
    """What a provider sends of somebody whom an API call put out: no fault is known."""
    return dropped(CLASS, at, fault=said.pop("fault", "unknown"), code="3", **said)  # type: ignore[arg-type]  # fields of Said


def verdict(observations: list[Observation]) -> str:
    return told(judged(school([CLASS], explained(observations))), "c1")


def test_without_removals_everything_stays_as_it_is() -> None:
    given_ = [*removed(), *present(CLASS, "u2")]

    assert explained(given_) == given_


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("conduct", "ATTENDED"),
        ("duplicate_login", "ATTENDED"),
        ("class_over", "UNABLE_PLATFORM platform A class:c1"),
        ("moved", "UNABLE_PLATFORM platform A class:c1"),
        ("mistake", "UNABLE_PLATFORM platform A account:u1"),
    ],
)
def test_every_reason_has_its_fault_and_none_is_the_providers(reason: str, answer: str) -> None:
    assert verdict(removed()) == "UNKNOWN"
    assert verdict([*removed(), kick(reason)]) == answer


def test_no_reason_was_forgotten() -> None:
    assert set(REASONS) == {"conduct", "duplicate_login", "class_over", "moved", "mistake"}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_removal_is_one_more_leave_of_the_session_that_it_ended(reason: str) -> None:
    """The same as if the provider had said itself what the school says: the rules know no removal."""
    joined, left = removed()
    fault, dimension = blame(reason, Role.LEARNER)
    said = replace(left, id="its own word", fault=fault, blames=dimension)

    by_hand = judged(school([CLASS], [joined, left, said]))

    assert judged(school([CLASS], explained([joined, left, kick(reason)]))).as_json() == by_hand.as_json()


@pytest.mark.parametrize(("distance", "is_near"), [(-NEAR, True), (NEAR, True), (-NEAR - 1, False), (NEAR + 1, False)])
def test_a_leave_is_the_removals_up_to_fifteen_seconds_away(distance: int, is_near: bool) -> None:
    answer = verdict([*removed(), kick("conduct", KICKED_AT + distance)])

    assert answer == ("ATTENDED" if is_near else "UNKNOWN")


def test_the_session_still_ends_when_the_provider_says() -> None:
    merged = explained([*removed(), kick("conduct", KICKED_AT + 5 * SECOND)])

    assert {one.at for one in merged if one.kind == "left"} == {KICKED_AT}


def test_a_fault_that_the_provider_admits_is_not_covered_up_by_our_own_act() -> None:
    assert verdict([*removed(fault="platform"), kick("conduct")]) == "UNABLE_PLATFORM platform A provider:agora"


def test_a_client_that_went_because_we_told_it_to_did_not_go_by_itself() -> None:
    assert verdict(removed(fault="learner")) == "ATTENDED"
    assert verdict([*removed(fault="learner"), kick("mistake")]) == "UNABLE_PLATFORM platform A account:u1"


def test_who_comes_back_after_a_removal_has_lost_only_what_they_lost() -> None:
    back = present(CLASS, "u1", KICKED_AT + 2 * MINUTE)

    assert verdict([*removed(), *back, kick("mistake")]) == "ATTENDED"


def test_without_a_leave_the_open_session_ends_with_the_removal() -> None:
    joined, _ = removed()

    assert verdict([joined]) == "ATTENDED"
    assert verdict([joined, kick("mistake")]) == "UNABLE_PLATFORM platform A account:u1"
    assert verdict([joined, kick("conduct")]) == "ATTENDED"


def test_who_was_not_there_cannot_be_removed() -> None:
    assert verdict([kick("mistake")]) == "NO_SHOW"
    gone = present(CLASS, "u1", end=KICKED_AT - MINUTE)
    assert verdict([*gone, kick("mistake")]) == verdict(gone)


def test_every_device_is_removed() -> None:
    beacon = removed(source="beacon", session="b1")

    assert verdict([*removed(), *beacon, kick("conduct")]) == "ATTENDED"


@pytest.mark.parametrize("reason", ["conduct", "mistake"])
def test_a_teacher_whom_the_school_removes_is_the_platforms_matter(reason: str) -> None:
    others = [*present(CLASS), *removed(role="teacher")]
    teacher = [replace(one, participant_id="t1") if one.role is Role.TEACHER else one for one in others]

    assert blame(reason, Role.TEACHER) == (Fault.PLATFORM, "teacher")
    assert verdict(teacher) == "ATTENDED"
    assert verdict([*teacher, kick(reason, who="t1", role="teacher")]) == "UNABLE_PLATFORM platform B teacher:t1"


def test_no_api_call_of_ours_is_a_providers_fault_in_the_tables() -> None:
    faults = {name: fault for _, name, fault in DISCONNECT_REASONS}

    assert {faults["PARTICIPANT_REMOVED"], faults["ROOM_DELETED"]} == {Fault.UNKNOWN}


@given(st.permutations(range(7)), st.lists(st.sampled_from(range(7)), max_size=4), st.sampled_from(sorted(REASONS)))
def test_order_and_repetition_of_what_is_stored_change_nothing(order: list[int], more: list[int], reason: str) -> None:
    stored = [
        *removed(),
        *present(CLASS, "u1", KICKED_AT + 10 * MINUTE, KICKED_AT + 15 * MINUTE),
        kick(reason),
        kick("mistake", KICKED_AT + 4 * MINUTE, name="k2"),
        kick("conduct", KICKED_AT + 15 * MINUTE, name="k3"),
    ]
    shuffled = [stored[place] for place in [*more, *order]]

    again = World((), (), (CLASS,), tuple(explained(shuffled)))

    assert judged(again).as_json() == judged(World((), (), (CLASS,), tuple(explained(stored)))).as_json()
