"""A real Janus and real networks with faults, for tests/e2e; needs root, and Debian's janus, nftables, iproute2."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS: tuple[str, ...] = ("janus", "nft", "ip")
PACKAGES: str = "janus nftables iproute2"
ROOM: int = 4711
API_PORT: int = 18088
_PERSON = Path(__file__).with_name("janus_person.py")
_START_S_MAX = 20.0

_CORE = """
general: {{ configs_folder = "{folder}", debug_level = 3, server_name = "sfu-1", session_timeout = 60 }}
nat: {{ ice_ignore_list = "vmnet" }}
plugins: {{ disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,\
libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,\
libjanus_videocall.so,libjanus_voicemail.so" }}
transports: {{ disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,\
libjanus_websockets.so" }}
events: {{ broadcast = true, stats_period = 2, disable = "libjanus_gelfevh.so,libjanus_mqttevh.so,\
libjanus_nanomsgevh.so,libjanus_rabbitmqevh.so,libjanus_wsevh.so" }}
"""
_HTTP = """
general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, https = false }}
admin: {{ admin_http = false }}
"""
_EVENTS = """
general: {{
  enabled = true
  events = "sessions,handles,webrtc,media,plugins,core"
  grouping = true
  json = "compact"
  backend = "{url}"
  backend_user = "{user}"
  backend_pwd = "{password}"
}}
"""
_ROOM = """
room-{room}: {{ description = "a class", secret = "s", publishers = 6, bitrate = 200000, notify_joining = true }}
"""


def require() -> None:
    """Say what is missing. Raises RuntimeError: these tests fail where they cannot run, they do not pass by."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise RuntimeError(f"{', '.join(missing)} not found: apt-get install {PACKAGES}")
    if os.geteuid() != 0:
        raise RuntimeError("a network with faults can only be made by root")


def run(*words: str, given: str | None = None) -> None:
    """Run one of the programs; raises CalledProcessError, with what it wrote, where it fails."""
    subprocess.run(words, check=True, input=given, text=True, capture_output=True)


@dataclass(frozen=True)
class Place:
    """A network namespace on a cable of its own; ``host`` is our end, where Janus listens."""

    name: str
    host: str

    def lose(self, percent: int) -> None:
        """Drop this share of the UDP packets that arrive; 100 is a wall. netem is not in every kernel."""
        chance = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        rule = f"meta l4proto udp {chance}drop"
        run(
            *("ip", "netns", "exec", self.name, "nft", "-f", "-"),
            given=f"table inet q {{\nchain i {{\ntype filter hook input priority 0;\n{rule}\n}}\n}}\n",
        )

    def heal(self) -> None:
        """Drop nothing any more."""
        run("ip", "netns", "exec", self.name, "nft", "flush", "ruleset")


@asynccontextmanager
async def place(name: str, number: int) -> AsyncIterator[Place]:
    """Lay a cable to a new namespace; both are gone at the end."""
    ours, theirs, net = f"qh{number}", f"qn{number}", f"10.213.{number}"
    with contextlib.suppress(subprocess.CalledProcessError):
        run("ip", "netns", "del", name)  # of a run that was killed
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        run("ip", "addr", "add", f"{net}.1/24", "dev", ours)
        run("ip", "link", "set", ours, "up")
        for words in (("addr", "add", f"{net}.2/24", "dev", theirs), ("link", "set", theirs, "up")):
            run("ip", "-n", name, *words)
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield Place(name, f"{net}.1")
    finally:
        run("ip", "netns", "del", name)


@asynccontextmanager
async def janus(folder: Path, url: str, user: str, password: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Janus with one room; its events go to the URL. Stopped at the end where it still runs."""
    files = {
        "janus.jcfg": _CORE.format(folder=folder),
        "janus.transport.http.jcfg": _HTTP.format(port=API_PORT),
        "janus.eventhandler.sampleevh.jcfg": _EVENTS.format(url=url, user=user, password=password),
        "janus.plugin.videoroom.jcfg": _ROOM.format(room=ROOM),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    with (folder / "janus.log").open("wb") as log:
        words = ("janus", "-F", str(folder), "-C", str(folder / "janus.jcfg"), "-o")
        process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log)
    try:
        await _answers(process, folder / "janus.log")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _answers(process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(_START_S_MAX):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"janus ended; {log} says why")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", API_PORT)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return


@dataclass
class Someone:
    """A running `janus_person`."""

    process: asyncio.subprocess.Process
    said: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        """Note what it says."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self.news:
                self.said.append(json.loads(line))
                self.news.notify_all()

    async def do(self, act: str) -> None:
        """Let it do something; returns when that is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{act}\n".encode())
        await self.until(what="did", act=act)

    async def until(self, times: int = 1, wait_s_max: float = 45.0, **said: object) -> None:
        """Wait until it has said this so many times."""
        async with asyncio.timeout(wait_s_max), self.news:
            await self.news.wait_for(lambda: sum(said.items() <= one.items() for one in self.said) >= times)


@asynccontextmanager
async def someone(opaque_id: str, host: str, where: Place | None = None) -> AsyncIterator[Someone]:
    """Start a person, in a place or on the host; killed at the end where they still run."""
    inside = () if where is None else ("ip", "netns", "exec", where.name)
    words = (*inside, sys.executable, str(_PERSON), f"http://{host}:{API_PORT}/janus", str(ROOM), opaque_id)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    person = Someone(process)
    listening = asyncio.create_task(person.listen())
    try:
        yield person
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening
