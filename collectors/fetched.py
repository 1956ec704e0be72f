"""Reads answers that we fetched ourselves: they pass through the same tables as what is sent to us."""

from collections.abc import Callable
from dataclasses import dataclass

from collectors.body import Object, key_of_bytes, parsed
from collectors.contract import Delivery, DeliveryKey, Reading

ASKED: str = "asked"
"""The header in which a poll keeps what it asked, as a JSON object."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The collector for one provider's answers. ``translate`` takes what was asked and the body; raises Unreadable."""

    provider: str
    translate: Callable[[Object, bytes], Reading]
    kept_headers: frozenset[str] = frozenset({ASKED})

    def verify(self, delivery: Delivery) -> None:
        """Believe it: nobody but our own polls stores one."""

    def key(self, delivery: Delivery) -> DeliveryKey:
        """Name an answer by its bytes; a poll names it by what was asked."""
        return key_of_bytes(delivery.body)

    def answer(self, delivery: Delivery) -> tuple[int, bytes, str]:  # noqa: ARG002 - named as in Collector
        """Say that it is kept; nobody hears it."""
        return 200, b"{}", "application/json"

    def read(self, delivery: Delivery) -> Reading:
        """Translate one answer. Raises Unreadable where it, or what was asked, is not what it should be."""
        return self.translate(parsed(delivery.headers.get(ASKED, "").encode()), delivery.body)
