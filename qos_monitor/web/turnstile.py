"""How often webhooks may come: a budget for each provider, for each beacon's token, and for strangers' addresses."""

from collections.abc import Callable

from aiohttp import web

from qos_monitor import clock as clocks
from qos_monitor.access.addresses import Addresses
from qos_monitor.access.buckets import Buckets
from qos_monitor.web.headers import forwarded

BELIEVED_S: float = 600.0
"""So long an address that sent something believed is no stranger's: many may share the address of a proxy."""

_BELIEVED_MAX = 10_000


class Turnstile:
    """Counts in this process alone. Who is not believed never uses up what is left for a provider.

    An address that sent too much that nobody believed is told to come again before its body is read; it is still
    let through as often as its budget is refilled, so that a provider behind the same proxy is heard.
    """

    def __init__(
        self,
        providers: Buckets,
        beacons: Buckets,
        strangers: Buckets,
        addresses: Addresses,
        limited: Callable[[str], None],
    ) -> None:
        """Take the budgets, and what counts who was over one: ``provider``, ``beacon`` or ``address``."""
        self._providers = providers
        self._beacons = beacons
        self._strangers = strangers
        self._addresses = addresses
        self._limited = limited
        self._believed: dict[str, float] = {}

    def stranger_waits_s(self, request: web.Request) -> int:
        """Say how long this address must wait; 0 where it need not. Costs nothing while nobody was refused."""
        if not self._strangers.count:
            return 0
        address, now_s = self._address(request), clocks.stopwatch_s()
        if not self._strangers.is_empty(address, now_s) or self._is_believed(address, now_s):
            return 0
        self._limited("address")
        return self._strangers.wait_s(address, now_s)

    def refused(self, request: web.Request) -> None:
        """Take from the budget of an address that sent what nobody believes."""
        self._strangers.takes(self._address(request), clocks.stopwatch_s())

    def waits_s(self, request: web.Request, provider: str, token: str | None = None) -> int:
        """Take from the budget of a sender who is believed; say how long to wait where it is used up, else 0."""
        now_s = clocks.stopwatch_s()
        if self._strangers.count:
            self._believe(self._address(request), now_s)
        if token is not None and not self._beacons.takes(token, now_s):
            self._limited("beacon")
            return self._beacons.wait_s(token, now_s)
        if not self._providers.takes(provider, now_s):
            self._limited("provider")
            return self._providers.wait_s(provider, now_s)
        return 0

    def _address(self, request: web.Request) -> str:
        return self._addresses.of(request.remote, forwarded(request))

    def _is_believed(self, address: str, now_s: float) -> bool:
        return now_s - self._believed.get(address, float("-inf")) < BELIEVED_S

    def _believe(self, address: str, now_s: float) -> None:
        if len(self._believed) >= _BELIEVED_MAX:
            self._believed.clear()
        self._believed[address] = now_s


def open_to_all() -> Turnstile:
    """Make one that stops nobody."""
    free = Buckets(0, 0)
    return Turnstile(free, free, free, Addresses(), lambda _limit: None)
