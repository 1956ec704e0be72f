"""What the numbers in TRTC's statistics tell; four tables of its own whose numbers overlap, so four tables here."""

from collections.abc import Mapping
from types import MappingProxyType

from rules.observation import Fault

LEAVES: Mapping[tuple[int, int], Fault] = MappingProxyType(
    {
        (7001, 0): Fault.LEARNER,  # left
        (7001, 1): Fault.UNKNOWN,  # time-out: either side's network
        (7001, 2): Fault.UNKNOWN,  # removed: our own act
    }
)
"""(SDK event, first parameter) of a leave, and the fault it tells; as the reasons 1, 2 and 3 of a callback."""

FAILURES: Mapping[tuple[int, int], tuple[Fault, str | None]] = MappingProxyType(
    {
        (5002, 0): (Fault.UNKNOWN, None),  # no address of a server: either side's network
        (5003, 0): (Fault.UNKNOWN, None),  # entering failed, no cause given
        (5005, 0): (Fault.UNKNOWN, None),  # connecting timed out
    }
)
"""(SDK event, first parameter) of a failed entry, the fault it tells and the dimension it blames."""

IGNORED_EVENTS: frozenset[int] = frozenset(
    {
        *range(1001, 1004),  # earphones, network in use: the learner's own
        *range(2001, 2003),  # background, permissions: the learner's own
        *range(3001, 3005),  # microphone, mute, codec, speaker
        *range(4001, 4010),  # camera, resolution, codecs
        *range(5001, 5010),  # steps of entering and leaving; what failed is in FAILURES
        *range(6001, 6010),
        *range(7000, 7010),  # entered, entered again, role, streams
        *range(32_768, 32_800),  # WebRTC: entered, left, signalling and media channels
        36_864,
    }
)
"""Documented events that tell nothing more: who came and left DescribeUserInfo tells, with no event it could miss."""

EXPERIENCES: Mapping[int, str] = MappingProxyType(
    {1: "slow entry", 2: "no video", 3: "no audio", 4: "video froze", 5: "audio froze"}
)

CAUSES: Mapping[int, tuple[Fault, str | None]] = MappingProxyType(
    {
        1003: (Fault.PLATFORM, "provider"),  # request for a token failed
        1004: (Fault.PLATFORM, "provider"),  # an access server failed
        1005: (Fault.UNKNOWN, None),  # entry failed
        1006: (Fault.UNKNOWN, None),  # the same
        1008: (Fault.PLATFORM, "login"),  # wrong parameters or UserSig: ours
        1009: (Fault.PLATFORM, "login"),
        1010: (Fault.PLATFORM, "login"),
        1011: (Fault.PLATFORM, "login"),
        1012: (Fault.PLATFORM, "login"),
        1013: (Fault.UNKNOWN, None),  # entry timed out
        1014: (Fault.PLATFORM, None),  # service unavailable, or our own arrears: never the learner's fault
    }
)
"""Causes of a slow entry that say there was none, from the table of dismissed rooms; not the SDK events' numbers."""
