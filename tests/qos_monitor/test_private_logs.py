"""What the real service writes to its log while all of it is at work: never who, never from where."""

import asyncio
import json
from pathlib import Path

import aiohttp
from claim_parts import SECRET
from gates import roster_of
from running import running
from service_parts import MONDAY, TOKEN, school

from collectors.beacon import token as tokens
from qos_monitor.clock import drive
from rules.span import DAY, HOUR, MINUTE, format_instant

LEARNERS = ("learner-of-the-log-1", "learner-of-the-log-2")
ADDRESS = "203.0.113.77"
BEACON, CASES = "a beacon secret of the log", "a-cases-token-of-the-log"


ENVIRON = {
    "QOS_LOG_LEVEL": "debug",
    "QOS_BEACON_SECRETS": BEACON,
    "QOS_STATUS_SECRETS": SECRET,
    "QOS_CLAIMS_URL": "http://127.0.0.1:9/claims",  # nobody is there
    "QOS_CLAIMS_SECRETS": SECRET,
    "QOS_CASES_TOKEN": CASES,
    "QOS_TRUSTED_PROXIES": "127.0.0.1",
    **{f"QOS_{name}_TOKEN": TOKEN for name in ("ROSTER", "OBSERVATIONS", "EVIDENCE")},
}
STARTS = (MONDAY, MONDAY + 2 * DAY)
BEARER = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": ADDRESS}
READER = {"Authorization": f"Bearer {CASES}", "X-Forwarded-For": ADDRESS}


def _shut_out() -> str:
    """Say that both were kept out of both classes, line by line."""
    said = {"source": "school", "kind": "join_failed", "role": "learner", "vantage": "server", "fault": "platform"}
    return "\n".join(
        json.dumps(
            said
            | {"id": f"{learner}-{number}-{minute}", "at": format_instant(start + minute * MINUTE)}
            | {"class_id": f"c{number}", "participant_id": learner}
        )
        for number, start in enumerate(STARTS, start=1)
        for learner in LEARNERS
        for minute in (-1, 10, 30, 55)
    )


async def _send(client: aiohttp.ClientSession, method: str, path: str, body: object, headers: dict[str, str]) -> int:
    text = body if isinstance(body, str) else json.dumps(body)
    async with client.request(method, path, data=text, headers=headers) as answer:
        return answer.status


async def _tell(client: aiohttp.ClientSession) -> str:
    """Send something to every door, right and wrong; give the beacon's token."""
    assert await _send(client, "PUT", "/v1/roster", roster_of(school(*STARTS, learners=LEARNERS)), BEARER) == 200
    assert await _send(client, "PUT", "/v1/roster", {"enrolments": [{"learner_id": LEARNERS[0]}]}, BEARER) == 422
    names = {"identities": [{"provider": "agora", "name": "7", "person_id": LEARNERS[0]}]}
    assert await _send(client, "PUT", "/v1/identities", names, BEARER) == 200
    token = tokens.mint(BEACON, LEARNERS[0], "c1", MONDAY + 9 * DAY)
    by_beacon = {"Authorization": f"Bearer {token}", "X-Forwarded-For": ADDRESS}
    batch = {"batch": "b1", "sent_at": MONDAY, "items": [{"kind": "joined"}], "ip": ADDRESS}
    for body in (batch, "not json", {"batch": LEARNERS[0]}):
        assert await _send(client, "POST", "/webhooks/beacon", body, by_beacon) == 204
    forged = by_beacon | {"Authorization": f"Bearer {token}x"}
    assert await _send(client, "POST", "/webhooks/beacon", batch, forged) == 401
    event = {"kind": "token_issued", "at": format_instant(MONDAY), "class_id": "c1", "learner_id": LEARNERS[0]}
    assert await _send(client, "POST", "/v1/evidence", {"id": "1", **event}, BEARER) == 202
    return token


async def _filed(client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        while True:
            async with client.get(f"/v1/cases?learner={LEARNERS[0]}", headers=READER) as answer:
                if '"case_key"' in await answer.text():
                    return
            await asyncio.sleep(0.2)


async def test_no_learner_and_no_address_is_in_the_log(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    drive(clock, MONDAY)
    async with (
        running(tmp_path, ENVIRON | {"QOS_CLOCK_FILE": str(clock)}) as service,
        aiohttp.ClientSession(service.url) as client,
    ):
        token = await _tell(client)
        drive(clock, MONDAY + 4 * DAY)
        assert await _send(client, "POST", "/v1/observations", _shut_out(), BEARER) == 202
        drive(clock, MONDAY + 4 * DAY + HOUR)
        await _filed(client)
        async with client.get(f"/v1/learners/{LEARNERS[1]}/timeline", headers=READER) as answer:
            assert answer.status == 200
        assert await service.terminate() == 0

    log = service.log.read_text(encoding="utf-8").replace('"host":"127.0.0.1"', "")
    assert "listening" in log
    for word in (*LEARNERS, ADDRESS, "203.0.113", "127.0.0.1", TOKEN, CASES, BEACON, token[-20:], SECRET):
        assert word not in log, word
    assert b'"x-forwarded-for"' not in _stored(tmp_path).lower()


def _stored(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("qos.sqlite3*"))
