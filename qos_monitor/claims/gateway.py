"""The refund system as the relay and the reconciliation see it."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rules.span import Instant


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx: it has the claim."""

    words: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """409: it has another body under the same key. An incident: one of the two systems is wrong."""

    words: str


@dataclass(frozen=True, slots=True)
class Stop:
    """410: send nothing more."""

    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Another 4xx: this claim will never be taken as it is."""

    words: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """5xx, 429, a redirect, or no answer at all: try again, not before ``retry_after_ms`` from now."""

    words: str
    retry_after_ms: int = 0


Answer: TypeAlias = Accepted | Conflict | Stop | Refused | Unavailable
"""What became of sending. ``words`` is the status and the beginning of the answer, or the class of the error."""


@dataclass(frozen=True, slots=True)
class Told:
    """The refund system knows the claim; ``status`` is its own word for where it stands."""

    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class NotKnown:
    """It has never heard of the claim."""


Report: TypeAlias = Told | NotKnown | Unavailable
"""What became of asking."""


class ClaimGateway(Protocol):
    """A way to the refund system. Neither method raises because of what the other side does."""

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        """Send these exact bytes under this key; ``now`` is signed. A repeat must be harmless."""

    async def ask(self, claim_key: str, now: Instant) -> Report:
        """Ask what became of a claim."""
