"""Bodies as the providers' field tables allow them and seldom show: left out, null, a text, huge, or Chinese."""

import json

import pytest
from collector_specimens import AGORA, BEACON, LIVEKIT, NOON, Body, Specimen, agora_notice, beacon_batch, livekit_event
from collector_specimens import snapshot as snap
from generic_specimen import GENERIC, observed
from hundredms_specimen import HUNDREDMS, YEAR_ONE, hundredms_event
from janus_specimen import JANUS, attached, hangup, janus_event, line, statistics, up
from trtc_specimen import TRTC, trtc_notice
from twilio_specimen import TWILIO, twilio_callback, twilio_summary
from zoom_specimen import AUDIO, ZOOM, zoom_event, zoom_qos

from collectors.contract import Unreadable

IGNORED, UNKNOWN, UNREADABLE = ["ignored"], ["unknown"], ["unreadable"]
NUMBERED = 2**64 - 1

Case = tuple[Specimen, Body | list[object], list[str]]


def stats(first: Body, second: Body) -> Body:
    """Send two snapshots."""
    return beacon_batch({"kind": "stats", "snapshots": [first, second]})


CASES: tuple[Case, ...] = (
    (AGORA, agora_notice(103, uid=2**32 - 1, account=None), ["joined unknown 4294967295"]),
    (AGORA, agora_notice(103, uid="12345", ts=str(NOON // 1_000), platform="7"), ["joined unknown u1"]),
    (AGORA, agora_notice(104, reason="4", clientSeq=17_620_812_000_000), ["left platform u1"]),
    (AGORA, agora_notice(104, reason=None), ["left unknown u1", "unknown"]),
    (AGORA, agora_notice(103, ts=NOON), UNREADABLE),
    (AGORA, agora_notice(103, account="学生🙂", channelName="r1"), ["joined unknown 学生🙂"]),
    (AGORA, agora_notice(103) | {"productId": 3, "eventType": 11, "payload": {}}, IGNORED),
    (AGORA, agora_notice(103) | {"payload": []}, UNREADABLE),
    (LIVEKIT, livekit_event("participant_left"), ["left unknown u1"]),
    (LIVEKIT, livekit_event("participant_left", {"disconnectReason": 3}), ["left platform u1"]),
    (LIVEKIT, livekit_event("participant_joined", {"joinedAt": None, "joinedAtMs": None}), ["joined unknown u1"]),
    (LIVEKIT, livekit_event("participant_joined", {"kind": 3}), IGNORED),
    (LIVEKIT, livekit_event("participant_joined", {"kind": "FUTURE"}), UNKNOWN),
    (LIVEKIT, livekit_event("participant_joined", createdAt="0"), UNREADABLE),
    (LIVEKIT, livekit_event("track_published", track={"sid": "TR_1"}, room=None), IGNORED),
    (LIVEKIT, livekit_event("participant_connection_aborted"), ["attempted unknown u1", "join_failed unknown u1"]),
    (ZOOM, zoom_event("meeting.participant_joined", {"customer_key": "", "id": None}), ["joined unknown reg-9"]),
    (ZOOM, zoom_event("meeting.participant_joined", id=93201235621.0), ["joined unknown u1"]),
    (ZOOM, zoom_event("meeting.participant_left", {"leave_reason": None}), ["left unknown u1", "unknown"]),
    (
        ZOOM,
        zoom_event(
            "meeting.participant_left", {"leave_reason": "李 雷 left the meeting.&lt;br&gt;Reason: Host did not join."}
        ),
        ["left platform u1"],
    ),
    (ZOOM, zoom_event("meeting.participant_jbh_waiting") | {"event_ts": str(NOON)}, ["attempted unknown u1"]),
    (ZOOM, zoom_qos({"type": "audio_output", "details": None}), IGNORED),
    (ZOOM, zoom_qos(AUDIO, {"type": "new_type", "details": {}}), ["quality unknown u1", "unknown"]),
    (ZOOM, zoom_event("meeting.chat_message_sent"), UNKNOWN),
    (ZOOM, zoom_event("meeting.participant_joined") | {"payload": None}, UNREADABLE),
    (TRTC, trtc_notice(103, RoomId="数学", EventMsTs=str(NOON)), ["joined unknown u1"]),
    (TRTC, trtc_notice(103, RoomId=2**32 - 1, EventMsTs=None), ["joined unknown u1"]),
    (TRTC, trtc_notice(103, RoomId=2**40), UNREADABLE),
    (TRTC, trtc_notice(104, Reason="5"), ["left learner u1"]),
    (TRTC, trtc_notice(104, Reason=6), ["left unknown u1", "unknown"]),
    (TRTC, trtc_notice(103) | {"EventGroupId": "1", "EventType": "103"}, ["joined unknown u1"]),
    (TRTC, trtc_notice(301) | {"EventInfo": None}, IGNORED),
    (TRTC, trtc_notice(103, UserId=None), UNREADABLE),
    (HUNDREDMS, hundredms_event("peer.join.success", user_id=""), ["joined unknown p-1"]),
    (HUNDREDMS, hundredms_event("peer.join.success", joined_at=YEAR_ONE), ["joined unknown u1"]),
    (HUNDREDMS, hundredms_event("peer.leave.success", reason="Server  Removed Peer"), ["left platform u1"]),
    (HUNDREDMS, hundredms_event("peer.leave.success", reason="", duration="PT5M"), ["left unknown u1", "unknown"]),
    (HUNDREDMS, hundredms_event("peer.join.failure", error_message=None), ["join_failed unknown u1", "unknown"]),
    (HUNDREDMS, hundredms_event("peer.leave.failure"), IGNORED),
    (HUNDREDMS, hundredms_event("peer.join.success") | {"data": []}, UNREADABLE),
    (TWILIO, twilio_callback("participant-connected", ParticipantIdentity="学生 +&=🙂"), ["joined unknown 学生 +&=🙂"]),
    (TWILIO, twilio_callback("participant-connected", RoomName=""), ["joined unknown u1"]),
    (TWILIO, twilio_callback("track-subscribed"), UNKNOWN),
    (TWILIO, twilio_callback("participant-connected", Timestamp="Mon, 02 Nov 2026 11:00:05 +0000"), UNREADABLE),
    (TWILIO, twilio_summary(join_time=None, leave_time=None), UNREADABLE),
    (TWILIO, twilio_summary(error_code="53006", duration_sec="0"), ["attempted unknown u1", "join_failed platform u1"]),
    (
        TWILIO,
        [twilio_summary(), twilio_summary() | {"data": None}],
        ["joined unknown u1", "left unknown u1", "unknown"],
    ),
    (TWILIO, [twilio_summary() | {"type": None}, twilio_summary("room-summary.complete")], ["ignored", "unknown"]),
    (JANUS, up(session_id=NUMBERED, handle_id=str(NUMBERED), timestamp=str(NOON * 1_000)), ["joined unknown u1"]),
    (JANUS, attached(opaque_id="学生🙂"), ["attempted unknown 学生🙂"]),
    (JANUS, attached(opaque_id=12345), IGNORED),
    (JANUS, hangup(None), ["left unknown u1", "unknown"]),
    (JANUS, statistics(line(**{"packets-sent": "410", "lost-by-remote": 2**24 - 1})), ["quality unknown u1"]),
    (JANUS, janus_event(32, [], 3), []),
    (JANUS, [up(), None, 3, {"type": 16}], ["joined unknown u1", "unknown"]),
    (JANUS, up(timestamp=NOON), UNREADABLE),
    (BEACON, beacon_batch({"kind": "left", "at": NOON + 0.7, "session": "s", "code": -109.0}), ["left platform u1"]),
    (BEACON, beacon_batch({"kind": "joined", "at": NOON, "session": 7}, None, []), UNKNOWN),
    (BEACON, beacon_batch({"kind": "attempted", "at": NOON}, domains=None, app=5), ["attempted unknown u1"]),
    (
        BEACON,
        stats(snap(NOON), snap(NOON + 5_000, {"packetsLost": -3}, {"framesDecoded": None})),
        ["quality unknown u1"],
    ),
    (BEACON, stats(snap(NOON) | {"reports": {}}, snap(NOON + 5_000) | {"reports": {}}), IGNORED),
    (BEACON, beacon_batch() | {"items": {}}, UNREADABLE),
    (
        GENERIC,
        observed("joined", at="2026-11-02T19:00:05.12+08:00", participant_id="学生🙂"),
        ["joined unknown 学生🙂"],
    ),
    (GENERIC, observed("left", fault="platform", blames="node"), ["left platform u1"]),
    (GENERIC, observed("quality", metrics={"loss": "0.1"}), UNREADABLE),
    (GENERIC, observed("joined", at=NOON), UNREADABLE),
)


@pytest.mark.parametrize(
    ("specimen", "body", "expected"), CASES, ids=[f"{s.name}-{n}" for n, (s, *_) in enumerate(CASES)]
)
def test_it_is_read_as_its_provider_means_it(
    specimen: Specimen, body: Body | list[object], expected: list[str]
) -> None:
    delivery = specimen.delivery(json.dumps(body).encode() if isinstance(body, list) else body)
    specimen.collector.verify(delivery)

    try:
        reading = specimen.collector.read(delivery)
    except Unreadable:
        assert expected == UNREADABLE
        return

    seen = [one.observation for one in reading.sightings]
    told = [f"{one.kind.value} {one.fault.value} {one.participant_id}" for one in seen]
    told += ["ignored"] * bool(reading.ignored) + ["unknown"] * bool(reading.unknown)
    assert told == expected
