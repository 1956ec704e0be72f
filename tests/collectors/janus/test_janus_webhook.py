"""Janus's event handler: who may post, what an event is, and what becomes of it."""

import base64
from dataclasses import replace

import pytest
from collector_specimens import NOON, Body, written
from janus_specimen import (
    HANDLE,
    JANUS,
    JANUS_CREDENTIALS,
    SESSION,
    attached,
    hangup,
    janus_event,
    leaving,
    line,
    statistics,
    up,
)

from collectors import registry
from collectors.contract import ANYWHERE, Reading, Refused, Sighting, Unreadable
from collectors.janus import Janus, build
from collectors.janus.events import HANGUPS
from collectors.threads import named
from rules.observation import Fault, Kind, Observation
from rules.span import MINUTE, SECOND

MICROS = 1_000
THREAD = f"sfu-1:{SESSION}:{HANDLE}"


def read(*events: object) -> Reading:
    """Read one post that holds these events, grouped as Janus does."""
    return JANUS.collector.read(JANUS.delivery(written(list(events))))  # type: ignore[arg-type]  # an array


def seen(event: Body) -> Observation:
    """Read the one observation of one event."""
    (sighting,) = JANUS.collector.read(JANUS.delivery(event)).sightings
    return sighting.observation


def basic(said: bytes) -> dict[str, str]:
    """Write a user and a password as HTTP does."""
    return {"authorization": f"Basic {base64.b64encode(said).decode()}"}


def test_each_live_password_is_believed_and_a_retired_one_is_not() -> None:
    both = Janus(("sfu:old", "sfu:new"))
    delivery = JANUS.delivery(up())

    for password in (b"sfu:old", b"sfu:new"):
        both.verify(replace(delivery, headers=basic(password)))
    with pytest.raises(Refused) as refused:
        Janus(("sfu:new",)).verify(replace(delivery, headers=basic(b"sfu:old")))

    assert refused.value.reason == "wrong_signature"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "missing_signature"),
        ("Bearer abc", "malformed_token"),
        ("Basic", "wrong_signature"),
        ("Basic !!!", "malformed_token"),
        ("Basic 名", "malformed_token"),
        ("Basic \udcff", "malformed_token"),
        (basic(b"\xff\x00")["authorization"], "wrong_signature"),
        (basic(JANUS_CREDENTIALS.encode() + b"x")["authorization"], "wrong_signature"),
    ],
)
def test_whoever_cannot_prove_the_password_is_refused(header: str, reason: str) -> None:
    delivery = replace(JANUS.delivery(up()), headers={"authorization": header})

    with pytest.raises(Refused) as refused:
        JANUS.collector.verify(delivery)

    assert refused.value.reason == reason


def test_a_password_beyond_ascii_and_with_colons_is_believed() -> None:
    Janus(("sfu:密码:2",)).verify(replace(JANUS.delivery(up()), headers=basic("sfu:密码:2".encode())))


@pytest.mark.parametrize("given", ["no-colon", ":1234", "root:"])
def test_credentials_that_are_not_a_pair_are_refused_without_being_shown(given: str) -> None:
    with pytest.raises(ValueError, match="user:password") as refused:
        build((given,))

    assert given not in str(refused.value)
    assert registry.build({"janus": ["u:p"]}) == {"janus": Janus(("u:p",))}


def test_a_post_is_known_by_what_its_events_say_and_the_minute_of_the_first() -> None:
    events = [attached(), up(timestamp=(NOON + MINUTE) * MICROS)]
    key = JANUS.collector.key(JANUS.delivery(written(events)))  # type: ignore[arg-type]  # an array
    swapped = JANUS.collector.key(JANUS.delivery(written(events[::-1])))  # type: ignore[arg-type]  # an array

    assert key.minute == NOON // MINUTE
    assert key == JANUS.collector.key(JANUS.delivery(written([dict(reversed(e.items())) for e in events])))  # type: ignore[arg-type]  # the shape of this JSON
    assert key != swapped
    assert swapped.minute == NOON // MINUTE + 1


def test_events_of_the_same_microsecond_are_told_apart() -> None:
    lines = [statistics(line(mid=mid)) for mid in "01"]
    ids = {s.observation.id for s in read(*lines, attached(), up(), up(emitter="sfu-2"), up(handle_id=7)).sightings}

    assert len(ids) == 6
    assert len({JANUS.collector.key(JANUS.delivery(body)) for body in (*lines, attached(), up())}) == 4


def test_attaching_is_an_attempt_and_a_connection_that_is_up_is_a_join() -> None:
    attempt, joined = seen(attached()), seen(up())

    assert (attempt.kind, attempt.at, attempt.session) == (Kind.ATTEMPTED, NOON, None)
    assert (joined.kind, joined.class_id, joined.participant_id, joined.session) == (Kind.JOINED, "4711", "u1", THREAD)
    assert joined.domains == {"provider": "janus", "node": "sfu-1"}


@pytest.mark.parametrize(
    ("opaque_id", "room", "person"),
    [
        ("u1", ANYWHERE, "u1"),
        ("/u1", ANYWHERE, "u1"),
        ("4711/u1", "4711", "u1"),
        ("class 7/名", "class 7", "名"),
    ],
)
def test_an_opaque_id_names_the_learner_and_perhaps_the_room(opaque_id: str, room: str, person: str) -> None:
    found = seen(up(opaque_id=opaque_id))

    assert (found.class_id, found.participant_id) == (room, person)


@pytest.mark.parametrize("opaque_id", [None, "", "4711/", "a/b/c", "a/b/c/send", 7, "\x00", "/", "a//send"])
def test_a_handle_without_a_person_gives_nothing_and_is_not_news(opaque_id: object) -> None:
    reading = read(up(opaque_id=opaque_id), attached(opaque_id=opaque_id), statistics(line(), opaque_id=opaque_id))

    assert reading == Reading(ignored=("no opaque_id",) * 3)


def test_a_handle_that_only_sends_does_not_make_its_owner_present() -> None:
    sending = {"opaque_id": "4711/u1/send"}

    reading = read(attached(**sending), up(**sending), statistics(line(), **sending), hangup("ICE failed", **sending))

    assert reading == Reading(ignored=("sending handle",) * 4)


@pytest.mark.parametrize("reason", sorted(HANGUPS))
def test_every_known_reason_of_a_hangup_is_read_by_the_table(reason: str) -> None:
    reading = JANUS.collector.read(JANUS.delivery(hangup(reason)))
    kinds, fault = HANGUPS[reason]

    assert {s.observation.kind for s in reading.sightings} == kinds
    assert {(s.observation.fault, s.observation.code) for s in reading.sightings} == {(fault, reason)}
    assert reading.unknown == ()


def test_a_connection_that_never_came_up_is_a_failed_join_of_nobodys_known_fault() -> None:
    for reason in ("ICE failed", "DTLS timeout", "Gathering error", "ICE gathering error"):
        found = {s.observation.kind: s.observation.fault for s in read(hangup(reason)).sightings}
        assert found[Kind.JOIN_FAILED] is Fault.UNKNOWN


def test_a_hangup_without_a_reason_is_counted_and_kept_as_in_2017() -> None:
    reading = read(hangup(None))

    assert reading.unknown == ("hangup without reason",)
    assert reading.sightings[0].observation.fault is Fault.UNKNOWN


def sessions(*events: Body) -> list[tuple[str, str | None, Fault]]:
    """Read events and name the sessions of the joins and leaves."""
    steps: list[Sighting] = [s for s in read(*events).sightings if s.thread == THREAD]
    return [(s.observation.kind.value, s.observation.session, s.observation.fault) for s in named(steps)]


def later(seconds: int) -> dict[str, object]:
    """Give the timestamp of an event so much later."""
    return {"timestamp": (NOON + seconds * SECOND) * MICROS}


def detached(**header: object) -> Body:
    """Build the event of a handle that is gone."""
    return janus_event(2, {"name": "detached", "plugin": "janus.plugin.videoroom"}, **header)


def test_a_handle_that_goes_without_a_hangup_ends_the_stay_by_the_learners_act() -> None:
    first = NOON * MICROS + 456

    assert sessions(up(), detached(**later(9))) == [
        ("joined", f"{THREAD}#{first}", Fault.UNKNOWN),
        ("left", f"{THREAD}#{first}", Fault.LEARNER),
    ]


def test_a_handle_that_is_cleared_away_after_a_failure_does_not_blame_the_learner() -> None:
    told = sessions(up(), hangup("ICE failed", **later(60)), detached(**later(80)))

    assert [session for _, session, fault in told if fault is Fault.LEARNER] == [
        f"{THREAD}#after-{(NOON + 80 * SECOND) * MICROS}"
    ]
    assert told[1] == ("left", told[0][1], Fault.UNKNOWN)


def test_a_handle_used_again_after_a_hangup_is_a_new_stay() -> None:
    told = sessions(up(), hangup("DTLS alert", **later(60)), up(**later(70)), detached(**later(80)))

    assert told[0][1] == told[1][1] != told[2][1] == told[3][1]


def test_what_ends_with_a_session_that_timed_out_was_nobodys_known_act() -> None:
    timeout = janus_event(1, {"name": "timeout"})
    reading = read(timeout, hangup("Detach"), detached(), detached(session_id=1))

    assert [s.observation.fault for s in reading.sightings] == [Fault.UNKNOWN, Fault.UNKNOWN, Fault.LEARNER]


def test_a_handle_of_a_plugin_without_media_is_no_attempt() -> None:
    event = {"name": "attached", "plugin": "janus.plugin.textroom"}

    assert read(janus_event(2, event)) == Reading(ignored=("handle without media",))


def test_a_shutdown_is_declared_against_the_server_and_a_start_clears_it() -> None:
    head = {"session_id": None, "handle_id": None, "opaque_id": None}
    shutdown = seen(janus_event(256, {"status": "shutdown", "signum": 15}, 2, **head))
    started = seen(janus_event(256, {"status": "started", "info": {}}, 1, **head))
    nameless = seen(janus_event(256, {"status": "shutdown"}, 2, **head, emitter=None))

    assert (shutdown.kind, shutdown.fault, shutdown.blames) == (Kind.INCIDENT_DECLARED, Fault.PLATFORM, "node")
    assert shutdown.domains["node"] == "sfu-1"
    assert started.kind is Kind.INCIDENT_CLEARED
    assert nameless.blames == "provider"


def published(**changes: object) -> Body:
    """Build the event of a feed that came up, on a handle without an opaque id."""
    data = {"event": "published", "room": 4711, "id": "u1"} | changes
    return janus_event(64, {"plugin": "janus.plugin.videoroom", "data": data}, opaque_id=None)


def test_without_opaque_ids_a_stay_is_that_of_the_feed_in_the_room() -> None:
    steps = list(read(published(), leaving(**later(60)), leaving("kicked", **later(61))).sightings)
    told = [(s.observation.kind.value, s.observation.participant_id, s.observation.fault) for s in named(steps)]

    assert told == [("joined", "u1", Fault.UNKNOWN), ("left", "u1", Fault.LEARNER), ("left", "u1", Fault.UNKNOWN)]
    assert len({s.observation.session for s in named(steps)}) == 1
    assert steps[0].observation.class_id == "4711"


def test_where_opaque_ids_are_used_a_leaving_feed_ends_nothing_and_locks_nobody_out() -> None:
    (sighting,) = read(leaving()).sightings
    (alone,) = named([sighting])

    assert str(alone.observation.session).partition("#")[2].startswith("before-")
    assert alone.observation.fault is Fault.LEARNER


def test_numbers_and_texts_name_the_same_room() -> None:
    assert seen(published(room="4711")).class_id == seen(published()).class_id
    assert seen(published(id=5620321221303244)).participant_id == "5620321221303244"


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (janus_event(1, {"name": "created"}), "session"),
        (janus_event(8, {"owner": "local", "jsep": {}}), "jsep"),
        (janus_event(128, {"transport": "janus.transport.http"}), "transport"),
        (janus_event(16, {"ice": "connecting"}, 1), "webrtc state"),
        (janus_event(32, {"media": "video", "receiving": False, "seconds": 1}, 1), "receiving"),
        (janus_event(32, {"media": "video", "slow_link": "uplink", "lost_lastsec": 35}, 2), "slow_link"),
        (janus_event(64, {"plugin": "janus.plugin.echotest", "data": {}}), "plugin janus.plugin.echotest"),
        (leaving("unpublished"), "videoroom unpublished"),
    ],
)
def test_what_is_known_and_not_used_is_named(event: Body, note: str) -> None:
    assert read(event) == Reading(ignored=(note,))


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (janus_event(16, {"connection": "levitating"}, 6), "webrtc levitating"),
        (janus_event(2, {"name": "cloned"}), "handle cloned"),
        (janus_event(32, {"media": "video", "smell": 3}, 4), "media event"),
        (janus_event(64, {"plugin": "our.plugin", "data": {}}), "plugin our.plugin"),
        (leaving("levitating"), "videoroom levitating"),
        (janus_event(256, {"status": "dreaming"}, 3), "core dreaming"),
    ],
)
def test_what_is_new_is_counted(event: Body, note: str) -> None:
    assert read(event) == Reading(unknown=(note,))


def test_an_event_that_cannot_be_read_spoils_none_beside_it() -> None:
    reading = read({"type": 16}, up(), up(timestamp="soon"), {"type": 16, "timestamp": 5, "event": {}})

    assert len(reading.sightings) == 1
    assert reading.unknown == ("unreadable event",) * 3
    with pytest.raises(Unreadable):
        read({"type": 16}, {"a": 1})


def test_no_more_events_are_read_than_a_post_may_hold() -> None:
    reading = read(*[up(handle_id=handle) for handle in range(1, 1_003)])

    assert len(reading.sightings) == 1_000
    assert reading.unknown == ("excess",)
