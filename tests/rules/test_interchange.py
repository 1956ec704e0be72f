"""The interchange format (SPEC 2): what is read, and that every mistake is told with the path of its key."""

import math
from fractions import Fraction

import pytest

from rules.document import Invalid
from rules.observation import Fault, Observation, read_observation
from rules.span import parse_instant
from rules.world import Cancellation, World, read_roster, read_world

ENROLMENT: dict[str, object] = {
    "id": "e1",
    "learner_id": "u1",
    "course_id": "math",
    "starts_at": "2026-09-01T00:00:00Z",
    "price_minor": 480_000,
    "paid_minor": 480_000,
    "currency": "CNY",
    "lessons_paid": 48,
    "lessons_gift": 0,
    "lessons_used_before": 20,
    "price_refunded_minor": 0,
}
CLASS: dict[str, object] = {
    "id": "c1",
    "course_id": "math",
    "starts_at": "2026-11-02T11:00:00Z",
    "ends_at": "2026-11-02T12:00:00Z",
    "provider": "agora",
    "teacher_id": "t1",
    "learner_ids": ["u1"],
}
JOINED: dict[str, object] = {
    "source": "agora",
    "id": "evt-1",
    "kind": "joined",
    "at": "2026-11-02T11:00:05.120Z",
    "class_id": "c1",
    "participant_id": "u1",
    "role": "learner",
    "session": "sid-9",
    "vantage": "server",
}
QUALITY = {**JOINED, "kind": "quality", "session": None, "until": "2026-11-02T11:00:10Z"}


def _problems(world: object) -> dict[str, str]:
    """Read a world that is wrong, and give what is said of each path."""
    with pytest.raises(Invalid) as caught:
        read_world(world)
    return {problem.path: problem.message for problem in caught.value.problems}


def _of_observation(**changes: object) -> dict[str, str]:
    return _problems({"observations": [JOINED | changes]})


def test_every_list_may_be_missing_null_or_empty() -> None:
    assert read_world({}) == read_world({"courses": None, "classes": []}) == World()


def test_a_missing_key_is_null() -> None:
    seen = read_world({"observations": [JOINED]}).observations[0]

    assert (seen.until, seen.fault, seen.blames, seen.domains, seen.metrics) == (None, Fault.UNKNOWN, None, {}, {})


def test_lessons_may_be_halves_and_stay_exact() -> None:
    world = read_world({"enrolments": [ENROLMENT | {"lessons_used_before": 10.5}]})

    assert world.enrolments[0].lessons_used_before == Fraction(21, 2)


def test_a_cancellation_is_read() -> None:
    said = {"at": "2026-11-02T10:00:00Z", "by": "mutual", "technical": False}

    world = read_world({"classes": [CLASS | {"cancelled": said}]})

    assert world.classes[0].cancelled == Cancellation(parse_instant("2026-11-02T10:00:00Z"), "mutual", False)


def test_a_world_written_is_the_world_read() -> None:
    said = {"at": "2026-11-02T10:00:00Z", "by": "platform", "technical": True}
    course = {"id": "math", "title": "Math", "visual_essential": True}
    world = read_world(
        {
            "courses": [course],
            "enrolments": [ENROLMENT | {"lessons_used_before": 1.5, "contract_refund_minor": 7}],
            "classes": [CLASS | {"cancelled": said, "room_id": "r1"}],
            "observations": [JOINED | {"domains": {"node": "bj-7"}}, QUALITY | {"id": "q", "metrics": {"loss": 0.25}}],
        }
    )

    assert read_world(world.as_json()) == world


@pytest.mark.parametrize("value", [None, [], "world", 7, True])
def test_a_world_that_is_no_object_is_refused(value: object) -> None:
    assert list(_problems(value)) == [""]


def test_unknown_keys_are_refused_at_every_depth() -> None:
    world = {
        "lessons": [],
        "courses": [{"id": "math", "visual_essential": False, "colour": "red"}],
        "enrolments": [ENROLMENT | {"vat": 1}],
        "classes": [CLASS | {"cancelled": {"at": "2026-11-02T10:00:00Z", "by": "platform", "technical": True, "x": 1}}],
        "observations": [JOINED | {"domains": {"planet": "earth"}, "metrics": {"mood": 1}, "when": 1}],
    }

    assert set(_problems(world)) == {
        "lessons",
        "courses[0].colour",
        "enrolments[0].vat",
        "classes[0].cancelled.x",
        "observations[0].domains.planet",
        "observations[0].metrics.mood",
        "observations[0].when",
    }


def test_wrong_types_are_told_together() -> None:
    world = {
        "courses": {"id": "math"},
        "enrolments": [ENROLMENT | {"price_minor": True, "lessons_paid": 4.5, "paid_minor": -1, "currency": "yuan"}],
        "classes": [CLASS | {"starts_at": "2026-11-02T11:00:00", "learner_ids": "u1"}, 7],
        "observations": [JOINED | {"at": 1_793_617_205, "kind": "arrived", "role": "guest", "source": ""}],
    }

    assert set(_problems(world)) == {
        "courses",
        "enrolments[0].price_minor",
        "enrolments[0].lessons_paid",
        "enrolments[0].paid_minor",
        "enrolments[0].currency",
        "classes[0].starts_at",
        "classes[0].learner_ids",
        "classes[1]",
        "observations[0].at",
        "observations[0].kind",
        "observations[0].role",
        "observations[0].source",
    }


def test_a_message_says_what_was_given_and_what_is_wanted() -> None:
    assert _of_observation(at="2026-11-02T11:00:05")["observations[0].at"] == (
        "'2026-11-02T11:00:05' is not an instant such as 2026-11-02T11:00:05.120Z (Z or an offset is needed)"
    )
    assert _of_observation(vantage="sky") == {
        "observations[0].vantage": "must be one of server, client, not 'sky'",
    }


def test_required_keys_may_not_be_missing() -> None:
    assert set(_problems({"enrolments": [{}]})) == {f"enrolments[0].{key}" for key in ENROLMENT}
    assert set(_problems({"courses": [{}]})) == {"courses[0].id", "courses[0].visual_essential"}


def test_a_class_never_ends_before_it_starts() -> None:
    assert set(_problems({"classes": [CLASS | {"ends_at": CLASS["starts_at"]}]})) == {"classes[0].ends_at"}


def test_a_class_is_seven_days_long_at_most() -> None:
    assert set(_problems({"classes": [CLASS | {"ends_at": "2026-11-09T11:00:00.001Z"}]})) == {"classes[0].ends_at"}
    assert read_world({"classes": [CLASS | {"ends_at": "2026-11-09T11:00:00.000Z"}]})


def test_an_enrolment_holds_at_least_one_lesson() -> None:
    assert set(_problems({"enrolments": [ENROLMENT | {"lessons_paid": 0}]})) == {"enrolments[0].lessons_paid"}
    assert read_world({"enrolments": [ENROLMENT | {"lessons_paid": 0, "lessons_gift": 1}]})


@pytest.mark.parametrize("lessons", [True, -0.5, math.inf, math.nan, "3"])
def test_lessons_used_are_a_number_that_is_not_negative(lessons: object) -> None:
    path = "enrolments[0].lessons_used_before"

    assert set(_problems({"enrolments": [ENROLMENT | {"lessons_used_before": lessons}]})) == {path}


def test_ids_are_given_once() -> None:
    world = {
        "courses": [{"id": "math", "visual_essential": False}] * 2,
        "enrolments": [ENROLMENT, ENROLMENT | {"starts_at": "2026-10-01T00:00:00Z"}],
        "classes": [CLASS] * 3,
    }

    assert set(_problems(world)) == {"courses[1].id", "enrolments[1].id", "classes[1].id", "classes[2].id"}


def test_two_enrolments_of_one_learner_and_course_never_start_at_once() -> None:
    rival = ENROLMENT | {"id": "e2", "starts_at": "2026-09-01T08:00:00+08:00"}

    assert _problems({"enrolments": [ENROLMENT, rival]}) == {
        "enrolments[1].starts_at": "the same learner and course start at the same instant as in enrolment 'e1'"
    }


def test_a_learner_is_on_a_class_once() -> None:
    assert set(_problems({"classes": [CLASS | {"learner_ids": ["u1", "u2", "u1"]}]})) == {"classes[0].learner_ids"}
    assert set(_problems({"classes": [CLASS | {"learner_ids": ["u1", ""]}]})) == {"classes[0].learner_ids[1]"}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"kind": "joined", "session": None}, {"session"}),
        ({"kind": "left", "session": None}, {"session"}),
        ({"kind": "attempted", "class_id": None}, {"class_id"}),
        (
            {"kind": "join_failed", "participant_id": None, "role": None, "vantage": None},
            {"participant_id", "role", "vantage"},
        ),
        ({"kind": "quality"}, {"until"}),
        ({"kind": "check_passed"}, {"class_id"}),
        ({"kind": "feed_alive"}, {"participant_id", "until"}),
        ({"kind": "quality", "until": JOINED["at"]}, {"until"}),
        ({"kind": "feed_alive", "participant_id": None, "until": JOINED["at"]}, {"until"}),
    ],
)
def test_an_observation_has_what_its_kind_asks_for(changes: dict[str, object], missing: set[str]) -> None:
    assert set(_of_observation(**changes)) == {f"observations[0].{key}" for key in missing}


@pytest.mark.parametrize("kind", ["incident_declared", "incident_cleared"])
def test_what_a_status_page_says_is_of_nobody(kind: str) -> None:
    nobody = {"class_id": None, "participant_id": None, "role": None, "session": None, "vantage": None}

    assert read_world({"observations": [JOINED | nobody | {"kind": kind}]}).observations[0].participant_id is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", 1.01),
        ("loss", -0.01),
        ("loss", True),
        ("loss", "0.1"),
        ("loss", math.nan),
        ("audio_frozen", 1.5),
        ("fps", -1),
        ("av_offset_ms", math.nan),
        ("av_offset_ms", -math.inf),
        ("rtt_ms", math.inf),
        ("rtt_ms", 10**400),
        ("rtt_ms", []),
    ],
)
def test_a_metric_is_a_number_within_its_bounds(name: str, value: object) -> None:
    assert set(_problems({"observations": [QUALITY | {"metrics": {name: value}}]})) == {
        f"observations[0].metrics.{name}"
    }


def test_a_metric_may_be_null_and_at_its_bounds() -> None:
    given = {"loss": None, "audio_frozen": 1, "video_frozen": 0, "av_offset_ms": -10_000}

    seen = read_world({"observations": [QUALITY | {"metrics": given}]}).observations[0]

    assert seen.metrics == {"audio_frozen": 1.0, "video_frozen": 0.0, "av_offset_ms": -10_000.0}


def test_a_domain_is_of_a_known_dimension_and_not_empty() -> None:
    assert set(_of_observation(domains={"node": "", "network": 3})) == {
        "observations[0].domains.node",
        "observations[0].domains.network",
    }
    assert set(_of_observation(blames="weather")) == {"observations[0].blames"}


def test_a_roster_holds_no_observations() -> None:
    with pytest.raises(Invalid, match="observations: is not a key"):
        read_roster({"classes": [CLASS], "observations": [JOINED]})

    assert read_roster({"classes": [CLASS]}).classes[0].learner_ids == ("u1",)


def test_an_observation_built_by_hand_is_checked_too() -> None:
    read = read_observation(JOINED, "", [])
    assert isinstance(read, Observation)

    with pytest.raises(Invalid, match="session: is required where kind is joined"):
        Observation(
            source=read.source,
            id=read.id,
            kind=read.kind,
            at=read.at,
            class_id="c1",
            participant_id="u1",
            role=read.role,
            vantage=read.vantage,
        )
