"""What happened between two snapshots of getStats, trap by trap."""

from collections.abc import Mapping

import pytest
from collector_specimens import BEACON, NOON, Body, beacon_batch, snapshot, unhurried
from hypothesis import given
from hypothesis import strategies as st

from collectors.beacon.getstats import Window, windows

LATER = NOON + 5_000


def measured(*snapshots: object) -> list[Window]:
    """Measure a series."""
    return list(windows(snapshots, []))


def metrics(*snapshots: object) -> Mapping[str, float]:
    """Measure the last window of a series."""
    return measured(*snapshots)[-1].metrics


def noted(*snapshots: object) -> list[str]:
    """List what a series could not be used for."""
    notes: list[str] = []
    list(windows(snapshots, notes))
    return notes


def test_a_good_window_is_measured_in_every_metric() -> None:
    (window,) = measured(snapshot(NOON), snapshot(LATER))

    assert (window.starts, window.ends) == (NOON, LATER)
    assert window.metrics == {
        "audio_frozen": 0.0,
        "video_frozen": 0.0,
        "av_offset_ms": 35.0,
        "delay_ms": pytest.approx(40),
        "rtt_ms": pytest.approx(42),
        "jitter_ms": pytest.approx(4),
        "loss": 0.0,
        "fps": 25.0,
    }


def test_three_snapshots_are_two_windows_that_touch() -> None:
    first, second = measured(snapshot(NOON), snapshot(LATER), snapshot(LATER + 5_000))

    assert (first.starts, first.ends, second.starts, second.ends) == (NOON, LATER, LATER, LATER + 5_000)


def test_a_snapshot_and_its_previous_are_a_series_too() -> None:
    item = {"kind": "stats", "previous": snapshot(NOON), "snapshot": snapshot(NOON + 4_000)}
    (sighting,) = BEACON.collector.read(BEACON.delivery(beacon_batch(item))).sightings

    assert (sighting.observation.at, sighting.observation.until) == (NOON, NOON + 4_000)
    assert sighting.observation.metrics["fps"] == 25


def test_reports_may_come_as_the_object_a_map_becomes() -> None:
    def as_map(body: Body) -> Body:
        reports = body["reports"]
        assert isinstance(reports, list)
        return body | {"reports": {report["id"]: report for report in reports}}

    assert metrics(as_map(snapshot(NOON)), as_map(snapshot(LATER))) == metrics(snapshot(NOON), snapshot(LATER))


# --- freezes ---------------------------------------------------------------------------------------------------


def test_a_freeze_that_ended_is_the_share_of_its_duration() -> None:
    thawed: Body = {"freezeCount": 1, "totalFreezesDuration": 1.25}

    assert metrics(snapshot(NOON), snapshot(LATER, video=thawed))["video_frozen"] == 0.25


def test_a_freeze_that_never_ends_is_seen_by_the_frames_standing_still() -> None:
    still: Body = {"framesDecoded": 0}

    found = metrics(snapshot(NOON), snapshot(LATER, video=still))

    assert (found["video_frozen"], found["fps"]) == (1.0, 0.0)


def test_frames_decoded_and_not_shown_are_a_freeze() -> None:
    shown = [snapshot(NOON, video={"framesRendered": 7}), snapshot(LATER, video={"framesRendered": 7})]

    assert metrics(*shown)["video_frozen"] == 1.0


def test_a_freeze_told_whole_when_it_ends_is_not_counted_again_in_the_last_window() -> None:
    # Frozen from NOON to NOON + 11 s: two windows stand still, the third thaws after one second.
    still: Body = {"framesDecoded": 0}
    thawed: Body = {"framesDecoded": 100, "totalFreezesDuration": 11.0}
    found = measured(
        snapshot(NOON),
        snapshot(NOON + 5_000, video=still),
        snapshot(NOON + 10_000, video=still),
        snapshot(NOON + 15_000, video=thawed),
    )

    assert [window.metrics["video_frozen"] for window in found] == [1.0, 1.0, 0.2]


@pytest.mark.parametrize("state", ["muted", "paused", "ended", "hologram"])
@pytest.mark.parametrize("end", [0, 1])
def test_a_camera_that_is_off_at_either_end_is_not_frozen(state: str, end: int) -> None:
    ends: list[Body] = [{"framesDecoded": 0}, {"framesDecoded": 0}]
    ends[end]["track"] = state

    found = metrics(snapshot(NOON, video=ends[0]), snapshot(LATER, video=ends[1]))

    assert "video_frozen" not in found
    assert "fps" not in found


def test_where_the_client_does_not_say_that_a_track_is_live_standing_still_proves_nothing() -> None:
    found = metrics(snapshot(NOON, video={"track": None}), snapshot(LATER, video={"track": None, "framesDecoded": 0}))

    assert "video_frozen" not in found
    assert "fps" not in found


def test_a_pause_counts_as_a_freeze_only_where_the_track_is_known_to_be_live() -> None:
    resumed: Body = {"totalFreezesDuration": 4.0, "totalPausesDuration": 4.0, "framesDecoded": 5}
    before: Body = {"totalPausesDuration": 0.0}
    unsaid: Body = {"track": None}

    assert metrics(snapshot(NOON, video=before), snapshot(LATER, video=resumed))["video_frozen"] == 0.8
    assert (
        metrics(snapshot(NOON, video=before | unsaid), snapshot(LATER, video=resumed | unsaid))["video_frozen"] == 0.0
    )


@pytest.mark.parametrize("changes", [({"hidden": True}, {}), ({}, {"hidden": True})])
def test_a_page_in_the_background_shows_no_frames_and_is_not_frozen(changes: tuple[Body, Body]) -> None:
    before, after = snapshot(NOON) | changes[0], snapshot(LATER, video={"framesDecoded": 0}) | changes[1]

    assert "video_frozen" not in metrics(before, after)
    assert "audio_frozen" in metrics(before, after)


def test_a_shared_screen_that_does_not_move_is_not_frozen() -> None:
    still: Body = {"screen": True, "framesDecoded": 0}

    found = metrics(snapshot(NOON, video={"screen": True}), snapshot(LATER, video=still))

    assert "video_frozen" not in found
    assert "fps" not in found


# --- sound -----------------------------------------------------------------------------------------------------


def test_audible_concealment_is_the_difference_without_the_silent_part() -> None:
    before: Body = {"concealedSamples": 277_063, "silentConcealedSamples": 124_472}
    after: Body = {"concealedSamples": 277_063 + 60_000, "silentConcealedSamples": 124_472 + 12_000}

    assert metrics(snapshot(NOON, audio=before), snapshot(LATER, audio=after))["audio_frozen"] == 0.2


def test_a_live_track_without_a_packet_is_frozen_although_its_concealment_went_silent() -> None:
    dead: Body = {"packetsReceived": 0, "concealedSamples": 240_000, "silentConcealedSamples": 235_000}

    assert metrics(snapshot(NOON), snapshot(LATER, audio=dead))["audio_frozen"] == 1.0


@pytest.mark.parametrize("state", ["muted", "paused", "ended"])
def test_a_microphone_that_is_off_is_not_frozen(state: str) -> None:
    off: Body = {"packetsReceived": 0, "track": state}

    assert "audio_frozen" not in metrics(snapshot(NOON), snapshot(LATER, audio=off))


def test_a_browser_without_concealment_says_nothing_of_the_sound() -> None:
    bare: Body = {"concealedSamples": None}

    assert "audio_frozen" not in metrics(snapshot(NOON, audio=bare), snapshot(LATER, audio=bare))


# --- counters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "restarted",
    [{"ssrc": 99}, {"packetsReceived": 3}, {"totalSamplesReceived": 1}, {"jitterBufferEmittedCount": 1}],
)
def test_counters_that_restart_are_a_reset_and_never_negative(restarted: Body) -> None:
    first, second = snapshot(LATER), snapshot(LATER + 5_000, audio=restarted)

    found = metrics(first, second)

    assert noted(first, second) == ["counter_reset"]
    assert "audio_frozen" not in found
    assert found["fps"] == 25
    assert all(value >= 0 for value in found.values())


def test_a_track_with_another_id_is_another_track() -> None:
    found = metrics(snapshot(NOON), snapshot(LATER, video={"id": "IT-new"}))

    assert "fps" not in found
    assert noted(snapshot(NOON), snapshot(LATER, video={"id": "IT-new"})) == []


def test_packets_that_come_late_after_all_make_no_negative_loss() -> None:
    assert metrics(snapshot(NOON, audio={"packetsLost": 40}), snapshot(LATER, audio={"packetsLost": 30}))["loss"] == 0


def test_loss_is_the_share_of_all_packets_of_the_window() -> None:
    assert metrics(snapshot(NOON), snapshot(LATER, audio={"packetsLost": 500}))["loss"] == 0.5


def test_too_few_packets_have_no_loss() -> None:
    dead: Body = {"packetsReceived": 3, "packetsLost": 3}

    assert "loss" not in metrics(snapshot(NOON), snapshot(LATER, audio=dead, video=dead))


def test_jitter_is_told_in_seconds_and_kept_in_milliseconds_and_videos_does_not_count_beside_audios() -> None:
    found = metrics(snapshot(NOON), snapshot(LATER, audio={"jitter": 0.031}, video={"jitter": 0.9}))

    assert found["jitter_ms"] == pytest.approx(31)


def test_the_delay_is_that_of_the_window_and_not_since_the_join() -> None:
    before: Body = {"jitterBufferDelay": 1_000.0, "jitterBufferEmittedCount": 10_000}
    after: Body = {"jitterBufferDelay": 1_050.0, "jitterBufferEmittedCount": 10_100}

    assert metrics(snapshot(NOON, audio=before), snapshot(LATER, audio=after))["delay_ms"] == pytest.approx(500)


@pytest.mark.parametrize("between", [0, -1, -5_000])
def test_a_clock_that_stands_or_runs_back_gives_no_window(between: int) -> None:
    assert measured(snapshot(LATER), snapshot(LATER + between)) == []
    assert noted(snapshot(LATER), snapshot(LATER + between)) == ["time"]


def test_a_client_that_slept_gives_no_window_over_its_sleep_and_goes_on_after_it() -> None:
    awake = LATER + 6 * 3_600_000

    (window,) = measured(snapshot(NOON), snapshot(awake), snapshot(awake + 5_000))

    assert (window.starts, window.ends) == (awake, awake + 5_000)
    assert noted(snapshot(NOON), snapshot(awake)) == ["span"]


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"timestamp": NOON}, {"timestamp": "x", "reports": []}])
def test_a_snapshot_that_is_none_is_counted_and_the_others_are_measured(odd: object) -> None:
    assert len(measured(snapshot(NOON), odd, snapshot(LATER))) == 1
    assert noted(snapshot(NOON), odd, snapshot(LATER)) == ["snapshot"]


def test_a_series_of_nothing_measurable_gives_no_observation() -> None:
    bare = [{"timestamp": NOON, "reports": []}, {"timestamp": LATER, "reports": [{"type": "codec"}]}]
    reading = BEACON.collector.read(BEACON.delivery(beacon_batch({"kind": "stats", "snapshots": bare})))

    assert reading.sightings == ()
    assert reading.ignored == ("nothing_measured",)


@pytest.mark.parametrize("snapshots", [None, [], [snapshot(NOON)], {}, 7])
def test_a_series_of_fewer_than_two_is_counted(snapshots: object) -> None:
    reading = BEACON.collector.read(BEACON.delivery(beacon_batch({"kind": "stats", "snapshots": snapshots})))

    assert reading.sightings == ()
    assert "snapshot" in reading.unknown


counters = st.fixed_dictionaries(
    {},
    optional={
        name: st.floats(0, 1e9) | st.integers(0, 2**70) | st.none() | st.just("x")
        for name in (
            "packetsReceived",
            "packetsLost",
            "framesDecoded",
            "framesRendered",
            "totalFreezesDuration",
            "totalPausesDuration",
            "concealedSamples",
            "silentConcealedSamples",
            "totalSamplesReceived",
            "jitterBufferDelay",
            "jitterBufferEmittedCount",
            "jitter",
            "track",
        )
    },
)


@unhurried
@given(st.lists(st.tuples(st.integers(1, 200_000), counters, counters), min_size=2, max_size=5))
def test_whatever_the_counters_say_every_metric_is_within_its_bounds(steps: list[tuple[int, Body, Body]]) -> None:
    at, series = NOON, []
    for gap, audio, video in steps:
        at += gap
        series.append(snapshot(at, audio, video))
    for window in windows(series, []):
        assert window.starts < window.ends
        for name, value in window.metrics.items():
            assert 0 <= value <= 1 or name not in ("audio_frozen", "video_frozen", "loss")
            assert value >= 0 or name == "av_offset_ms"
