"""One person with a camera and a microphone in a Janus video room; run as a program, in a network of its own.

Reads commands from standard input, one a line (``publish``, ``subscribe``, ``leave``), and writes what happened,
one JSON object a line.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

import aiohttp
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

Message = dict[str, object]
_PLUGIN = "janus.plugin.videoroom"
_REPLY_S_MAX = 20.0
_NUMBERS = count()


def say(what: str, **more: object) -> None:
    """Tell whoever started this program."""
    sys.stdout.write(json.dumps({"what": what, **more}) + "\n")
    sys.stdout.flush()


@dataclass
class Handle:
    """One handle of a Janus session with its peer connection."""

    url: str
    peer: RTCPeerConnection
    replies: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)


class Person:
    """A session with Janus over its HTTP transport."""

    def __init__(self, http: aiohttp.ClientSession, api: str, room: int, opaque_id: str) -> None:
        self._http, self._api, self._room, self._opaque_id = http, api, room, opaque_id
        self._session = ""
        self._handles: dict[int, Handle] = {}
        self.feeds: dict[int, asyncio.Event] = {}
        self._arrived = asyncio.Event()
        self._sink = MediaBlackhole()
        self._consuming: list[asyncio.Future[None]] = []

    async def enter(self) -> None:
        """Make the session and begin to listen to it."""
        made = await self._post(self._api, {"janus": "create"})
        self._session = f"{self._api}/{_number(made, 'data', 'id')}"

    async def listen(self) -> None:
        """Pass on what Janus says until the session ends."""
        while True:
            async with self._http.get(f"{self._session}?maxev=10") as answer:
                if answer.status != 200:
                    return
                for message in await answer.json():
                    self._heard(message)

    def _heard(self, message: Message) -> None:
        if message.get("janus") in ("hangup", "webrtcup", "slowlink"):
            say(str(message["janus"]), reason=message.get("reason"))
        handle = self._handles.get(int(str(message.get("sender", 0))))
        if handle is not None and message.get("janus") == "event":
            for publisher in _data(message).get("publishers", ()):  # type: ignore[attr-defined]  # as Janus sends it
                self.feeds.setdefault(publisher["id"], asyncio.Event())
                self._arrived.set()
            handle.replies.put_nowait(message)

    async def publish(self) -> None:
        """Join the room and send audio and video."""
        handle = await self._attach()
        joined = await self._ask(handle, {"request": "join", "ptype": "publisher", "room": self._room}, "joined")
        say("joined", id=_data(joined)["id"])
        for track in (AudioStreamTrack(), VideoStreamTrack()):
            handle.peer.addTrack(track)
        await handle.peer.setLocalDescription(await handle.peer.createOffer())
        told = handle.peer.localDescription
        answer = await self._ask(handle, {"request": "configure"}, "event", _jsep(told))
        await handle.peer.setRemoteDescription(_description(answer))
        # All candidates are in the offer: said, so that Janus gives up on a dead network at once.
        await self._post(handle.url, {"janus": "trickle", "candidate": {"completed": True}})

    async def subscribe(self) -> None:
        """Receive whoever publishes first."""
        await self._arrived.wait()
        feed = next(iter(self.feeds))
        handle = await self._attach()
        handle.peer.on("track", self._consume)
        wanted: Message = {"request": "join", "ptype": "subscriber", "room": self._room, "streams": [{"feed": feed}]}
        offer = await self._ask(handle, wanted, "attached")
        await handle.peer.setRemoteDescription(_description(offer))
        await handle.peer.setLocalDescription(await handle.peer.createAnswer())
        told = handle.peer.localDescription
        await self._ask(handle, {"request": "start"}, "event", _jsep(told))

    def _consume(self, track: MediaStreamTrack) -> None:
        self._sink.addTrack(track)
        self._consuming.append(asyncio.ensure_future(self._sink.start()))

    async def leave(self) -> None:
        """Close every connection as a browser does that is closed, then the session."""
        for handle in self._handles.values():
            await handle.peer.close()
        await self._post(self._session, {"janus": "destroy"})

    async def _attach(self) -> Handle:
        wanted: Message = {"janus": "attach", "plugin": _PLUGIN, "opaque_id": self._opaque_id}
        number = _number(await self._post(self._session, wanted), "data", "id")
        handle = Handle(f"{self._session}/{number}", RTCPeerConnection(RTCConfiguration(iceServers=[])))
        handle.peer.on("connectionstatechange", _teller(handle))
        self._handles[number] = handle
        return handle

    async def _ask(self, handle: Handle, body: Message, wanted: str, jsep: Message | None = None) -> Message:
        message: Message = {"janus": "message", "body": body}
        await self._post(handle.url, message if jsep is None else message | {"jsep": jsep})
        async with asyncio.timeout(_REPLY_S_MAX):
            while True:
                reply = await handle.replies.get()
                if _data(reply).get("videoroom") == wanted and ("publishers" not in _data(reply) or wanted == "joined"):
                    return reply

    async def _post(self, url: str, message: Message) -> Message:
        named = message | {"transaction": f"t{next(_NUMBERS)}"}
        async with self._http.post(url, json=named) as answer:
            reply: Message = await answer.json()
        if reply.get("janus") == "error":
            raise RuntimeError(json.dumps(reply))
        return reply


def _teller(handle: Handle) -> Callable[[], None]:
    return lambda: say("state", state=handle.peer.connectionState)


def _data(message: Mapping[str, object]) -> Message:
    plugin = message.get("plugindata")
    data = plugin.get("data") if isinstance(plugin, dict) else None
    return data if isinstance(data, dict) else {}


def _number(message: Mapping[str, object], *path: str) -> int:
    value: object = message
    for key in path:
        value = value[key] if isinstance(value, dict) else None
    return int(str(value))


def _jsep(told: RTCSessionDescription) -> Message:
    return {"type": told.type, "sdp": told.sdp}


def _description(message: Mapping[str, object]) -> RTCSessionDescription:
    jsep = message["jsep"]
    assert isinstance(jsep, dict)
    return RTCSessionDescription(sdp=jsep["sdp"], type=jsep["type"])


async def main(api: str, room: str, opaque_id: str) -> None:
    """Do as the lines of standard input say."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with aiohttp.ClientSession() as http:
        person = Person(http, api, int(room), opaque_id)
        await person.enter()
        listening = asyncio.create_task(person.listen())
        acts = {"publish": person.publish, "subscribe": person.subscribe, "leave": person.leave}
        while line := (await lines.readline()).decode().strip():
            await acts[line]()
            say("did", act=line)
            if line == "leave":
                break
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
