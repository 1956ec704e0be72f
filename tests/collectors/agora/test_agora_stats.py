"""Agora Analytics: what is asked for a class, what the answers mean, and what they are read as."""

import json
from dataclasses import astuple

import pytest
from agora_analytics import series, session
from hypothesis import given
from hypothesis import strategies as st

from collectors.agora.analytics import OVER_LIMIT, PAGES_MAX, PLANS, AgoraStatistics, statistics
from collectors.agora.stats import AGORA_ANSWERS, AUDIO_FREEZE, AUDIO_LOSS, VIDEO_FREEZE, VIDEO_LOSS
from collectors.contract import Delivery, Reading, Unreadable
from collectors.polls import Request, Said, Sitting
from rules.observation import Kind
from rules.span import DAY, HOUR, MINUTE, SECOND, parse_instant

START = parse_instant("2026-11-02T11:00:00Z")
CLASS = Sitting("r1", START, START + HOUR, "t1")
NOW = START + 2 * HOUR
TEACHER, LEARNER, OTHER = 100, 7, 8


def standard() -> AgoraStatistics:
    made = statistics("the-app", "standard")
    assert made is not None
    return made


def read(asked: object, answer: object) -> Reading:
    body = json.dumps(answer).encode()
    return AGORA_ANSWERS.read(Delivery("agora-stats", body, {"asked": json.dumps(asked)}, START + 2 * HOUR))


def of_sessions(*rows: object) -> Reading:
    asked = {"endpoint": "sessions", "call": "k1", "room": "r1"}
    return read(asked, {"code": 0, "message": None, "call_info": list(rows)})


def of_metrics(*data: object, teachers: tuple[int, ...] = (TEACHER,), end: int = START + HOUR) -> Reading:
    people = {"s1": {"call": "k1", "uid": LEARNER, "account": "u1"}}
    asked = {"endpoint": "metrics", "room": "r1", "people": people, "teachers": teachers, "span": [START, end]}
    return read(asked, {"code": 200, "metrics": [{"sid": "s1", "data": list(data)}]})


def spans(reading: Reading) -> list[tuple[int, int, dict[str, float]]]:
    seen = [sighting.observation for sighting in reading.sightings]
    return [((one.at - START) // SECOND, ((one.until or 0) - START) // SECOND, dict(one.metrics)) for one in seen]


def answered(asked: AgoraStatistics, progress: str, **answer: object) -> str:
    body = json.dumps({"code": 200, "message": None, **answer}).encode()
    return asked.after(CLASS, progress, wanted(asked, progress), body)


def listed(asked: AgoraStatistics) -> str:
    calls = [{"call_id": "k1", "cname": "r1", "created_ts": START // SECOND, "finished": False}]
    return answered(asked, "", call_lists=calls)


def wanted(asked: AgoraStatistics, progress: str) -> Request:
    request = asked.next(CLASS, progress, NOW)
    assert request is not None
    return request


def test_the_channel_is_looked_up_from_the_join_window_to_the_end_of_the_class() -> None:
    request = wanted(standard(), "")

    assert request.path == "/beta/analytics/call/lists"
    assert request.params["cname"] == "r1"
    assert request.params["appid"] == "the-app"
    assert int(request.params["start_ts"]) * SECOND == START - 15 * MINUTE
    assert int(request.params["end_ts"]) * SECOND == START + HOUR


def test_a_class_whose_channel_had_no_call_is_answered_by_one_question() -> None:
    assert standard().next(CLASS, answered(standard(), "", call_lists=[]), NOW) is None
    assert standard().next(CLASS, answered(standard(), "", call_lists=None), NOW) is None


def test_everything_is_asked_once_in_spans_of_the_plan_and_batches_of_twenty() -> None:
    asked = standard()
    progress = listed(asked)
    people = [session(f"s{number}", START, START + HOUR, number, f"u{number}") for number in range(1, 22)]
    questions = []
    while (request := asked.next(CLASS, progress, NOW)) is not None:
        questions.append(request)
        if request.path.endswith("sessions"):
            page = int(request.params["page_no"])
            shown = people[(page - 1) * 20 : page * 20]
            progress = answered(asked, progress, total_size=21, page_no=page, page_size=20, call_info=shown)
        else:
            progress = answered(asked, progress, metrics=[])

    names = [request.name for request in questions]
    assert len(set(names)) == len(names)
    assert [request.path.rpartition("/")[2] for request in questions] == ["sessions"] * 4 + ["metrics"] * 4
    assert [request.params["page_no"] for request in questions[:4]] == ["1", "2", "1", "2"]
    assert all(int(r.params["end_ts"]) - int(r.params["start_ts"]) <= 3600 for r in questions)
    assert {len(request.params["sids"].split(",")) for request in questions[4:]} == {20, 1}


def alive(reading: Reading) -> list[tuple[int, int]]:
    found = [sighting.observation for sighting in reading.sightings if sighting.observation.kind is Kind.FEED_ALIVE]
    assert all((one.source, one.class_id) == ("agora", None) for one in found)
    return [(one.at - START, (one.until or 0) - START) for one in found]


def test_an_empty_list_of_calls_tells_that_the_feed_was_alive_and_nobody_came() -> None:
    asked = json.loads(wanted(standard(), "").asked)

    assert alive(read(asked, {"code": 200, "call_lists": []})) == [(-15 * MINUTE, HOUR)]
    assert alive(read(asked, {"code": 200, "call_lists": [{"call_id": "k1", "cname": "r1"}]})) == []


def test_the_last_page_of_the_last_sessions_tells_that_the_feed_was_alive_over_the_class() -> None:
    asking = standard()
    progress = listed(asking)
    told = []
    while (request := asking.next(CLASS, progress, NOW)) is not None:
        page = int(request.params["page_no"])
        answer = {"code": 200, "call_info": [{}] * 20, "total_size": 40, "page_no": page, "page_size": 20}
        told.append((request.name.partition("k1:")[2], alive(read(json.loads(request.asked), answer))))
        progress = asking.after(CLASS, progress, request, json.dumps(answer).encode())

    first, second = START - 15 * MINUTE, START + 45 * MINUTE
    assert told == [
        (f"{first}#1", []),
        (f"{first}#2", []),
        (f"{second}#1", []),
        (f"{second}#2", [(-15 * MINUTE, HOUR)]),
    ]


def test_a_call_of_another_channel_is_not_asked_about() -> None:
    calls = [{"call_id": "k2", "cname": "other"}]

    assert standard().next(CLASS, answered(standard(), "", call_lists=calls), NOW) is None


def test_a_call_is_asked_about_only_while_it_was() -> None:
    over = {"call_id": "k1", "cname": "r1", "finished": True}
    over |= {"created_ts": START // SECOND - 600, "destroyed_ts": START // SECOND + 60}
    asked = standard()
    progress = answered(asked, "", call_lists=[over])

    assert wanted(asked, progress).path.endswith("sessions")
    assert asked.next(CLASS, answered(asked, progress, call_info=[]), NOW) is None


def test_paging_ends_even_if_the_total_never_does() -> None:
    asked = standard()
    progress = listed(asked)
    row = session("s1", START, START + HOUR, 1, "u1")
    pages = 0
    while wanted(asked, progress).path.endswith("sessions"):
        progress = answered(asked, progress, total_size=10**9, page_size=20, call_info=[row])
        pages += 1

    assert pages == 2 * PAGES_MAX


@pytest.mark.parametrize(("message", "said"), sorted(OVER_LIMIT.items()))
def test_the_messages_of_an_over_limit_answer_are_told_apart(message: str, said: Said) -> None:
    assert standard().said(200, json.dumps({"code": 300, "message": message}).encode()) is said


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"code":0,"message":null,"call_lists":[]}', Said.GOOD),
        (200, '{"code":200,"message":"","call_info":null}', Said.GOOD),
        (200, '{"code":200}', Said.BROKEN),
        (200, '{"code":300,"message":null}', Said.BROKEN),
        (200, '{"code":300,"message":"news"}', Said.BROKEN),
        (200, '{"code":400}', Said.BROKEN),
        (200, '{"code":401}', Said.REFUSED),
        (200, '{"code":500}', Said.UNAVAILABLE),
        (200, '{"code":200,"metrics":7}', Said.BROKEN),
        (200, "<html>", Said.BROKEN),
        (200, "[]", Said.BROKEN),
        (401, "", Said.REFUSED),
        (403, "{}", Said.REFUSED),
        (404, "{}", Said.BROKEN),
        (429, "", Said.TOO_FAST),
        (503, "", Said.UNAVAILABLE),
    ],
)
def test_an_answer_means(status: int, body: str, said: Said) -> None:
    assert standard().said(status, body.encode()) is said


def test_the_plans_are_those_of_the_documentation() -> None:
    told = {name: plan and (*astuple(plan.limits)[:4], plan.list_span_ms, plan.span_ms) for name, plan in PLANS.items()}

    assert told == {
        "starter": None,
        "standard": (1, 1_000, DAY, 300 * SECOND, 8 * HOUR, HOUR),
        "premium": (3, 2_000, 7 * DAY, 150 * SECOND, 16 * HOUR, 3 * HOUR),
        "enterprise": (10, 10_000, 15 * DAY, 100 * SECOND, 24 * HOUR, 6 * HOUR),
    }
    assert statistics("the-app", "starter") is None


def test_a_session_is_a_join_and_a_leave_under_its_own_sid() -> None:
    reading = of_sessions(session("s1", START, START + 40 * MINUTE, LEARNER, "u1"))

    seen = [sighting.observation for sighting in reading.sightings]
    assert [(one.kind, one.at, one.session, one.participant_id) for one in seen] == [
        (Kind.JOINED, START, "polled:s1", "u1"),
        (Kind.LEFT, START + 40 * MINUTE, "polled:s1", "u1"),
    ]
    assert {one.class_id for one in seen} == {"r1"}
    assert {one.code for one in seen} == {"polled"}
    assert reading.unknown == ()


def test_a_session_that_goes_on_has_no_leave_and_without_account_the_uid_is_the_name() -> None:
    reading = of_sessions(session("s1", START, START + MINUTE, LEARNER, None, finished=False))

    assert [(s.observation.kind, s.observation.participant_id) for s in reading.sightings] == [(Kind.JOINED, "7")]


def test_recorders_and_rows_that_cannot_be_used_are_told_and_leave_the_others_alone() -> None:
    recorder = session("s2", START, START + HOUR, 9, None, platform="Linux")
    reading = of_sessions(recorder, session("s1", START, START + HOUR, LEARNER, "u1"), {"sid": 5}, {}, None)

    assert len(reading.sightings) == 2
    assert reading.ignored == ("recorder",)
    assert len(reading.unknown) == 3


def test_freezes_are_shares_of_ten_seconds() -> None:
    reading = of_metrics(series(AUDIO_FREEZE, TEACHER, START, [0] * 5 + [2000] * 3 + [0] * 2 + [500] * 5))

    assert spans(reading) == [
        (0, 10, {"audio_frozen": 0.0}),
        (10, 20, {"audio_frozen": 0.6}),
        (20, 30, {"audio_frozen": 0.25}),
    ]


def test_blocks_that_are_alike_are_one_span_and_a_gap_ends_it() -> None:
    later = series(VIDEO_FREEZE, TEACHER, START + MINUTE, [0] * 5)
    whole = series(VIDEO_FREEZE, TEACHER, START, [0] * 15)
    whole["kvs"] = [*whole["kvs"], *later["kvs"]]  # type: ignore[misc]  # the shape of this JSON

    assert spans(of_metrics(whole)) == [(0, 30, {"video_frozen": 0.0}), (60, 70, {"video_frozen": 0.0})]


def test_a_fellow_learners_bad_uplink_is_not_this_learners_stall() -> None:
    reading = of_metrics(series(AUDIO_FREEZE, OTHER, START, [2000] * 5), series(AUDIO_FREEZE, TEACHER, START, [0] * 5))

    assert spans(reading) == [(0, 10, {"audio_frozen": 0.0})]


def test_where_the_teacher_sends_two_streams_the_worse_counts() -> None:
    camera, screen = (series(VIDEO_FREEZE, uid, START, [value] * 5) for uid, value in ((TEACHER, 0), (101, 1000)))

    assert spans(of_metrics(camera, screen, teachers=(TEACHER, 101))) == [(0, 10, {"video_frozen": 0.5})]


def test_without_a_teachers_stream_only_what_no_stream_escaped_counts() -> None:
    reading = of_metrics(series(AUDIO_FREEZE, 8, START, [2000] * 5), series(AUDIO_FREEZE, 9, START, [200] * 5))

    assert spans(reading) == [(0, 10, {"audio_frozen": 0.1})]


def test_losses_are_per_cent_and_the_audios_goes_before_the_videos() -> None:
    both = (series(AUDIO_LOSS, TEACHER, START, [20] * 5), series(VIDEO_LOSS, TEACHER, START, [50] * 5))

    assert spans(of_metrics(*both)) == [(0, 10, {"loss": 0.2})]
    assert spans(of_metrics(both[1])) == [(0, 10, {"loss": 0.5})]


def test_the_sample_between_two_spans_belongs_to_the_later_one() -> None:
    reading = of_metrics(series(AUDIO_FREEZE, TEACHER, START, [0] * 6), end=START + 10 * SECOND)

    assert spans(reading) == [(0, 10, {"audio_frozen": 0.0})]


def test_the_same_answer_gives_the_same_ids() -> None:
    one = of_metrics(series(AUDIO_FREEZE, TEACHER, START, [0] * 5))

    assert one == of_metrics(series(AUDIO_FREEZE, TEACHER, START, [0] * 5))
    assert [sighting.observation.id for sighting in one.sightings] == [f"polled:s1:quality:{START // SECOND}"]


def test_what_a_session_sends_itself_and_other_metrics_are_not_used_and_new_ones_are_told() -> None:
    reading = of_metrics(
        series(AUDIO_FREEZE, 0, START, [2000] * 5), series(20003, 0, START, [9]), series(30001, TEACHER, START, [1])
    )

    assert reading.sightings == ()
    assert reading.unknown == ("metric 30001",)


def test_an_answer_without_what_was_asked_is_unreadable() -> None:
    for asked in ({}, {"endpoint": "sessions"}, {"endpoint": "metrics", "room": "r1"}, {"endpoint": 1, "room": "r1"}):
        with pytest.raises(Unreadable):
            read(asked, {"code": 200})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sid", "uid", "kvs", "mid"]), inner),
)


@given(json_values, json_values)
def test_rows_of_any_kind_never_fail(row: object, other: object) -> None:
    of_sessions(row, {**session("s1", START, START + HOUR, LEARNER, "u1"), "join_ts": other})
    of_metrics(
        row, {"mid": AUDIO_FREEZE, "peer_uid": TEACHER, "kvs": other}, {"mid": AUDIO_FREEZE, "kvs": [row, other]}
    )
    asked = standard()
    answer = {"code": 0, "call_info": [row, other], "total_size": other}
    progress = listed(asked)
    asked.next(CLASS, asked.after(CLASS, progress, wanted(asked, progress), json.dumps(answer).encode()), NOW)
