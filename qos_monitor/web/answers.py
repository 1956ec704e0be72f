"""The few answers that every handler gives."""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

import msgspec
from aiohttp import web

from qos_monitor import logs
from qos_monitor.storage.engine import TROUBLE
from rules.document import Problem

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]

RETRY_AFTER_S = 2


def as_json(value: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def wrong(problems: Iterable[Problem], status: int = 422) -> web.Response:
    """Answer with every problem, each with the path of its key."""
    told = [{"path": problem.path, "message": problem.message} for problem in problems]
    return as_json({"errors": told}, status)


def refused(message: str, status: int) -> web.Response:
    """Answer with one problem that has no path."""
    return wrong([Problem("", message)], status)


def come_again(headers: Mapping[str, str] | None = None, wait_s: int = RETRY_AFTER_S) -> web.Response:
    """Answer 503: nothing was stored, and it is worth trying again."""
    return web.Response(status=503, headers={"Retry-After": str(wait_s), **(headers or {})})


def or_come_again(handler: Handler) -> Handler:
    """Wrap a handler that uses the database itself, so that trouble there is answered 503 and worth a retry.

    A NUL in the path or a filter is answered 400: no name holds one, and PostgreSQL would call it trouble each time.
    """

    @functools.wraps(handler)
    async def answer(request: web.Request) -> web.Response:
        if "%00" in request.rel_url.raw_path_qs:
            return refused("no name here holds a NUL", 400)
        try:
            return await handler(request)
        except TROUBLE as trouble:
            logs.failure("database_failed", trouble)
            return come_again()

    return answer


def encoded(request: web.Request) -> web.Response | None:
    """Answer 415 to a compressed body: bytes are kept as they come, and a small one may be huge inside."""
    if request.headers.get("Content-Encoding", "identity").lower() in {"", "identity"}:
        return None
    return refused("a compressed body is not taken; send it plain", 415)
