"""Agora's channels and uids come through the front door before anybody said whose they are; then the school says it."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from running import running
from service_parts import MONDAY, TOKEN, school

from qos_monitor import clock, window_book
from qos_monitor.storage import engine as storage
from rules.span import HOUR, MINUTE, SECOND, Instant, format_instant
from rules.world import World

SECRET = "agoras-own-secret"
ENVIRON = {
    "QOS_AGORA_SECRETS": SECRET,
    "QOS_ROSTER_TOKEN": TOKEN,
    "QOS_ROOM_TEMPLATES": "agora:class-{class_id}",
    "QOS_PARTICIPANT_TEMPLATES": "agora:teacher-{teacher_id},agora:user_{learner_id}",
}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AS_OF: Instant = MONDAY + 12 * HOUR
IDENTITIES = {
    "identities": [
        {"provider": "agora", "name": "42", "person_id": "u1"},
        {"provider": "agora", "name": "ann@school.example", "person_id": "u2"},
    ]
}


VERDICTS = {
    ("u1", "c1", "ATTENDED"),
    ("u1", "c2", "ATTENDED"),
    ("u1", "alone", "UNABLE_PLATFORM"),
    ("u2", "c1", "UNABLE_PLATFORM"),
    ("u2", "c2", "NO_SHOW"),
    ("u2", "alone", "NO_SHOW"),
    ("u3", "c1", "NO_SHOW"),
    ("u3", "c2", "NO_SHOW"),
    ("u3", "alone", "ATTENDED"),
}


def roster() -> World:
    """Two lessons back to back in one room, and one whose room only its name tells."""
    double = school(MONDAY, MONDAY + HOUR, room="double", learners=("u1", "u2", "u3"))
    alone = school(MONDAY + 3 * HOUR, room=None, learners=("u1", "u2", "u3"))
    return replace(double, classes=(*double.classes, replace(alone.classes[0], id="alone")))


def stay(room: str, who: str, came: Instant, went: Instant, reason: int = 1) -> list[bytes]:
    """Word what Agora tells of one stay; a name of digits is a uid, any other an account."""
    uid = int(who) if who.isdigit() else int.from_bytes(hashlib.sha256(who.encode()).digest()[:3])
    told = []
    for event, at, more in ((103, came, {}), (104, went, {"reason": reason, "duration": (went - came) // SECOND})):
        payload = {"channelName": room, "uid": uid, "platform": 7, "clientSeq": at, "ts": at // SECOND} | more
        if not who.isdigit():
            payload["account"] = who
        name = f"{room}:{who}:{event}:{at}"
        told.append(
            json.dumps(
                {"noticeId": name, "productId": 1, "eventType": event, "notifyMs": at, "payload": payload}
            ).encode()
        )
    return told


def everything() -> list[bytes]:
    three = MONDAY + 3 * HOUR
    return [
        *stay("double", "teacher-t1", MONDAY - 5 * MINUTE, MONDAY + 2 * HOUR),
        *stay("double", "42", MONDAY, MONDAY + 2 * HOUR - MINUTE),
        *stay("double", "ann@school.example", MONDAY + MINUTE, MONDAY + 30 * MINUTE, reason=4),
        *stay("class-alone", "teacher-t1", three, three + HOUR),
        *stay("class-alone", "42", three, three + 20 * MINUTE, reason=4),
        *stay("class-alone", "user_u3", three, three + HOUR),
        *stay("class-alone", "a stranger", three, three + HOUR),
        *stay("staff-room", "7", three, three + HOUR),
    ]


async def post(client: aiohttp.ClientSession, bodies: list[bytes]) -> None:
    for body in bodies:
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        async with client.post("/webhooks/agora", data=body, headers={"Agora-Signature-V2": signature}) as answer:
            assert answer.status == 200


async def metrics(client: aiohttp.ClientSession) -> dict[str, float]:
    async with client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


async def unmapped(client: aiohttp.ClientSession, *, rooms: int, people: int) -> list[tuple[object, ...]]:
    """Wait until the gauge says so, and list what is not mapped."""
    name = 'qos_observations_unmapped{{provider="agora",what="{}"}}'
    async with asyncio.timeout(30):
        while True:
            now = await metrics(client)
            if (now.get(name.format("room")), now.get(name.format("person"))) == (rooms, people):
                break
            await asyncio.sleep(0.2)
    async with client.get("/v1/unmapped", params={"hours": "24", "provider": "agora"}, headers=BEARER) as answer:
        assert answer.status == 200
        listed = (await answer.json())["unmapped"]
    return sorted((one["what"], one["room"], one["name"] or "", one["observations"]) for one in listed)


async def put(client: aiohttp.ClientSession, path: str, body: object) -> dict[str, Any]:
    async with client.put(path, json=body, headers=BEARER) as answer:
        assert answer.status == 200, await answer.text()
        told: dict[str, Any] = await answer.json()
        return told


async def judged_by_the_command(folder: Path) -> set[tuple[object, ...]]:
    """Give `qos-monitor judge` the roster and what is stored, and read its verdicts."""
    engine = storage.create(f"sqlite+aiosqlite:///{folder}/qos.sqlite3")
    async with storage.reading(engine) as conn:
        seen = await window_book.observations_of(conn, [row.id for row in roster().classes])
    await engine.dispose()
    file = folder / "world.json"
    file.write_text(json.dumps(replace(roster(), observations=tuple(seen)).as_json()), encoding="utf-8")
    command = (sys.executable, "-m", "qos_monitor", "judge", str(file), "--as-of", format_instant(AS_OF))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return {verdict(one) for one in json.loads(printed)["verdicts"]}


def verdict(one: dict[str, Any]) -> tuple[object, ...]:
    return tuple(one[name] for name in ("learner_id", "class_id", "verdict", "by", "grade", "domain", "why"))


def judged_by_the_service(folder: Path) -> set[tuple[object, ...]]:
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        rows = database.execute("SELECT body FROM verdicts WHERE current AND firm").fetchall()
    database.close()
    return {verdict(json.loads(body)) for (body,) in rows}


async def test_what_nobody_could_map_is_counted_listed_and_judged_once_the_school_says_whose_it_is(
    tmp_path: Path,
) -> None:
    clock_file = tmp_path / "clock"
    clock.drive(clock_file, MONDAY + 5 * HOUR)

    async with (
        running(tmp_path, ENVIRON | {"QOS_CLOCK_FILE": str(clock_file)}) as service,
        aiohttp.ClientSession(service.url) as client,
    ):
        await post(client, everything())
        assert [row[:2] for row in await unmapped(client, rooms=16, people=0)] == [
            ("room", "class-alone"),
            ("room", "double"),
            ("room", "staff-room"),
        ]
        await put(client, "/v1/roster", {k: v for k, v in roster().as_json().items() if k != "observations"})
        assert await unmapped(client, rooms=2, people=8) == [
            ("person", "class-alone", "42", 2),
            ("person", "class-alone", "a stranger", 2),
            ("person", "double", "42", 1),
            ("person", "double", "42", 1),  # the leave is in the second lesson's time
            ("person", "double", "ann@school.example", 2),
            ("room", "staff-room", "", 2),
        ]
        assert (await put(client, "/v1/identities?dry_run=1", IDENTITIES))["added"] == [
            "agora:42",
            "agora:ann@school.example",
        ]
        assert (await put(client, "/v1/identities", IDENTITIES))["dry_run"] is False
        assert [row[:3] for row in await unmapped(client, rooms=2, people=2)] == [
            ("person", "class-alone", "a stranger"),
            ("room", "staff-room", ""),
        ]
        clock.drive(clock_file, AS_OF)
        async with asyncio.timeout(30):
            while len(judged_by_the_service(tmp_path)) < 9:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.2)
        await service.terminate()

    found = judged_by_the_service(tmp_path)
    assert found == await judged_by_the_command(tmp_path)
    assert {row[:3] for row in found} == VERDICTS
