"""``POST /v1/observations``: what the school's own systems saw, one JSON object a line; all of a request or nothing."""

import asyncio

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery
from qos_monitor import clock as clocks
from qos_monitor import logs, observation_lines
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.errors import QosError
from qos_monitor.intake import Intake
from qos_monitor.storage.engine import TROUBLE, writing
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from rules.document import Invalid


class Observations:
    """Takes lines of observations from the school's own backend."""

    def __init__(self, engine: AsyncEngine, intake: Intake, telemetry: Telemetry, clock: Clock, gate: Gate) -> None:
        self._engine = engine
        self._intake = intake
        self._clock = clock
        self._telemetry = telemetry
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_post("/v1/observations", self.take)

    async def take(self, request: web.Request) -> web.Response:
        """Check every line, then store the request as one delivery; 422 names line and key of every mistake."""
        started = clocks.stopwatch_s()
        try:
            return await self._take(request)
        finally:
            self._telemetry.intake["observations"].observe(clocks.stopwatch_s() - started)

    async def _take(self, request: web.Request) -> web.Response:
        caller = await self._gate.admit(request, Scope.OBSERVATIONS)
        if isinstance(caller, web.Response):
            self._count("refused")
            return caller
        if denial := answers.encoded(request):
            self._count("invalid")
            return denial
        try:
            delivery = Delivery(observation_lines.PROVIDER, await request.read(), {}, self._clock.now())
            # On a thread: many thousand lines take seconds, and webhooks are waiting behind them.
            seen = await asyncio.to_thread(observation_lines.read, delivery.body)
            key = observation_lines.key(delivery.body, seen)
            await self._intake.keep(delivery, key)
            act = Act(by_api(caller), "observations.stored", f"delivery {key.event_id}", f"{len(seen)} observations")
            async with writing(self._engine) as conn:
                await audit.record(conn, act, delivery.received_at)
        except web.HTTPRequestEntityTooLarge:
            self._count("too_large")
            raise
        except Invalid as invalid:
            self._count("invalid")
            return answers.wrong(invalid.problems)
        except QosError as error:
            self._count("overloaded" if error.can_retry else "failed")
            return answers.come_again()
        except TROUBLE as trouble:  # stored, but not on the trail: a repeat is stored once, and then is on it
            logs.failure("database_failed", trouble)
            self._count("failed")
            return answers.come_again()
        self._count("accepted")
        return answers.as_json({"accepted": len(seen)}, 202)

    def _count(self, result: str) -> None:
        self._telemetry.deliveries[observation_lines.PROVIDER, result].inc()
