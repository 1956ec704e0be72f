"""100ms's specimen: the header it was told to send and what it sends."""

from collector_specimens import NOON, Body, Specimen

from collectors.hundredms import HundredMs
from rules.span import Instant, format_instant

HUNDREDMS_HEADER, HUNDREDMS_VALUE = "x-school-webhook", "a-value-nobody-guesses"
YEAR_ONE = "0001-01-01T00:00:00Z"
JOINED_AT, LEFT_AT = "2026-11-02T11:00:00.97291247Z", "2026-11-02T11:40:08.500451704Z"


def hundredms_event(kind: str, /, **data: object) -> Body:
    """Build a peer event; keywords replace or add keys of data."""
    told: Body = {"peer_id": "p-1", "role": "student", "room_id": "r1", "user_id": "u1", "user_data": ""}
    if kind == "peer.join.failure":
        told |= {"joined_at": YEAR_ONE, "error_message": "role not allowed", "type": "regular"}
    else:
        told |= {"joined_at": JOINED_AT, "session_id": "s-1"}
    if kind == "peer.leave.success":
        told |= {"left_at": LEFT_AT, "duration": 2_407, "reason": "client request", "message": ""}
    at = NOON + 2_408_000 if kind == "peer.leave.success" else NOON
    return {
        "version": "2.0",
        "id": f"evt-{kind}",
        "account_id": "a-1",
        "timestamp": format_instant(at).replace(".000", ""),
        "type": kind,
        "data": told | data,
    }


def hundredms_headers(_: bytes, __: Instant) -> dict[str, str]:
    """Send the header that was configured."""
    return {HUNDREDMS_HEADER: HUNDREDMS_VALUE}


HUNDREDMS = Specimen(
    collector=HundredMs(((HUNDREDMS_HEADER, HUNDREDMS_VALUE),)),
    sign=hundredms_headers,
    valid=(
        hundredms_event("peer.join.success"),
        hundredms_event("peer.leave.success", reason="server removed peer"),
        hundredms_event("peer.join.failure"),
        hundredms_event("peer.join.failure", joined_at=JOINED_AT) | {"id": "evt-2"},
    ),
    sent_again=lambda body: body | {"app_id": "app-1"},
    unknown_event=hundredms_event("peer.levitate.success"),
    unknown_enum=hundredms_event("peer.leave.success", reason="SOLAR_FLARE"),
    signs_body=False,
    keeps_proof=False,
)
