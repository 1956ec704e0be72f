"""``PUT /v1/identities`` and ``GET /v1/unmapped``: whose a provider's name is, and which names are nobody's yet."""

import asyncio

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import documents, identities, unmapped
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.identities import Identity
from qos_monitor.storage.engine import reading
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from rules.document import Invalid, Problem
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
        caller = await self._gate.admit(request, Scope.ROSTER)
        if isinstance(caller, web.Response):
            return caller
        if denial := answers.encoded(request):
            return denial
        is_dry = answers.is_dry_run(request)
        body = await request.read()
        try:
            given = await asyncio.to_thread(_read, body)
        except documents.NotJson as wrong:
            return answers.wrong(wrong.problems, 400)
        except Invalid as wrong:
            return answers.wrong(wrong.problems)
        planned = await identities.imported(self._engine, given, self._clock, by_api(caller), is_dry=is_dry)
        return answers.as_json({"dry_run": is_dry, **planned.as_json()})

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


def _read(body: bytes) -> list[Identity]:
    return identities.read(documents.decoded(body))
