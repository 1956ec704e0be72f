"""``PUT /v1/roster``: courses, enrolments and classes; all of a request or nothing."""

import asyncio

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import documents, roster
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from rules.document import Invalid
from rules.world import World, read_roster


class Roster:
    """Takes courses, enrolments and classes."""

    def __init__(self, engine: AsyncEngine, clock: Clock, gate: Gate) -> None:
        self._engine = engine
        self._clock = clock
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_put("/v1/roster", answers.or_come_again(self.put))

    async def put(self, request: web.Request) -> web.Response:
        """Add and change rows, and answer what that was; ``?dry_run=1`` answers what it would be."""
        caller = await self._gate.admit(request, Scope.ROSTER)
        if isinstance(caller, web.Response):
            return caller
        if denial := answers.encoded(request):
            return denial
        is_dry = answers.is_dry_run(request)
        body = await request.read()
        try:
            given = await asyncio.to_thread(_read, body)
            planned = await roster.imported(self._engine, given, self._clock, by_api(caller), is_dry=is_dry)
        except documents.NotJson as wrong:
            return answers.wrong(wrong.problems, 400)
        except (Invalid, InputError) as wrong:
            return answers.wrong(wrong.problems)
        return answers.as_json({"dry_run": is_dry, **planned.as_json()})


def _read(body: bytes) -> World:
    return read_roster(documents.decoded(body))
