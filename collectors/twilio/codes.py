"""Twilio's error codes and end reasons, and the fault each alone tells."""

from collections.abc import Mapping
from types import MappingProxyType

from rules.observation import Fault

Blame = tuple[Fault, str | None]

UNKNOWN: Blame = (Fault.UNKNOWN, None)
_LOGIN: Blame = (Fault.PLATFORM, "login")  # our token service
_PROVIDER: Blame = (Fault.PLATFORM, "provider")
_CLASS: Blame = (Fault.PLATFORM, "class")  # the room we made is not as the class needs it
_LEARNER: Blame = (Fault.LEARNER, None)

ERROR_CODES: Mapping[int, Blame] = MappingProxyType(
    {
        20101: _LOGIN,  # access token invalid
        20102: _LOGIN,  # its header
        20103: _LOGIN,  # its issuer or subject
        20104: _LOGIN,  # expired
        20105: _LOGIN,  # not yet valid
        20106: _LOGIN,  # its grants
        20107: _LOGIN,  # its signature
        53000: UNKNOWN,  # signalling connection error
        53001: UNKNOWN,  # signalling disconnected
        53002: UNKNOWN,  # signalling timed out
        53003: UNKNOWN,  # an incoming message was invalid
        53004: UNKNOWN,  # an outgoing one was
        53005: UNKNOWN,  # the name could not be resolved: either side's
        53006: _PROVIDER,  # signalling server busy
        53103: _PROVIDER,  # the room could not be created
        53104: UNKNOWN,  # could not connect to the room
        53105: _CLASS,  # the room was full: we set its size
        53106: UNKNOWN,  # no such room: never made, or over
        53118: UNKNOWN,  # the room is over
        53119: UNKNOWN,  # the room's time is over
        53205: _LEARNER,  # the same identity came from elsewhere
        53400: UNKNOWN,  # the client could not describe its media
        53401: _PROVIDER,  # the server could not describe its media
        53402: UNKNOWN,  # the client could not take the server's description
        53403: UNKNOWN,  # the server could not take the client's: an old SDK or browser, says its page
        53404: UNKNOWN,  # no codec in common
        53405: UNKNOWN,  # media connection failed
        53406: UNKNOWN,  # media data timed out
        53407: UNKNOWN,  # media activity timed out
    }
)
"""Error code of the participant, and whom it blames."""

END_REASONS: Mapping[str, Blame] = MappingProxyType({"disconnected_via_api": UNKNOWN})
"""``end_reason`` without an error code. Twilio's list of them was not found; others are new and tell nothing."""
