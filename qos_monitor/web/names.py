"""``PUT /v1/identities`` and ``GET /v1/unmapped``: whose a provider's name is, and which names are nobody's yet."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import identities, unmapped
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.storage.engine import reading
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate
from qos_monitor.web.imports import ImportDoor
from rules.document import Problem
from rules.span import HOUR

HOURS: str = "24"


class NamesDoor:
    """Lets the school say who is who; behind the scope of the roster, for names are personal."""

    def __init__(self, engine: AsyncEngine, clock: Clock, gate: Gate) -> None:
        self._engine = engine
        self._clock = clock
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_put("/v1/identities", answers.or_come_again(self.put))
        app.router.add_get("/v1/unmapped", answers.or_come_again(self.show))

    async def put(self, request: web.Request) -> web.Response:
        """Put identities in force, and answer what that changed; ``?dry_run=1`` answers what it would."""
        return await ImportDoor(self._engine, self._clock, self._gate).put(
            request, identities.read, identities.imported
        )

    async def show(self, request: web.Request) -> web.Response:
        """List what was seen in the last ``?hours=24`` and is nobody's; ``&provider=`` for one provider alone."""
        caller = await self._gate.admit(request, Scope.ROSTER)
        if isinstance(caller, web.Response):
            return caller
        hours = request.query.get("hours", HOURS)
        if not (hours.isascii() and hours.isdigit() and len(hours) <= 4 and 1 <= int(hours) <= unmapped.HOURS_MAX):
            return answers.wrong([Problem("hours", f"must be a whole number from 1 to {unmapped.HOURS_MAX}")])
        since = self._clock.now() - int(hours) * HOUR
        async with reading(self._engine) as conn:
            found = await unmapped.listed(conn, since, request.query.get("provider") or None)
        return answers.as_json({"unmapped": [one.as_json() for one in found]})
