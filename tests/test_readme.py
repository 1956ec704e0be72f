"""What the README shows runs as it stands there."""

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from collectors.beacon.token import believed
from qos_monitor.claims.signing import signed
from qos_monitor.clock import SystemClock
from rules.observation import read_observation
from rules.span import parse_instant
from rules.world import read_roster

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCHEMA = ROOT / "qos_monitor" / "claims" / "claim.schema.json"
SECRET = f"whsec_{base64.b64encode(b's' * 32).decode()}"
NOW = parse_instant("2026-11-02T11:00:00Z")


def _block(language: str, holding: str) -> str:
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if holding in block]
    indent = len(found) - len(found.lstrip())
    return "\n".join(line[indent:] for line in found.splitlines())


def test_the_roster_shown_is_one_the_service_takes() -> None:
    assert [row.id for row in read_roster(json.loads(_block("json", '"enrolments"'))).classes] == ["c1"]


def test_the_observation_shown_is_one_the_service_takes() -> None:
    assert read_observation(json.loads(_block("json", '"join_failed"')), "", []) is not None


def test_the_claim_shown_is_in_the_schema_that_is_served() -> None:
    shown = json.loads(_block("json", '"qos-monitor/claim/1"'))
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(shown)


def test_the_three_lines_mint_a_token_the_beacon_believes() -> None:
    names: dict[str, object] = {
        "base64": base64,
        "json": json,
        "hmac": hmac,
        "hashlib": hashlib,
        "secret": "b" * 32,
        "expires_s": NOW // 1000 + 60,
    }
    exec(_block("python", "urlsafe_b64encode"), names)  # noqa: S102 - the point is to run what is printed
    ticket = believed(str(names["token"]), ["b" * 32], NOW)
    assert (ticket.learner_id, ticket.class_id) == ("u1", "c1")


async def test_the_receiver_shown_takes_a_claim_once_and_knows_another_body_and_a_stranger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLAIMS_SECRET", SECRET)
    names: dict[str, object] = {"__name__": "receiver"}
    exec(_block("python", "standardwebhooks"), names)  # noqa: S102 - the point is to run what is printed
    claim = {"kind": "refund", "learner_id": "u1", "amount_minor": 1, "currency": "CNY", "reason": {"en": "Owed."}}
    body, other = (json.dumps({**claim, "amount_minor": amount}).encode() for amount in (1, 2))
    server: TestServer = TestServer(names["app"])  # type: ignore[arg-type]  # the README's own application
    async with TestClient(server) as client:

        async def post(secret: str, sent: bytes) -> int:
            headers = {**signed([secret], "key-1", sent, SystemClock().now()), "Idempotency-Key": "key-1"}
            async with client.post("/claims", data=sent, headers=headers) as answer:
                return answer.status

        stranger = f"whsec_{base64.b64encode(b't' * 32).decode()}"
        assert [await post(SECRET, body), await post(SECRET, body)] == [200, 200]
        assert [await post(SECRET, other), await post(stranger, body)] == [409, 401]
    assert "refund u1 1 CNY Owed." in capsys.readouterr().out
