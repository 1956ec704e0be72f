"""TRTC's specimen: how Tencent signs a callback and what it sends."""

import base64
import hashlib
import hmac

from collector_specimens import NOON, NOON_S, Body, Specimen

from collectors.trtc import Trtc
from rules.span import Instant

TRTC_KEY = "callbackKey123"


def trtc_notice(event: int, **told: object) -> Body:
    """Build a callback; keywords replace or add keys of EventInfo."""
    info: Body = {"RoomId": 12345, "EventTs": NOON_S, "EventMsTs": NOON + 120, "UserId": "u1", "Role": 20, "Reason": 1}
    if event == 103:
        info |= {"TerminalType": 2, "UserType": 3}
    return {"EventGroupId": event // 100, "EventType": event, "CallbackTs": NOON + 900, "EventInfo": info | told}


def trtc_headers(body: bytes, _: Instant = 0) -> dict[str, str]:
    """Sign as Tencent does."""
    return {"sign": base64.b64encode(hmac.new(TRTC_KEY.encode(), body, hashlib.sha256).digest()).decode()}


TRTC = Specimen(
    collector=Trtc((TRTC_KEY,)),
    sign=trtc_headers,
    valid=(
        trtc_notice(103),
        trtc_notice(103, Reason=3, RoomId="math-12", UserType=1),
        trtc_notice(104),
        trtc_notice(104, Reason=2, RoomId="12345", EventMsTs=NOON + 60_000),
    ),
    sent_again=lambda body: body | {"CallbackTs": NOON + 10_900},
    unknown_event=trtc_notice(107),
    unknown_enum=trtc_notice(104, Reason=77),
)
