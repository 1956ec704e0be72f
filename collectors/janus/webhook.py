"""Believes and reads what Janus's sample event handler posts. README.md here has the facts and their sources."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from collectors import signing
from collectors.body import Object, decoded, key_of_bytes
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Unreadable
from collectors.janus.events import Notes, read_event, sessions_timed_out
from collectors.janus.head import micros
from rules.span import MINUTE

EVENTS_MAX: int = 1_000
"""Events read of one delivery; Janus itself groups 100 at most."""

_IDENTITY = ("emitter", "type", "subtype", "timestamp", "session_id", "handle_id", "opaque_id")


@dataclass(frozen=True, slots=True)
class Janus:
    """The school's Janus servers, each believed under any of the live ``user:password`` pairs.

    Raises ValueError at construction without a pair.
    """

    credentials: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets(self.credentials, "janus")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "janus"

    @property
    def kept_headers(self) -> frozenset[str]:
        """None: a password is good for every delivery, so it is not stored beside one."""
        return frozenset()

    def verify(self, delivery: Delivery) -> None:
        """Believe whoever knows a user and its password. Raises Refused.

        That is all Janus can prove: nothing covers the body, so it must come over TLS or a private network.
        """
        given = delivery.headers.get("authorization", "").strip()
        if not given:
            raise Refused("missing_signature")
        scheme, _, written = given.partition(" ")
        if scheme.lower() != "basic":
            raise Refused("malformed_token")
        try:
            said = base64.b64decode(written.strip().encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise Refused("malformed_token") from None
        known = [hmac.compare_digest(pair.encode(), said) for pair in self.credentials]
        if not any(known):
            raise Refused("wrong_signature")

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the delivery by what its events say, and by the minute of the first; a retry repeats both."""
        try:
            events = _events(delivery.body)
            said = json.dumps([_said(event) for event in events], sort_keys=True)
        except (Unreadable, RecursionError, ValueError):
            return key_of_bytes(delivery.body)
        first = next((at for event in events if (at := micros(event)) is not None), 0)
        return DeliveryKey(first // 1_000 // MINUTE, f"sha256:{hashlib.sha256(said.encode()).hexdigest()}")

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give an empty 200; Janus does not look at it (README, quirks)."""
        return 200, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one event or an array of them. Raises Unreadable where none is as Janus documents.

        Of an array, an event that cannot be read is counted and the others are still read.
        """
        events = _events(delivery.body)
        timed_out = sessions_timed_out(events)
        notes = Notes()
        sightings = [seen for event in events[:EVENTS_MAX] for seen in read_event(event, timed_out, notes)]
        if notes.unreadable == len(events[:EVENTS_MAX]):
            raise Unreadable("no event has a type, a timestamp and a body as Janus writes them")
        if len(events) > EVENTS_MAX:
            notes.unknown.append("excess")
        return Reading(tuple(sightings), tuple(notes.ignored), tuple(notes.unknown))


def build(secrets: tuple[str, ...]) -> Janus:
    """Make the collector from its settings, each ``user:password``. Raises ValueError, secrets not in it."""
    if not all(user and password for user, _, password in (pair.partition(":") for pair in secrets)):
        raise ValueError("janus needs each of its credentials as user:password")
    return Janus(secrets)


def _events(body: bytes) -> list[Object]:
    """Take the events of a body: an array of objects (``grouping``), or one object."""
    given = decoded(body)
    listed = given if isinstance(given, list) else [given]
    events = [event for event in listed if isinstance(event, dict)]
    if not events:
        raise Unreadable("the body holds no event")
    return events


def _said(event: Object) -> list[object]:
    return [*(event.get(name) for name in _IDENTITY), event.get("event")]
