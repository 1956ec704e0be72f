"""Zoom's statistics: what is asked for a class, what the answers mean, and what they are read as."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoom_account import is_named, minute, person
from zoom_specimen import ZOOM, zoom_event

from collectors.contract import Delivery, Reading, Unreadable
from collectors.polls import Later, Request, Said, Sitting, reconciled
from collectors.threads import settled
from collectors.zoom.dashboards import LOOKS, PLANS, ZoomStatistics, held, in_path, statistics
from collectors.zoom.stats import ZOOM_ANSWERS
from rules.observation import Fault, Kind
from rules.span import DAY, HOUR, MINUTE, SECOND, format_instant, parse_instant

START = parse_instant("2026-11-02T11:00:00Z")
END = START + HOUR
CLASS = Sitting("93201235621", START, END, "t1")
UUID = "4444AAAiAAAAAiAiAiiAii=="


def business() -> ZoomStatistics:
    made = statistics("business")
    assert made is not None
    return made


def read(endpoint: str, answer: object, **asked: object) -> Reading:
    told = {"endpoint": endpoint, "room": "r1", "uuid": UUID, "span": [START, END], **asked}
    body = json.dumps(answer).encode()
    return ZOOM_ANSWERS.read(Delivery("zoom-stats", body, {"asked": json.dumps(told)}, END + HOUR))


def of_people(*rows: object, **more: object) -> Reading:
    return read("participants", {"participants": list(rows), "next_page_token": "more", **more})


def kinds(reading: Reading) -> list[tuple[Kind, int]]:
    return [(one.observation.kind, (one.observation.at - START) // SECOND) for one in reading.sightings]


def after(progress: str, request: Request, **answer: object) -> str:
    return business().after(CLASS, progress, request, json.dumps(answer).encode())


def wanted(progress: str, now: int = END + LOOKS[0]) -> Request:
    request = business().next(CLASS, progress, now)
    assert isinstance(request, Request)
    return request


def holding(uuid: object, began: int) -> dict[str, object]:
    return {"uuid": uuid, "start_time": format_instant(began)}


def test_first_the_holdings_of_the_meetings_number_are_asked_for() -> None:
    request = wanted("")

    assert request.path == "/past_meetings/93201235621/instances"
    assert (request.method, request.params, request.body) == ("GET", {}, b"")


@pytest.mark.parametrize("room", ["a-session", "", "123", "9320 1235621", "93201235621/../x"])
def test_a_room_that_is_no_meetings_number_has_nothing_to_ask_for(room: str) -> None:
    assert business().next(Sitting(room, START, END, "t1"), "", END + DAY) is None


def test_a_meeting_is_looked_for_at_each_of_the_times_and_no_more() -> None:
    progress, asked = "", []
    for wait in LOOKS:
        request = wanted(progress, END + wait)
        asked.append(json.loads(request.asked)["is_last"])
        progress = after(progress, request, meetings=[])
        answer = business().next(CLASS, progress, END + wait)
        assert answer is None if wait == LOOKS[-1] else isinstance(answer, Later)

    assert asked == [False, False, True]


def test_looks_that_were_missed_are_one() -> None:
    request = wanted("", END + DAY)

    assert json.loads(request.asked)["is_last"] is True
    assert business().next(CLASS, after("", request, meetings=[]), END + DAY) is None


def test_the_holdings_of_a_class_are_those_begun_in_it_and_the_last_begun_before() -> None:
    rows = [
        holding("days ago", START - 2 * DAY),
        holding("early", START - 3 * HOUR),
        holding("last early", START - 20 * MINUTE),
        holding("first", START - 15 * MINUTE),
        holding("again", END - 1),
        holding("next", END),
        holding(None, START),
        holding("no time", START) | {"start_time": ""},
    ]

    assert list(held({"meetings": rows}, START, END)) == ["last early", "first", "again"]


@pytest.mark.parametrize(
    ("uuid", "path"),
    [
        ("abc==", "abc%3D%3D"),
        ("a/b+c==", "a%2Fb%2Bc%3D%3D"),
        ("/abc==", "%252Fabc%253D%253D"),
        ("a//b==", "a%252F%252Fb%253D%253D"),
    ],
)
def test_a_uuid_is_encoded_and_encoded_again_where_it_begins_with_a_slash_or_holds_two(uuid: str, path: str) -> None:
    assert in_path(uuid) == path


@given(st.text("ab/+=?#%", min_size=1, max_size=24))
def test_a_uuid_in_a_path_is_one_segment_and_names_the_meeting(uuid: str) -> None:
    assert "/" not in in_path(uuid)
    assert is_named(in_path(uuid), uuid)


def test_a_list_is_asked_page_by_page_and_the_dashboard_before_the_measurements() -> None:
    progress = after("", wanted(""), meetings=[holding(UUID, START)])
    first = wanted(progress)
    progress = after(progress, first, participants=[person("u1", START, END)], next_page_token="more")
    second = wanted(progress)
    progress = after(progress, second, participants=[], next_page_token="")
    third = wanted(progress)

    assert first.params == {"type": "past", "include_fields": "registrant_id", "page_size": "300"}
    assert second.params == {**first.params, "next_page_token": "more"}
    assert third.params == {"type": "past", "page_size": "10"}
    assert third.path.endswith("/participants/qos")
    assert list(json.loads(third.asked)["people"].values()) == ["u1"]
    assert isinstance(business().next(CLASS, after(progress, third, participants=[]), END + LOOKS[0]), Later)


def test_a_list_whose_token_ran_out_begins_anew() -> None:
    progress = after("", wanted(""), meetings=[holding(UUID, START)])
    first = wanted(progress)
    progress = after(progress, first, participants=[], next_page_token="more")

    assert wanted(after(progress, wanted(progress), code=300, message="…")) == first


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"participants":[]}', Said.GOOD),
        (200, '{"code":0,"meetings":[]}', Said.GOOD),
        (200, '{"participants":null}', Said.BROKEN),
        (400, '{"code":300,"message":"The next page token is invalid or expired."}', Said.STALE),
        (400, '{"code":3001,"message":"Meeting ID is invalid or not end."}', Said.STALE),
        (404, '{"code":"3001","message":"details info is not available"}', Said.STALE),
        (400, '{"code":200,"message":"Only available for paid account"}', Said.REFUSED),
        (400, '{"code":4711,"message":"does not contain scopes"}', Said.REFUSED),
        (401, "", Said.REFUSED),
        (429, "", Said.TOO_FAST),
        (429, "{}", Said.TOO_FAST),
        (429, '{"message":"maximum daily rate limit"}', Said.SPENT),
        (503, "", Said.UNAVAILABLE),
        (599, "", Said.UNAVAILABLE),
        (204, "", Said.BROKEN),
        (200, "[]", Said.BROKEN),
    ],
)
def test_an_answer_means(status: int, body: str, said: Said) -> None:
    assert business().said(status, body.encode()) is said


def test_the_plans_rates_are_those_of_the_category_heavy() -> None:
    told = {name: plan and (plan.limits.per_second, plan.limits.per_day, plan.lists) for name, plan in PLANS.items()}

    assert told == {
        "free": None,
        "pro": (10, 30_000, ("report",)),
        "business": (40, 60_000, ("participants", "qos")),
    }
    assert statistics("free") is None


def test_the_probe_asks_what_the_plan_must_allow() -> None:
    pro = statistics("pro")
    assert pro is not None
    assert business().probe(END).path == "/metrics/meetings"
    assert pro.probe(END).path == "/report/users"
    assert pro.probe(END).params["from"] == "2026-11-02"
    assert pro.said(200, b'{"users":[],"next_page_token":""}') is Said.GOOD


def test_a_coming_is_a_join_and_a_leave_of_its_own_session_with_its_domains() -> None:
    reading = of_people(person("u1", START, START + 40 * MINUTE))
    seen = [one.observation for one in reading.sightings]

    assert kinds(reading) == [(Kind.JOINED, 0), (Kind.LEFT, 2_400)]
    assert len({one.session for one in seen}) == 1
    assert {one.participant_id for one in seen} == {"u1"}
    assert seen[0].domains == {"provider": "zoom", "region": "United States (SC Top)", "client": "iOS 5.9.1.2581"}
    assert reading.unknown == ()


def test_two_comings_are_two_sessions() -> None:
    rows = [person("u1", START, START + MINUTE), person("u1", START + 2 * MINUTE, END)]

    assert len({one.observation.session for one in of_people(*rows).sightings}) == 2


@pytest.mark.parametrize(
    ("reason", "fault", "blames"),
    [
        ("Jill left the meeting.", Fault.LEARNER, None),
        ("Jill left the meeting.<br>Reason: Host did not join.", Fault.PLATFORM, "teacher"),
        ("Host did not join.", Fault.PLATFORM, "teacher"),
        ("Exceeded free meeting minutes limit.", Fault.PLATFORM, "class"),
        ("Jill got disconnected from the meeting.", Fault.UNKNOWN, None),
        ("Network connection error.", Fault.UNKNOWN, None),
        ("", Fault.UNKNOWN, None),
    ],
)
def test_a_leave_reason_tells_the_fault_as_that_of_a_webhook_does(
    reason: str, fault: Fault, blames: str | None
) -> None:
    left = of_people(person("u1", START, END, leave_reason=reason)).sightings[1].observation

    assert (left.kind, left.fault, left.blames, left.code) == (Kind.LEFT, fault, blames, "polled")


@pytest.mark.parametrize(
    "changes",
    [
        {"leave_reason": "Leave waiting room."},
        {"leave_reason": "Removed by host from waiting room."},
        {"status": "in_waiting_room"},
    ],
)
def test_somebody_who_was_never_let_in_tried_and_failed(changes: dict[str, object]) -> None:
    reading = of_people(person("u1", START, START + MINUTE, **changes))

    assert kinds(reading) == [(Kind.ATTEMPTED, 0), (Kind.JOIN_FAILED, 60)]


def test_a_new_leave_reason_is_counted_and_tells_nothing() -> None:
    reading = of_people(person("u1", START, END, leave_reason="Reason: Abducted."))

    assert reading.unknown == ("leave_reason Abducted",)
    assert reading.sightings[1].observation.fault is Fault.UNKNOWN


def test_somebody_who_is_still_there_has_no_leave() -> None:
    assert kinds(of_people(person("u1", START, END, leave_time=None))) == [(Kind.JOINED, 0)]


def test_the_last_page_and_a_last_look_that_found_nothing_tell_that_the_feed_was_alive() -> None:
    last = of_people(person("u1", START, END), next_page_token="")
    nobody = read("instances", {"meetings": [holding("yesterday", START - 2 * DAY)]}, is_last=True)

    assert kinds(last)[-1] == (Kind.FEED_ALIVE, -900)
    assert [(one.observation.kind, one.placed) for one in nobody.sightings] == [(Kind.FEED_ALIVE, True)]
    assert [one.observation.until for one in nobody.sightings] == [END]
    assert nobody.sightings[0].observation.id == last.sightings[-1].observation.id
    assert read("instances", {"meetings": []}, is_last=False).sightings == ()
    assert read("instances", {"meetings": [holding(UUID, START)]}, is_last=True).sightings == ()


def test_measurements_are_read_with_their_units_and_named_by_who_came() -> None:
    row = {"user_id": 7, "user_qos": [minute(START + MINUTE, "12.5%", rc_reason="")]}
    known = read("qos", {"participants": [row]}, people={f"{UUID} 7": "u1"})
    stranger = read("qos", {"participants": [row]}, people={"another== 7": "u1"})

    seen = known.sightings[0].observation
    assert (seen.at, seen.until) == (START, START + MINUTE)
    assert seen.metrics == {"loss": 0.125, "rtt_ms": 126, "jitter_ms": 0}
    assert (seen.participant_id, stranger.sightings[0].observation.participant_id) == ("u1", "7")
    assert known.unknown == ()


@pytest.mark.parametrize(
    ("endpoint", "answer"), [("participants", {}), ("qos", {"participants": 7}), ("news", {}), ("report", [])]
)
def test_what_is_no_list_is_unreadable(endpoint: str, answer: object) -> None:
    with pytest.raises(Unreadable):
        read(endpoint, answer)


def test_rows_that_name_nobody_are_counted() -> None:
    assert of_people({}, {"user_id": "1"}, 7).unknown == ("participant without a name or join_time",)
    assert read("qos", {"participants": [{}]}).unknown == ("measurements of nobody",)


def test_of_a_coming_that_a_webhook_told_too_the_webhooks_word_counts_once() -> None:
    joined = zoom_event("meeting.participant_joined", {"join_time": format_instant(START)})
    reason = "Jill left the meeting.<br>Reason: Host ended the meeting."
    left: dict[str, object] = {"leave_time": format_instant(END), "leave_reason": reason}
    webhooks = [joined, zoom_event("meeting.participant_left", left)]
    told = [one for body in webhooks for one in ZOOM.collector.read(ZOOM.delivery(body)).sightings]
    rows = {"participants": [person("u1", START + SECOND, END)], "next_page_token": "more"}
    polled = read("participants", rows, room="93201235621").sightings

    seen = reconciled(one.observation for one in (*settled(told), *polled))
    assert [one.kind for one in seen] == [Kind.JOINED, Kind.LEFT]
    assert len({one.session for one in seen}) == 1
    assert "polled" not in {one.code for one in seen}
