"""``GET /v1/audit``: who changed what, when and why."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.access import audit
from qos_monitor.access.scopes import Scope
from qos_monitor.storage.engine import reading
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate
from rules.document import Problem

LIMIT: str = "100"


class Trail:
    """Shows the audit trail to whoever may see cases."""

    def __init__(self, engine: AsyncEngine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_get("/v1/audit", answers.or_come_again(self.list))

    async def list(self, request: web.Request) -> web.Response:
        """List entries, the newest first; ``limit`` so many, ``before`` those before this number."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        limit, before = _number(request.query.get("limit", LIMIT)), request.query.get("before")
        if limit is None or not 1 <= limit <= audit.PAGE_MAX:
            return answers.wrong([Problem("limit", f"must be a whole number from 1 to {audit.PAGE_MAX}")])
        if before is not None and _number(before) is None:
            return answers.wrong([Problem("before", "must be the number of an entry")])
        async with reading(self._engine) as conn:
            entries = await audit.page(conn, None if before is None else _number(before), limit)
        return answers.as_json({"entries": [entry.as_json() for entry in entries]})


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
