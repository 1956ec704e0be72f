"""Bodies as providers publish them: our own, and those beside the repository where somebody put them.

No case is skipped: the files found are the cases, and our own are always among them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from collector_specimens import AGORA, BEACON, LIVEKIT, NOON, Body, Specimen, agora_notice, beacon_batch, livekit_event
from hundredms_specimen import HUNDREDMS, hundredms_event
from janus_specimen import JANUS, hangup, leaving
from trtc_specimen import TRTC, trtc_notice
from twilio_specimen import TWILIO, twilio_summary
from zoom_specimen import ZOOM, zoom_event

from collectors.contract import Reading
from collectors.zoom.webhook import EVENTS
from rules.observation import Kind

ROOT = Path(__file__).parents[2]
BESIDE = ROOT / ".." / "shared" / "payloads"


def cases(folder: str, pattern: str, *ours: Body) -> Sequence[object]:
    """List our own bodies and those of every file found beside the repository."""
    found = sorted((BESIDE / folder).glob(pattern))
    return [pytest.param(body, id=f"ours-{place}") for place, body in enumerate(ours)] + [
        pytest.param(json.loads(path.read_text()), id=path.stem) for path in found
    ]


def read(specimen: Specimen, body: Body) -> Reading:
    """Sign and read a body."""
    delivery = specimen.delivery(body)
    specimen.collector.verify(delivery)
    return specimen.collector.read(delivery)


@pytest.mark.parametrize("body", cases("agora", "ncs_*.json", agora_notice(103), agora_notice(104, reason=4)))
def test_every_published_agora_notice_is_known_once_it_is_not_of_the_test_channel(body: Body) -> None:
    payload = body["payload"]
    assert isinstance(payload, dict)
    real = body | {"payload": payload | {"channelName": "class-1"}}

    reading = read(AGORA, real)

    assert reading.unknown == ()
    assert len(reading.sightings) == (1 if body["eventType"] in (103, 104, 105, 106, 107, 108) else 0)


@pytest.mark.parametrize("body", cases("agora", "ncs_*.json", agora_notice(103, channelName="test_webhook")))
def test_every_published_agora_notice_as_it_stands_is_the_consoles_test(body: Body) -> None:
    assert read(AGORA, body).sightings == ()


@pytest.mark.parametrize(
    "body",
    [
        *cases("livekit", "participant_*.json", livekit_event("participant_joined")),
        *cases("livekit", "room_*.json", {"event": "room_started", "room": {"name": "r1"}}),
        *cases("livekit", "track_*.json", {"event": "track_unpublished", "createdAt": "1771351907"}),
    ],
)
def test_every_published_livekit_event_is_known(body: Body) -> None:
    reading = read(LIVEKIT, body)

    expected = {"participant_joined": 1, "participant_left": 1, "participant_connection_aborted": 2}
    assert reading.unknown == ()
    assert len(reading.sightings) == expected.get(str(body["event"]), 0)


@pytest.mark.parametrize("body", cases("tencent_trtc", "[12]0?_*.json", trtc_notice(103), trtc_notice(104, Reason=2)))
def test_every_published_trtc_callback_is_known(body: Body) -> None:
    reading = read(TRTC, body)

    assert reading.unknown == ()
    assert len(reading.sightings) == (1 if body["EventType"] in (103, 104) else 0)


@pytest.mark.parametrize(
    "body",
    [
        *cases("100ms", "peer.*.json", hundredms_event("peer.join.success"), hundredms_event("peer.join.failure")),
        *cases("100ms", "room.*.json", {"type": "room.end.success"}),
        *cases("100ms", "session.*.json", {"type": "session.open.success"}),
    ],
)
def test_every_published_100ms_event_is_known(body: Body) -> None:
    reading = read(HUNDREDMS, body)

    expected = ("peer.join.success", "peer.leave.success", "peer.join.failure")
    assert reading.unknown == ()
    assert len(reading.sightings) == (1 if body["type"] in expected else 0)


@pytest.mark.parametrize(
    "body",
    [
        *cases("zoom", "meeting.*.json", zoom_event("meeting.participant_joined")),
        *cases("zoom", "session.*.json", zoom_event("session.user_joined")),
        *cases("zoom", "endpoint.*.json", {"event": "endpoint.url_validation", "payload": {"plainToken": "a"}}),
    ],
)
def test_every_published_zoom_event_is_known(body: Body) -> None:
    reading = read(ZOOM, body)

    # No published summary of QSS says when the stay began and ended.
    is_used = body["event"] in EVENTS and not str(body["event"]).endswith("_summary")
    assert reading.unknown == ()
    assert len(reading.sightings) == (1 if is_used else 0)


@pytest.mark.parametrize(
    "body",
    [
        *cases("twilio_video", "event_streams_participant_*.json", twilio_summary(error_code=53002)),
        *cases("twilio_video", "event_streams_room_*.json", twilio_summary("room-summary.complete")),
    ],
)
def test_every_published_twilio_event_is_known(body: Body) -> None:
    reading = read(TWILIO, body)

    assert reading.unknown == ()
    assert len(reading.sightings) == (2 if "participant" in str(body["type"]) else 0)


# Firefox 141 on a real call: no estimatedPlayoutTimestamp. Shaped as our own, values as published.
FIREFOX: Body = {
    "id": "9c17f05a",
    "type": "inbound-rtp",
    "kind": "audio",
    "ssrc": 821510199,
    "timestamp": 1755090103946,
    "packetsReceived": 1231,
    "packetsLost": 0,
    "jitter": 0.002,
    "jitterBufferDelay": 46262.4,
    "jitterBufferEmittedCount": 1179840,
    "concealedSamples": 1440,
    "silentConcealedSamples": 0,
    "totalSamplesReceived": 1180800,
}


def reports_of(capture: object) -> list[Body]:
    """Shape a capture as a list of reports, each live and of the teacher's stream."""
    if isinstance(capture, list):
        reports = capture
    elif isinstance(capture, dict) and "audio" in capture:
        reports = [{**capture[kind], "kind": kind, "type": "inbound-rtp", "id": kind} for kind in ("audio", "video")]
    else:
        reports = [capture]
    return [{"track": "live", "stream": "teacher", **report} for report in reports]


@pytest.mark.parametrize("capture", cases("w3c_getstats", "*.json", FIREFOX))
def test_a_published_capture_and_its_start_give_sane_metrics_and_no_desync_but_the_healthy_one(
    capture: object,
) -> None:
    reports = reports_of(capture)
    at = max(float(str(report.get("timestamp"))) for report in reports)
    start = [
        report | {name: 0 for name, value in report.items() if name.startswith(("packets", "total", "concealed"))}
        for report in reports
    ]
    item = {
        "kind": "stats",
        "snapshots": [
            {"timestamp": at - 10_000, "reports": start},
            {"timestamp": at, "reports": reports},
        ],
    }
    batch = beacon_batch(item, sent_at=at, made_at=at)

    reading = BEACON.collector.read(BEACON.delivery(batch, NOON))
    (sighting,) = reading.sightings
    metrics = dict(sighting.observation.metrics)

    is_healthy = {report["id"] for report in reports} == {"IT01A1", "IT01V1", "ROA1", "ROV1"}
    assert metrics.pop("av_offset_ms", None) == (35 if is_healthy else None)
    assert metrics
    assert sighting.observation.until == NOON


@pytest.mark.parametrize("body", cases("janus", "type*.json", hangup("ICE failed"), leaving()))
def test_every_published_janus_event_is_known(body: Body) -> None:
    reading = read(JANUS, body)

    assert reading.unknown == ()
    assert reading.sightings or reading.ignored


OLD: Body = {"type": 16, "timestamp": 1499105775235162, "session_id": 1, "handle_id": 2}


@pytest.mark.parametrize("capture", cases("janus", "captured_2017*.json", OLD | {"event": {"connection": "webrtcup"}}))
def test_a_stay_of_2017_without_subtypes_and_opaque_ids_is_known_by_its_feed_alone(capture: object) -> None:
    reading = JANUS.collector.read(JANUS.delivery(json.dumps(capture).encode()))

    assert {s.observation.kind for s in reading.sightings} <= {Kind.JOINED, Kind.LEFT}
    assert set(reading.unknown) <= {"hangup without reason"}
