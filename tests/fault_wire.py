"""A wire between the service and its database that can be slow, cut, or cut just when something was sent."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

_KEPT_ALIVE_S = 15.0


@dataclass
class Wire:
    """Passes bytes on between a port of its own and another on this machine."""

    target: int
    delay_s: float = 0.0
    """So long everything the service says waits before it is passed on."""
    is_cut_after_next: bool = False
    """Pass on what the service says next, and then be cut: it may have been a COMMIT, whose answer nobody hears."""
    is_dead: bool = False
    """Swallow what is said from now on; who said something on a connection never hears anything of it again.

    Its other end is closed after a while, as PostgreSQL's kernel does where nobody answers its keep-alive.
    """
    _server: asyncio.Server | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _connections: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    async def laid(cls, target: int) -> "Wire":
        """Lay one to a port."""
        wire = cls(target)
        wire._server = await asyncio.start_server(wire._connected, "127.0.0.1", 0)
        return wire

    @property
    def port(self) -> int:
        """Where the service finds its end."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Drop every connection."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        """Drop every connection and take no more."""
        assert self._server is not None
        self._server.close()
        await self.cut()
        self._ended.set()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = asyncio.current_task()
        assert mine is not None
        self._connections.add(mine)
        mine.add_done_callback(self._connections.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        swallowed = asyncio.Event()
        there = asyncio.create_task(self._pass(reader, far_writer, swallowed, is_service=True))
        back = asyncio.create_task(self._pass(far_reader, writer, swallowed, is_service=False))
        await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, far_writer):
            one.transport.abort()
            self._writers.discard(one)
        there.cancel()
        back.cancel()
        await asyncio.gather(there, back, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowed: asyncio.Event, *, is_service: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self.is_dead:
                    swallowed.set()
                    break
                if is_service and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
                if is_service and self.is_cut_after_next:
                    self.is_cut_after_next = False
                    await asyncio.sleep(0.002)  # it is there by now; its answer is not
                    await self.cut()
        if swallowed.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _KEPT_ALIVE_S)
            if is_service:
                writer.transport.abort()
            await self._ended.wait()
