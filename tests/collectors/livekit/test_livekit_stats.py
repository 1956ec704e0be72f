"""LiveKit's presence: what is asked while a class runs, what the answers mean, and what they are read as."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.api import TokenVerifier

from collectors.contract import Delivery, Reading, Unreadable
from collectors.livekit import tokens
from collectors.livekit.presence import PATH, LiveKitPresence, present
from collectors.livekit.stats import LIVEKIT_ANSWERS
from collectors.polls import Later, Request, Said, Sitting
from rules.observation import Fault, Kind
from rules.span import HOUR, MINUTE, SECOND, parse_instant

START = parse_instant("2026-11-02T11:00:00Z")
CLASS = Sitting("r1", START, START + HOUR, "t1")
ASKING = LiveKitPresence(MINUTE)
KEY, SECRET = "APIone", "a-livekit-secret-of-more-than-thirty-two-bytes"

Row = dict[str, object]


def person(**changes: object) -> Row:
    """Build a participant as Twirp writes one."""
    return {
        "sid": "PA_1",
        "identity": "u1",
        "state": "ACTIVE",
        "kind": "STANDARD",
        "joined_at": str(START // SECOND),
        "joined_at_ms": str(START + 250),
        "region": "ap-south-1",
        "permission": {"can_subscribe": True, "recorder": False, "agent": False},
        "tracks": [],
    } | changes


def body(*rows: object) -> bytes:
    return json.dumps({"participants": list(rows)}).encode()


def read(answer: bytes, before: dict[str, str] | None = None, **asked: object) -> Reading:
    given = {"room": "r1", "at": START + MINUTE, "before": before or {}} | asked
    return LIVEKIT_ANSWERS.read(Delivery("livekit-stats", answer, {"asked": json.dumps(given)}, START + MINUTE))


def seen(reading: Reading) -> list[tuple[str, int, str | None, str | None]]:
    found = [sighting.observation for sighting in reading.sightings]
    return [(one.kind.value, one.at - START, one.participant_id, one.session) for one in found]


def wanted(progress: str, now: int) -> Request:
    request = ASKING.next(CLASS, progress, now)
    assert isinstance(request, Request)
    return request


def answered(progress: str, now: int, *rows: object) -> str:
    return ASKING.after(CLASS, progress, wanted(progress, now), body(*rows))


def test_it_is_asked_by_twirp_for_one_room() -> None:
    request = wanted("", START)

    assert (request.method, request.path) == ("POST", PATH)
    assert json.loads(request.body) == {"room": "r1"}


def test_it_is_asked_a_period_after_the_last_answer_and_at_the_end_of_the_class() -> None:
    progress = answered("", START)
    assert ASKING.next(CLASS, progress, START + MINUTE - 1) == Later(START + MINUTE)
    assert isinstance(ASKING.next(CLASS, progress, START + MINUTE), Request)

    late = answered(progress, CLASS.ends_at - 10 * SECOND)
    assert ASKING.next(CLASS, late, CLASS.ends_at - 1) == Later(CLASS.ends_at)
    assert ASKING.next(CLASS, answered(late, CLASS.ends_at), CLASS.ends_at) is None


@pytest.mark.parametrize(("last", "is_done"), [(CLASS.ends_at - MINUTE, True), (CLASS.ends_at - MINUTE - 1, False)])
def test_a_class_that_is_long_over_was_seen_if_its_last_answer_came_within_a_period(last: int, is_done: bool) -> None:
    long_after = CLASS.ends_at + 2 * MINUTE

    assert (ASKING.next(CLASS, answered("", last), long_after) is None) is is_done


def test_whole_minutes_between_two_answers_are_alive_and_a_gap_is_not() -> None:
    first = answered("", START + 10 * SECOND)
    assert "alive" not in json.loads(wanted("", START).asked)

    assert "alive" not in json.loads(wanted(first, START + 70 * SECOND).asked)  # no whole minute lies between
    second = answered(first, START + 70 * SECOND)
    assert json.loads(wanted(second, START + 130 * SECOND).asked)["alive"] == [START + MINUTE, START + 2 * MINUTE]
    late = json.loads(wanted(second, START + 250 * SECOND).asked)  # three minutes later
    assert late["alive"] == [START + MINUTE, START + 4 * MINUTE]
    assert "alive" not in json.loads(wanted(second, START + 251 * SECOND).asked)


def test_the_last_answer_speaks_for_the_minute_in_which_the_class_ends() -> None:
    odd = Sitting("r1", START, START + HOUR + 30 * SECOND, "t1")
    known = json.dumps({"at": START + HOUR, "since": START, "present": {}})
    request = ASKING.next(odd, known, odd.ends_at)

    assert isinstance(request, Request)
    assert json.loads(request.asked)["alive"] == [START + HOUR, START + HOUR + MINUTE]


def test_a_newcomer_has_joined_when_signalling_began_under_the_session_that_webhooks_name() -> None:
    reading = read(body(person()))

    assert seen(reading) == [("joined", 250, "u1", "PA_1")]
    one = reading.sightings[0].observation
    assert (one.source, one.code, one.domains) == ("livekit", "polled", {"provider": "livekit", "region": "ap-south-1"})


def test_both_spellings_of_protobuf_json_are_read() -> None:
    camel = {"sid": "PA_1", "identity": "u1", "state": "ACTIVE", "joinedAt": str(START // SECOND)}

    assert seen(read(body(camel))) == [("joined", 0, "u1", "PA_1")]
    assert seen(read(body(camel | {"joinedAtMs": str(START + 7)}))) == [("joined", 7, "u1", "PA_1")]
    assert seen(read(body(person(state=2, kind=0)))) == [("joined", 250, "u1", "PA_1")]


def test_who_was_there_before_tells_nothing_new_and_who_is_gone_has_left_when_asked_for_an_unknown_reason() -> None:
    reading = read(body(person()), {"PA_1": "u1", "PA_2": "u2"})

    assert seen(reading) == [("left", MINUTE, "u2", "PA_2")]
    assert reading.sightings[0].observation.fault is Fault.UNKNOWN


def test_a_clock_that_is_ahead_of_ours_joins_nobody_in_the_future() -> None:
    assert seen(read(body(person(joined_at_ms=str(START + HOUR))))) == [("joined", MINUTE, "u1", "PA_1")]
    assert seen(read(body(person(joined_at=None, joined_at_ms=None)))) == [("joined", MINUTE, "u1", "PA_1")]


@pytest.mark.parametrize("answer", [b'{"code":"not_found","msg":"requested room does not exist"}', b"{}"])
def test_a_room_that_is_not_there_has_nobody_in_it(answer: bytes) -> None:
    assert seen(read(answer, {"PA_1": "u1"})) == [("left", MINUTE, "u1", "PA_1")]


@pytest.mark.parametrize("state", ["JOINING", "JOINED", "DISCONNECTED", 0, 1, 3, None, 9, True])
def test_who_has_no_media_is_not_there_yet(state: object) -> None:
    assert seen(read(body(person(state=state)))) == []


@pytest.mark.parametrize(("state", "is_there"), [("JOINED", True), ("DISCONNECTED", False), (3, False), ("new", True)])
def test_who_was_there_stays_until_disconnected_or_gone(state: object, is_there: bool) -> None:
    assert ("PA_1" in present(body(person(state=state)), {"PA_1": "u1"})) is is_there


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"kind": "AGENT"}, "kind AGENT"),
        ({"kind": 2}, "kind EGRESS"),
        ({"kind": "INGRESS"}, "kind INGRESS"),
        ({"permission": {"recorder": True}}, "kind recorder"),
        ({"permission": {"agent": True}}, "kind recorder"),
    ],
)
def test_robots_are_left_out_and_told(changes: Row, name: str) -> None:
    reading = read(body(person(**changes)))

    assert reading.sightings == ()
    assert reading.ignored == (name,)


def test_a_participant_without_a_name_is_told_and_leaves_the_others_alone() -> None:
    reading = read(body(person(sid=""), person(sid="PA_2")))

    assert seen(reading) == [("joined", 250, "u1", "PA_2")]
    assert reading.unknown == ("participant without sid or identity",)


def test_each_minute_alive_is_the_same_row_for_every_class_of_the_provider() -> None:
    span = [START, START + 2 * MINUTE]
    here, there = read(body(), alive=span), read(body(), alive=span, room="r2")

    assert [sighting.observation for sighting in here.sightings] == [s.observation for s in there.sightings]
    assert [(s.observation.kind, s.placed, s.observation.class_id) for s in here.sightings] == [
        (Kind.FEED_ALIVE, True, None)
    ] * 2


@pytest.mark.parametrize("asked", [{"room": None}, {"at": "soon"}])
def test_an_answer_without_what_was_asked_is_unreadable(asked: Row) -> None:
    with pytest.raises(Unreadable):
        read(body(), None, **asked)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, "{}", Said.GOOD),
        (200, '{"participants":null}', Said.GOOD),
        (200, '{"participants":{}}', Said.BROKEN),
        (200, "[]", Said.BROKEN),
        (404, '{"code":"not_found"}', Said.GOOD),
        (404, '{"code":"bad_route"}', Said.BROKEN),
        (401, "invalid token", Said.REFUSED),
        (403, '{"code":"permission_denied"}', Said.REFUSED),
        (429, "slow down", Said.TOO_FAST),
        (403, '{"code":"resource_exhausted"}', Said.TOO_FAST),
        (408, '{"code":"deadline_exceeded"}', Said.UNAVAILABLE),
        (503, "", Said.UNAVAILABLE),
        (302, "", Said.BROKEN),
    ],
)
def test_an_answer_means(status: int, answer: str, said: Said) -> None:
    assert ASKING.said(status, answer.encode()) is said


def test_a_token_is_believed_by_livekits_own_library_and_is_for_one_room() -> None:
    claims = TokenVerifier(KEY, SECRET).verify(tokens.mint(KEY, SECRET, "r1", time.time_ns() // 1_000_000))

    assert claims.video is not None
    assert (claims.video.room_admin, claims.video.room_list, claims.video.room) == (True, True, "r1")
    assert not claims.video.room_join


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(json_values, st.sampled_from(sorted(person())), json_values)
def test_rows_of_any_kind_never_fail(row: object, name: str, value: object) -> None:
    answer = body(row, person(**{name: value}), person(sid="PA_2"))

    read(answer, {"PA_1": "u1"})
    ASKING.said(200, answer)
    ASKING.next(CLASS, ASKING.after(CLASS, "", wanted("", START), answer), START + MINUTE)
