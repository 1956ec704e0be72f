"""How far audio runs ahead of video, where that can be known."""

import pytest
from collector_specimens import NOON, Body, inbound, sender_report, snapshot

from collectors.beacon.desync import offset
from collectors.beacon.snapshot import read_snapshot

SINCE_1900 = 2_208_988_800_000


def ahead(audio_behind: float, video_behind: float, **changes: Body) -> Body:
    """Build a snapshot in which each track plays what was sent so many milliseconds ago."""
    audio: Body = {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - audio_behind}
    video: Body = {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - video_behind}
    return snapshot(NOON, audio | changes.get("audio", {}), video | changes.get("video", {}))


def measured(*snapshots: Body) -> float | None:
    """Measure over snapshots that must all be readable."""
    read = [read_snapshot(given) for given in snapshots]
    assert None not in read
    return offset([given for given in read if given is not None])


def both(body: Body) -> float | None:
    """Measure over the same snapshot twice, so that nothing but its own tests decides."""
    return measured(body, body)


@pytest.mark.parametrize(
    ("audio", "video", "expected"), [(80, 115, 35), (300, 100, -200), (100, 100, 0), (0, 4_999, 4_999)]
)
def test_audio_ahead_of_video_is_positive(audio: int, video: int, expected: int) -> None:
    assert both(ahead(audio, video)) == expected


def test_the_time_between_the_two_reports_is_taken_off() -> None:
    # The video was read 60 ms later: it has played 60 ms more by then.
    later: Body = {"timestamp": NOON + 60, "estimatedPlayoutTimestamp": NOON + 60 + SINCE_1900 - 115}

    assert both(snapshot(NOON, {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 80}, later)) == 35


@pytest.mark.parametrize(
    "changes",
    [
        {"audio": {"estimatedPlayoutTimestamp": None}},
        {"video": {"estimatedPlayoutTimestamp": 0}},
        {"video": {"estimatedPlayoutTimestamp": "3981427299885"}},
        {"video": {"stream": "classmate"}},
        {"video": {"stream": None}, "audio": {"stream": None}},
        {"audio": {"track": "muted"}},
        {"video": {"track": "ended"}},
        {"video": {"track": None}},
        {"video": {"timestamp": NOON + 101}},
        {"video": {"screen": True}},
        {"audio": {"remoteId": "nobody", "ssrc": 77}},
        {"audio": {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 5_041}},
        {"video": {"estimatedPlayoutTimestamp": NOON + SINCE_1900 + 11_005_000}},
    ],
)
def test_a_pair_that_fails_any_test_is_unknown_and_never_zero(changes: dict[str, Body]) -> None:
    assert both(ahead(80, 115, **changes)) is None


@pytest.mark.parametrize(
    "report",
    [{"reportsSent": 0}, {"reportsSent": None}, {"remoteTimestamp": None}, {"timestamp": None}, {"remoteTimestamp": 0}],
)
def test_without_a_report_of_the_sender_nothing_is_believed(report: Body) -> None:
    reports = [
        inbound("audio", NOON),
        inbound("video", NOON),
        sender_report("audio", NOON),
        sender_report("video", NOON, **report),
    ]

    assert both({"timestamp": NOON, "reports": reports}) is None


def test_the_senders_report_is_found_by_ssrc_where_it_has_no_id() -> None:
    audio, video = (sender_report(kind, NOON, id=None) for kind in ("audio", "video"))
    reports = [inbound("audio", NOON, remoteId=None), inbound("video", NOON, remoteId=None), audio, video]

    assert both({"timestamp": NOON, "reports": reports}) == 35


def test_two_tracks_of_one_kind_in_a_stream_are_ambiguous() -> None:
    body = ahead(80, 115)
    reports = body["reports"]
    assert isinstance(reports, list)

    assert both(body | {"reports": [*reports, inbound("audio", NOON, id="IT-2", ssrc=9)]}) is None


def test_a_shared_screen_beside_the_camera_is_not_ambiguous() -> None:
    body = ahead(80, 115)
    reports = body["reports"]
    assert isinstance(reports, list)

    assert both(body | {"reports": [*reports, inbound("video", NOON, id="IT-2", ssrc=9, screen=True)]}) == 35


def test_one_snapshot_alone_proves_nothing() -> None:
    assert measured(ahead(80, 115)) is None
    assert measured(ahead(80, 115, audio={"track": "muted"}), ahead(80, 115)) is None


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ((0, 0, 900), 0),
        ((0, 900, 900), 900),
        ((900, 0, 0), 0),
        ((900, 0, 800), 800),
        ((900, 30), 30),
        ((30, 900), 30),
    ],
)
def test_a_limit_is_passed_only_where_two_of_three_pass_it(behind: tuple[int, ...], expected: int) -> None:
    assert measured(*(ahead(0, video) for video in behind)) == expected


def test_of_two_that_disagree_in_sign_the_nearer_to_nothing_counts() -> None:
    assert measured(ahead(0, 300), ahead(20, 0)) == -20


def test_the_worst_of_several_senders_counts() -> None:
    body = ahead(80, 115)
    reports = body["reports"]
    assert isinstance(reports, list)
    second = [
        inbound("audio", NOON, id="A2", stream="second"),
        inbound("video", NOON, id="V2", stream="second", estimatedPlayoutTimestamp=NOON + SINCE_1900 - 480),
    ]

    assert both(body | {"reports": [*reports, *second]}) == 400
