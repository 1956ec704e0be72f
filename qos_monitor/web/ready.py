"""Answers whose bytes are written beforehand: what makes a sender content is nearly always the same."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from qos_monitor import clock
from qos_monitor.intake import Answer

_FRESH_S = 1.0  # the Date in them has whole seconds
_KEPT_MAX = 64  # a provider's handshake may be answered each time in other words


class Ready(web.StreamResponse):
    """An answer on a connection of HTTP/1.1 that stays open; the same one may be given to many requests."""

    def __init__(self, status: int, wire: bytes) -> None:
        """Take all of it as it goes over the wire."""
        super().__init__(status=status)
        self._wire = wire

    @property
    def keep_alive(self) -> bool:
        """The connection stays."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send it, whole."""
        await request.writer.write_eof(self._wire)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all was sent."""


class Readied:
    """Makes answers once and gives them for a second: to make one anew costs a fifth of a request."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Take what stands in every answer."""
        self._headers = dict(headers)
        self._made: dict[Answer, Ready] = {}
        self._made_at_s = float("-inf")

    def of(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Give an answer for this request; one that is not Ready has no headers of its own yet."""
        if request.version != HttpVersion11 or not request.keep_alive:
            kind = None if answer.status == HTTPStatus.NO_CONTENT else answer.content_type
            return web.Response(status=answer.status, body=answer.body, content_type=kind)
        now_s = clock.stopwatch_s()
        if now_s - self._made_at_s >= _FRESH_S or len(self._made) >= _KEPT_MAX:
            self._made.clear()
            self._made_at_s = now_s
        found = self._made.get(answer)
        if found is None:
            found = self._made[answer] = Ready(answer.status, self._written(answer))
        return found

    def _written(self, answer: Answer) -> bytes:
        headers = {"Date": clock.http_date(), **self._headers}
        if answer.status != HTTPStatus.NO_CONTENT:
            headers |= {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + answer.body
