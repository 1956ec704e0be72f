"""Believes a delivery, stores it raw, and only then lets it be answered."""

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from collectors.contract import Collector, Delivery, DeliveryKey
from qos_monitor.clock import Clock
from qos_monitor.storage.tables import WAITING
from qos_monitor.storage.writer import Writer
from rules.span import Instant

COLUMNS: tuple[str, ...] = ("provider", "minute", "event_id", "received_at", "headers", "body", "state")
"""The columns of a delivery in the order the writer gets them."""

_EVENT_ID_LENGTH_MAX = 200
_MINUTE_MAX = 2**53  # beyond this no clock ever was
_HEADER_LENGTH_MAX = 8192  # what aiohttp takes at most


class Answer(NamedTuple):
    """What makes the sender content: status, body, content type."""

    status: int
    body: bytes
    content_type: str


class Intake:
    """The front door for every provider that is configured."""

    def __init__(self, collectors: Mapping[str, Collector], writer: Writer, clock: Clock) -> None:
        self._collectors = dict(collectors)
        self._writer = writer
        self._clock = clock
        self._last_received: dict[str, Instant] = {}

    def last_received(self) -> Mapping[str, Instant]:
        """Tell when each provider was last heard."""
        return self._last_received

    def heard(self, provider: str, at: Instant) -> None:
        """Remember what an earlier run of this program heard, unless this one heard more."""
        self._last_received.setdefault(provider, at)

    def providers(self) -> Collection[str]:
        """Name every provider that is configured."""
        return self._collectors.keys()

    def rotate(self, collectors: Mapping[str, Collector]) -> None:
        """Believe with these from now on: the same providers, with other secrets."""
        self._collectors = dict(collectors)

    async def take(self, provider: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Verify, store, and answer what the provider wants to hear; a repeat is stored once and answered
        alike.

        ``headers`` finds names in lower case. Raises Refused (nothing stored), or what Writer.put raises
        (nothing stored either; the sender should come again).
        """
        return await self.store(self.believed(provider, body, headers))

    def believed(self, provider: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """Give what somebody sent as a delivery of this provider. Raises Refused where it is not."""
        delivery = Delivery(provider, body, headers, self._clock.now())
        self._collectors[provider].verify(delivery)
        return delivery

    async def store(self, delivery: Delivery) -> Answer:
        """Store a delivery of a provider that is believed, and give its answer. Raises what Writer.put raises."""
        collector = self._collectors[delivery.provider]
        await self._begun(delivery, collector.key(delivery), collector.kept_headers)
        return Answer(*collector.answer(delivery))

    async def keep(self, delivery: Delivery, named: DeliveryKey, kept_headers: Collection[str] = ()) -> None:
        """Store a delivery that is believed. Raises what Writer.put raises."""
        await self._begun(delivery, named, kept_headers)

    def _begun(self, delivery: Delivery, named: DeliveryKey, kept_headers: Collection[str]) -> asyncio.Future[None]:
        key, headers = storable(named), delivery.headers
        kept = {name: sent[:_HEADER_LENGTH_MAX] for name in kept_headers if (sent := headers.get(name)) is not None}
        done = self._writer.begin(
            (
                delivery.provider,
                key.minute,
                key.event_id,
                delivery.received_at,
                _written(kept),
                delivery.body,
                WAITING,
            )
        )
        self._last_received[delivery.provider] = delivery.received_at
        return done


def _written(headers: Mapping[str, str]) -> str:
    """Write headers as JSON in canonical form; those that are not plain ASCII, which are rare, in the slower way."""
    if all(map(str.isascii, headers.values())):
        return msgspec.json.encode(headers, order="sorted").decode()
    return json.dumps(headers, sort_keys=True, separators=(",", ":"))


def storable(key: DeliveryKey) -> DeliveryKey:
    """Give a key that both databases take: ids too long or not plain text become their hash.

    The same key always gives the same result, so that a retry is still known.
    """
    is_sane = 0 <= key.minute <= _MINUTE_MAX
    is_plain = key.event_id.isprintable() and 0 < len(key.event_id) <= _EVENT_ID_LENGTH_MAX
    if is_sane and is_plain:
        return key
    minute = key.minute if is_sane else 0
    if is_plain:
        return DeliveryKey(minute, key.event_id)
    digest = hashlib.sha256(key.event_id.encode("utf-8", "surrogatepass")).hexdigest()
    return DeliveryKey(minute, f"sha256:{digest}")
