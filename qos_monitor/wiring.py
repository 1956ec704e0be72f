"""Wires the rooms that judge, file and send into jobs and routes."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import filing, judging, reconciling, relay, remapping
from qos_monitor.claims import reviewing
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.claims.desk import FilingOptions
from qos_monitor.claims.gateway import ClaimGateway
from qos_monitor.claims.http import HttpClaimGateway
from qos_monitor.claims.line import Line
from qos_monitor.clock import Clock
from qos_monitor.scheduler import Job
from qos_monitor.settings import Settings
from qos_monitor.storage.engine import writing
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import cases
from qos_monitor.web.cases import CasesOptions
from qos_monitor.web.console import pages
from qos_monitor.web.console.pages import ConsoleOptions
from qos_monitor.web.gate import Gate
from rules.policy import Policy
from rules.span import HOUR, Instant

ALWAYS_FULL = 2**31
"""As ``full`` of a job: it is run once in a tick, however much it did."""


@dataclass(frozen=True, slots=True)
class ClaimsWiring:
    """Makes the routes and the jobs of judging, filing and sending; lives as long as the service."""

    engine: AsyncEngine
    clock: Clock
    policy: Policy
    in_force: Callable[[], Settings]
    telemetry: Telemetry
    providers: Collection[str]
    """Whose deliveries are read here: judging waits while these lag behind."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.in_force()

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Give the routes for people and for the refund system."""
        settings = self.settings
        options = CasesOptions(gate, status_secrets=lambda: self.settings.status_secrets, filing=self._filing())
        is_secure = (settings.public_url or "").startswith("https:")
        shown = ConsoleOptions(gate, self._filing(), is_secure)
        return [
            *cases.routes(self.engine, self.clock, self.policy, options),
            *pages.routes(self.engine, self.clock, self.policy, shown),
        ]

    def jobs(self, session: aiohttp.ClientSession) -> list[Job]:
        """Give the jobs; without a place to send claims to they wait, and nothing is asked."""
        review = Job("review", every(HOUR, self.clock, self._reviewed), ALWAYS_FULL, alone=True)
        jobs = [Job("judge", self._judged()), review]
        if self.settings.claims_url is None:
            return jobs
        gateway = HttpClaimGateway(session, self.settings.claims_url, lambda: self.settings.claims_secrets)
        return [*jobs, *self._outgoing(gateway)]

    def _filing(self) -> FilingOptions:
        settings = self.settings
        return FilingOptions(
            is_working_day=is_working_day_in_china,
            public_url=settings.public_url or "",
            breaker=BreakerLimits(settings.breaker_claims_min, settings.breaker_sum_minor),
        )

    def _judged(self) -> Callable[[], Awaitable[int]]:
        settle = filing.settler(self.policy, self._filing())

        async def judge() -> int:
            now = self.clock.now()
            if await judging.has_backlog(self.engine, self.providers, now) or not await remapping.is_whole(self.engine):
                return 0
            return await judging.judge_due(self.engine, self.policy, is_working_day_in_china, now, settle)

        return judge

    async def _reviewed(self, now: Instant) -> int:
        async with writing(self.engine) as conn:
            return await reviewing.review_due(conn, now, self.policy, self._filing())

    def _outgoing(self, gateway: ClaimGateway) -> list[Job]:
        line = Line(gateway)
        outbox = relay.Relay(self.engine, line, self.clock, count=self.telemetry.claim_sent)

        async def hung_up() -> None:
            line.hang_up()
            await outbox.land()

        async def reconciled(_now: Instant) -> int:
            return await reconciling.ask_unsettled(self.engine, line, self.clock)

        return [
            Job("relay", outbox.send_due, stop=hung_up),
            # Each claim is asked about once a day; looking every hour spreads the questions.
            Job("reconcile", every(HOUR, self.clock, reconciled), ALWAYS_FULL, alone=True),
        ]


def every(period: int, clock: Clock, run: Callable[[Instant], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    """Make a job that does something once in so many milliseconds of our clock, the first time at once.

    A run that fails is tried again at the next tick.
    """
    next_at: Instant | None = None

    async def once() -> int:
        nonlocal next_at
        now = clock.now()
        if next_at is not None and next_at - period <= now < next_at:  # else the clock stepped back
            return 0
        done = await run(now)
        next_at = now + period
        return done

    return once
