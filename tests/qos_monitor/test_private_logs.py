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
from rules.span import DAY, HOUR, format_instant

LEARNERS = ("learner-of-the-log-1", "learner-of-the-log-2")
ADDRESS = "203.0.113.77"
BEACON, CASES = "a beacon secret of the log", "a-cases-token-of-the-log"


async def test_no_learner_and_no_address_is_in_the_log(tmp_path: Path) -> None:
    drive(tmp_path / "clock", MONDAY)
    environ = {
        "QOS_CLOCK_FILE": str(tmp_path / "clock"),
        "QOS_LOG_LEVEL": "debug",
        "QOS_BEACON_SECRETS": BEACON,
        "QOS_STATUS_SECRETS": SECRET,
        "QOS_CLAIMS_URL": "http://127.0.0.1:9/claims",  # nobody is there
        "QOS_CLAIMS_SECRETS": SECRET,
        "QOS_CASES_TOKEN": CASES,
        "QOS_TRUSTED_PROXIES": "127.0.0.1",
        **{f"QOS_{name}_TOKEN": TOKEN for name in ("ROSTER", "OBSERVATIONS", "EVIDENCE")},
    }
    starts = (MONDAY, MONDAY + 2 * DAY)
    world = roster_of(school(*starts, learners=LEARNERS))
    failures = [
        {
            "source": "school",
            "id": f"f{number}",
            "kind": "join_failed",
            "at": format_instant(start + minute * 60_000),
            "class_id": f"c{number}",
            "participant_id": learner,
            "role": "learner",
            "vantage": "server",
            "fault": "platform",
        }
        | {"id": f"{learner}-{number}-{minute}"}
        for number, start in enumerate(starts, start=1)
        for learner in LEARNERS
        for minute in (-1, 10, 30, 55)
    ]
    bearer = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": ADDRESS}
    async with running(tmp_path, environ) as service, aiohttp.ClientSession(service.url) as client:

        async def send(method: str, path: str, body: object, headers: dict[str, str]) -> int:
            text = body if isinstance(body, str) else json.dumps(body)
            async with client.request(method, path, data=text, headers=headers) as answer:
                return answer.status

        assert await send("PUT", "/v1/roster", world, bearer) == 200
        assert await send("PUT", "/v1/roster", {"enrolments": [{"learner_id": LEARNERS[0]}]}, bearer) == 422
        wanted = {"identities": [{"provider": "agora", "name": "7", "person_id": LEARNERS[0]}]}
        assert await send("PUT", "/v1/identities", wanted, bearer) == 200
        token = tokens.mint(BEACON, LEARNERS[0], "c1", MONDAY + 9 * DAY)
        by_beacon = {"Authorization": f"Bearer {token}", "X-Forwarded-For": ADDRESS}
        batch = {"batch": "b1", "sent_at": MONDAY, "items": [{"kind": "joined"}], "ip": ADDRESS}
        for body in (batch, "not json", {"batch": LEARNERS[0]}):
            assert await send("POST", "/webhooks/beacon", body, by_beacon) == 204
        forged = {"Authorization": f"Bearer {token}x", "X-Forwarded-For": ADDRESS}
        assert await send("POST", "/webhooks/beacon", batch, forged) == 401
        event = {"kind": "token_issued", "at": format_instant(MONDAY), "class_id": "c1", "learner_id": LEARNERS[0]}
        assert await send("POST", "/v1/evidence", {"id": "1", **event}, bearer) == 202
        drive(tmp_path / "clock", MONDAY + 4 * DAY)
        lines = "\n".join(map(json.dumps, failures))
        assert await send("POST", "/v1/observations", lines, bearer) == 202

        seen = {"Authorization": f"Bearer {CASES}", "X-Forwarded-For": ADDRESS}
        async with asyncio.timeout(60):
            while True:
                async with client.get(f"/v1/cases?learner={LEARNERS[0]}", headers=seen) as answer:
                    if '"case_key"' in await answer.text():
                        break
                drive(tmp_path / "clock", MONDAY + 4 * DAY + HOUR)
                await asyncio.sleep(0.2)
        async with client.get(f"/v1/learners/{LEARNERS[1]}/timeline", headers=seen) as answer:
            assert answer.status == 200
        assert await service.terminate() == 0

    log = service.log.read_text(encoding="utf-8")
    assert "listening" in log
    for who in (*LEARNERS, ADDRESS, "203.0.113", "127.0.0.1:", TOKEN, CASES, BEACON, token[-20:], SECRET):
        assert who not in log.replace('"host":"127.0.0.1"', ""), who
    assert b'"x-forwarded-for"' not in _stored(tmp_path).lower()


def _stored(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("qos.sqlite3*"))
