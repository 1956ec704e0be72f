"""Zoom's event subscriptions."""

import json
from dataclasses import replace

import pytest
from collector_specimens import NOON, Body
from zoom_specimen import PERSON, ZOOM, ZOOM_SECRET, zoom_event, zoom_headers

from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.threads import named
from collectors.zoom import Zoom
from collectors.zoom.webhook import EVENTS, IGNORED_EVENTS
from rules.observation import Fault, Kind, Observation, Vantage
from rules.span import HOUR, MINUTE, format_instant

# A vector published in a .NET client's tests (Jericho/ZoomNet, read 2026-06); the answer to it is computed.
VECTOR_KEY = "4fv1RkqGQUq5sWbEz6hA5A"
VECTOR = Delivery(
    "zoom",
    b'{"payload":{"plainToken":"xys8n8PGS7mAU0m5-YJjRA"},"event_ts":1720705455858,"event":"endpoint.url_validation"}',
    {
        "x-zm-request-timestamp": "1720705455",
        "x-zm-signature": "v0=93a1a675965ceb9c5a50c5dfb31f20e50f763be37a54ef74cd2d16a1a8e5c0d6",
    },
    NOON,
)


def read(body: Body) -> Reading:
    """Read an event as it comes from Zoom."""
    return ZOOM.collector.read(ZOOM.delivery(body))


def only(reading: Reading) -> Sighting:
    """Take the one sighting of a reading."""
    (sighting,) = reading.sightings
    return sighting


def seen(event: str, person: Body | None = None, /, **thing: object) -> Observation:
    """Read the one observation of an event."""
    return only(read(zoom_event(event, person, **thing))).observation


def key(body: Body) -> DeliveryKey:
    """Name a delivery."""
    return ZOOM.collector.key(ZOOM.delivery(body))


def at(moment: int) -> Body:
    """Say when, as joins and leaves do."""
    return {"join_time": format_instant(moment), "leave_time": format_instant(moment)}


@pytest.mark.parametrize("secrets", [(VECTOR_KEY,), ("older", VECTOR_KEY), (VECTOR_KEY, "newer")])
def test_the_published_vector_is_believed_and_its_challenge_answered_under_any_live_secret(
    secrets: tuple[str, ...],
) -> None:
    zoom = Zoom(secrets)

    zoom.verify(VECTOR)
    status, body, content_type = zoom.answer(VECTOR)

    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == {
        "plainToken": "xys8n8PGS7mAU0m5-YJjRA",
        "encryptedToken": "2fffc6a967dde4f68024025a5bd991c5ae1e5313b4e6365be4883e3e81d479b3",
    }
    assert zoom.read(VECTOR) == Reading(ignored=("endpoint.url_validation",))


@pytest.mark.parametrize("token", [None, "", 7, "v0:1720705455:{}", "x" * 201, "名"])
def test_a_challenge_that_could_be_a_delivery_in_disguise_is_not_signed(token: object) -> None:
    body = {"event": "endpoint.url_validation", "event_ts": NOON, "payload": {"plainToken": token}}

    assert ZOOM.collector.answer(ZOOM.delivery(body)) == (200, b'{"status":"ok"}', "application/json")


def test_each_challenge_is_a_delivery_of_its_own() -> None:
    bodies: list[Body] = [
        {"event": "endpoint.url_validation", "event_ts": NOON, "payload": {"plainToken": token}} for token in "ab"
    ]

    assert key(bodies[0]) != key(bodies[1])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-zm-signature": "v1=93a1a675965ceb9c5a50c5dfb31f20e50f763be37a54ef74cd2d16a1a8e5c0d6"},
        {"x-zm-signature": "93a1a675965ceb9c5a50c5dfb31f20e50f763be37a54ef74cd2d16a1a8e5c0d6"},
        {"x-zm-request-timestamp": "1720705456"},
        {"x-zm-request-timestamp": "-1"},
        {"x-zm-request-timestamp": "١"},
    ],
)
def test_another_version_or_time_than_was_signed_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        Zoom((VECTOR_KEY,)).verify(replace(VECTOR, headers={**VECTOR.headers, **headers}))


def test_no_part_of_the_body_can_move_into_the_timestamp() -> None:
    head, _, tail = VECTOR.body.partition(b":")
    headers = {**VECTOR.headers, "x-zm-request-timestamp": f"1720705455:{head.decode()}"}

    with pytest.raises(Refused, match="wrong_signature"):
        Zoom((VECTOR_KEY,)).verify(replace(VECTOR, body=tail, headers=headers))


@pytest.mark.parametrize("missing", ["x-zm-signature", "x-zm-request-timestamp"])
def test_a_delivery_without_one_of_the_two_headers_is_refused(missing: str) -> None:
    headers = {name: value for name, value in VECTOR.headers.items() if name != missing}

    with pytest.raises(Refused, match="missing_signature"):
        Zoom((VECTOR_KEY,)).verify(replace(VECTOR, headers=headers))


@pytest.mark.parametrize("late", [85 * MINUTE, 72 * HOUR])
def test_an_old_timestamp_is_believed_for_retries_come_late(late: int) -> None:
    body = ZOOM.delivery(ZOOM.valid[0]).body

    ZOOM.collector.verify(Delivery("zoom", body, zoom_headers(body, NOON), NOON + late))


def test_literal_and_escaped_characters_are_signed_as_they_were_sent() -> None:
    raw = '{"event":"meeting.started","payload":{"object":{"topic":"\\uD83D\\uDE92 it’s – on"}}}'.encode()

    ZOOM.collector.verify(ZOOM.delivery(raw))


def test_a_join_is_seen_by_the_server_at_its_own_time() -> None:
    join = seen("meeting.participant_joined", at(NOON - 3_000))

    assert (join.kind, join.at, join.vantage) == (Kind.JOINED, NOON - 3_000, Vantage.SERVER)
    assert (join.class_id, join.participant_id) == ("93201235621", "u1")
    assert "4444AAAiAAAAAiAiAiiAii==" in join.id


def test_an_event_without_a_time_of_its_own_happened_when_zoom_noticed() -> None:
    assert seen("meeting.participant_joined").at == NOON + 572
    assert seen("meeting.participant_jbh_waiting").at == NOON + 572


@pytest.mark.parametrize("number", [93201235621, "93201235621", " 93201235621 "])
def test_a_meetings_number_is_one_room_as_text_or_number(number: object) -> None:
    assert seen("meeting.participant_joined", id=number).class_id == "93201235621"


def test_a_meeting_without_its_number_is_known_by_this_holdings_uuid() -> None:
    assert seen("meeting.participant_joined", id=None).class_id == "4444AAAiAAAAAiAiAiiAii=="


def test_a_video_sdk_session_is_the_room_of_its_name_for_its_id_is_new_each_time() -> None:
    assert seen("session.user_joined", session_name="math-1").class_id == "math-1"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([], "u1"),
        (["customer_key"], "reg-9"),
        (["customer_key", "registrant_id"], "iFxeBPYun6SAiWUzBcEkX"),
        (["customer_key", "registrant_id", "id"], "16778240"),
    ],
)
def test_a_participant_is_named_by_what_a_roster_can_know_first(missing: list[str], expected: str) -> None:
    assert seen("meeting.participant_joined", dict.fromkeys(missing)).participant_id == expected


def test_an_id_may_be_a_number() -> None:
    assert seen("meeting.participant_joined", {"customer_key": 4711}).participant_id == "4711"


def test_a_late_leave_after_the_next_join_does_not_close_it() -> None:
    again = {"participant_uuid": "second", "user_id": "16779264"}
    events = [
        only(read(zoom_event("meeting.participant_joined", at(NOON)))),
        only(read(zoom_event("meeting.participant_joined", again | at(NOON + MINUTE)))),
        only(read(zoom_event("meeting.participant_left", at(NOON + 2 * MINUTE)))),
    ]

    sessions = [s.observation.session for thread in ({s.thread for s in events}) for s in _named(events, thread)]

    assert len(set(sessions)) == 2
    assert events[0].thread == events[2].thread != events[1].thread


def test_joins_under_one_participant_uuid_are_told_apart_by_their_times() -> None:
    events = [
        only(read(zoom_event("meeting.participant_left", at(NOON + 2 * MINUTE)))),
        only(read(zoom_event("meeting.participant_joined", at(NOON + 3 * MINUTE)))),
        only(read(zoom_event("meeting.participant_joined", at(NOON)))),
    ]

    first, left, second = named(events)

    assert first.observation.session == left.observation.session != second.observation.session


def _named(events: list[Sighting], thread: str | None) -> list[Sighting]:
    return named([event for event in events if event.thread == thread])


def test_two_holdings_of_one_meeting_are_two_threads() -> None:
    one, other = (only(read(zoom_event("meeting.participant_joined", uuid=uuid))) for uuid in ("a", "b"))

    assert one.thread != other.thread
    assert one.observation.class_id == other.observation.class_id


@pytest.mark.parametrize("event", ["meeting.participant_jbh_waiting", "meeting.participant_joined_waiting_room"])
def test_who_waits_has_tried_to_come_in(event: str) -> None:
    assert (seen(event).kind, seen(event).session) == (Kind.ATTEMPTED, None)


@pytest.mark.parametrize(
    ("start_time", "fault", "blames"),
    [
        (format_instant(NOON), Fault.PLATFORM, "teacher"),
        (format_instant(NOON + 572), Fault.PLATFORM, "teacher"),
        (format_instant(NOON + 573), Fault.UNKNOWN, None),
        (None, Fault.PLATFORM, "teacher"),
    ],
)
def test_giving_up_on_a_missing_host_blames_the_teacher_from_the_start_on(
    start_time: object, fault: Fault, blames: str | None
) -> None:
    gave_up = seen("meeting.participant_jbh_waiting_left", start_time=start_time)

    assert (gave_up.kind, gave_up.fault, gave_up.blames) == (Kind.JOIN_FAILED, fault, blames)


def test_leaving_the_waiting_room_is_a_failure_to_get_in_that_blames_nobody_by_itself() -> None:
    refused = seen("meeting.participant_left_waiting_room", {"date_time": format_instant(NOON + MINUTE)})

    assert (refused.kind, refused.at) == (Kind.JOIN_FAILED, NOON + MINUTE)
    assert (refused.fault, refused.code) == (Fault.UNKNOWN, "not admitted")


def test_a_leave_carries_what_its_reason_tells() -> None:
    left = seen("meeting.participant_left", {"leave_reason": "Jill left the meeting. Reason : Host did not join."})

    assert (left.kind, left.fault, left.blames, left.code) == (
        Kind.LEFT,
        Fault.PLATFORM,
        "teacher",
        "host did not join",
    )


@pytest.mark.parametrize("reason", [None, "", 7])
def test_a_leave_without_a_reason_is_kept_and_counted(reason: object) -> None:
    reading = read(zoom_event("meeting.participant_left", {"leave_reason": reason}))

    assert only(reading).observation.fault is Fault.UNKNOWN
    assert reading.unknown == ("leave_reason missing",)


@pytest.mark.parametrize("event", sorted(IGNORED_EVENTS))
def test_events_of_no_use_are_ignored_by_name(event: str) -> None:
    assert read(zoom_event(event)) == Reading(ignored=(event,))


def test_no_event_is_both_used_and_ignored() -> None:
    assert not IGNORED_EVENTS & set(EVENTS)


def test_the_key_goes_by_event_meeting_participant_and_time_but_not_by_what_a_retry_may_change() -> None:
    first = zoom_event("meeting.participant_joined")
    others: list[Body] = [
        zoom_event("meeting.participant_left"),
        zoom_event("meeting.participant_joined", uuid="another"),
        zoom_event("meeting.participant_joined", {"participant_uuid": "another"}),
        zoom_event("meeting.participant_joined", {"customer_key": "u2"}),
        first | {"event_ts": NOON + 573},
    ]

    assert key(first).minute == NOON // MINUTE
    assert key(first | {"retry_num": 2}) == key(first)
    assert key(zoom_event("meeting.participant_joined", {"user_name": "Jill C."})) == key(first)
    assert len({key(body) for body in (first, *others)}) == 6


@pytest.mark.parametrize("thing", [None, [], "x", {"id": 1}])
def test_an_event_about_nobody_is_unreadable(thing: object) -> None:
    body = zoom_event("meeting.participant_joined") | {"payload": {"object": thing}}

    with pytest.raises(Unreadable):
        read(body)


def test_an_event_without_any_time_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read(zoom_event("meeting.participant_joined") | {"event_ts": None})


def test_the_kept_headers_are_the_signature_and_its_time() -> None:
    assert ZOOM.collector.kept_headers == set(zoom_headers(b"", NOON))
    assert ZOOM_SECRET not in repr(ZOOM.collector)
    assert "Jill" not in repr([s for body in ZOOM.valid for s in read(body).sightings])
    assert PERSON["user_name"] == "Jill Chill"
