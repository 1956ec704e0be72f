"""``GET /v1/feeds``: which providers should be telling about classes now, and which of them do not."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import feeds
from qos_monitor.access.scopes import Scope
from qos_monitor.clock import Clock
from qos_monitor.feeds import Doors, Expected, Heard, SilentClass
from qos_monitor.storage.engine import reading
from qos_monitor.web import answers
from qos_monitor.web.gate import Gate
from rules.span import SECOND, Instant, format_instant


class Feeds:
    """Shows the person on call every feed: who is expected, who is silent, and since when."""

    def __init__(self, engine: AsyncEngine, clock: Clock, doors: Doors, gate: Gate) -> None:
        self._engine = engine
        self._clock = clock
        self._doors = doors
        self._gate = gate

    def add_to(self, app: web.Application) -> None:
        """Put the route into an application."""
        app.router.add_get("/v1/feeds", answers.or_come_again(self.show))

    async def show(self, request: web.Request) -> web.Response:
        """Answer one entry per provider: of those that classes name now, and of all that can deliver here."""
        caller = await self._gate.admit(request, Scope.CASES_READ)
        if isinstance(caller, web.Response):
            return caller
        now = self._clock.now()
        async with reading(self._engine) as conn:
            known = await feeds.heard(conn, self._doors)
            running = {one.provider: one for one in await feeds.expected(conn, self._doors, now)}
            silent = await feeds.silent(conn, self._doors, now)
            names = sorted({*self._doors.own, *self._doors.named, *running})
            alive = await feeds.alive_until(conn, names)
        rows = [
            _entry(name, running.get(name), [one for one in silent if one.provider == name], known, now)
            | {"alive_until": _written(alive.get(name))}
            for name in names
        ]
        body = {"as_of": format_instant(now), "silent_after_s": feeds.SILENT_AFTER // SECOND, "feeds": rows}
        return answers.as_json(body)


def _entry(
    name: str, expected: Expected | None, silent: list[SilentClass], known: Heard, now: Instant
) -> dict[str, object]:
    silence_ms = 0 if expected is None else known.silence_in_class_ms(expected, now)
    return {
        "provider": name,
        "has_door": name in known.at,
        "last_delivery_at": _written(known.last(name)),
        "silence_in_class_s": silence_ms / SECOND,
        "classes": 0 if expected is None else expected.classes,
        "learners": 0 if expected is None else expected.learners,
        "silent_classes": 0 if expected is None else expected.silent_classes,
        "silent_learners": 0 if expected is None else expected.silent_learners,
        "silent": [
            {"class_id": one.id, "starts_at": format_instant(one.starts_at), "learners": one.learners} for one in silent
        ],
    }


def _written(at: Instant | None) -> str | None:
    return None if at is None else format_instant(at)
