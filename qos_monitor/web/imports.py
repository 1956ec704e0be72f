"""A request that brings rows of the school's: taken in whole or not at all, or only told what they would change."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import documents
from qos_monitor.access.audit import Actor
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.errors import InputError
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate, by_api
from rules.document import Invalid

_Rows = TypeVar("_Rows")
_Given_contra = TypeVar("_Given_contra", contravariant=True)


class Planned(Protocol):
    """What rows changed, or would change."""

    def as_json(self) -> Mapping[str, object]:
        """Give it as it is answered."""


class Import(Protocol[_Given_contra]):
    """Takes rows in, or only says what they would change. Raises InputError where they contradict what is stored."""

    async def __call__(
        self, engine: AsyncEngine, given: _Given_contra, clock: Clock, actor: Actor, /, *, is_dry: bool
    ) -> Planned:
        """Do it in one transaction, and write it on the trail."""


@dataclass(frozen=True, slots=True)
class ImportDoor:
    """Lets those in who may change the roster."""

    engine: AsyncEngine
    clock: Clock
    gate: Gate

    async def put(self, request: web.Request, read: Callable[[object], _Rows], imported: Import[_Rows]) -> web.Response:
        """Read the JSON body beside the loop, take its rows in, and answer what that changed; ``?dry_run=1``: would.

        ``read`` raises Invalid with every problem.
        """
        caller = await self.gate.admit(request, Scope.ROSTER)
        if isinstance(caller, web.Response):
            return caller
        if denial := answers.encoded(request):
            return denial
        is_dry = request.query.get("dry_run", "0") not in {"", "0", "false"}
        body = await request.read()
        try:
            given = await asyncio.to_thread(lambda: read(documents.decoded(body)))
            planned = await imported(self.engine, given, self.clock, by_api(caller), is_dry=is_dry)
        except documents.NotJson as wrong:
            return answers.wrong(wrong.problems, 400)
        except (Invalid, InputError) as wrong:
            return answers.wrong(wrong.problems)
        return answers.as_json({"dry_run": is_dry, **planned.as_json()})
