"""What a collector is: it believes bytes or refuses them, names them, and reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rules.observation import Observation
from rules.span import Instant

REFUSALS: frozenset[str] = frozenset(
    {
        "missing_signature",
        "malformed_token",
        "unknown_key",
        "wrong_signature",
        "wrong_body",
        "expired",
        "not_yet_valid",
    }
)
"""Why a delivery may be refused: a closed set, fit for a metric label."""


class Refused(Exception):  # noqa: N818 - an answer to the sender, not a fault of ours
    """The sender could not prove who it is. Answered 401, counted, not stored.

    ``reason`` is one of REFUSALS.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unreadable(Exception):  # noqa: N818 - the delivery is, and it is kept
    """A body we believe and that is not what its sender documents. Stored, counted, answered 2xx."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came: raw bytes, header names in lower case, the instant we received it."""

    provider: str
    body: bytes
    headers: Mapping[str, str]
    received_at: Instant


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """By what a repeat is known: the event's own minute since 1970 (0 if it has none), and its id.

    The minute leads so that the unique index grows at its end; both must be the same in every retry.
    """

    minute: int
    event_id: str


ANYWHERE: str = "*"
"""Stands for the room where an event names only the person: the class is the one the roster has them in then."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An observation in the provider's own names, before the roster turns them into ours.

    Unless ``placed``, ``observation.class_id`` holds the provider's room (channel, room name) and
    ``observation.participant_id`` the provider's name of the participant (account, identity, uid as text);
    the role is Role.LEARNER until the roster tells that it is the teacher. ``placed`` means that both are our
    own ids and the role is known, as in a beacon whose token we minted.
    Where a provider sends no session id, ``thread`` names the sequence of joins and leaves this one belongs
    to, ``order`` its place there, and ``observation.session`` is the thread's name until `collectors.threads`
    has seen the whole thread. Where it counts from the beginning instead of over a span, its spans are a thread
    too, each with its running totals as ``code``.
    """

    observation: Observation
    placed: bool = False
    thread: str | None = None
    order: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """The school's word that a class is called off, or after all is not (``by`` None).

    Known by its id; of one class the word that was received last counts.
    """

    id: str
    class_id: str
    at: Instant
    by: str | None
    is_technical: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one delivery says, and what in it said nothing to us.

    ``notices`` are words about classes, not about anybody in them; only the school itself gives any.
    ``ignored`` names what we know and do not use. ``unknown`` names, in the provider's words, what we have
    never seen: an event, or a value inside one that still gave a sighting. Neither is fit for a metric label.
    """

    sightings: tuple[Sighting, ...] = ()
    ignored: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


class Collector(Protocol):
    """One provider. No method does I/O, none looks at a clock, none keeps state between calls."""

    @property
    def provider(self) -> str:
        """The name in the URL, in ``source`` and in metric labels."""

    @property
    def kept_headers(self) -> frozenset[str]:
        """Lower-case names of the headers stored with the raw body."""

    def verify(self, delivery: Delivery) -> None:
        """Believe the sender, over the raw bytes. Raises Refused."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name the event so that a retry gets the same name. Never raises: falls back to the body's hash."""

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:
        """Give status, body and content type that make this provider content."""

    def read(self, delivery: Delivery) -> Reading:
        """Translate a delivery that was verified. Raises Unreadable. The same bytes always read the same."""
