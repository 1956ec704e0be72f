"""Reads our own client's beacon: a batch of what one learner's client saw in one class."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors import signing
from collectors.beacon.items import NOTES, Batch, read_item
from collectors.beacon.token import Ticket, believed, unverified
from collectors.body import CODE_MAX, Object, inner, key_of_bytes, number, parsed, parsed_or_empty, short_text, text
from collectors.contract import Delivery, DeliveryKey, Reading, Refused, Sighting, Unreadable
from rules.span import MINUTE

ITEMS_MAX: int = 500
_CLOCK_MAX = float(2**53)  # a client's clock may be absurd, but a number JavaScript can count in
_DOMAINS: Mapping[str, str] = MappingProxyType(
    {"network": "network", "region": "region", "node": "node", "app": "client"}
)
"""Key of the batch to the dimension it fills."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """Our clients, each believed for its own learner and class under any of the live secrets.

    Raises ValueError at construction without a secret.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.check_secrets(self.secrets, "beacon")

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""
        return "beacon"

    @property
    def kept_headers(self) -> frozenset[str]:
        """The token: it alone says whose batch it is."""
        return frozenset({"authorization"})

    def verify(self, delivery: Delivery) -> None:
        """Believe a token that had not expired when the batch was received. Raises Refused.

        It vouches for the learner and the class, not for a word of the body: a beacon corroborates, it never
        pays alone.
        """
        token = _bearer(delivery)
        if not token:
            raise Refused("missing_signature")
        believed(token, self.secrets, delivery.received_at)

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the batch by learner, class and its own id, so that nobody can use up another's id.

        The minute is that of ``made_at``, which a retry repeats; ``sent_at`` changes.
        """
        ticket = unverified(_bearer(delivery))
        batch = parsed_or_empty(delivery.body)
        name = text(batch.get("batch"))
        if ticket is None or name is None:
            return key_of_bytes(delivery.body)
        made_at = number(batch.get("made_at"), 0, _CLOCK_MAX) or 0.0
        return DeliveryKey(int(made_at) // MINUTE, _name(ticket, name))

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - the contract's shape
        """Give 204: the client forgets the batch."""
        return 204, b"", "text/plain"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one batch, whether or not its token has expired since. Raises Unreadable.

        An item that cannot be used is counted under one of NOTES, and the others are still read.
        """
        ticket = unverified(_bearer(delivery))
        if ticket is None:
            raise Unreadable("the stored token is missing or not one of ours")
        body = parsed(delivery.body)
        name, sent_at = text(body.get("batch")), number(body.get("sent_at"), -_CLOCK_MAX, _CLOCK_MAX)
        items = body.get("items")
        if name is None or sent_at is None or not isinstance(items, list):
            raise Unreadable("batch, sent_at or items is missing or of the wrong type")
        batch = Batch(
            ticket=ticket,
            name=_name(ticket, name),
            offset_ms=delivery.received_at - math.floor(sent_at),
            received_at=delivery.received_at,
            domains=_domains(body),
        )
        return _read_items(batch, items)


def build(secrets: tuple[str, ...]) -> Beacon:
    """Make the collector from its settings: the secrets that sign tokens. Raises ValueError."""
    return Beacon(secrets)


def _bearer(delivery: Delivery) -> str:
    scheme, _, token = delivery.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _name(ticket: Ticket, batch: str) -> str:
    said = "\x00".join((ticket.learner_id, ticket.class_id, ticket.role, batch))
    return hashlib.sha256(said.encode()).hexdigest()[:40]


def _domains(body: Object) -> dict[str, str]:
    given = {**inner(body.get("domains")), "app": body.get("app")}
    found = {dimension: short_text(given.get(key), CODE_MAX) for key, dimension in _DOMAINS.items()}
    return {dimension: value for dimension, value in found.items() if value is not None}


def _read_items(batch: Batch, items: list[object]) -> Reading:
    notes: list[str] = ["excess"] * max(len(items) - ITEMS_MAX, 0)
    seen = [
        Sighting(observation, placed=True)
        for index, item in enumerate(items[:ITEMS_MAX])
        for observation in read_item(batch, index, item, notes)
    ]
    ignored = tuple(note for note in notes if note in NOTES["ignored"])
    unknown = tuple(note for note in notes if note in NOTES["unknown"])
    return Reading(tuple(seen), ignored, unknown)
