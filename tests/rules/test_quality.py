"""What makes a slot unusable or impaired: every limit of SPEC 3, at it and just beyond."""

from collections.abc import Mapping

import pytest
from rules_school import dropped, judged, lesson, present, received, record_of, school, told

from rules.span import MINUTE, SECOND
from rules.world import Course

CLASS = lesson("c1")
A, B = CLASS.starts_at, CLASS.ends_at
PICTURE = Course("math", "Math", visual_essential=True)


def _state(metrics: Mapping[str, float], course: Course | None = None) -> str:
    """Name the state of every slot of a class in which this was received throughout."""
    world = school([CLASS], [*present(CLASS), received(CLASS, metrics)], courses=[] if course is None else [course])
    row = record_of(judged(world), "c1")
    if row.shares.lost_unknown == CLASS.span.length:
        return "unusable"
    assert row.shares.usable == CLASS.span.length
    return "impaired" if row.verdict.value == "DEGRADED" else "good"


@pytest.mark.parametrize(
    ("metrics", "state"),
    [
        ({"audio_frozen": 0.299}, "impaired"),
        ({"audio_frozen": 0.30}, "unusable"),
        ({"loss": 0.199}, "impaired"),
        ({"loss": 0.20}, "unusable"),
        ({"rtt_ms": 1999}, "impaired"),
        ({"rtt_ms": 2000}, "unusable"),
    ],
)
def test_at_its_limit_a_slot_is_unusable(metrics: dict[str, float], state: str) -> None:
    assert _state(metrics) == state


@pytest.mark.parametrize(
    ("metrics", "state"),
    [
        ({"audio_frozen": 0.069}, "good"),
        ({"audio_frozen": 0.07}, "impaired"),
        ({"video_frozen": 0.099}, "good"),
        ({"video_frozen": 0.10}, "impaired"),
        ({"fps": 7}, "good"),
        ({"fps": 6.9}, "impaired"),
        ({"loss": 0.10}, "good"),
        ({"loss": 0.101}, "impaired"),
        ({"rtt_ms": 500}, "good"),
        ({"rtt_ms": 501}, "impaired"),
        ({"jitter_ms": 30}, "good"),
        ({"jitter_ms": 30.1}, "impaired"),
        ({"delay_ms": 400}, "good"),
        ({"delay_ms": 401}, "impaired"),
        ({"av_offset_ms": -185}, "good"),
        ({"av_offset_ms": -186}, "impaired"),
        ({"av_offset_ms": 90}, "good"),
        ({"av_offset_ms": 91}, "impaired"),
        ({}, "good"),
    ],
)
def test_beyond_its_limit_a_slot_is_impaired(metrics: dict[str, float], state: str) -> None:
    assert _state(metrics) == state


@pytest.mark.parametrize("offset_ms", [-1_000_000, 1_000_000])
def test_a_desync_never_makes_a_slot_unusable(offset_ms: float) -> None:
    assert _state({"av_offset_ms": offset_ms}) == "impaired"


@pytest.mark.parametrize(("share", "state"), [(0.499, "impaired"), (0.50, "unusable"), (1, "unusable")])
def test_a_frozen_picture_is_unusable_where_the_picture_is_essential(share: float, state: str) -> None:
    assert _state({"video_frozen": share}, PICTURE) == state


def test_a_frozen_picture_is_impaired_where_it_is_not_and_in_a_course_not_listed() -> None:
    assert _state({"video_frozen": 1}, Course("math", None, visual_essential=False)) == "impaired"
    assert _state({"video_frozen": 1}) == "impaired"


def test_where_several_spans_cover_a_slot_the_worst_counts() -> None:
    spans = [
        received(CLASS, {"loss": 0.01}),
        received(CLASS, {"loss": 0.15}, A, A + 40 * MINUTE),
        received(CLASS, {"loss": 0.5}, A, A + 20 * MINUTE),
    ]
    row = record_of(judged(school([CLASS], [*present(CLASS), *spans])), "c1")

    assert row.shares.lost_unknown == 20 * MINUTE
    assert "33.33 % of it impaired" in row.why


def test_a_slot_no_span_covers_is_unobserved_where_the_learner_was_measured_at_all() -> None:
    measured = received(CLASS, {"loss": 0}, A, A + 40 * MINUTE)
    row = record_of(judged(school([CLASS], [*present(CLASS), measured])), "c1")

    assert (row.shares.usable, row.shares.unobserved) == (40 * MINUTE, 20 * MINUTE)


def test_a_learner_never_measured_in_the_class_was_in_good_slots() -> None:
    before = received(CLASS, {"loss": 1}, A - MINUTE, A)
    row = record_of(judged(school([CLASS], [*present(CLASS), before])), "c1")

    assert row.shares.usable == CLASS.span.length


def test_a_span_that_only_touches_the_first_slot_makes_the_rest_unobserved() -> None:
    touching = received(CLASS, {"loss": 0}, A - MINUTE, A + 1)
    row = record_of(judged(school([CLASS], [*present(CLASS), touching])), "c1")

    assert row.shares.unobserved == CLASS.span.length


def test_a_span_covers_a_slot_whose_middle_it_holds() -> None:
    bad = received(CLASS, {"loss": 1}, A + 5 * SECOND, A + 15 * SECOND)
    row = record_of(judged(school([CLASS], [*present(CLASS), received(CLASS, {}), bad])), "c1")

    assert row.shares.lost_unknown == 10 * SECOND


def test_what_was_received_outside_a_session_is_lost_or_away_and_never_unusable() -> None:
    world = school([CLASS], [*dropped(CLASS, A + 30 * MINUTE), received(CLASS, {"loss": 1}, A + 30 * MINUTE, B)])
    row = record_of(judged(world), "c1")

    assert (row.shares.unobserved, row.shares.lost_platform) == (30 * MINUTE, 30 * MINUTE)
    assert told(judged(world), "c1") == "UNABLE_PLATFORM platform A provider:agora"
