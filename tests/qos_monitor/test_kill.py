"""Twenty power cuts under load: nothing that was acknowledged is lost, nothing is doubled, every claim arrives."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import jwt
from aiohttp import web
from aiohttp.test_utils import unused_port
from database import Database
from running import Running, start
from service_parts import TOKEN, enrolment

from qos_monitor import clock
from qos_monitor.claims.receiver import Receiver
from qos_monitor.clock import DrivenClock
from rules.span import DAY, HOUR, MINUTE, SECOND, format_instant

KILLS = 20
AGORA, LIVEKIT = "an-agora-secret", ("a-livekit-key", "a-livekit-secret-of-more-than-32-bytes")
WHSEC = "whsec_" + base64.b64encode(b"a secret of thirty-two characters").decode()
LEARNERS_OWED = 12


@dataclass(frozen=True)
class Sent:
    """One request a sender repeats until it is acknowledged, and the observation it must end as."""

    path: str
    body: bytes
    headers: dict[str, str]
    participant: str


@dataclass
class Load:
    """What is being sent, and what was acknowledged."""

    url: str
    acknowledged: list[Sent] = field(default_factory=list)
    tries: int = 0
    is_over: bool = False

    async def send(self, make: Callable[[int], Sent], first: int) -> None:
        """Send one after the other, each until it is acknowledged; now and then one that was already."""
        chance = random.Random(first)  # noqa: S311 - a seed, not a secret
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            for number in itertools.count(first):
                if self.is_over:
                    return
                sent = make(number)
                await self._until_acknowledged(client, sent)
                self.acknowledged.append(sent)
                if chance.random() < 0.1:
                    await self._until_acknowledged(client, chance.choice(self.acknowledged))

    async def _until_acknowledged(self, client: aiohttp.ClientSession, sent: Sent) -> None:
        while True:
            self.tries += 1
            try:
                async with client.post(self.url + sent.path, data=sent.body, headers=sent.headers) as answer:
                    if answer.status < 300:
                        return
                    assert answer.status == 503
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.02)


def agora(number: int) -> Sent:
    who = f"agora-{number}"
    payload = {"channelName": "r", "uid": number, "account": who, "clientSeq": 1, "ts": int(time.time()), "platform": 7}
    body = json.dumps(
        {"noticeId": who, "productId": 1, "eventType": 103, "notifyMs": int(time.time() * 1000), "payload": payload}
    ).encode()
    signature = hmac.new(AGORA.encode(), body, hashlib.sha256).hexdigest()
    return Sent("/webhooks/agora", body, {"Agora-Signature-V2": signature}, who)


def livekit(number: int) -> Sent:
    who = f"livekit-{number}"
    now = int(time.time())
    body = json.dumps(
        {
            "event": "participant_joined",
            "id": f"EV_{number}",
            "createdAt": str(now),
            "room": {"name": "r", "sid": "RM_1"},
            "participant": {"sid": f"PA_{number}", "identity": who, "joinedAt": str(now), "state": "ACTIVE"},
        }
    ).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": LIVEKIT[0], "nbf": now - 5, "exp": now + 300, "sha256": digest}
    token = jwt.encode(claims, LIVEKIT[1], algorithm="HS256")
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    return Sent("/webhooks/livekit", body, headers, who)


def observations(number: int) -> Sent:
    who = f"school-{number}"
    row = {
        "source": "school",
        "id": who,
        "kind": "attempted",
        "at": format_instant(int(time.time() * 1000)),
        "class_id": "c-of-nobody",
        "participant_id": who,
        "role": "learner",
        "vantage": "server",
    }
    return Sent("/v1/observations", json.dumps(row).encode(), {"Authorization": f"Bearer {TOKEN}"}, who)


def outages(now: int) -> tuple[dict[str, object], list[bytes]]:
    """Plan learners who were shut out for two classes 49 h apart by the platform: each is owed a refund."""
    first = (now - 4 * DAY) // HOUR * HOUR
    starts = (first, first + 48 * HOUR)
    learners = [f"owed-{number}" for number in range(LEARNERS_OWED)]
    classes, lines = [], []
    for (number, learner), start_at in itertools.product(enumerate(learners), starts):
        class_id = f"c-{number}-{start_at}"
        classes.append(
            {
                "id": class_id,
                "course_id": "math",
                "starts_at": format_instant(start_at),
                "ends_at": format_instant(start_at + HOUR),
                "provider": "agora",
                "room_id": None,
                "teacher_id": f"t{number}",
                "learner_ids": [learner],
            }
        )
        row = {
            "source": "school",
            "id": f"failed-{class_id}",
            "kind": "join_failed",
            "at": format_instant(start_at - MINUTE),
            "class_id": class_id,
            "participant_id": learner,
            "role": "learner",
            "vantage": "server",
            "fault": "platform",
        }
        lines.append(json.dumps(row).encode())
    courses = [{"id": "math", "title": "Math", "visual_essential": False}]
    enrolments = [enrolment(f"e-{learner}", learner, lessons_used_before=0) for learner in learners]
    return {"courses": courses, "enrolments": enrolments, "classes": classes}, lines


async def plant(url: str, roster: dict[str, object], lines: list[bytes]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(url, headers=headers) as client:
        async with client.put("/v1/roster", json=roster) as answer:
            assert answer.status == 200
        async with client.post("/v1/observations", data=b"\n".join(lines)) as answer:
            assert answer.status == 202


async def settled(folder: Path, database: Database, now: int) -> None:
    """Let time pass until everything is read and every claim is with the refund system.

    What was in hand when the power went is held until its lease runs out, minutes later by the service's
    clock.
    """
    async with asyncio.timeout(120):
        while await database.rows("SELECT 1 FROM deliveries WHERE state = 0 LIMIT 1") or not await _all_sent(database):
            now += MINUTE
            clock.drive(folder / "clock", now)
            await asyncio.sleep(0.2)


async def _all_sent(database: Database) -> bool:
    states = [state for (state,) in await database.rows("SELECT state FROM claims")]
    return len(states) >= LEARNERS_OWED and set(states) == {"accepted"}


def environ(folder: Path, database: Database, port: int) -> dict[str, str]:
    return {
        "QOS_DATABASE_URL": database.url,
        "QOS_CLOCK_FILE": str(folder / "clock"),
        "QOS_AGORA_SECRETS": AGORA,
        "QOS_LIVEKIT_KEYS": ":".join(LIVEKIT),
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CLAIMS_URL": f"http://127.0.0.1:{port}/claims",
        "QOS_CLAIMS_SECRETS": WHSEC,
    }


def seconds() -> Iterator[float]:
    """Give the random moments of the cuts; from a seed, but what they meet is never the same twice."""
    chance = random.Random(2026)  # noqa: S311 - a seed, not a secret
    while True:
        yield chance.uniform(0.05, 0.5)


def drive_on(folder: Path) -> int:
    """Set the driven clock to the machine's: what is signed by the one must not look early or old by the other."""
    now = int(time.time() * 1000)
    clock.drive(folder / "clock", now)
    return now


async def test_twenty_power_cuts_lose_nothing_and_double_nothing(tmp_path: Path, database: Database) -> None:
    began = drive_on(tmp_path)
    # A minute of the driven clock passes in a fifth of a second: a busy machine must not look like an old
    # signature.
    receiver = Receiver([WHSEC], DrivenClock(tmp_path / "clock").now, tolerance_s=DAY // SECOND)
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given, port = environ(tmp_path, database, runner.addresses[0][1]), unused_port()
    service: Running = await start(tmp_path, given, port)
    load = Load(service.url)
    makers = [agora, livekit, observations]
    senders = [
        asyncio.create_task(load.send(make, (number * 3 + kind) * 1_000_000))
        for number in range(4)
        for kind, make in enumerate(makers)
    ]

    try:
        for kill, moment in zip(range(KILLS), seconds(), strict=False):
            if kill == 2:
                await plant(service.url, *outages(began))
            await asyncio.sleep(moment)
            await service.kill()
            drive_on(tmp_path)
            service = await start(tmp_path, given, port)
        load.is_over = True
        await asyncio.gather(*senders)
        await settled(tmp_path, database, drive_on(tmp_path))
        assert await service.terminate() == 0
    finally:
        if service.process.returncode is None:
            await service.kill()
        await runner.cleanup()

    await check_deliveries(database, load)
    await check_claims(database, receiver)


async def check_deliveries(database: Database, load: Load) -> None:
    """Compare what was acknowledged with what is stored: none lost, none twice, each read to one observation."""
    kept = Counter(body for (body,) in await database.rows("SELECT body FROM deliveries"))
    lost = [sent.participant for sent in load.acknowledged if sent.body not in kept]
    doubled = [body for body, count in kept.items() if count > 1]
    assert (lost, doubled) == ([], [])
    assert len(load.acknowledged) >= KILLS * 10
    assert load.tries > len(load.acknowledged)
    seen = Counter(who for (who,) in await database.rows("SELECT participant_id FROM observations"))
    assert {sent.participant: seen[sent.participant] for sent in load.acknowledged} == dict.fromkeys(
        (sent.participant for sent in load.acknowledged), 1
    )


async def check_claims(database: Database, receiver: Receiver) -> None:
    """Compare claims received with claims due; a repeat was identical, or the receiver would have refused it."""
    assert receiver.refused == []
    due = await database.rows("SELECT claim_key, body FROM claims ORDER BY claim_key")
    assert [(key, received.body.decode()) for key, received in sorted(receiver.received.items())] == due
    refunded = [received.message["learner_id"] for received in receiver.received.values()]
    assert sorted(map(str, refunded)) == sorted(f"owed-{number}" for number in range(LEARNERS_OWED))
