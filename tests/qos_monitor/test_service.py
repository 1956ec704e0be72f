"""The whole service as a process: it starts, tells how it is, and stops cleanly."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
from pathlib import Path

import aiohttp
from running import Running, running, start
from service_parts import TOKEN

SECRET = "an-agora-secret"
ENVIRON = {
    "QOS_AGORA_SECRETS": SECRET,
    "QOS_OBSERVATIONS_TOKEN": TOKEN,
    "QOS_ROSTER_TOKEN": TOKEN,
    "QOS_LOG_LEVEL": "debug",
}
LEARNER = "learner-who-is-never-logged"


def notice(number: int) -> tuple[bytes, dict[str, str]]:
    """Sign an Agora notice of a learner who joined."""
    payload = {"channelName": "r1", "uid": 7, "account": LEARNER, "clientSeq": number, "ts": 1793617200, "platform": 7}
    body = json.dumps(
        {
            "noticeId": f"n{number}",
            "productId": 1,
            "eventType": 103,
            "notifyMs": 1793617200000 + number,
            "payload": payload,
        }
    ).encode()
    return body, {"Agora-Signature-V2": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


async def send(client: aiohttp.ClientSession, service: Running, number: int) -> int:
    body, headers = notice(number)
    async with client.post(f"{service.url}/webhooks/agora", data=body, headers=headers) as answer:
        return answer.status


def stored(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        found = [row[0] for row in database.execute("SELECT body FROM deliveries ORDER BY seq")]
    database.close()
    return [json.loads(body)["noticeId"] for body in found]


async def test_it_answers_reads_tells_how_it_is_and_stops_with_0(tmp_path: Path) -> None:
    async with running(tmp_path, ENVIRON) as service, aiohttp.ClientSession(service.url) as client:
        assert await send(client, service, 1) == 200
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        async with client.get("/readyz") as answer:
            assert (answer.status, await answer.json()) == (
                200,
                {"ready": True, "problems": [], "judging_lag_s": 0.0},
            )
        read = 'qos_deliveries_read_total{provider="agora",result="read"} 1.0'
        async with asyncio.timeout(30):
            metrics = ""
            while read not in metrics:
                async with client.get("/metrics") as answer:
                    metrics = await answer.text()
        assert 'qos_deliveries_total{provider="agora",result="accepted"} 1.0' in metrics
        assert 'qos_observations_total{kind="joined",provider="agora"} 1.0' in metrics
        assert "qos_build_info{" in metrics

        assert await service.terminate() == 0

    events = [event["event"] for event in service.events()]
    assert events[0] == "listening"
    assert events[-2:] == ["stopping", "stopped"]
    assert LEARNER not in service.log.read_text(encoding="utf-8")
    assert SECRET not in service.log.read_text(encoding="utf-8")
    assert TOKEN not in service.log.read_text(encoding="utf-8")


async def test_told_to_stop_under_load_it_stores_all_it_answers_and_answers_all_it_took(tmp_path: Path) -> None:
    async with running(tmp_path, ENVIRON) as service, aiohttp.ClientSession() as client:
        answered: list[str] = []
        broken = 0

        async def sender(first: int) -> None:
            nonlocal broken
            for number in range(first, first + 100_000):
                try:
                    if await send(client, service, number) == 200:
                        answered.append(f"n{number}")
                except aiohttp.ClientError:
                    broken += 1
                    return

        senders = [asyncio.create_task(sender(number * 1_000_000)) for number in range(16)]
        await asyncio.sleep(1)
        assert await service.terminate() == 0
        await asyncio.gather(*senders)

    kept = stored(tmp_path)
    assert len(answered) > 16
    assert set(answered) <= set(kept)
    assert len(kept) == len(set(kept))
    assert service.events()[-1]["event"] == "stopped"


async def test_a_roster_is_taken_over_http_with_a_dry_run_before(tmp_path: Path) -> None:
    roster = {"courses": [{"id": "math", "title": "Math", "visual_essential": False}]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    added = {"added": ["math"], "changed": {}, "unchanged": 0}
    async with (
        running(tmp_path, ENVIRON) as service,
        aiohttp.ClientSession(service.url, headers=headers) as client,
    ):
        for query, is_dry in (("?dry_run=1", True), ("", False)):
            async with client.put(f"/v1/roster{query}", json=roster) as answer:
                assert answer.status == 200
                told = await answer.json()
                assert (told["dry_run"], told["courses"]) == (is_dry, added)
        async with client.put("/v1/roster", json={"courses": [{"id": 7}], "pupils": []}) as answer:
            assert answer.status == 422
            paths = [problem["path"] for problem in (await answer.json())["errors"]]
            assert paths == ["courses[0].id", "courses[0].visual_essential", "pupils"]
        async with client.put("/v1/roster", data=b"{", headers={"Authorization": "Bearer no"}) as answer:
            assert answer.status == 401


async def test_it_starts_again_on_what_it_left(tmp_path: Path) -> None:
    async with running(tmp_path, ENVIRON) as service, aiohttp.ClientSession() as client:
        assert await send(client, service, 1) == 200
        await service.kill()
    again = await start(tmp_path, ENVIRON)
    async with aiohttp.ClientSession() as client:
        assert await send(client, again, 1) == 200
        metrics = ""
        async with asyncio.timeout(30):  # the database is read for them in the background
            while 'qos_feed_silence_seconds{provider="agora"}' not in metrics:
                async with client.get(f"{again.url}/metrics") as answer:
                    metrics = await answer.text()
    await again.kill()

    assert stored(tmp_path) == ["n1"]
