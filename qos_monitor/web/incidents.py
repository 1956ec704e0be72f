"""``GET /v1/incidents``: what providers and persons announced, beside what was found."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import incidents
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate


class Incidents:
    """Lists declared incidents to whoever may see cases."""

    def __init__(self, engine: AsyncEngine, clock: Clock, gate: Gate) -> None:
        self._engine = engine
        self._clock = clock
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_get("/v1/incidents", answers.or_come_again(self.list))

    async def list(self, request: web.Request) -> web.Response:
        """List the incidents of the last 30 days, the newest first; ``?open=1`` only those not cleared."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        async with reading(self._engine) as conn:
            found = await incidents.declared(conn, self._clock.now())
        is_open = request.query.get("open", "0") not in {"", "0", "false"}
        shown = [one.as_json() for one in found if one.cleared_at is None or not is_open]
        return answers.as_json({"incidents": shown})
