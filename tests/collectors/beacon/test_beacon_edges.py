"""The beacon's limits, at their very edges."""

import pytest
from collector_specimens import BEACON, NOON, Body, beacon_batch, snapshot

from collectors.beacon import mint
from collectors.beacon.desync import offset
from collectors.beacon.getstats import SPAN_MAX, windows
from collectors.beacon.snapshot import read_snapshot
from collectors.beacon.token import unverified
from collectors.contract import Reading

SINCE_1900 = 2_208_988_800_000


def metrics(length: float, audio: Body | None = None, video: Body | None = None) -> dict[str, float]:
    """Measure one window of this length; dictionaries change the reports at its end."""
    (window,) = windows([snapshot(NOON), snapshot(NOON + length, audio, video)], [])
    return dict(window.metrics)


def read(*items: object) -> Reading:
    """Read a batch of these items."""
    return BEACON.collector.read(BEACON.delivery(beacon_batch(*items, sent_at=NOON + 200_000), NOON + 200_000))


@pytest.mark.parametrize(("length", "count"), [(SPAN_MAX, 1), (SPAN_MAX + 1, 0), (1, 1), (0, 0)])
def test_a_window_is_at_most_two_minutes(length: int, count: int) -> None:
    assert len(list(windows([snapshot(NOON), snapshot(NOON + length)], []))) == count


@pytest.mark.parametrize(("length", "count"), [(SPAN_MAX, 1), (SPAN_MAX + 1, 0)])
def test_so_is_a_span_of_the_native_sdk(length: int, count: int) -> None:
    item = {"kind": "agora_stats", "at": NOON, "until": NOON + length, "video": {"avSyncTimeMs": 1}}

    assert len(read(item).sightings) == count


@pytest.mark.parametrize(("length", "frozen"), [(1_000, 1.0), (999, None)])
def test_a_standstill_lasts_a_second(length: int, frozen: float | None) -> None:
    found = metrics(length, video={"framesDecoded": 0})

    assert found.get("video_frozen") == frozen
    assert ("fps" in found) == (frozen is not None)


@pytest.mark.parametrize(("length", "frozen"), [(2_000, 1.0), (1_999, 0.0)])
def test_silence_lasts_two_seconds(length: int, frozen: float) -> None:
    assert metrics(length, audio={"packetsReceived": 0})["audio_frozen"] == frozen


@pytest.mark.parametrize(("lost", "loss"), [(10, 0.5), (9, None)])
def test_a_share_is_taken_of_twenty_packets(lost: int, loss: float | None) -> None:
    few: Body = {"packetsReceived": 5, "packetsLost": 0}

    assert metrics(5_000, few | {"packetsLost": lost}, few).get("loss") == loss


@pytest.mark.parametrize(("frames", "fps"), [(1_200, 240), (1_201, None)])
def test_no_screen_shows_more_than_240_frames(frames: int, fps: int | None) -> None:
    assert metrics(5_000, video={"framesDecoded": frames}).get("fps") == fps


@pytest.mark.parametrize(("jitter", "expected"), [(60.0, 60_000.0), (60.001, 4.0)])
def test_a_jitter_over_a_minute_is_none_and_videos_stands_in(jitter: float, expected: float) -> None:
    assert metrics(5_000, audio={"jitter": jitter})["jitter_ms"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("audio", "video", "expected"),
    [
        ({}, {"timestamp": NOON + 100}, 135),
        ({}, {"timestamp": NOON + 101}, None),
        ({"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 40 + 5_000}, {}, 5_075),
        ({"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 40 + 5_001}, {}, None),
    ],
)
def test_a_pair_of_playout_times_is_believed_up_to_its_limits(audio: Body, video: Body, expected: int | None) -> None:
    given = read_snapshot(snapshot(NOON, audio, video))
    assert given is not None

    assert offset([given, given]) == expected


@pytest.mark.parametrize(("behind", "expected"), [(4_999, 9_999), (5_000, None)])
def test_ten_seconds_apart_are_a_broken_clock(behind: int, expected: int | None) -> None:
    audio: Body = {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 40 + 5_000}
    video: Body = {"estimatedPlayoutTimestamp": NOON + SINCE_1900 - 40 - behind}
    given = read_snapshot(snapshot(NOON, audio, video))
    assert given is not None

    assert offset([given, given]) == expected


def test_a_series_of_120_snapshots_is_read_whole_and_the_next_is_counted() -> None:
    series = [snapshot(NOON + 1_000 * place) for place in range(121)]

    whole, cut = read({"kind": "stats", "snapshots": series[:120]}), read({"kind": "stats", "snapshots": series})

    assert (len(whole.sightings), whole.unknown) == (119, ())
    assert (len(cut.sightings), cut.unknown) == (119, ("excess",))


def test_nothing_frozen_between_two_totals_is_zero_and_a_first_total_alone_is_nothing() -> None:
    item: Body = {"kind": "agora_stats", "at": NOON, "until": NOON + 2_000, "video": {"totalFrozenTime": 700}}

    (quality,) = read(item | {"previous": {"video": {"totalFrozenTime": 700}}}).sightings

    assert quality.observation.metrics == {"video_frozen": 0}
    assert read(item).sightings == ()


def test_a_report_without_kind_or_name_is_passed_over() -> None:
    nameless: Body = {"id": None, "ssrc": None}

    assert "fps" not in metrics(5_000, video=nameless)
    assert "fps" not in metrics(5_000, video={"kind": "smell"})


def test_ids_may_have_200_characters_in_a_token() -> None:
    ticket = unverified(mint("secret", "学" * 200, "c" * 200, NOON))

    assert ticket is not None
    assert (ticket.learner_id, ticket.class_id) == ("学" * 200, "c" * 200)
