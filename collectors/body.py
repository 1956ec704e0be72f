"""Takes values out of a sender's JSON without believing any of them."""

import hashlib
import math
import re

import msgspec

from collectors.contract import DeliveryKey, Unreadable
from rules.span import SECOND, Instant, Span, parse_instant

INTEGER_MAX: int = 2**63 - 1
EARLIEST_S: int = 946_684_800  # 2000-01-01; an older instant is a broken clock, not an old class
LATEST_S: int = 4_102_444_800  # 2100-01-01
ID_MAX: int = 200
"""Characters that fit every column an id is stored in."""
EVENT_ID_MAX: int = 200
OBSERVATION_ID_MAX: int = 300
CODE_MAX: int = 100

Object = dict[str, object]

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def decoded(body: bytes) -> object:
    """Read any JSON. Raises Unreadable for everything else: other encodings, NaN, depth, truncation."""
    try:
        value: object = msgspec.json.decode(body)
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("the body is not JSON in UTF-8") from None
    return value


def parsed(body: bytes) -> Object:
    """Read a JSON object. Raises Unreadable as `decoded` does, and for every other value."""
    value = decoded(body)
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object")
    return value


def parsed_or_empty(body: bytes) -> Object:
    """Read a JSON object; anything else is an empty one. For naming a delivery, which must never raise."""
    try:
        return parsed(body)
    except Unreadable:
        return {}


def inner(value: object) -> Object:
    """Take an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """Take a text that is not empty and that every database can store (PostgreSQL refuses NUL)."""
    return value if isinstance(value, str) and value and "\x00" not in value else None


def short_text(value: object, most: int = ID_MAX) -> str | None:
    """Take a text as `text` does, cut to ``most`` characters as `capped` does."""
    given = text(value)
    return None if given is None else capped(given, most)


def whole(value: object, low: int, high: int) -> int | None:
    """Take a whole number within bounds, both included; protobuf JSON writes 64-bit ones as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def number(value: object, low: float, high: float) -> float | None:
    """Take a finite number within bounds, both included."""
    if type(value) is float:  # most numbers by far are read here: the checks stand in the order of their use
        return value if low <= value <= high and math.isfinite(value) else None
    # A bool is no int by its type. Compared before it is converted: an integer may be too large for a float.
    return float(value) if type(value) is int and low <= value <= high else None


def seconds(value: object) -> Instant | None:
    """Take seconds since 1970 as an instant; None outside the years 2000 to 2100."""
    given = whole(value, EARLIEST_S, LATEST_S)
    return None if given is None else given * SECOND


def instant(value: object) -> Instant | None:
    """Take an RFC 3339 time with a zone, cut to the millisecond; None outside the years 2000 to 2100.

    100ms writes the year 1 for a time that is not known.
    """
    written = text(value)
    if written is None or len(written) > CODE_MAX:
        return None
    try:
        at = parse_instant(written)
    except ValueError:
        return None
    return at if EARLIEST_S * SECOND <= at <= LATEST_S * SECOND else None


def span(value: object) -> Span | None:
    """Take two instants of the years 2000 to 2100, the earlier first, as we write the span we asked about."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    start, end = (whole(at, EARLIEST_S * SECOND, LATEST_S * SECOND) for at in value)
    return Span(start, end) if start is not None and end is not None and start < end else None


def capped(given: str, most: int) -> str:
    """Keep a text that is short enough; end a longer one in its SHA-256, so that two never become one."""
    if len(given) <= most:
        return given
    return f"{given[: most - 65]}~{hashlib.sha256(given.encode()).hexdigest()}"


def key_of_bytes(body: bytes) -> DeliveryKey:
    """Name a delivery that does not name itself."""
    return DeliveryKey(0, f"sha256:{hashlib.sha256(body).hexdigest()}")
