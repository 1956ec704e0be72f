"""100ms's webhooks."""

from dataclasses import replace

import pytest
from collector_specimens import NOON, NOON_S, Body
from hundredms_specimen import (
    HUNDREDMS,
    HUNDREDMS_HEADER,
    HUNDREDMS_VALUE,
    JOINED_AT,
    LEFT_AT,
    YEAR_ONE,
    hundredms_event,
)

from collectors.contract import Reading, Refused, Unreadable
from collectors.hundredms import HundredMs, build
from collectors.hundredms.webhook import IGNORED_EVENTS, JOIN_ERRORS, LEAVE_REASONS
from rules.observation import Fault, Kind, Observation, Vantage
from rules.span import parse_instant


def read(body: Body) -> Reading:
    """Read an event as it comes from 100ms."""
    return HUNDREDMS.collector.read(HUNDREDMS.delivery(body))


def seen(body: Body) -> list[Observation]:
    """Take the observations of an event."""
    return [sighting.observation for sighting in read(body).sightings]


def verify(collector: HundredMs, **headers: str) -> None:
    """Deliver an event with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    collector.verify(replace(HUNDREDMS.delivery(hundredms_event("peer.join.success")), headers=named))


def test_the_value_of_the_configured_header_is_the_proof() -> None:
    verify(build(("X-School-Webhook: what-we-agreed",)), x_school_webhook="what-we-agreed")


@pytest.mark.parametrize("value", ["what-we-agree", "what-we-agreed!", "What-we-agreed", "ÿ", "\udcff"])
def test_any_other_value_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        verify(build(("x-a:what-we-agreed",)), x_a=value)


@pytest.mark.parametrize("headers", [{}, {"x_a": ""}, {"x_b": "what-we-agreed"}])
def test_without_the_header_nobody_is_believed(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="missing_signature"):
        verify(build(("x-a:what-we-agreed",)), **headers)


def test_while_it_is_changed_the_old_and_the_new_pair_are_believed_but_never_mixed() -> None:
    collector = build(("x-a:old", "x-a:newer", "x-b:new"))

    for headers in ({"x_a": "old"}, {"x_a": "newer"}, {"x_b": "new"}, {"x_a": "wrong", "x_b": "new"}):
        verify(collector, **headers)
    with pytest.raises(Refused, match="wrong_signature"):
        verify(collector, x_b="old")


def test_a_value_may_hold_colons_and_spaces_as_an_authorization_does() -> None:
    verify(build(("Authorization:Bearer a:b",)), authorization="Bearer a:b")


@pytest.mark.parametrize("secrets", [(), ("hush",), (":hush",), ("x-a:",), ("x a:hush",), ("x-a: ",)])
def test_a_pair_that_cannot_be_used_is_refused_without_being_shown(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="hundredms") as refused:
        build(secrets)

    assert "hush" not in str(refused.value)


def test_the_secret_is_neither_kept_nor_shown() -> None:
    assert HUNDREDMS.collector.kept_headers == frozenset()
    assert HUNDREDMS_VALUE not in repr(HUNDREDMS.collector)
    assert HUNDREDMS_HEADER not in repr(HUNDREDMS.collector)


def test_a_join_opens_the_session_of_the_peer_at_its_time_cut_to_the_millisecond() -> None:
    (joined,) = seen(hundredms_event("peer.join.success"))

    assert (joined.kind, joined.session, joined.at) == (Kind.JOINED, "p-1", NOON + 972)
    assert (joined.class_id, joined.participant_id, joined.vantage) == ("r1", "u1", Vantage.SERVER)
    assert joined.domains == {"provider": "hundredms"}


# reason, fault, blamed dimension; every row of the documentation's tables.
LEAVES = [
    ("client request", Fault.LEARNER, None),
    ("peer kicked", Fault.UNKNOWN, None),
    ("websocket closed", Fault.UNKNOWN, None),
    ("ice connection state closed", Fault.UNKNOWN, None),
    ("server removed peer", Fault.PLATFORM, "provider"),
]
ERRORS = [
    ("role not allowed", Fault.PLATFORM, "login"),
    ("network disconnection", Fault.UNKNOWN, None),
    ("duplicate peer id", Fault.LEARNER, None),
    ("server overloaded and timeout", Fault.PLATFORM, "provider"),
]


@pytest.mark.parametrize(("reason", "fault", "blames"), LEAVES)
def test_a_leave_has_the_fault_of_its_reason(reason: str, fault: Fault, blames: str | None) -> None:
    (left,) = seen(hundredms_event("peer.leave.success", reason=reason))

    assert (left.kind, left.session, left.at) == (Kind.LEFT, "p-1", parse_instant(LEFT_AT))
    assert (left.fault, left.blames, left.code) == (fault, blames, reason)


@pytest.mark.parametrize(("message", "fault", "blames"), ERRORS)
def test_a_failed_join_has_the_fault_of_its_error_and_needs_no_time_of_its_own(
    message: str, fault: Fault, blames: str | None
) -> None:
    (failure,) = seen(hundredms_event("peer.join.failure", error_message=message))

    assert (failure.kind, failure.at, failure.session) == (Kind.JOIN_FAILED, NOON, None)
    assert (failure.fault, failure.blames, failure.code) == (fault, blames, message)


def test_every_reason_and_every_error_of_the_tables_is_tested() -> None:
    assert {reason: (fault, blames) for reason, fault, blames in LEAVES} == dict(LEAVE_REASONS)
    assert {message: (fault, blames) for message, fault, blames in ERRORS} == dict(JOIN_ERRORS)


@pytest.mark.parametrize("reason", ["Server removed peer", " server  removed peer "])
def test_capitals_and_spaces_make_no_new_reason(reason: str) -> None:
    reading = read(hundredms_event("peer.leave.success", reason=reason))

    assert reading.sightings[0].observation.fault is Fault.PLATFORM
    assert reading.unknown == ()


@pytest.mark.parametrize("given", [None, "", 7, [], "solar flare"])
@pytest.mark.parametrize(("kind", "key"), [("peer.leave.success", "reason"), ("peer.join.failure", "error_message")])
def test_a_new_or_missing_reason_tells_nothing_and_is_counted(kind: str, key: str, given: object) -> None:
    reading = read(hundredms_event(kind, **{key: given}))

    assert reading.sightings[0].observation.fault is Fault.UNKNOWN
    assert len(reading.unknown) == 1


@pytest.mark.parametrize(
    "absent", [YEAR_ONE, "0001-01-01T00:00:00.000Z", "", None, "yesterday", "9999-12-31T23:59:59Z"]
)
def test_a_time_of_the_year_1_is_no_time(absent: object) -> None:
    assert seen(hundredms_event("peer.join.success", joined_at=absent))[0].at == NOON
    assert seen(hundredms_event("peer.leave.success", left_at=absent))[0].at == NOON + 2_408_000
    assert len(seen(hundredms_event("peer.join.failure", joined_at=absent))) == 1
    with pytest.raises(Unreadable):
        read(hundredms_event("peer.join.success", joined_at=absent) | {"timestamp": absent})


def test_where_it_is_told_when_a_failed_join_began_there_is_an_attempt_never_after_the_failure() -> None:
    before, after = "2026-11-02T10:59:50Z", JOINED_AT
    for joined_at, at in ((before, NOON - 10_000), (after, NOON)):
        attempt, failure = seen(hundredms_event("peer.join.failure", joined_at=joined_at))

        assert (attempt.kind, attempt.at, failure.kind) == (Kind.ATTEMPTED, at, Kind.JOIN_FAILED)
        assert attempt.id != failure.id


@pytest.mark.parametrize(
    ("data", "person"),
    [
        ({"user_id": "u1"}, "u1"),
        ({"user_id": "", "user_data": "u7"}, "u7"),
        ({"user_id": None, "user_data": ""}, "p-1"),
    ],
)
def test_a_person_is_known_by_user_id_then_by_metadata_then_as_a_stranger(data: Body, person: str) -> None:
    assert seen(hundredms_event("peer.join.success", **data))[0].participant_id == person


def test_a_new_type_of_peer_is_counted_and_kept() -> None:
    reading = read(hundredms_event("peer.join.success", type="sip"))

    assert (len(reading.sightings), reading.unknown) == (1, ("peer type sip",))


@pytest.mark.parametrize("name", sorted(IGNORED_EVENTS))
def test_events_of_no_use_are_ignored_by_name(name: str) -> None:
    assert read({"type": name}) == Reading(ignored=(name,))


@pytest.mark.parametrize(
    "body",
    [
        hundredms_event("peer.join.success", room_id=""),
        hundredms_event("peer.join.success", peer_id=None),
        hundredms_event("peer.join.success") | {"data": []},
        {"type": 7},
    ],
)
def test_an_event_without_what_a_sighting_needs_is_unreadable(body: Body) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_the_key_is_the_events_id_at_its_own_minute() -> None:
    key = HUNDREDMS.collector.key(HUNDREDMS.delivery(hundredms_event("peer.join.success")))

    assert (key.minute, key.event_id) == (NOON_S // 60, "evt-peer.join.success")


def test_a_replayed_event_with_another_id_shows_the_same_join() -> None:
    first, replayed = hundredms_event("peer.join.success"), hundredms_event("peer.join.success") | {"id": "replay-1"}

    assert seen(first) == seen(replayed)
