"""``PUT /v1/roster``: courses, enrolments and classes; all of a request or nothing."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import roster
from qos_monitor.clock import Clock
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate
from qos_monitor.web.imports import ImportDoor
from rules.world import read_roster


class Roster:
    """Takes courses, enrolments and classes."""

    def __init__(self, engine: AsyncEngine, clock: Clock, gate: Gate) -> None:
        self._door = ImportDoor(engine, clock, gate)

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_put("/v1/roster", answers.or_come_again(self.put))

    async def put(self, request: web.Request) -> web.Response:
        """Add and change rows, and answer what that was; ``?dry_run=1`` answers what it would be."""
        return await self._door.put(request, read_roster, roster.imported)
