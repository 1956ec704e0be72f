"""Specimens of what polls answer, one for each list a provider has: the answer, and what was asked for it."""

import json
from collections.abc import Mapping

import trtc_calls
import zoom_account
from agora_analytics import series as agora_series
from agora_analytics import session as agora_session
from collector_specimens import NOON, Body, Specimen

from collectors.agora.stats import AGORA_ANSWERS
from collectors.contract import Collector
from collectors.livekit.stats import LIVEKIT_ANSWERS
from collectors.trtc.stats import TRTC_ANSWERS
from collectors.zoom.stats import ZOOM_ANSWERS
from rules.span import HOUR, MINUTE, SECOND, format_instant

Named = tuple[str, Specimen]

END = NOON + HOUR
UUID = "4444AAAiAAAAAiAiAiiAii=="
GUEST = {"user_id": 16_778_240}
ZOOM_PERSON: Body = zoom_account.person("u1", NOON, END, **GUEST)
MEASURED: Body = {**GUEST, "join_time": format_instant(NOON), "user_qos": [zoom_account.minute(NOON + MINUTE, "3 %")]}


def specimen(name: str, reader: Collector, asked: Mapping[str, object], *valid: Body) -> Named:
    """Make one of a reader, which believes whatever it is given; ``asked`` goes beside every answer."""
    headers = {"asked": json.dumps(asked)}
    return name, Specimen(reader, lambda _body, _at: headers, valid, lambda body: body, {}, {})


def zoom(endpoint: str, *valid: Body, **more: object) -> Named:
    """Make one of Zoom's lists."""
    asked = {"endpoint": endpoint, "room": "r1", "uuid": UUID, "page": 1, "span": [NOON, END], **more}
    return specimen(f"zoom-{endpoint}", ZOOM_ANSWERS, asked, *valid)


def trtc(endpoint: str, *valid: Body, **more: object) -> Named:
    """Make one of TRTC's interfaces."""
    asked = {"endpoint": endpoint, "room": "r1", "call": trtc_calls.CALL, "page": 0, "span": [NOON, END], **more}
    enveloped: tuple[Body, ...] = tuple({"Response": {**body, "RequestId": "r-1"}} for body in valid)
    return specimen(f"trtc-{endpoint}", TRTC_ANSWERS, {**asked, "alive": [NOON, END]}, *enveloped)


def agora(endpoint: str, *valid: Body, **more: object) -> Named:
    """Make one of Agora's lists."""
    asked = {"endpoint": endpoint, "room": "r1", "call": "k1", "page": 1, "span": [NOON, END], **more}
    return specimen(f"agora-{endpoint}", AGORA_ANSWERS, asked, *({"code": 200, **body} for body in valid))


def livekit(*valid: Body) -> Named:
    """Make the one of LiveKit, with somebody there at the answer before."""
    asked = {"room": "r1", "at": NOON + MINUTE, "before": {"PA_0": "u0"}, "alive": [NOON, NOON + MINUTE]}
    return specimen("livekit-presence", LIVEKIT_ANSWERS, asked, *valid)


LIVEKIT_PERSON: Body = {
    "sid": "PA_1",
    "identity": "u1",
    "state": "ACTIVE",
    "kind": "STANDARD",
    "joined_at": str(NOON // SECOND),
    "joined_at_ms": str(NOON + 250),
    "region": "ap-south-1",
    "permission": {"can_subscribe": True, "recorder": False, "agent": False},
}

POLLED: tuple[Named, ...] = (
    zoom(
        "instances", {"meetings": []}, {"meetings": [{"uuid": UUID, "start_time": format_instant(NOON)}]}, is_last=True
    ),
    zoom(
        "participants",
        {"next_page_token": "", "participants": [ZOOM_PERSON]},
        {"next_page_token": "more", "participants": [{**ZOOM_PERSON, "leave_reason": "Leave waiting room."}]},
    ),
    zoom("report", {"next_page_token": "", "participants": [ZOOM_PERSON]}),
    zoom("qos", {"participants": [MEASURED]}, people={f"{UUID} {GUEST['user_id']}": "u1"}),
    trtc("DescribeRoomInfo", {"RoomList": []}, {"RoomList": [trtc_calls.room(NOON, END)]}),
    trtc("DescribeUserInfo", {"UserList": [trtc_calls.user("u1", NOON, END)]}),
    trtc(
        "DescribeUserEvent",
        {"Data": trtc_calls.events((5003, 0, NOON - MINUTE), (7000, 0, NOON), (7001, 2, END))},
        user="u1",
        stays=[[NOON, END]],
    ),
    trtc(
        "DescribeCallDetailInfo",
        {"Data": [trtc_calls.series(kind, "u1", "t1", NOON, [0, 2_000, 0]) for kind in ("aBlock", "bigvLoss", "rtt")]},
        users=["u1"],
        teacher="t1",
    ),
    trtc(
        "DescribeUnusualEvent",
        {"AbnormalExperienceList": [trtc_calls.experience(1, "u1", NOON + SECOND, 1004, 1013)]},
        stays={},
    ),
    agora("lists", {"call_lists": []}),
    agora("sessions", {"call_info": [agora_session("s1", NOON, END, 7, "u1")]}),
    agora(
        "metrics",
        {"metrics": [{"sid": "s1", "data": [agora_series(20005, 100, NOON, [0, 2000])]}]},
        people={"s1": {"call": "k1", "uid": 7, "account": "u1"}},
        teachers=[100],
    ),
    livekit({"participants": [LIVEKIT_PERSON]}, {"participants": []}, {"code": "not_found", "msg": "no such room"}),
)
"""Each body is read without anything unknown."""
