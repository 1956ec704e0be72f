"""The line to the refund system: whoever waits on it for an answer can be told that none will be waited for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from qos_monitor.claims.gateway import Answer, ClaimGateway, Report
from rules.span import Instant

T = TypeVar("T")


class HungUp(Exception):  # noqa: N818 - what happened, not what is wrong
    """We stopped waiting; what was sent may have arrived all the same."""


class Line:
    """A gateway whose answers are waited for until `hang_up`, and never after it."""

    def __init__(self, gateway: ClaimGateway) -> None:
        self._gateway = gateway
        self._waited_for: set[asyncio.Task[Any]] = set()
        self._is_hung_up = False

    async def send(self, claim_key: str, body: bytes, now: Instant) -> Answer:
        """Send as the gateway does. Raises HungUp."""
        return await self._answer(self._gateway.send(claim_key, body, now))

    async def ask(self, claim_key: str, now: Instant) -> Report:
        """Ask as the gateway does. Raises HungUp."""
        return await self._answer(self._gateway.ask(claim_key, now))

    def hang_up(self) -> None:
        """Make everybody who waits, and whoever comes later, get HungUp at once."""
        self._is_hung_up = True
        for task in self._waited_for:
            task.cancel()

    async def _answer(self, asking: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(asking)
        self._waited_for.add(task)
        if self._is_hung_up:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            if self._is_hung_up:
                raise HungUp from None
            raise
        finally:
            self._waited_for.discard(task)
