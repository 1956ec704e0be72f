"""Puts the handlers together into one application."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Protocol, TypeAlias, cast

from aiohttp import hdrs, web

from qos_monitor.web import headers

Door: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Handlers(Protocol):
    """A group of handlers that knows its own routes."""

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""


def create(groups: Iterable[Handlers], routes: Iterable[web.AbstractRouteDef], bytes_max: int) -> web.Application:
    """Make the application. It has no middleware: each would be paid for by every webhook.

    What every answer says to a browser is put by a signal, which costs a tenth of one.
    """
    app = web.Application(client_max_size=bytes_max)
    app.on_response_prepare.append(headers.put)
    for group in groups:
        group.add_to(app)
    app.add_routes(routes)
    return app


def runner(app: web.Application, shutdown_s: float) -> web.AppRunner:
    """Make what serves it: no access log, and bodies as they come, for signatures are over the raw bytes."""
    return _Runner(app, access_log=None, auto_decompress=False, shutdown_timeout=shutdown_s)


class _Connection(web.RequestHandler):
    """A connection whose errors are answered like all else: before a route is found nobody else adds the headers."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Close the connection; of what is no HTTP say nothing, neither back to its sender nor in the log.

        Anybody may send it, and as much of it as they like.
        """
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or request.writer.output_size > 0:
            answer = super().handle_error(request, status, exc, message)
        else:
            answer = web.Response(status=status)
            answer.force_close()
        answer.headers.extend(headers.EVERYWHERE)
        return answer


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,  # noqa: SLF001 - aiohttp has no other way to say which class a connection is of
        )


def open_ahead(runner: web.AppRunner, doors: Mapping[str, Door]) -> None:
    """Let a POST to exactly these paths go past the router, which takes as long as to believe a webhook.

    For a runner that is set up and has no site yet. Each path must be a route of the application too: whoever writes
    it in another way, or asks first whether to go on (Expect), is answered there.
    """
    server = runner.server
    if server is None:
        raise RuntimeError("the runner is not set up")
    routed = server.request_handler

    def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        door = doors.get(request.path_qs) if request.method == hdrs.METH_POST else None
        if door is None or hdrs.EXPECT in request.headers:
            return routed(request)
        return door(cast("web.Request", request))  # what an application's server makes

    server.request_handler = handle
