"""Silence over HTTP, in the real service: nothing sent for a class that runs is seen, one webhook ends it."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from running import Running, running, start
from service_parts import TOKEN

from qos_monitor import clock
from rules.span import HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant

SECRET, KEY = "an-agora-secret", "APIkey:a-livekit-secret-of-at-least-32-characters"
A: Instant = parse_instant("2026-11-02T11:00:00Z")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def environ(folder: Path) -> dict[str, str]:
    return {
        "QOS_AGORA_SECRETS": SECRET,
        "QOS_LIVEKIT_KEYS": KEY,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CASES_TOKEN": TOKEN,
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_CLOCK_FILE": str(folder / "clock"),
        "QOS_LOG_LEVEL": "info",
    }


def roster(*rooms: tuple[str, str, str]) -> dict[str, object]:
    """Schedule classes of an hour at 11:00 UTC, each with two learners: its id, its provider, its room."""
    return {
        "courses": [{"id": "math", "title": "Math", "visual_essential": False}],
        "classes": [
            {
                "id": name,
                "course_id": "math",
                "starts_at": format_instant(A),
                "ends_at": format_instant(A + HOUR),
                "provider": provider,
                "room_id": room,
                "teacher_id": "t1",
                "learner_ids": [f"{name}-u1", f"{name}-u2"],
                "cancelled": None,
            }
            for name, provider, room in rooms
        ],
    }


def joined(room: str, who: str, at: Instant) -> tuple[bytes, Mapping[str, str]]:
    """Sign an Agora notice of somebody who joined."""
    payload = {"channelName": room, "uid": 7, "account": who, "clientSeq": 1, "ts": at // SECOND, "platform": 7}
    notice = {"noticeId": f"{room}-{who}", "productId": 1, "eventType": 103, "notifyMs": at, "payload": payload}
    body = json.dumps(notice).encode()
    return body, {"Agora-Signature-V2": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


async def gauges(service: Running) -> dict[str, float]:
    """Scrape; answer what is said of feeds, as ``name provider``."""
    async with aiohttp.ClientSession(service.url) as client, client.get("/metrics") as answer:
        text = await answer.text()
    return {
        f"{sample.name.removeprefix('qos_')} {sample.labels['provider']}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(("qos_scheduled_", "qos_silent_", "qos_feed_silence_"))
    }


async def scraped(service: Running, wanted: Mapping[str, float]) -> dict[str, float]:
    """Scrape until it says what is wanted: a reading may be a second old, and a webhook is read by a job."""
    found: dict[str, float] = {}
    for _ in range(200):
        found = await gauges(service)
        if wanted.items() <= found.items():
            break
        await asyncio.sleep(0.05)
    assert {name: found.get(name) for name in wanted} == dict(wanted)
    return found


async def feeds(service: Running) -> dict[str, dict[str, object]]:
    async with (
        aiohttp.ClientSession(service.url, headers=BEARER) as client,
        client.get("/v1/feeds") as answer,
    ):
        assert answer.status == 200
        return {row["provider"]: row for row in (await answer.json())["feeds"]}


async def put(service: Running, given: dict[str, object]) -> None:
    async with (
        aiohttp.ClientSession(service.url, headers=BEARER) as client,
        client.put("/v1/roster", json=given) as answer,
    ):
        assert answer.status == 200


async def knock(service: Running, room: str, who: str, at: Instant) -> None:
    body, headers = joined(room, who, at)
    async with (
        aiohttp.ClientSession(service.url) as client,
        client.post("/webhooks/agora", data=body, headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_silence_rises_in_class_falls_with_a_webhook_outlives_a_restart_and_ends_with_the_class(
    tmp_path: Path,
) -> None:
    clock.drive(tmp_path / "clock", A - HOUR)
    async with running(tmp_path, environ(tmp_path)) as service:
        await put(service, roster(("c1", "agora", "r1"), ("c2", "agora", "r2"), ("c3", "livekit", "r3")))
        nothing = {"scheduled_classes agora": 0, "silent_classes agora": 0, "feed_silence_in_class_seconds agora": 0}
        await scraped(service, nothing)

        clock.drive(tmp_path / "clock", A + 10 * MINUTE)
        all_silent = {"scheduled_classes agora": 2, "scheduled_learners agora": 4, "silent_classes agora": 2}
        await scraped(service, {**all_silent, "silent_learners agora": 4, "feed_silence_in_class_seconds agora": 600})
        await knock(service, "r1", "c1-u1", A + 10 * MINUTE)
        one_silent = {"silent_classes agora": 1, "silent_learners agora": 2, "feed_silence_in_class_seconds agora": 0}
        other_feed = {"silent_classes livekit": 1, "feed_silence_in_class_seconds livekit": 600}
        await scraped(service, one_silent | other_feed)
        shown = await feeds(service)
        await service.kill()

    clock.drive(tmp_path / "clock", A + 25 * MINUTE)
    again = await start(tmp_path, environ(tmp_path))
    still = {"feed_silence_seconds agora": 900, "feed_silence_in_class_seconds agora": 900, "silent_classes agora": 1}
    await scraped(again, still)
    clock.drive(tmp_path / "clock", A + HOUR)
    await scraped(again, {"scheduled_classes agora": 0, "silent_classes agora": 0, "silent_classes livekit": 0})
    over = await gauges(again)
    assert await again.terminate() == 0

    assert over["feed_silence_in_class_seconds agora"] == over["feed_silence_in_class_seconds livekit"] == 0
    silent = {"class_id": "c2", "starts_at": format_instant(A), "learners": 2}
    assert shown["agora"] == {
        "provider": "agora",
        "has_door": True,
        "last_delivery_at": format_instant(A + 10 * MINUTE),
        "silence_in_class_s": 0,
        "classes": 2,
        "learners": 4,
        "silent_classes": 1,
        "silent_learners": 2,
        "silent": [silent],
        "alive_until": None,
    }
    assert shown["livekit"]["last_delivery_at"] is None
    assert [event["event"] for event in again.events() if str(event["event"]).startswith("feed")] == [
        "feed_silent",
        "feed_silent",
        "feed_not_silent",
        "feed_not_silent",
    ]


async def test_the_feeds_are_shown_to_whom_the_cases_are(tmp_path: Path) -> None:
    clock.drive(tmp_path / "clock", A)
    async with running(tmp_path, environ(tmp_path)) as service, aiohttp.ClientSession(service.url) as client:
        async with client.get("/v1/feeds") as answer:
            assert answer.status == 401
        alive = {"source": "sfu", "id": "f1", "kind": "feed_alive", "at": "2026-11-02T10:00:00Z"}
        line = json.dumps(alive | {"until": "2026-11-02T10:01:00Z"})
        async with client.post("/v1/observations", data=line, headers=BEARER) as answer:
            assert answer.status == 202
        await put(service, roster(("c1", "sfu", "r1")))
        shown: dict[str, dict[str, object]] = {}
        for _ in range(200):
            shown = await feeds(service)
            if shown["sfu"]["alive_until"] is not None:
                break
            await asyncio.sleep(0.05)

    assert {name: row["has_door"] for name, row in shown.items()} == {
        "agora": True,
        "livekit": True,
        "observations": True,
        "sfu": False,
    }
    assert shown["sfu"]["alive_until"] == "2026-11-02T10:01:00.000Z"
    assert shown["sfu"]["last_delivery_at"] == format_instant(A)


async def verdict(service: Running, learner: str, wanted: str) -> str | None:
    """Ask for the learner's time line until it says what is wanted; answer what it said last."""
    said: str | None = None
    async with aiohttp.ClientSession(service.url, headers=BEARER) as client:
        for _ in range(200):
            async with client.get(f"/v1/learners/{learner}/timeline") as answer:
                judged = (await answer.json())["classes"][0]["verdict"]
            said = None if judged is None else judged["verdict"]
            if said == wanted:
                break
            await asyncio.sleep(0.05)
    return said


async def vouch(service: Running, source: str, start: Instant, end: Instant) -> None:
    """Say once a minute that a feed was alive, as a system of the school's own does."""
    lines = [
        {"source": source, "id": f"alive-{at}", "kind": "feed_alive", "at": format_instant(at)}
        | {"until": format_instant(at + MINUTE)}
        for at in range(start, end, MINUTE)
    ]
    body = "\n".join(map(json.dumps, lines))
    async with (
        aiohttp.ClientSession(service.url, headers=BEARER) as client,
        client.post("/v1/observations", data=body) as answer,
    ):
        assert answer.status == 202


async def test_who_left_no_trace_is_unknown_until_95_percent_of_the_class_are_covered_by_its_own_feed(
    tmp_path: Path,
) -> None:
    clock.drive(tmp_path / "clock", A)
    async with running(tmp_path, environ(tmp_path)) as service:
        await put(service, roster(("c1", "agora", "r1"), ("c2", "livekit", "r2")))
        await vouch(service, "agora", A, A + 56 * MINUTE)
        clock.drive(tmp_path / "clock", A + 8 * HOUR)
        short = await verdict(service, "c1-u1", "UNKNOWN"), await verdict(service, "c2-u1", "NO_SHOW")
        await vouch(service, "agora", A + 56 * MINUTE, A + 57 * MINUTE)
        enough = await verdict(service, "c1-u1", "NO_SHOW")
        await vouch(service, "livekit", A - HOUR, A)
        other = await verdict(service, "c2-u1", "UNKNOWN")

    assert (*short, enough, other) == ("UNKNOWN", "NO_SHOW", "NO_SHOW", "UNKNOWN")
