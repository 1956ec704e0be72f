"""Names written by a template are read back, and a template that could be misread is refused at the start."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_monitor.errors import SettingsError
from qos_monitor.settings import load
from qos_monitor.templates import (
    PERSON,
    READINGS_MAX,
    ROOM,
    Template,
    Templates,
    participant_templates,
    room_templates,
)

NAMES = st.text(string.ascii_lowercase + string.digits + "-_.+*()[]\\^$|é中", min_size=1, max_size=12)
BETWEEN = st.text("-_.+*()[]\\^$|:/", max_size=4)


def test_a_room_is_read_for_its_class() -> None:
    [template] = room_templates("agora:class-{class_id}")

    assert (template.provider, str(template)) == ("agora", "agora:class-{class_id}")
    assert template.readings("class-c1") == [{"class_id": "c1"}]
    assert template.readings("class-") == []
    assert list(template.readings("klass-c1")) == []
    assert list(template.readings("Class-c1")) == []


def test_text_before_and_after_is_only_text() -> None:
    [template] = room_templates("livekit:a.*({class_id})+$")

    assert template.readings("a.*(c1)+$") == [{"class_id": "c1"}]
    assert list(template.readings("aXX(c1)+$")) == []


def test_every_way_in_which_a_name_may_have_been_written_is_found() -> None:
    [template] = room_templates("*:{course_id}-{class_id}")

    assert template.readings("a-b-c") == [{"course_id": "a", "class_id": "b-c"}, {"course_id": "a-b", "class_id": "c"}]


def test_a_name_with_more_readings_than_are_worth_their_while_has_none() -> None:
    [template] = room_templates("*:{course_id}-{class_id}")

    assert len(template.readings("-".join("x" * (READINGS_MAX + 1)))) == READINGS_MAX
    assert template.readings("-".join("x" * (READINGS_MAX + 2))) == ()


def test_anything_is_read_and_left_aside_but_cannot_be_written() -> None:
    [template] = room_templates("zoom:{anything}_{class_id}")

    assert template.readings("2026_c1") == [{"anything": "2026", "class_id": "c1"}]
    assert template.written({"class_id": "c1", "course_id": "math"}) is None
    assert Templates([template]).are_open("zoom")
    assert not Templates([template]).are_open("agora")


@given(st.lists(NAMES, min_size=2, max_size=2), BETWEEN, BETWEEN.filter(bool), BETWEEN)
def test_what_is_written_is_among_what_is_read(values: list[str], before: str, between: str, after: str) -> None:
    template = Template(ROOM, "*", f"{before}{{course_id}}{between}{{class_id}}{after}")
    known = dict(zip(("course_id", "class_id"), values, strict=True))
    name = template.written(known)
    assert name is not None

    found = template.readings(name)

    assert known in found or (not found and name.count(between) > READINGS_MAX)
    assert {template.written(one) for one in found} <= {name}


def test_the_templates_of_a_provider_take_the_place_of_those_for_all() -> None:
    given = Templates(room_templates("class-{class_id},livekit:{class_id}"))

    assert [str(one) for one in given.of(ROOM, "agora")] == ["*:class-{class_id}"]
    assert [str(one) for one in given.of(ROOM, "livekit")] == ["livekit:{class_id}"]
    assert given.of(PERSON, "agora") == []
    assert list(given.rooms_of("livekit", "c1", "math")) == ["c1"]


def test_learners_and_teachers_may_be_written_in_ways_of_their_own() -> None:
    found = Templates(participant_templates("agora:u{learner_id},agora:teacher-{teacher_id}"))

    assert [one.readings("u1") for one in found.of(PERSON, "agora")] == [(), [{"learner_id": "1"}]]
    assert sorted(found.names_of("agora", "7")) == ["teacher-7", "u7"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("agora:class-", "a template with {class_id} in it"),
        ("agora:{course_id}", "a template with {class_id} in it"),
        ("agora:", "a template with {class_id} in it"),
        ("agora:{class_id}{course_id}", "some text between two fields"),
        ("agora:{class_id}-{class_id}", "every field once"),
        ("agora:{class_id}-{learner_id}", "nothing in braces but {class_id}, {course_id}, {anything}"),
        ("agora:{class_id", "nothing in braces but"),
        ("agora:{{class_id}}", "nothing in braces but"),
        ("agora:{class_id}-{}", "nothing in braces but"),
        ("agora:{class_id!r}", "nothing in braces but"),
        ("agoar:{class_id}", "a provider among agora, "),
        ("Room:{class_id}", "a provider among agora, "),
        ("agora:{class_id},agora:x{class_id}", "one template for each provider"),
        ("agora:{class_id},", "a template with {class_id} in it"),
        ("agora:{class_id}" + "x" * 200, "at most 200 characters"),
    ],
)
def test_a_room_template_that_cannot_be_used_is_told_at_the_start(given: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"QOS_ROOM_TEMPLATES": given})

    [problem] = caught.value.problems
    assert problem.startswith(f"QOS_ROOM_TEMPLATES: {given!r} was given; ")
    assert wanted in problem


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("agora:x", "either {learner_id} or {teacher_id}"),
        ("agora:{learner_id}-{teacher_id}", "either {learner_id} or {teacher_id}"),
        ("agora:{class_id}", "nothing in braces but {learner_id}, {teacher_id}"),
        ("agora:u{learner_id},agora:u{learner_id}", "every template once"),
    ],
)
def test_a_participant_template_that_cannot_be_used_is_told_at_the_start(given: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"QOS_PARTICIPANT_TEMPLATES": given})

    [problem] = caught.value.problems
    assert problem.startswith("QOS_PARTICIPANT_TEMPLATES: ")
    assert wanted in problem
