"""Every call that changes something leaves who, what and why; reading it is for who may see cases."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from claim_parts import FILED, SECRET, Court, FakeGateway, dark_life, send_due
from database import Database
from gates import SOMEBODY, roster_of
from service_parts import school

from qos_monitor.access import audit, keys
from qos_monitor.access.scopes import Scope
from qos_monitor.bootstrap import Service
from qos_monitor.claims.signing import signed
from qos_monitor.clock import drive
from qos_monitor.settings import load
from qos_monitor.storage import engine as storage

LINE = '{"source":"s","id":"1","kind":"feed_alive","at":"2026-11-02T11:00:00Z","until":"2026-11-02T11:01:00Z"}'
EVENT = {"id": "1", "kind": "token_issued", "at": "2026-11-02T11:00:00Z", "class_id": "c1", "learner_id": "u1"}
NAMES = {"identities": [{"provider": "agora", "name": "42", "person_id": "u1"}]}
CALLS = (
    ("PUT", "/v1/roster", json.dumps(roster_of(school()))),
    ("PUT", "/v1/roster?dry_run=1", json.dumps(roster_of(school()))),
    ("PUT", "/v1/identities", json.dumps(NAMES)),
    ("POST", "/v1/observations", LINE),
    ("POST", "/v1/evidence", json.dumps(EVENT)),
)


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    """Give a service at the instant the cases are filed, its writer at work and its jobs not."""
    drive(tmp_path / "clock", FILED)
    settings = {
        "QOS_DATABASE_URL": database.url,
        "QOS_CLOCK_FILE": str(tmp_path / "clock"),
        "QOS_STATUS_SECRETS": SECRET,
    }
    made = Service(load(settings))
    await storage.migrate(made.engine)
    made._writer.start()
    yield made
    await made._writer.stop()
    await made.engine.dispose()


async def test_every_change_by_the_api_is_on_the_trail(service: Service) -> None:
    court = Court(service.engine)
    await court.judge(dark_life())
    key = (await court.case()).case_key
    async with storage.writing(service.engine) as conn:
        _, bearer = await keys.create(conn, "school", list(Scope), None, (SOMEBODY, FILED))
    await send_due(service.engine, FakeGateway(), FILED)
    async with (
        TestServer(service._app(service._hooks())) as server,
        aiohttp.ClientSession(server.make_url("/")) as client,
    ):
        headers = {"Authorization": f"Bearer {bearer}"}
        for method, path, body in CALLS:
            async with client.request(method, path, data=body, headers=headers) as answer:
                assert answer.status in {200, 202}, await answer.text()
        report = b'{"status":"paid","at":"2026-11-05T00:00:00Z","reason":"to the card"}'
        for _ in range(2):
            by_them = signed([SECRET], "m1", report, FILED)
            async with client.post(f"/v1/claims/{key}/status", data=report, headers=by_them) as answer:
                assert answer.status == 200, await answer.text()
        said = {"decision": "withdraw", "actor": "Li Wei", "reason": "no", "evidence": {"grade": "A", "reference": "7"}}
        async with client.post(f"/v1/cases/{key}/decision", json=said, headers=headers) as answer:
            assert answer.status == 409  # what is paid stays paid, and what was not done is not on the trail
        async with client.get("/v1/audit?limit=10", headers=headers) as answer:
            entries = (await answer.json())["entries"]
        for query in ("limit=0", "limit=x", "before=x", "limit=501"):
            async with client.get(f"/v1/audit?{query}", headers=headers) as answer:
                assert answer.status == 422

    assert [entry["action"] for entry in reversed(entries)] == [
        "key.created",
        "roster.changed",
        "identities.changed",
        "observations.stored",
        "evidence.stored",
        "claim.status",
    ]
    assert {entry["via"] for entry in entries} == {"test", "api", "signature"}
    assert entries[-2]["actor"].startswith("key school (")
    assert entries[0]["about"] == f"claim {key}"
    assert "u1" not in json.dumps(entries)
    async with storage.reading(service.engine) as conn:
        assert await audit.first_broken(conn) is None
