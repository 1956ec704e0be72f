"""What Zoom's QSS reports measured."""

import pytest
from collector_specimens import NOON, Body
from zoom_specimen import AUDIO, VIDEO, ZOOM, zoom_event, zoom_qos

from collectors.contract import ANYWHERE, Reading, Unreadable
from collectors.zoom.quality import ENTRIES_MAX, IGNORED_TYPES, TYPES
from rules.observation import Kind, Observation
from rules.span import MINUTE, SECOND, format_instant


def read(body: Body) -> Reading:
    """Read an event as it comes from Zoom."""
    return ZOOM.collector.read(ZOOM.delivery(body))


def only(body: Body) -> Observation:
    """Take the one observation of an event that has nothing unknown in it."""
    reading = read(body)
    (sighting,) = reading.sightings
    assert reading.unknown == ()
    return sighting.observation


def entry(kind: str = "audio_output", at: int = NOON, **details: object) -> Body:
    """Build one entry of a report."""
    return {"type": kind, "date_time": format_instant(at), "details": details}


def test_a_report_is_the_minute_before_it_with_the_worse_of_sound_and_picture() -> None:
    seen = only(zoom_qos(AUDIO, VIDEO))

    assert (seen.kind, seen.at, seen.until) == (Kind.QUALITY, NOON - MINUTE, NOON)
    assert seen.metrics == {"loss": pytest.approx(0.01), "rtt_ms": 134, "jitter_ms": 6, "fps": 24}


@pytest.mark.parametrize("event", ["meeting.participant_qos", "webinar.participant_qos", "session.user_qos"])
def test_reports_of_meetings_webinars_and_sessions_are_alike(event: str) -> None:
    body = zoom_event(event)
    told = body["payload"]["object"]  # type: ignore[index]  # built as such
    told["user" if event.startswith("session.") else "participant"]["qos"] = [
        AUDIO | {"date_time": "2026-11-02T11:00:00Z"}
    ]

    assert only(body).metrics["rtt_ms"] == 134


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("134 ms", 134),
        ("134ms", 134),
        ("134", 134),
        (" 134  MS ", 134),
        ("1.5 s", 1_500),
        ("0 ms", 0),
        (134, 134),
        (134.5, 134.5),
        ("27,5 ms", 27.5),
    ],
)
def test_a_quantity_is_read_with_and_without_spaces_and_units(written: object, expected: float) -> None:
    assert only(zoom_qos(entry(latency=written))).metrics == {"rtt_ms": expected}


@pytest.mark.parametrize(("written", "expected"), [("0.03%", 0.0003), ("25 %", 0.25), ("12", 0.12), ("100%", 1)])
def test_loss_is_in_per_cent_whether_it_says_so_or_not(written: str, expected: float) -> None:
    assert only(zoom_qos(entry(avg_loss=written))).metrics == {"loss": pytest.approx(expected)}


@pytest.mark.parametrize("written", ["", None])
def test_an_empty_text_was_not_measured(written: object) -> None:
    assert only(zoom_qos(entry(latency=written, jitter="1 ms"))).metrics == {"jitter_ms": 1}


@pytest.mark.parametrize("written", ["n/a", "-5 ms", "7 parsecs", "1e3 ms", "NaN", [], True, "٥ ms"])
def test_a_text_that_is_no_quantity_is_counted_and_the_others_are_kept(written: object) -> None:
    reading = read(zoom_qos(entry(latency=written, jitter="1 ms")))

    assert reading.sightings[0].observation.metrics == {"jitter_ms": 1}
    assert reading.unknown == ("qos value of rtt_ms",)


@pytest.mark.parametrize("details", [{"avg_loss": "101%"}, {"latency": "3601 s"}, {"jitter": "9999999 ms"}])
def test_a_quantity_beyond_reason_is_not_believed(details: dict[str, str]) -> None:
    assert only(zoom_qos(entry("video_output", NOON, frame_rate="9 fps", **details))).metrics == {"fps": 9}


def test_what_was_received_goes_before_what_was_sent_of_the_same_medium() -> None:
    report = zoom_qos(entry("audio_output", avg_loss="1%"), entry("audio_input", avg_loss="50%"))

    assert only(report).metrics == {"loss": pytest.approx(0.01)}


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_type_speaks_where_it_is_alone(kind: str) -> None:
    assert only(zoom_qos(entry(kind, jitter="3 ms"))).metrics == {"jitter_ms": 3}


@pytest.mark.parametrize("kind", sorted(IGNORED_TYPES))
def test_what_is_no_network_is_passed_over(kind: str) -> None:
    reading = read(zoom_qos(entry(kind, quality="good", quality_score="3.65", zoom_avg_cpu_usage="2%")))

    assert reading == Reading(ignored=("meeting.participant_qos without measurements or times",))


def test_a_new_type_is_counted() -> None:
    assert read(zoom_qos(AUDIO, entry("smell_output", jitter="3 ms"))).unknown == ("qos type smell_output",)


@pytest.mark.parametrize("kind", ["video_output", "as_output"])
def test_no_frame_at_all_is_a_camera_switched_off_and_a_slide_needs_none(kind: str) -> None:
    rate = "0 fps" if kind == "video_output" else "1 fps"

    assert only(zoom_qos(entry(kind, jitter="3 ms", frame_rate=rate))).metrics == {"jitter_ms": 3}


def test_the_fewest_frames_of_the_video_count() -> None:
    report = zoom_qos(entry("video_output", frame_rate="5 fps"), entry("video_device_to_crc", frame_rate="25 fps"))

    assert only(report).metrics == {"fps": 5}


def test_several_moments_in_one_report_share_out_the_time() -> None:
    moments = [entry(at=NOON + place * 6 * SECOND, jitter=f"{place} ms") for place in range(3)]

    spans = [s.observation for s in read(zoom_qos(*moments)).sightings]

    assert [(s.at - NOON, (s.until or 0) - NOON) for s in spans] == [(-6_000, 0), (0, 6_000), (6_000, 12_000)]
    assert [s.metrics["jitter_ms"] for s in spans] == [0, 1, 2]
    assert len({s.id for s in spans}) == 3


def test_two_reports_of_one_moment_are_two_deliveries_and_two_observations() -> None:
    one, other = zoom_qos(AUDIO), zoom_qos(VIDEO)

    assert ZOOM.collector.key(ZOOM.delivery(one)) != ZOOM.collector.key(ZOOM.delivery(other))
    assert only(one).id != only(other).id


def test_a_report_without_a_time_of_its_own_ends_when_zoom_sent_it() -> None:
    assert only(zoom_qos(AUDIO | {"date_time": ""})).until == NOON + 572


def test_the_shape_of_the_rest_api_is_read_too() -> None:
    listed = {"date_time": format_instant(NOON), "audio_output": {"latency": "9 ms"}, "cpu_usage": {}}
    body = zoom_event("meeting.participant_qos", {"user_qos": [listed]})

    assert only(body).metrics == {"rtt_ms": 9}


def test_a_summary_counts_only_where_it_says_from_when_to_when() -> None:
    details: Body = {"type": "audio_output", "details": {"avg_loss": "2.0%", "max_loss": "90%", "avg_latency": "80 ms"}}
    stay: Body = {"join_time": format_instant(NOON), "leave_time": format_instant(NOON + MINUTE)}
    name = "meeting.participant_qos_summary"

    seen = only(zoom_event(name, stay | {"qos": [details]}))

    assert (seen.at, seen.until) == (NOON, NOON + MINUTE)
    assert seen.metrics == {"loss": pytest.approx(0.02), "rtt_ms": 80}
    assert read(zoom_event(name, {"qos": [details]})) == Reading(ignored=(f"{name} without measurements or times",))


@pytest.mark.parametrize("qos", [None, [], {}, "x", [None], [[]], [{"type": "audio_output"}], [{"type": None}]])
def test_a_report_with_nothing_in_it_gives_nothing(qos: object) -> None:
    assert read(zoom_event("meeting.participant_qos", {"qos": qos})).sightings == ()


def test_more_entries_than_anybody_sends_are_cut_off_and_counted() -> None:
    entries = [entry(at=NOON + place * SECOND, jitter="1 ms") for place in range(ENTRIES_MAX + 1)]

    reading = read(zoom_qos(*entries))

    assert len(reading.sightings) == ENTRIES_MAX
    assert reading.unknown == ("qos excess",)


def test_a_report_of_a_meeting_nobody_names_is_unreadable() -> None:
    body = zoom_qos(AUDIO)
    told = body["payload"]["object"]  # type: ignore[index]  # built as such
    told["id"] = told["uuid"] = None

    with pytest.raises(Unreadable):
        read(body)


def test_a_report_that_names_no_meeting_number_is_placed_by_whom_it_is_about() -> None:
    body = zoom_qos(AUDIO, customer_key=None, registrant_id=None, id=None, participant_user_id="account-7")
    body["payload"]["object"]["id"] = None  # type: ignore[index]  # built as such

    seen = [one.observation for one in ZOOM.collector.read(ZOOM.delivery(body)).sightings]
    assert [(one.class_id, one.participant_id) for one in seen] == [(ANYWHERE, "account-7")]


def test_a_report_of_a_guest_that_names_no_meeting_number_keeps_the_holding() -> None:
    body = zoom_qos(AUDIO, customer_key=None, registrant_id=None, id="")
    body["payload"]["object"]["id"] = None  # type: ignore[index]  # built as such

    seen = [one.observation for one in ZOOM.collector.read(ZOOM.delivery(body)).sightings]
    assert [(one.class_id, one.participant_id) for one in seen] == [("4444AAAiAAAAAiAiAiiAii==", "16778240")]
