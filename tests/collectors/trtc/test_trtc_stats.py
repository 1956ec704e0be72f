"""TRTC's statistics: what is asked for a class, what the answers mean, and what they are read as."""

import json

import pytest
from trtc_calls import APP_ID, CALL, events, experience, room, series, user

from collectors.contract import Delivery, Reading, Unreadable
from collectors.polls import Request, Said, Sitting
from collectors.trtc.calls import ERRORS, PLANS, SPANS, TrtcStatistics, action_of, statistics
from collectors.trtc.causes import CAUSES, FAILURES, LEAVES
from collectors.trtc.stats import TRTC_ANSWERS
from rules.observation import Fault, Kind
from rules.span import DAY, HOUR, MINUTE, SECOND, parse_instant

START = parse_instant("2026-11-02T11:00:00Z")
END = START + HOUR
CLASS = Sitting("r1", START, END, "t1")
NOW = END + HOUR


def standard() -> TrtcStatistics:
    made = statistics(APP_ID, "standard")
    assert made is not None
    return made


def read(endpoint: str, answer: object, **asked: object) -> Reading:
    told = {"endpoint": endpoint, "room": "r1", "call": CALL, "span": [START, END], **asked}
    body = json.dumps({"Response": answer}).encode()
    return TRTC_ANSWERS.read(Delivery("trtc-stats", body, {"asked": json.dumps(told)}, NOW))


def kinds(reading: Reading) -> list[tuple[Kind, int]]:
    return [(one.observation.kind, one.observation.at - START) for one in reading.sightings]


def of_events(*told: tuple[int, int, int], stays: object = ()) -> Reading:
    return read("DescribeUserEvent", {"Data": events(*told)}, user="u1", stays=stays)


def of_series(*rows: object) -> list[tuple[int, int, dict[str, float]]]:
    reading = read("DescribeCallDetailInfo", {"Data": list(rows)}, users=["u1"], teacher="t1")
    seen = [one.observation for one in reading.sightings]
    return [((one.at - START) // SECOND, ((one.until or 0) - START) // SECOND, dict(one.metrics)) for one in seen]


def all_asked(users: int, sitting: Sitting = CLASS) -> list[Request]:
    asked, progress = [], ""
    while (request := standard().next(sitting, progress, sitting.ends_at + HOUR)) is not None:
        asked.append(request)
        rows = {
            "DescribeRoomInfo": {"RoomList": [room(START - 5 * MINUTE, None)]},
            "DescribeUserInfo": {"UserList": [user(f"u{n}", START, START + 30 * MINUTE) for n in range(users)]},
            "DescribeUserEvent": {"Data": []},
            "DescribeCallDetailInfo": {"Data": None},
            "DescribeUnusualEvent": {"AbnormalExperienceList": []},
        }[action_of(request)]
        body = json.dumps({"Response": rows}).encode()
        assert standard().said(200, body) is Said.GOOD
        progress = standard().after(sitting, progress, request, body)
    return asked


def test_each_question_is_a_post_to_the_root_with_the_application_and_whole_seconds() -> None:
    request = all_asked(1)[1]

    assert (request.method, request.path, request.params) == ("POST", "/", {})
    assert json.loads(request.body) == {
        "SdkAppId": APP_ID,
        "CommId": CALL,
        "StartTime": START // SECOND - 900,
        "EndTime": END // SECOND,
        "PageSize": 100,
        "PageNumber": 0,
    }


def test_no_question_is_about_more_than_its_interface_may_be() -> None:
    asked = all_asked(7, Sitting("r1", START, START + 6 * HOUR, "t1"))

    assert len({request.name for request in asked}) == len(asked)
    for request in asked:
        given = json.loads(request.body)
        assert (given["EndTime"] - given["StartTime"]) * SECOND <= SPANS[action_of(request)]
        assert len(given.get("UserIds", [])) <= 6


def test_series_are_asked_only_while_somebody_was_in() -> None:
    pieces = [json.loads(one.body) for one in all_asked(1) if action_of(one) == "DescribeCallDetailInfo"]

    assert [(one["StartTime"] * SECOND - START) // MINUTE for one in pieces] == [-15]


@pytest.mark.parametrize(
    ("created", "ended", "is_asked"),
    [
        (START - 20 * HOUR, START - 16 * MINUTE, False),
        (START - 20 * HOUR, START - 15 * MINUTE, True),
        (START - 20 * HOUR, None, True),
        (END - SECOND, None, True),
        (END, None, False),
    ],
)
def test_a_call_is_asked_about_only_where_it_was_while_the_class_was(
    created: int, ended: int | None, *, is_asked: bool
) -> None:
    first = standard().next(CLASS, "", NOW)
    assert first is not None
    body = json.dumps({"Response": {"RoomList": [room(created, ended)]}}).encode()
    second = standard().next(CLASS, standard().after(CLASS, "", first, body), NOW)

    assert second is not None
    assert (action_of(second) == "DescribeUserInfo") is is_asked


@pytest.mark.parametrize(("start", "said"), ERRORS)
def test_the_codes_of_an_error_are_told_apart(start: str, said: Said) -> None:
    body = json.dumps({"Response": {"Error": {"Code": start, "Message": ""}, "RequestId": "r"}}).encode()

    assert standard().said(200, body) is said


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"Response":{"UserList":null,"Total":0}}', Said.GOOD),
        (200, '{"code":0,"Data":[]}', Said.GOOD),
        (200, '{"Response":{"Error":null}}', Said.BROKEN),
        (200, '{"Response":{"Error":{"Code":"InvalidParameter"}}}', Said.BROKEN),
        (200, '{"Response":7}', Said.BROKEN),
        (404, '{"Response":{"Data":[]}}', Said.BROKEN),
        (200, "[]", Said.BROKEN),
        (401, "", Said.REFUSED),
        (429, "", Said.TOO_FAST),
        (500, "", Said.UNAVAILABLE),
    ],
)
def test_an_answer_means(status: int, body: str, said: Said) -> None:
    assert standard().said(status, body.encode()) is said


def test_the_versions_keep_what_the_documentation_says() -> None:
    told = {name: limits and (limits.per_second, limits.kept_ms) for name, limits in PLANS.items()}

    assert told == {"free": None, "standard": (20, 7 * DAY), "advanced": (20, 14 * DAY)}
    assert statistics(APP_ID, "free") is None


def test_the_probe_asks_for_a_room_that_nobody_has() -> None:
    request = standard().probe(NOW)

    assert action_of(request) == "DescribeRoomInfo"
    assert json.loads(request.body)["RoomId"] == "qos-monitor-check"


def test_a_stay_is_a_join_from_the_list_and_a_leave_from_the_users_own_events() -> None:
    stay = [START, START + 30 * MINUTE]
    joined = read("DescribeUserInfo", {"UserList": [user("u1", *stay)]}).sightings[0].observation
    left = of_events((7001, 0, stay[1] + 400), stays=[stay]).sightings[0].observation

    assert (joined.kind, joined.at, joined.domains["client"]) == (Kind.JOINED, START, "android")
    assert (left.kind, left.at, left.fault) == (Kind.LEFT, stay[1], Fault.LEARNER)
    assert joined.session == left.session
    assert {joined.code, left.code} == {"polled"}


@pytest.mark.parametrize(("event", "fault"), [(event, LEAVES[event]) for event in sorted(LEAVES)])
def test_the_way_somebody_left_tells_the_fault(event: tuple[int, int], fault: Fault) -> None:
    reading = of_events((*event, END + 15 * SECOND), stays=[[START, END]])

    assert [one.observation.fault for one in reading.sightings] == [fault]


def test_a_leave_nobody_gives_a_reason_for_near_by_is_unknown() -> None:
    reading = of_events((7001, 0, END + 15 * SECOND + 1), stays=[[START, END]])

    assert [one.observation.fault for one in reading.sightings] == [Fault.UNKNOWN]


def test_somebody_who_is_still_in_has_no_leave() -> None:
    assert of_events((7001, 0, END), stays=[[START, None]]).sightings == ()


@pytest.mark.parametrize("event", sorted(FAILURES))
def test_an_entry_that_failed_is_a_failed_join(event: tuple[int, int]) -> None:
    reading = of_events((*event, START + 300))
    seen = reading.sightings[0].observation

    assert (seen.kind, seen.at - START, seen.code) == (Kind.JOIN_FAILED, 300, f"event {event[0]}/{event[1]}")
    assert (seen.fault, seen.blames) == FAILURES[event]


@pytest.mark.parametrize(
    ("at", "count"), [(START - 1, 1), (START, 0), (START + 999, 0), (END, 0), (END + 999, 0), (END + SECOND, 1)]
)
def test_an_entry_that_failed_while_somebody_was_in_counts_for_nothing(at: int, count: int) -> None:
    reading = of_events((5003, 0, at), stays=[[START, END]])

    assert sum(one.observation.kind is Kind.JOIN_FAILED for one in reading.sightings) == count


def test_events_of_the_documentation_are_known_and_others_are_counted() -> None:
    assert of_events((5003, 1, START), (32_788, 0, START), (1003, 0, START)).unknown == ()
    assert of_events((9_999, 0, START)).unknown == ("event 9999",)


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_a_slow_entry_whose_cause_is_that_there_was_none_is_a_failed_join(cause: int) -> None:
    answer = {"AbnormalExperienceList": [experience(1, "u1", START + MINUTE, cause, 2_001)]}
    seen = read("DescribeUnusualEvent", answer).sightings[0].observation

    assert (seen.kind, seen.code, seen.participant_id) == (Kind.JOIN_FAILED, f"cause {cause}", "u1")
    assert (seen.fault, seen.blames) == CAUSES[cause]


def test_other_experiences_are_noted_and_new_ones_counted() -> None:
    given = [experience(4, "u1", START, 1_004), experience(1, "u1", START, 1_001), experience(9, "u1", START)]
    reading = read("DescribeUnusualEvent", {"AbnormalExperienceList": given})

    assert reading.sightings == ()
    assert reading.ignored == ("experience 4", "experience 1")
    assert reading.unknown == ("experience 9",)


def test_a_slow_entry_of_somebody_who_was_in_by_then_is_no_failed_join() -> None:
    answer = {"AbnormalExperienceList": [experience(1, "u1", START + MINUTE, 1_004)]}

    assert read("DescribeUnusualEvent", answer, stays={"u1": [[START, None]]}).sightings == ()


def test_freezes_are_shares_of_ten_seconds_and_alike_ones_are_one_span() -> None:
    told = of_series(series("bigvBlock", "u1", "t1", START, [0, 0, 0, 0, 0] + [2_000] * 10 + [500] * 5))

    assert told == [(0, 10, {"video_frozen": 0}), (10, 30, {"video_frozen": 1}), (30, 40, {"video_frozen": 0.25})]


def test_losses_are_per_cent_and_the_audios_stays_and_the_way_is_the_users_own() -> None:
    told = of_series(
        series("aLoss", "u1", "t1", START, [5.0]),
        series("bigvLoss", "u1", "t1", START, [50.0]),
        series("rtt", "u1", "", START, [120.0]),
    )

    assert told == [(0, 10, {"loss": 0.05, "rtt_ms": 120})]


def test_what_a_user_sent_says_nothing_of_what_they_received() -> None:
    assert of_series(series("aLoss", "u1", "", START, [90.0])) == []


def test_the_teachers_stream_counts_and_without_it_the_best_of_the_others() -> None:
    bad, fair, good = (
        series("aBlock", "u1", peer, START, [ms] * 5) for peer, ms in (("t1", 2_000), ("u2", 1_000), ("u3", 0))
    )

    assert of_series(bad, fair, good) == [(0, 10, {"audio_frozen": 1})]
    assert of_series(fair, good) == [(0, 10, {"audio_frozen": 0})]


def test_series_of_others_and_of_other_kinds_are_counted() -> None:
    rows = [series("aBlock", "u2", "t1", START, [0]), series("news", "u1", "t1", START, [0])]
    reading = read("DescribeCallDetailInfo", {"Data": rows}, users=["u1"])

    assert reading.unknown == ("series news", "series of a user nobody asked for")


def test_the_last_page_of_users_and_a_room_without_calls_tell_that_the_feed_was_alive() -> None:
    alive = [START - 15 * MINUTE, END]
    last = read("DescribeUserInfo", {"UserList": []}, page=0, alive=alive)
    more = read("DescribeUserInfo", {"UserList": [user("u1", START, END)] * 100}, page=0, alive=alive)
    nobody = read("DescribeRoomInfo", {"RoomList": None}, alive=alive)

    assert kinds(last) == kinds(nobody) == [(Kind.FEED_ALIVE, -15 * MINUTE)]
    assert last.sightings[0].observation.id == nobody.sightings[0].observation.id
    assert (Kind.FEED_ALIVE, -15 * MINUTE) not in kinds(more)
    assert read("DescribeRoomInfo", {"RoomList": [room(START, END)]}, alive=alive).sightings == ()


def test_only_the_last_question_about_users_speaks_for_the_class() -> None:
    told = ["alive" in json.loads(one.asked) for one in all_asked(1, Sitting("r1", START, START + 6 * HOUR, "t1"))]

    assert told[:4] == [True, False, True, False]


@pytest.mark.parametrize(("endpoint", "answer"), [("DescribeUserInfo", {}), ("News", {"Data": []}), ("", [])])
def test_what_is_no_list_is_unreadable(endpoint: str, answer: object) -> None:
    with pytest.raises(Unreadable):
        read(endpoint, answer)
