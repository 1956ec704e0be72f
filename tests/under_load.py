"""Senders that repeat until they are acknowledged, and learners who are owed a refund, for tests that break things."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import jwt
from service_parts import TOKEN, enrolment

from rules.span import DAY, HOUR, MINUTE, format_instant

AGORA, LIVEKIT = "an-agora-secret", ("a-livekit-key", "a-livekit-secret-of-more-than-32-bytes")
WHSEC = "whsec_" + base64.b64encode(b"a secret of thirty-two characters").decode()
LEARNERS_OWED = 12
_DOOR = "/v1/observations"
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


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
                await self.until_acknowledged(client, sent)
                self.acknowledged.append(sent)
                if chance.random() < 0.1:
                    await self.until_acknowledged(client, chance.choice(self.acknowledged))

    async def until_acknowledged(self, client: aiohttp.ClientSession, sent: Sent) -> None:
        """Send one request again and again, until it is answered 2xx; 503 is the only other answer allowed."""
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
    return Sent("/webhooks/agora", body, signed_by_agora(body), who)


def signed_by_agora(body: bytes) -> dict[str, str]:
    """Give the headers by which a body is believed."""
    return {"Agora-Signature-V2": hmac.new(AGORA.encode(), body, hashlib.sha256).hexdigest()}


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


def outages(now: int, name: str = "owed", count: int = LEARNERS_OWED) -> tuple[dict[str, object], list[bytes]]:
    """Plan learners who were shut out for two classes 49 h apart by the platform: each is owed a refund."""
    first = (now - 4 * DAY) // HOUR * HOUR
    starts = (first, first + 48 * HOUR)
    learners = [f"{name}-{number}" for number in range(count)]
    classes, lines = [], []
    for learner, start_at in itertools.product(learners, starts):
        class_id = f"c-{learner}-{start_at}"
        classes.append(
            {
                "id": class_id,
                "course_id": "math",
                "starts_at": format_instant(start_at),
                "ends_at": format_instant(start_at + HOUR),
                "provider": "agora",
                "room_id": None,
                "teacher_id": f"t-{learner}",
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
    """Tell the service of them. Raises AssertionError or aiohttp.ClientError where it is not taken; do it again."""
    await enrol(url, roster)
    await tell(url, lines)


async def enrol(url: str, roster: dict[str, object]) -> None:
    """Tell the service who is owed lessons, and when. Raises as `plant` does."""
    async with aiohttp.ClientSession(url, headers=_HEADERS) as client, client.put("/v1/roster", json=roster) as answer:
        assert answer.status == 200


async def tell(url: str, lines: list[bytes]) -> None:
    """Tell the service what was seen. Raises as `plant` does."""
    seen = b"\n".join(lines)
    async with aiohttp.ClientSession(url, headers=_HEADERS) as client, client.post(_DOOR, data=seen) as answer:
        assert answer.status == 202
