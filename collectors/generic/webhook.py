"""Reads observations that somebody else's system made, signed with Standard Webhooks. README.md here has the format."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from collectors import lines, signing
from collectors.body import (
    CODE_MAX,
    EARLIEST_S,
    EVENT_ID_MAX,
    ID_MAX,
    LATEST_S,
    OBSERVATION_ID_MAX,
    capped,
    key_of_bytes,
    text,
    whole,
)
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.document import Problem
from rules.observation import Observation
from rules.span import MINUTE, SECOND, Instant, parse_instant

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

TOLERANCE: Instant = 5 * MINUTE
"""How far the sender's clock may be from the moment of receipt, either way; exactly that far is still good."""
KEY_BYTES_MIN: int = 24
SIGNATURES_MAX: int = 20
TOLD_MAX: int = 10
"""Mistakes named for one delivery; the others are counted."""

_LENGTHS = {
    "source": 64,
    "id": OBSERVATION_ID_MAX,
    "class_id": ID_MAX,
    "participant_id": ID_MAX,
    "session": 240,
    "code": CODE_MAX,
}
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_KEY_SHOWN_MAX = 40


@dataclass(frozen=True, slots=True)
class Generic:
    """Systems of the operator's own, each (source, key) pair believed for every source that is listed.

    A source may be listed with several keys while they are changed. Raises ValueError at construction without one.
    """

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("generic needs at least one secret")
        if not all(_SOURCE.fullmatch(source) for source, _ in self.keys):
            raise ValueError("generic needs the name of a source in lower-case letters, digits, - and _")
        if not all(len(key) >= KEY_BYTES_MIN for _, key in self.keys):
            raise ValueError(f"generic needs keys of {KEY_BYTES_MIN} or more bytes")

    @property
    def provider(self) -> str:
        """The name in the URL and in metric labels; ``source`` is the sender's."""
        return "generic"

    @property
    def kept_headers(self) -> frozenset[str]:
        """All that is signed beside the body, and the signatures."""
        return frozenset({_ID, _TIMESTAMP, _SIGNATURE})

    def verify(self, delivery: Delivery) -> None:
        """Believe one right ``v1`` signature among those given, under any of the keys. Raises Refused.

        The time is held against ``received_at``, so that a stored delivery verifies for ever; the library's own
        check asks the machine's clock.
        """
        message, stamp, given = (delivery.headers.get(name, "").strip() for name in (_ID, _TIMESTAMP, _SIGNATURE))
        if not message or not stamp or not given:
            raise Refused("missing_signature")
        at = whole(stamp, 0, LATEST_S)
        if at is None:
            raise Refused("malformed_token")
        signed = f"{message}.{stamp}.".encode("utf-8", "backslashreplace") + delivery.body
        keys = [key for _, key in self.keys]
        believed = [signing.fits(one, signed, keys, signing.SHA256_BASE64) for one in _signatures(given)]
        if not any(believed):
            raise Refused("wrong_signature")
        if at * SECOND < delivery.received_at - TOLERANCE:
            raise Refused("expired")
        if at * SECOND > delivery.received_at + TOLERANCE:
            raise Refused("not_yet_valid")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the delivery by its ``webhook-id``, at the minute of its first observation: a retry repeats both."""
        message = text(delivery.headers.get(_ID, "").strip())
        if message is None:
            return key_of_bytes(delivery.body)
        return DeliveryKey(_first_at(delivery.body) // MINUTE, capped(message, EVENT_ID_MAX))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give 204: it is kept."""
        return 204, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Read every line, or none. Raises Unreadable with the line and key of each mistake, never with a value."""
        problems: list[Problem] = []
        sources = {source for source, _ in self.keys}
        seen = []
        for place, observation in lines.observations(delivery.body, problems):
            problems.extend(Problem(f"{place}.{key}", "") for key in _wrong_keys(observation, sources))
            seen.append(Sighting(observation, placed=True))
        if problems:
            raise Unreadable(_words(problems))
        if not seen:
            raise Unreadable("the body holds no observation")
        return Reading(tuple(seen))


def build(secrets: tuple[str, ...]) -> Generic:
    """Make the collector from its settings, each ``source:whsec_…``. Raises ValueError, secrets not in it."""
    pairs = (pair.strip().partition(":") for pair in secrets)
    return Generic(tuple((source.strip(), _key(secret.strip())) for source, _, secret in pairs))


def _key(secret: str) -> bytes:
    wanted = "generic needs each secret as source:whsec_ and base64"
    if not secret.startswith("whsec_"):
        raise ValueError(wanted)
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(wanted) from None


def _signatures(given: str) -> list[str]:
    """Take what is written in ``v1``; other versions are not ours to read."""
    pairs = (entry.partition(",") for entry in given.split(" ")[:SIGNATURES_MAX])
    return [signature for version, _, signature in pairs if version == "v1"]


def _first_at(body: bytes) -> Instant:
    """Find the instant of the first line; 0 where there is none to be believed."""
    line = body.lstrip().partition(b"\n")[0]
    try:
        value = msgspec.json.decode(line)
        at = parse_instant(value["at"]) if isinstance(value, dict) else 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError):
        return 0
    return at if EARLIEST_S * SECOND <= at <= LATEST_S * SECOND else 0


def _wrong_keys(seen: Observation, sources: set[str]) -> Iterator[str]:
    """Name what our format allows and a signed sender may not say, or no database can hold."""
    if seen.source not in sources:
        yield "source"
    if seen.recorded_at is not None:  # when we stored it is ours to say: of two copies the earlier one counts
        yield "recorded_at"
    for key, most in _LENGTHS.items():
        given = getattr(seen, key)
        if given is not None and not (text(given) and len(given) <= most):
            yield key
    yield from (f"domains.{name}" for name, value in seen.domains.items() if not (text(value) and len(value) <= ID_MAX))
    for key in ("at", "until"):
        instant = getattr(seen, key)
        if instant is not None and not EARLIEST_S * SECOND <= instant <= LATEST_S * SECOND:
            yield key


def _words(problems: list[Problem]) -> str:
    """Name lines and keys in plain letters; what stood there may be a learner's name."""
    places = list(dict.fromkeys(_shown(problem.path) for problem in problems))
    more = f" and {len(places) - TOLD_MAX} more" if len(places) > TOLD_MAX else ""
    return f"not an observation: {', '.join(places[:TOLD_MAX])}{more}"


def _shown(path: str) -> str:
    plain = ascii(path)[1:-1]
    return plain if len(plain) <= _KEY_SHOWN_MAX else f"{plain[: _KEY_SHOWN_MAX - 3]}..."
