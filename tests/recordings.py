"""One class, as each provider tells of it: what a recorded feed would hold, with the sender's repeats."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from collector_specimens import (
    AGORA,
    BEACON,
    BEACON_SECRET,
    LIVEKIT,
    NOON,
    Body,
    Specimen,
    agora_notice,
    beacon_batch,
    livekit_event,
    snapshot,
)
from generic_specimen import GENERIC, observed
from hundredms_specimen import HUNDREDMS, hundredms_event
from janus_specimen import JANUS, attached, hangup, janus_event, line, statistics, up
from trtc_specimen import TRTC, trtc_notice
from twilio_specimen import TWILIO, twilio_callback, twilio_summary
from zoom_specimen import AUDIO, VIDEO, ZOOM, zoom_event

from collectors.beacon import mint
from collectors.contract import Delivery
from rules.observation import Role
from rules.span import HOUR, SECOND, Instant, format_instant

SUMMARY = "participant-summary.complete"
ROOM, ZOOM_ROOM = "r1", "93201235621"
TEACHER, LEARNERS = "t1", ("u1", "u2", "u3", "u4")


@dataclass(frozen=True)
class Act:
    """What one person did, or what was done to them; ``stay`` counts their joins."""

    who: str
    what: str
    second: int
    stay: int

    @property
    def at(self) -> Instant:
        """When, in milliseconds."""
        return NOON + self.second * SECOND

    @property
    def seat(self) -> str:
        """Name the stay."""
        return f"{self.who}-{self.stay}"

    @property
    def number(self) -> int:
        """Number the person."""
        return (TEACHER, *LEARNERS).index(self.who) + 1


ACTS: tuple[Act, ...] = (
    Act("t1", "joins", -60, 1),
    Act("u1", "joins", 20, 1),
    Act("u2", "joins", 60, 1),
    Act("u3", "fails", 90, 0),
    Act("u3", "joins", 150, 1),
    Act("u2", "drops", 600, 1),
    Act("u2", "joins", 601, 2),
    Act("u1", "shut out", 1_200, 1),
    Act("u1", "joins", 2_400, 2),
    Act("u3", "leaves", 1_800, 1),
    Act("u3", "joins", 1_801, 2),
    Act("u2", "drops", 2_400, 2),
    Act("u1", "leaves", 3_590, 2),
    Act("u3", "leaves", 3_595, 2),
    Act("t1", "leaves", 3_600, 1),
)
"""u4 never comes, u2 does not come back, and two come back within a second of having gone."""

STATISTICS_S: tuple[int, ...] = tuple(range(300, 360, 5))
"""Seconds of the class at which u1's reception is told, where the provider tells it."""

Told = tuple[Instant, Body | bytes]


@dataclass(frozen=True)
class Recording:
    """The feed of one provider in the order it happened; beside each delivery stands the sender's repeat of it."""

    specimen: Specimen
    room: str | None
    deliveries: tuple[tuple[Delivery, Delivery], ...]

    @property
    def provider(self) -> str:
        """Name the provider."""
        return self.specimen.name


def _recorded(specimen: Specimen, told: Iterable[Told], room: str | None = ROOM) -> Recording:
    pairs = []
    for at, body in told:
        times = (at + 900, at + 40_900)
        first, again = (specimen.delivery(_sent(body, received_at), received_at) for received_at in times)
        pairs.append((first, again))
    return Recording(specimen, room, tuple(pairs))


def _sent(body: Body | bytes, at: Instant) -> Body | bytes:
    """Set the sender's clock, where the body carries it."""
    if isinstance(body, bytes):
        return body
    return body | {name: at for name in ("sent_at", "notifyMs", "CallbackTs") if name in body}


def _each(tell: Callable[[Act], Iterable[Body]]) -> Iterator[Told]:
    for act in ACTS:
        for body in tell(act):
            yield act.at, body


def _agora(act: Act) -> Iterator[Body]:
    event, reason = {"joins": (103, {}), "fails": (0, {})}.get(
        act.what, (104, {"reason": {"drops": 2, "shut out": 4, "leaves": 1}.get(act.what)})
    )
    if event:
        told = {"account": act.who, "uid": act.number, "clientSeq": act.at, "ts": act.at // SECOND, **reason}
        yield agora_notice(event, **told) | {"noticeId": f"n:{act.seat}:{act.what}"}


def _livekit(act: Act) -> Iterator[Body]:
    event, reason = {
        "joins": ("participant_joined", None),
        "fails": ("participant_connection_aborted", "JOIN_FAILURE"),
        "drops": ("participant_left", "CONNECTION_TIMEOUT"),
        "shut out": ("participant_left", "SERVER_SHUTDOWN"),
        "leaves": ("participant_left", "CLIENT_INITIATED"),
    }[act.what]
    person: Body = {"sid": f"PA_{act.seat}", "identity": act.who, "joinedAtMs": str(act.at - 5_000)}
    person |= {} if reason is None else {"disconnectReason": reason}
    yield livekit_event(event, person, id=f"EV_{act.seat}_{act.what}", createdAt=str(act.at // SECOND))


def _zoom(act: Act) -> Iterator[Body]:
    person: Body = {"customer_key": act.who, "participant_uuid": act.seat, "user_id": act.seat}
    sent = {"event_ts": act.at + 300}
    if act.what == "joins":
        joined = person | {"join_time": format_instant(act.at)}
        yield zoom_event("meeting.participant_joined", joined) | sent
    elif act.what == "fails":
        yield zoom_event("meeting.participant_jbh_waiting", person) | {"event_ts": act.at - 30 * SECOND}
        yield zoom_event("meeting.participant_jbh_waiting_left", person) | sent
    else:
        reason = {
            "drops": "got disconnected from the meeting.<br>Reason: Network connection error.",
            "shut out": "left the meeting. Reason : Exceeded free meeting minutes limit.",
            "leaves": "left the meeting.",
        }[act.what]
        left = person | {"leave_time": format_instant(act.at), "leave_reason": f"Jo {reason}"}
        yield zoom_event("meeting.participant_left", left) | sent


def _zoom_quality() -> Iterator[Told]:
    for second in (300, 360, 420):
        at = NOON + second * SECOND
        entries = [{"date_time": format_instant(at), **entry} for entry in (AUDIO, VIDEO)]
        person: Body = {"customer_key": "u1", "participant_uuid": "u1-1", "user_id": "u1-1", "qos": entries}
        yield at, zoom_event("meeting.participant_qos", person) | {"event_ts": at + 700}


def _trtc(act: Act) -> Iterator[Body]:
    event, reason = {"joins": (103, 1), "drops": (104, 2), "shut out": (104, 3), "leaves": (104, 1)}.get(
        act.what, (0, 0)
    )
    if event:
        yield trtc_notice(event, RoomId=ROOM, UserId=act.who, Reason=reason, EventMsTs=act.at, EventTs=act.at // SECOND)


def _hundredms(act: Act) -> Iterator[Body]:
    event = {"joins": "peer.join.success", "fails": "peer.join.failure"}.get(act.what, "peer.leave.success")
    told: Body = {"peer_id": act.seat, "user_id": act.who}
    if act.what == "joins":
        told |= {"joined_at": format_instant(act.at)}
    elif act.what != "fails":
        reasons = {"drops": "websocket closed", "shut out": "server removed peer", "leaves": "client request"}
        told |= {"left_at": format_instant(act.at), "reason": reasons[act.what]}
    stamped = {"id": f"evt-{act.seat}-{act.what}", "timestamp": format_instant(act.at)}
    yield hundredms_event(event, **told) | stamped


def _janus(act: Act) -> list[Body]:
    handle = act.number * 1_000 + act.stay
    head = {"session_id": act.number, "handle_id": handle, "opaque_id": f"{ROOM}/{act.who}"}
    micros = act.at * 1_000
    if act.what == "joins":
        return [attached(**head, timestamp=micros - 900_000), up(**head, timestamp=micros)]
    if act.what == "fails":
        return [attached(**head, timestamp=micros - 20_000_000), hangup("DTLS timeout", **head, timestamp=micros)]
    reason = {"drops": "ICE failed", "shut out": "Admin API", "leaves": "DTLS alert"}[act.what]
    gone = {"name": "detached", "plugin": "janus.plugin.videoroom"}
    return [
        hangup(reason, **head, timestamp=micros),
        janus_event(2, gone, **head, timestamp=micros + 50_000),
    ]


def _janus_posts() -> Iterator[Told]:
    """Post in arrays, as Janus does: the events of one act, or the statistics of some moments."""
    for act in ACTS:
        yield act.at, _together(_janus(act))
    moments = []
    for place, second in enumerate(STATISTICS_S, start=1):
        head = {"session_id": 2, "handle_id": 2_001, "opaque_id": f"{ROOM}/u1"}
        counted: Body = {"packets-sent": 250 * place, "lost-by-remote": 70 * max(place - 4, 0)}
        moments.append(statistics(line(**counted), **head, timestamp=(NOON + second * SECOND) * 1_000))
        if len(moments) == 3:
            yield NOON + second * SECOND, _together(moments)
            moments = []


def _together(events: list[Body]) -> bytes:
    return json.dumps(events).encode()


def _twilio(act: Act) -> Iterator[Body]:
    told: Body = {"ParticipantSid": f"PA{act.seat}", "ParticipantIdentity": act.who}
    told |= {"Timestamp": format_instant(act.at), "SequenceNumber": str(act.second + 100)}
    stay: Body = {"participant_sid": f"PA{act.seat}", "participant_identity": act.who, "room_name": ROOM}
    if act.what == "joins":
        yield twilio_callback("participant-connected", **told)
    elif act.what == "fails":
        times = {"join_time": None, "leave_time": format_instant(act.at)}
        yield twilio_summary(SUMMARY, **stay, **times, error_code=53405, duration_sec=0) | {"id": f"NO-{act.seat}"}
    else:
        yield twilio_callback("participant-disconnected", **told)
        ends: dict[str, Body] = {"drops": {"error_code": 53001}, "shut out": {"end_reason": "disconnected_via_api"}}
        joined = next(one.at for one in ACTS if one.seat == act.seat and one.what == "joins")
        times = {"join_time": format_instant(joined), "leave_time": format_instant(act.at)}
        yield twilio_summary(SUMMARY, **stay, **times, **ends.get(act.what, {})) | {"id": f"NO-{act.seat}"}


def _beacon(act: Act) -> Iterator[Body]:
    code = {"fails": "NETWORK_ERROR", "drops": "network", "shut out": "server_error", "leaves": "LEAVE"}.get(act.what)
    kind = {"joins": "joined", "fails": "join_failed"}.get(act.what, "left")
    item: Body = {"kind": kind, "at": act.at, "session": act.seat, "code": code}
    attempt: Body = {"kind": "attempted", "at": act.at - 3_000}
    items = [attempt, item] if act.what in ("joins", "fails") else [item]
    yield beacon_batch(*items, batch=f"b-{act.seat}-{act.what}", made_at=act.at, who=act.who)


def _beacon_quality() -> Iterator[Told]:
    for start in range(0, len(STATISTICS_S) - 3, 3):
        moments = [NOON + second * SECOND for second in STATISTICS_S[start : start + 4]]
        item: Body = {"kind": "stats", "snapshots": [snapshot(at) for at in moments]}
        yield moments[-1], beacon_batch(item, batch=f"b-stats-{start}", made_at=moments[-1], who="u1")


def _beacon_headers(raw: bytes, at: Instant) -> dict[str, str]:
    who = json.loads(raw)["who"]
    role = Role.TEACHER if who == TEACHER else Role.LEARNER
    return {"authorization": f"Bearer {mint(BEACON_SECRET, who, 'c1', NOON + 3 * HOUR, role)}"}


def _generic() -> Iterator[Told]:
    """Post three observations a message; two messages overlap."""
    lines = []
    for act in ACTS:
        kind = {"joins": "joined", "fails": "join_failed"}.get(act.what, "left")
        fault = {"shut out": "platform", "leaves": "learner"}.get(act.what, "unknown")
        told: Body = {"id": f"o-{act.seat}-{act.what}", "at": format_instant(act.at), "participant_id": act.who}
        told |= {"role": "teacher" if act.who == TEACHER else "learner", "fault": fault}
        told |= {} if kind == "join_failed" else {"session": act.seat}
        lines.append((act.at, json.dumps(observed(kind, **told))))
    for start in range(0, len(lines), 3):
        part = lines[max(start - 1, 0) : start + 3]
        yield part[-1][0], "\n".join(text for _, text in part).encode()


RECORDINGS: tuple[Recording, ...] = (
    _recorded(AGORA, _each(_agora)),
    _recorded(LIVEKIT, _each(_livekit)),
    _recorded(ZOOM, (*_each(_zoom), *_zoom_quality()), ZOOM_ROOM),
    _recorded(TRTC, _each(_trtc)),
    _recorded(HUNDREDMS, _each(_hundredms)),
    _recorded(JANUS, _janus_posts()),
    _recorded(TWILIO, _each(_twilio)),
    _recorded(replace(BEACON, sign=_beacon_headers), (*_each(_beacon), *_beacon_quality()), None),
    _recorded(GENERIC, _generic(), None),
)
"""One of each provider."""
