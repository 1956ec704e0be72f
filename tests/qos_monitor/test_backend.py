"""What the school's backend posts is read whole, or refused with the path of every mistake."""

import json
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_parts import MONDAY

from collectors.contract import Delivery, Notice, Unreadable
from collectors.removals import REASONS
from qos_monitor import backend, documents
from rules.document import Invalid
from rules.observation import Fault, Kind, Role, Vantage
from rules.span import SECOND, format_instant

AT = format_instant(MONDAY)
TOKEN = {"id": "t-1", "kind": "token_issued", "at": AT, "class_id": "c1", "learner_id": "u1"}
CLICK = {**TOKEN, "id": "k-1", "kind": "join_clicked", "domains": {"client": "web", "network": "telecom-guangdong"}}
KICK = {**TOKEN, "id": "k-1", "kind": "kicked", "reason": "mistake"}
OFF = {"id": "o-1", "kind": "class_cancelled", "at": AT, "class_id": "c1", "by": "platform", "technical": True}
ON = {"id": "o-2", "kind": "class_reinstated", "at": AT, "class_id": "c1"}


def problems(value: object, latest: int = MONDAY) -> list[str]:
    with pytest.raises(Invalid) as caught:
        backend.read(json.dumps(value).encode(), latest)
    return [str(problem) for problem in caught.value.problems]


def test_a_token_is_an_attempt_that_the_server_saw_and_a_click_one_that_the_client_says() -> None:
    token, click = backend.read(json.dumps([TOKEN, CLICK]).encode()).observations

    assert (token.kind, token.vantage, token.class_id, token.participant_id) == (
        Kind.ATTEMPTED,
        Vantage.SERVER,
        "c1",
        "u1",
    )
    assert (click.kind, click.vantage, dict(click.domains)) == (Kind.ATTEMPTED, Vantage.CLIENT, CLICK["domains"])
    assert {token.role, click.role} == {Role.LEARNER}
    assert len({token.id, click.id}) == 2


def test_the_same_id_of_two_kinds_is_two_events() -> None:
    click, kick = backend.read(json.dumps([CLICK, KICK]).encode()).observations

    assert (click.id, kick.id) == ("join_clicked:k-1", "kicked:k-1")


def test_a_kick_is_the_end_of_a_session_with_the_fault_of_its_reason() -> None:
    (kick,) = backend.read(json.dumps(KICK).encode()).observations

    assert (kick.kind, kick.fault, kick.blames, kick.code) == (Kind.LEFT, Fault.PLATFORM, "account", "kicked: mistake")


def test_a_teacher_is_named_as_one() -> None:
    teacher = {key: value for key, value in KICK.items() if key != "learner_id"} | {"teacher_id": "t1"}

    (kick,) = backend.read(json.dumps(teacher).encode()).observations

    assert (kick.role, kick.participant_id, kick.blames) == (Role.TEACHER, "t1", "teacher")


def test_a_class_called_off_and_on_again_is_two_notices_about_it() -> None:
    told = backend.read(json.dumps([OFF, ON]).encode())

    assert told.notices == (
        Notice("o-1", "c1", MONDAY, "platform", is_technical=True),
        Notice("o-2", "c1", MONDAY, None),
    )
    assert (len(told), told.class_ids) == (2, {"c1"})


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({**TOKEN, "id": ""}, "id: must be a text that is not empty, not ''"),
        ({**TOKEN, "id": "x" * 201}, "id: must be at most 200 characters long, without NUL or half characters"),
        ({**TOKEN, "class_id": "c\0"}, "class_id: must be at most 200 characters long, without NUL or half characters"),
        ({**TOKEN, "learner_id": None}, "learner_id: must be a text that is not empty, not null or missing"),
        (
            {**TOKEN, "teacher_id": "t1"},
            "teacher_id: must be null where learner_id is given: an event is about one person",
        ),
        ({**TOKEN, "at": format_instant(MONDAY + 1)}, "at: must not lie in the future, nor before the year 2000"),
        ({**TOKEN, "at": "1999-12-31T23:59:59Z"}, "at: must not lie in the future, nor before the year 2000"),
        ({**TOKEN, "at": None}, "at: must be an instant such as 2026-11-02T11:00:05.120Z, not null or missing"),
        ({**TOKEN, "reason": "conduct"}, "reason: is not a key of this format"),
        ({**TOKEN, "domains": {"moon": "full"}}, "domains.moon: is not a key of this format"),
        ({**KICK, "reason": "whim"}, f"reason: must be one of {', '.join(sorted(REASONS))}, not 'whim'"),
        ({**OFF, "technical": "yes"}, "technical: must be true or false, not 'yes'"),
        ({**OFF, "by": "teacher"}, "by: must be one of learner, platform, mutual, not 'teacher'"),
        ({**ON, "by": "platform"}, "by: is not a key of this format"),
        ("kicked", "must be an object, not 'kicked'"),
    ],
)
def test_every_mistake_is_told_with_its_path(event: object, wanted: str) -> None:
    assert problems(event) == [wanted]
    where = "[1]" if wanted.startswith("must") else "[1]."
    assert problems([TOKEN, event]) == [f"{where}{': ' if where == '[1]' else ''}{wanted}"]


def test_a_kind_that_nobody_knows_lists_those_there_are() -> None:
    kinds = "token_issued, join_clicked, kicked, class_cancelled, class_reinstated"

    assert f"kind: must be one of {kinds}, not 'kick'" in problems({**TOKEN, "kind": "kick"})


def test_one_wrong_event_of_a_list_refuses_all_of_it_and_at_most_a_hundred_are_told() -> None:
    assert len(problems([TOKEN, *[{} for _ in range(200)]])) == 100


def test_what_is_no_json_is_said() -> None:
    with pytest.raises(documents.NotJson):
        backend.read(b"{")


def test_a_stored_request_reads_the_same_whenever_it_is_read() -> None:
    body = json.dumps([TOKEN, OFF]).encode()
    reader = backend.Evidence()

    first, later = (reader.read(Delivery(backend.PROVIDER, body, {}, at)) for at in (MONDAY - SECOND, 0))

    assert first == later
    assert reader.key(Delivery(backend.PROVIDER, body, {}, 0)) == backend.key(body)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(
    base=st.sampled_from([TOKEN, CLICK, KICK, OFF, ON]),
    changes=st.dictionaries(st.sampled_from([*KICK, *OFF, "teacher_id", "domains"]), ANY, max_size=3),
)
def test_whatever_is_posted_is_read_or_refused(base: Mapping[str, object], changes: Mapping[str, object]) -> None:
    body = msgspec.json.encode({**base, **changes})

    try:
        told = backend.read(body)
    except Invalid:
        with pytest.raises(Unreadable):
            backend.Evidence().read(Delivery(backend.PROVIDER, body, {}, MONDAY))
    else:
        assert len(told) == 1
