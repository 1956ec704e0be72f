"""``/healthz``, ``/readyz`` and ``/metrics``."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.gauges import PATIENCE_S, Gauges
from qos_monitor.metrics.metric import DATABASE, PROCESS
from qos_monitor.telemetry import Telemetry
from qos_monitor.web.answers import as_json, refused

LAG_S_MAX = 900.0
STALE_AFTER_S: float = 600.0
"""What was read longer ago is not shown: alerts that go by it would see the timetable stand still."""
_DATABASE_WAIT_S = 5


class Health:
    """Tells orchestrators and Prometheus how we are."""

    def __init__(
        self,
        telemetry: Telemetry,
        gauges: Gauges,
        clock: Clock,
        troubles: Mapping[str, Callable[[], bool]],
        lag_s_max: float = LAG_S_MAX,
    ) -> None:
        """Take the troubles that others can tell about, each under the word it is told in.

        Judging that lags by more than ``lag_s_max`` is a trouble of this process.
        """
        self._lag_s_max = lag_s_max
        self._telemetry = telemetry
        self._gauges = gauges
        self._clock = clock
        self._troubles = troubles
        self._standing = CollectorRegistry()
        self._standing.register(gauges)

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get("/healthz", self.alive)
        app.router.add_get("/readyz", self.ready)
        app.router.add_get("/metrics", self.metrics)

    async def alive(self, _request: web.Request) -> web.Response:
        """Answer 200 as long as the process answers at all."""
        return as_json({"alive": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer 200 where the database answers, judging keeps up and there is no trouble; else 503 and what it is."""
        has_database = await self._answers(self._gauges.feel(self._clock.now()))
        lag_s = self._gauges.lag_s()
        problems = {
            "database": not has_database,
            "judging_lag": has_database and lag_s > self._lag_s_max,
            **{word: is_so() for word, is_so in self._troubles.items()},
        }
        wrong = sorted(name for name, is_wrong in problems.items() if is_wrong)
        body = {"ready": not wrong, "problems": wrong, "judging_lag_s": lag_s}
        return as_json(body, 503 if wrong else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer in Prometheus's text format; ``from`` is process (what this one counted) or database; none is both.

        Without a database the gauges are as last read, and their age says so; from=database is answered 503 once they
        are too old for an alert to go by. 400 for any other ``from``.
        """
        wanted = request.query.get("from")
        if wanted not in (None, PROCESS, DATABASE):
            return refused("from: process or database is wanted", 400)
        body = b"" if wanted == DATABASE else generate_latest(self._telemetry.registry)
        if wanted != PROCESS:
            is_fresh = self._gauges.age_s() <= STALE_AFTER_S  # else nobody asked for long, or nobody could answer
            await self._answers(self._gauges.refresh(self._clock.now(), PATIENCE_S if is_fresh else None))
            if wanted == DATABASE and self._gauges.age_s() > STALE_AFTER_S:
                return refused("the database could not be read for too long; the log says why", 503)
            body += generate_latest(self._standing)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _answers(self, reading: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(_DATABASE_WAIT_S):
                await reading
        except Exception as trouble:  # noqa: BLE001 - any trouble of the database is the answer, not a failure
            logs.failure("database_silent", trouble)
            return False
        return True
