"""``POST /v1/evidence``: what the school's own backend did, in its own words; all of a request or nothing."""

import asyncio

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery
from qos_monitor import backend, documents
from qos_monitor.access import audit
from qos_monitor.access.audit import Act
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.errors import QosError
from qos_monitor.intake import Intake
from qos_monitor.storage.engine import reading, writing
from qos_monitor.storage.rows import chunks
from qos_monitor.storage.tables import classes
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from rules.document import Invalid


class OwnEvidence:
    """Takes token issuance, join clicks, removals and cancelled classes."""

    def __init__(self, engine: AsyncEngine, intake: Intake, telemetry: Telemetry, clock: Clock, gate: Gate) -> None:
        self._engine = engine
        self._intake = intake
        self._telemetry = telemetry
        self._clock = clock
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_post("/v1/evidence", answers.or_come_again(self.take))

    async def take(self, request: web.Request) -> web.Response:
        """Check every event, then store the request as one delivery; 422 names the path of every mistake.

        Answers 202 with how many were taken, and the ids of classes that the roster does not know yet.
        """
        caller = await self._gate.admit(request, Scope.EVIDENCE)
        if isinstance(caller, web.Response):
            return self._counted("refused", caller)
        if denial := answers.encoded(request):
            return self._counted("invalid", denial)
        try:
            delivery = Delivery(backend.PROVIDER, await request.read(), {}, self._clock.now())
            # On a thread: many thousand events take a second, and webhooks are waiting behind them.
            told = await asyncio.to_thread(backend.read, delivery.body, delivery.received_at + backend.AHEAD_MAX)
            unknown = await self._unknown(told.class_ids)
            key = backend.key(delivery.body)
            await self._intake.keep(delivery, key)
            act = Act(by_api(caller), "evidence.stored", f"delivery {key.event_id}", f"{len(told)} events")
            async with writing(self._engine) as conn:
                await audit.record(conn, act, delivery.received_at)
        except web.HTTPRequestEntityTooLarge:
            self._count("too_large")
            raise
        except documents.NotJson as wrong:
            return self._counted("invalid", answers.wrong(wrong.problems, 400))
        except Invalid as wrong:
            return self._counted("invalid", answers.wrong(wrong.problems))
        except QosError as error:
            return self._counted("overloaded" if error.can_retry else "failed", answers.come_again())
        return self._counted("accepted", answers.as_json({"accepted": len(told), "unknown_classes": unknown}, 202))

    async def _unknown(self, class_ids: set[str]) -> list[str]:
        known: set[str] = set()
        async with reading(self._engine) as conn:
            for ids in chunks(sorted(class_ids)):
                known.update((await conn.execute(select(classes.c.id).where(classes.c.id.in_(ids)))).scalars())
        return sorted(class_ids - known)

    def _counted(self, result: str, answer: web.Response) -> web.Response:
        self._count(result)
        return answer

    def _count(self, result: str) -> None:
        self._telemetry.deliveries[backend.PROVIDER, result].inc()
