"""TRTC, 100ms and signed observations come through the whole service, and no secret stays behind."""

import asyncio
import sqlite3
from pathlib import Path

import aiohttp
from collector_specimens import Specimen, written
from generic_specimen import GENERIC, GENERIC_SECRET
from hundredms_specimen import HUNDREDMS, HUNDREDMS_HEADER, HUNDREDMS_VALUE
from running import running
from trtc_specimen import TRTC, TRTC_KEY

from qos_monitor.clock import SystemClock

SENDERS = (TRTC, HUNDREDMS, GENERIC)
ENVIRON = {
    "QOS_TRTC_SECRETS": TRTC_KEY,
    "QOS_HUNDREDMS_SECRETS": f"{HUNDREDMS_HEADER}:{HUNDREDMS_VALUE}",
    "QOS_GENERIC_SECRETS": f"generic:{GENERIC_SECRET}",
}


async def answers(client: aiohttp.ClientSession, sender: Specimen, *, is_signed: bool = True) -> set[int]:
    """Send all that a specimen has to say; tell how it was answered."""
    given = set()
    for body in map(written, sender.valid):
        headers = sender.sign(body, SystemClock().now()) if is_signed else {}
        async with client.post(f"/webhooks/{sender.name}", data=body, headers=headers) as answer:
            given.add(answer.status)
    return given


def observed(folder: Path) -> set[tuple[str, str, str | None]]:
    """Take source, kind and class of every observation that was stored."""
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        found = set(database.execute("SELECT source, kind, class_id FROM observations"))
    database.close()
    return found


def bytes_of(folder: Path) -> bytes:
    """Take every byte the database holds."""
    return b"".join(path.read_bytes() for path in folder.glob("qos.sqlite3*"))


async def test_what_they_send_is_believed_stored_and_read_and_what_nobody_signed_is_not(tmp_path: Path) -> None:
    wanted = {
        (sighting.observation.source, sighting.observation.kind.value)
        for sender in SENDERS
        for body in sender.valid
        for sighting in sender.collector.read(sender.delivery(body)).sightings
    }
    of_nobody = {("trtc", None), ("hundredms", None)}  # no class has these rooms yet

    async with running(tmp_path, ENVIRON) as service, aiohttp.ClientSession(service.url) as client:
        refused = [await answers(client, sender, is_signed=False) for sender in SENDERS]
        taken = [await answers(client, sender) for sender in SENDERS]
        again = [await answers(client, sender) for sender in SENDERS]
        async with asyncio.timeout(60):
            while {seen[:2] for seen in observed(tmp_path)} != wanted:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)
        log = service.log.read_text(encoding="utf-8")

    assert refused == [{401}] * 3
    assert taken == again == [{200}, {200}, {204}]
    assert {(source, class_id) for source, _, class_id in observed(tmp_path) if source != "generic"} == of_nobody
    assert {class_id for source, _, class_id in observed(tmp_path) if source == "generic"} == {"c1", None}
    for secret in (TRTC_KEY, HUNDREDMS_VALUE, GENERIC_SECRET):
        assert secret.encode() not in bytes_of(tmp_path)
        assert secret not in log
