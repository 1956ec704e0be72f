"""Zoom and Twilio come through the whole service, as each of them posts."""

import asyncio
import json
import sqlite3
from pathlib import Path

import aiohttp
from collector_specimens import NOON, Body, Specimen
from running import running
from twilio_specimen import TWILIO, TWILIO_TOKEN, TWILIO_URL
from zoom_specimen import ZOOM, ZOOM_SECRET

from qos_monitor.clock import SystemClock

ENVIRON = {"QOS_ZOOM_SECRETS": ZOOM_SECRET, "QOS_TWILIO_TOKENS": TWILIO_TOKEN, "QOS_TWILIO_URL": TWILIO_URL}


async def answer_to(
    client: aiohttp.ClientSession, sender: Specimen, body: Body, *, is_signed: bool = True
) -> tuple[int, bytes]:
    """Post one body as its sender does; Twilio puts the hash of JSON behind the URL."""
    raw = sender.write(body)
    headers = sender.sign(raw, SystemClock().now()) if is_signed else {}
    path = f"/webhooks/{sender.name}" + ("?bodySHA256=given" if raw.startswith(b"[") else "")
    async with client.post(path, data=raw, headers=headers) as answer:
        return answer.status, await answer.read()


def observed(folder: Path) -> set[tuple[str, str, str | None]]:
    """Take source, kind and room of every observation that was stored."""
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        found = set(database.execute("SELECT source, kind, room_id FROM observations"))
    database.close()
    return found


async def test_what_they_send_is_believed_stored_and_read_and_zooms_challenge_is_answered(tmp_path: Path) -> None:
    challenge: Body = {"event": "endpoint.url_validation", "event_ts": NOON, "payload": {"plainToken": "qgg8vlvZRS6"}}
    wanted = {
        (seen.observation.source, seen.observation.kind.value, seen.observation.class_id)
        for sender in (ZOOM, TWILIO)
        for body in sender.valid
        for seen in sender.collector.read(sender.delivery(body)).sightings
    }

    async with running(tmp_path, ENVIRON) as service, aiohttp.ClientSession(service.url) as client:
        sent = [(sender, body) for sender in (ZOOM, TWILIO) for body in sender.valid]
        refused = {(await answer_to(client, *one, is_signed=False))[0] for one in sent}
        taken = {(await answer_to(client, *one))[0] for one in sent * 2}
        status, answered = await answer_to(client, ZOOM, challenge)
        async with asyncio.timeout(60):
            while observed(tmp_path) != wanted:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)

    assert (refused, taken) == ({401}, {200})
    assert (status, json.loads(answered)["plainToken"]) == (200, "qgg8vlvZRS6")
    assert answered == ZOOM.collector.answer(ZOOM.delivery(challenge))[1]
