"""Tencent TRTC's room and media callbacks."""

import itertools
import json
from dataclasses import replace

import pytest
from collector_specimens import NOON, NOON_S, Body
from rules_school import POLICY, lesson
from trtc_specimen import TRTC, TRTC_KEY, trtc_headers, trtc_notice

from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from collectors.threads import named
from collectors.trtc import Trtc
from collectors.trtc.webhook import EVENTS, EXIT_REASONS
from rules.evidence import gather
from rules.observation import Fault, Kind, Vantage
from rules.slots import states
from rules.span import SECOND

# The documentation's own vector (trtc.io/document/39558, read 2026-11): indented with tabs, a tab after each colon.
VECTOR = (
    b'{\n\t"EventGroupId":\t2,\n\t"EventType":\t204,\n\t"CallbackTs":\t1664209748188,\n\t"EventInfo":\t{\n\t\t'
    b'"RoomId":\t8489,\n\t\t"EventTs":\t1664209748,\n\t\t"EventMsTs":\t1664209748180,\n\t\t'
    b'"UserId":\t"user_85034614",\n\t\t"Reason":\t0\n\t}\n}'
)
VECTOR_KEY, VECTOR_SIGN = "123654", "kkoFeO3Oh2ZHnjtg8tEAQhtXK16/KI05W3BQff8IvGA="


def read(body: Body) -> Reading:
    """Read a callback as it comes from Tencent."""
    return TRTC.collector.read(TRTC.delivery(body))


def only(body: Body) -> Sighting:
    """Take the one sighting of a callback."""
    (sighting,) = read(body).sightings
    return sighting


def vector(sign: str, body: bytes = VECTOR) -> Delivery:
    """Deliver the documentation's body under this signature."""
    return Delivery("trtc", body, {"sign": sign, "sdkappid": "1400000001"}, NOON)


def test_the_published_vector_is_believed_and_a_microphone_that_stops_is_ignored() -> None:
    collector = Trtc((VECTOR_KEY,))

    collector.verify(vector(VECTOR_SIGN))

    assert collector.read(vector(VECTOR_SIGN)) == Reading(ignored=("event 204",))


def test_the_same_object_without_its_tabs_is_refused() -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        Trtc((VECTOR_KEY,)).verify(vector(VECTOR_SIGN, json.dumps(json.loads(VECTOR)).encode()))


@pytest.mark.parametrize("headers", [{}, {"sign": ""}, {"sign": "  "}, {"sdkappid": "1400000001"}])
def test_a_callback_that_nobody_signed_is_refused_although_tencent_may_be_told_not_to_sign(
    headers: dict[str, str],
) -> None:
    with pytest.raises(Refused, match="missing_signature"):
        Trtc((VECTOR_KEY,)).verify(replace(vector(""), headers=headers))


def test_any_live_key_is_believed_and_no_other() -> None:
    Trtc(("old", VECTOR_KEY)).verify(vector(VECTOR_SIGN))

    with pytest.raises(Refused, match="wrong_signature"):
        Trtc(("old", "new")).verify(vector(VECTOR_SIGN))


@pytest.mark.parametrize("secrets", [(), ("",), ("good", " ")])
def test_without_a_key_there_is_no_collector(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="trtc"):
        Trtc(secrets)


def test_the_application_is_kept_beside_the_signature() -> None:
    assert TRTC.collector.kept_headers == {"sign", "sdkappid"}
    assert TRTC_KEY not in repr(TRTC.collector)


def test_an_entry_is_a_join_at_its_millisecond() -> None:
    sighting = only(trtc_notice(103))
    seen = sighting.observation

    assert (seen.kind, seen.at, seen.vantage, seen.code) == (Kind.JOINED, NOON + 120, Vantage.SERVER, "1")
    assert (seen.class_id, seen.participant_id) == ("12345", "u1")
    assert (sighting.thread, sighting.order, sighting.placed) == ("12345/u1", NOON + 120, False)


# reason, fault; every row of the documentation's table.
EXITS = [(1, Fault.LEARNER), (2, Fault.UNKNOWN), (3, Fault.UNKNOWN), (4, Fault.UNKNOWN), (5, Fault.LEARNER)]


@pytest.mark.parametrize(("reason", "fault"), EXITS)
def test_an_exit_is_a_leave_with_the_fault_of_its_reason(reason: int, fault: Fault) -> None:
    reading = read(trtc_notice(104, Reason=reason))
    seen = reading.sightings[0].observation

    assert (seen.kind, seen.fault, seen.blames, seen.code) == (Kind.LEFT, fault, None, str(reason))
    assert reading.unknown == ()


def test_every_reason_of_the_table_is_tested() -> None:
    assert {reason: (fault, None) for reason, fault in EXITS} == dict(EXIT_REASONS)


@pytest.mark.parametrize("given", [0, 6, 77, -1, "network", None, [], True])
def test_a_new_reason_to_exit_tells_nothing_and_is_counted(given: object) -> None:
    reading = read(trtc_notice(104, Reason=given))

    assert reading.sightings[0].observation.fault is Fault.UNKNOWN
    assert len(reading.unknown) == 1


def test_an_exit_without_a_reason_tells_nothing_and_is_counted() -> None:
    notice = trtc_notice(104)
    info = notice["EventInfo"]
    assert isinstance(info, dict)
    del info["Reason"]

    reading = read(notice)

    assert reading.sightings[0].observation.fault is Fault.UNKNOWN
    assert reading.unknown == ("Reason missing",)


@pytest.mark.parametrize(("reason", "noted"), [(1, ()), (2, ("reconnect 2",)), (3, ("reconnect 3",)), (4, ())])
def test_an_entry_after_trouble_is_a_join_that_is_noted(reason: int, noted: tuple[str, ...]) -> None:
    reading = read(trtc_notice(103, Reason=reason))

    assert (reading.sightings[0].observation.kind, reading.sightings[0].observation.code) == (Kind.JOINED, str(reason))
    assert (reading.ignored, reading.unknown) == (noted, ())


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ({"UserType": 1, "TerminalType": 2}, "web"),
        ({"UserType": 2, "TerminalType": 2}, "mini-program"),
        ({"UserType": 3, "TerminalType": 1}, "windows"),
        ({"UserType": 3, "TerminalType": 2}, "android"),
        ({"UserType": 3, "TerminalType": 3}, "ios"),
        ({"UserType": 3, "TerminalType": 4}, "linux"),
        ({"UserType": 3, "TerminalType": 100}, None),
    ],
)
def test_the_client_is_a_domain(told: Body, client: str | None) -> None:
    reading = read(trtc_notice(103, **told))

    assert reading.sightings[0].observation.domains.get("client") == client
    assert reading.unknown == ()


@pytest.mark.parametrize("told", [{"UserType": 9}, {"TerminalType": 5}, {"TerminalType": "ios"}])
def test_a_new_client_is_counted_and_the_join_is_kept(told: Body) -> None:
    reading = read(trtc_notice(103, **told))

    assert len(reading.sightings) == len(reading.unknown) == 1


@pytest.mark.parametrize("event", [event for (_, event), kind in EVENTS.items() if kind == "ignored"])
def test_media_and_rooms_are_ignored_by_name(event: int) -> None:
    assert read(trtc_notice(event)) == Reading(ignored=(f"event {event}",))


@pytest.mark.parametrize("group", [3, 4])
def test_callbacks_of_other_services_are_ignored_whatever_their_number(group: int) -> None:
    reading = read(trtc_notice(103) | {"EventGroupId": group})

    assert reading == Reading(ignored=(f"group {group} event 103",))


@pytest.mark.parametrize(("group", "event"), [(1, 106), (2, 103), (1, 201), (9, 103)])
def test_a_number_that_is_not_in_the_tables_is_counted(group: int, event: int) -> None:
    reading = read(trtc_notice(event) | {"EventGroupId": group})

    assert reading == Reading(unknown=(f"group {group} event {event}",))


@pytest.mark.parametrize(
    ("given", "room"),
    [(100, "100"), ("100", "100"), (1e2, "100"), ("0100", "0100"), ("数学", "数学"), (2**32 - 1, "4294967295")],
)
def test_a_room_is_a_text_whether_it_came_as_a_number_or_as_a_string(given: object, room: str) -> None:
    assert only(trtc_notice(103, RoomId=given)).observation.class_id == room


def test_an_exit_that_writes_the_room_in_the_other_way_still_ends_the_session() -> None:
    enter, leave = only(trtc_notice(103, RoomId=12345)), only(trtc_notice(104, RoomId="12345", EventMsTs=NOON + 5_000))

    sessions = {sighting.observation.session for sighting in named([leave, enter])}

    assert sessions == {f"12345/u1#{NOON + 120}"}


@pytest.mark.parametrize("key", ["RoomId", "UserId"])
@pytest.mark.parametrize("value", [None, "", "\x00", -1, 0, 2**64, 1.5, [], {}, True])
def test_a_callback_without_room_or_user_is_unreadable(key: str, value: object) -> None:
    with pytest.raises(Unreadable):
        read(trtc_notice(103, **{key: value}))


def test_without_milliseconds_the_second_counts_and_without_both_it_is_unreadable() -> None:
    assert only(trtc_notice(103, EventMsTs=None)).observation.at == NOON
    with pytest.raises(Unreadable):
        read(trtc_notice(103, EventMsTs=0, EventTs=0))


def test_the_order_is_that_of_the_events_not_of_their_sending() -> None:
    # As in the documentation's own samples, where the exit is sent ten milliseconds before the entry.
    enter = trtc_notice(103, EventMsTs=NOON + 831) | {"CallbackTs": NOON + 932}
    leave = trtc_notice(104, EventMsTs=NOON + 898) | {"CallbackTs": NOON + 922}

    first, second = named([only(leave), only(enter)])

    assert [first.observation.kind, second.observation.kind] == [Kind.JOINED, Kind.LEFT]
    assert first.observation.session == second.observation.session


def test_one_leave_told_as_exit_enter_exit_locks_nobody_out_in_any_order_of_arrival() -> None:
    # github.com/tencentyun/TRTCSDK/issues/504: the second exit came half a second after the first.
    told = [
        only(trtc_notice(103, EventMsTs=NOON)),
        only(trtc_notice(104, EventMsTs=NOON + 900_000)),
        only(trtc_notice(103, EventMsTs=NOON + 900_200)),
        only(trtc_notice(104, EventMsTs=NOON + 900_500)),
    ]
    scheduled = lesson("12345", provider="trtc")

    for order in itertools.permutations(told):
        seen = [sighting.observation for sighting in named([*order, order[0]])]
        evidence = gather(seen, scheduled, POLICY, visual_essential=False)
        slots = states(evidence, scheduled, POLICY, None)

        assert len({one.session for one in seen}) == 2
        assert slots.locked_out == 0
        assert slots.grid.length(slots.good) == 900 * SECOND


def test_the_key_is_what_where_who_and_when() -> None:
    def key(body: Body) -> DeliveryKey:
        return TRTC.collector.key(TRTC.delivery(body))

    others = [
        trtc_notice(104),
        trtc_notice(103, RoomId=1),
        trtc_notice(103, UserId="u2"),
        trtc_notice(103, EventMsTs=NOON + 121),
    ]

    assert len({key(trtc_notice(103)), *map(key, others)}) == 5
    assert key(trtc_notice(103)) == key(trtc_notice(103, RoomId="12345"))
    assert key(trtc_notice(103)).minute == NOON_S // 60


def test_the_answer_is_the_advised_one() -> None:
    assert TRTC.collector.answer(TRTC.delivery(trtc_notice(103))) == (200, b'{"code":0}', "application/json")


def test_the_specimens_signature_is_made_as_the_published_one() -> None:
    Trtc((TRTC_KEY,)).verify(Delivery("trtc", VECTOR, trtc_headers(VECTOR), NOON))
