"""What a client's error code alone tells about whose fault it was (README.md here has the sources)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rules.observation import Fault

Blame = tuple[Fault, str | None]

LEARNER: Blame = (Fault.LEARNER, None)
LOGIN: Blame = (Fault.PLATFORM, "login")
PROVIDER: Blame = (Fault.PLATFORM, "provider")
UNKNOWN: Blame = (Fault.UNKNOWN, None)


def _each(blame: Blame, codes: Iterable[str]) -> dict[str, Blame]:
    return dict.fromkeys(codes, blame)


CODES: Mapping[str, Blame] = MappingProxyType(
    {
        # Our own words, for apps that would rather not pass on a vendor's.
        **_each(LEARNER, ("left", "device_denied", "device_missing", "device_busy", "device_lost", "cancelled")),
        **_each(LOGIN, ("token_refused", "token_expired", "token_unavailable")),
        **_each(PROVIDER, ("server_error",)),
        **_each(UNKNOWN, ("timeout", "network", "gateway_unreachable", "media_failed", "removed", "other")),
        # Agora Web SDK 4.x.
        **_each(LEARNER, ("LEAVE", "PERMISSION_DENIED", "NOT_READABLE", "DEVICE_NOT_FOUND", "UID_CONFLICT")),
        **_each(LOGIN, ("TOKEN_EXPIRE", "NO_ACTIVE_STATUS")),
        **_each(PROVIDER, ("SERVER_ERROR",)),
        # The first covers a wrong token and an unreachable server alike; the bans are our own acts; what the
        # device cannot do may have been too much to ask of it.
        **_each(UNKNOWN, ("CAN_NOT_GET_GATEWAY_SERVER", "CAN_NOT_GET_PROXY_SERVER", "NETWORK_TIMEOUT")),
        **_each(UNKNOWN, ("NETWORK_ERROR", "NETWORK_RESPONSE_ERROR", "WS_ABORT", "WS_DISCONNECT", "WS_ERR")),
        **_each(UNKNOWN, ("OPERATION_ABORTED", "UNEXPECTED_ERROR", "UNEXPECTED_RESPONSE", "NOT_SUPPORTED")),
        **_each(UNKNOWN, ("CONSTRAINT_NOT_SATISFIED", "WEB_SECURITY_RESTRICT")),
        **_each(UNKNOWN, ("UID_BANNED", "IP_BANNED", "CHANNEL_BANNED")),
        # Agora native SDK: error codes (connection-changed reasons are sent as reason-8 and so on).
        **_each(LEARNER, ("9", "reason-19")),
        **_each(LOGIN, ("101", "109", "110", "reason-6", "reason-8", "reason-9")),
        **_each(PROVIDER, ("103",)),
        **_each(UNKNOWN, ("17", "102", "111", "112", "123")),
        **_each(UNKNOWN, ("reason-4", "reason-7", "reason-10", "reason-13", "reason-14", "reason-16")),
        **_each(UNKNOWN, ("reason-18", "reason-20")),
        # getUserMedia (W3C mediacapture-streams).
        **_each(LEARNER, ("NotAllowedError", "NotFoundError", "NotReadableError")),
        **_each(UNKNOWN, ("OverconstrainedError", "AbortError", "SecurityError", "NotSupportedError")),
        # LiveKit clients: DisconnectReason.
        **_each(LEARNER, ("CLIENT_INITIATED", "DUPLICATE_IDENTITY")),
        **_each(PROVIDER, ("SERVER_SHUTDOWN", "STATE_MISMATCH", "MIGRATION")),
        **_each(UNKNOWN, ("UNKNOWN_REASON", "PARTICIPANT_REMOVED", "ROOM_DELETED", "JOIN_FAILURE")),
        **_each(UNKNOWN, ("SIGNAL_CLOSE", "ROOM_CLOSED", "CONNECTION_TIMEOUT", "MEDIA_FAILURE")),
    }
)
"""Fault, and the dimension a platform fault blames; a code not listed is new and tells nothing."""
