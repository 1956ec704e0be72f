"""Puts the handlers together into one application."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web


class Handlers(Protocol):
    """A group of handlers that knows its own routes."""

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""


def create(groups: Iterable[Handlers], routes: Iterable[web.AbstractRouteDef], bytes_max: int) -> web.Application:
    """Make the application. It has no middleware: each would be paid for by every webhook."""
    app = web.Application(client_max_size=bytes_max)
    for group in groups:
        group.add_to(app)
    app.add_routes(routes)
    return app


def runner(app: web.Application, shutdown_s: float) -> web.AppRunner:
    """Make what serves it: no access log, and bodies as they come, for signatures are over the raw bytes."""
    return web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=shutdown_s)
