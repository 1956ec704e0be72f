"""Secrets are changed while the real service runs: both are good in the overlap, and the old one is refused after."""

import asyncio
import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from claim_parts import NEW_SECRET, SECRET
from running import Running, running
from service_parts import said
from standardwebhooks import Webhook
from yarl import URL

from collectors.polls import Request
from qos_monitor.claims.http import HttpClaimGateway
from qos_monitor.errors import SettingsError
from qos_monitor.in_force import ROTATING, InForce, Source
from qos_monitor.polling.authorizing import Basic, Rotated
from qos_monitor.settings import TABLE, Settings, load

OLD, NEW = "the old agora secret", "the new agora secret"
OLD_TOKEN, NEW_TOKEN = "the-old-cases-token", "the-new-cases-token"


class Secrets:
    """A folder of secrets, as an orchestrator mounts it: each is replaced whole, by another file of its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, value: str) -> None:
        """Put a secret in the place of the one before."""
        fresh = self.folder / f"{name}.new"
        fresh.write_text(value, encoding="utf-8")
        fresh.replace(self.folder / name)

    @property
    def environ(self) -> dict[str, str]:
        """Name the files as settings do."""
        return {f"QOS_{path.name.upper()}_FILE": str(path) for path in self.folder.iterdir()}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    folder = tmp_path / "secrets"
    folder.mkdir()
    made = Secrets(folder)
    made.put("agora_secrets", OLD)
    made.put("cases_token", OLD_TOKEN)
    made.put("status_secrets", SECRET)
    return made


async def agora(service: Running, secret: str, event: str) -> int:
    """Send a webhook as Agora signs it; tell the status."""
    body = said(event)
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{service.url}/webhooks/agora", data=body, headers={"Agora-Signature-V2": signature}) as answer,
    ):
        return answer.status


async def cases(service: Running, token: str) -> int:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{service.url}/v1/cases", headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        return answer.status


async def status(service: Running, secret: str) -> int:
    """Report about a claim that is not there: 404 where the signature is believed, else 401."""
    body, now = json.dumps({"status": "paid", "at": "2026-11-05T00:00:00Z"}), datetime.now(UTC)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("m1", now, body),
    }
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{service.url}/v1/claims/none/status", data=body, headers=headers) as answer,
    ):
        return answer.status


async def until(ask: Callable[[], Awaitable[int]], wanted: int) -> None:
    async with asyncio.timeout(30):
        while True:
            if await ask() == wanted:
                return
            await asyncio.sleep(0.05)


async def told(service: Running, event: str) -> Mapping[str, object]:
    async with asyncio.timeout(30):
        while True:
            for line in service.events():
                if line["event"] == event:
                    return line
            await asyncio.sleep(0.05)


async def test_secrets_are_changed_while_the_service_runs(tmp_path: Path, secrets: Secrets) -> None:
    async with running(tmp_path, secrets.environ) as service:
        assert [await agora(service, secret, "1") for secret in (OLD, NEW)] == [200, 401]
        assert [await cases(service, token) for token in (OLD_TOKEN, NEW_TOKEN)] == [200, 401]
        assert [await status(service, secret) for secret in (SECRET, NEW_SECRET)] == [404, 401]

        secrets.put("agora_secrets", f"{NEW},{OLD}")
        secrets.put("status_secrets", f"{NEW_SECRET},{SECRET}")
        await until(lambda: agora(service, NEW, "2"), 200)
        await until(lambda: status(service, NEW_SECRET), 404)
        assert await agora(service, OLD, "3") == 200
        assert await status(service, SECRET) == 404

        secrets.put("agora_secrets", NEW)
        secrets.put("status_secrets", NEW_SECRET)
        secrets.put("cases_token", NEW_TOKEN)
        await until(lambda: agora(service, OLD, "4"), 401)
        await until(lambda: status(service, SECRET), 401)
        await until(lambda: cases(service, OLD_TOKEN), 401)
        assert await agora(service, NEW, "5") == 200
        assert await status(service, NEW_SECRET) == 404
        assert await cases(service, NEW_TOKEN) == 200

    assert OLD not in service.log.read_text(encoding="utf-8")
    assert NEW not in service.log.read_text(encoding="utf-8")


async def test_with_a_mistake_the_old_secrets_stay_and_the_log_names_the_setting(
    tmp_path: Path, secrets: Secrets
) -> None:
    async with running(tmp_path, secrets.environ) as service:
        secrets.put("status_secrets", "whsec_half-writt")
        line = await told(service, "secrets_not_reloaded")
        assert (line["level"], line["settings"]) == ("error", "QOS_STATUS_SECRETS")
        assert await status(service, SECRET) == 404

        secrets.put("status_secrets", NEW_SECRET)
        service.process.send_signal(signal.SIGHUP)
        assert (await told(service, "secrets_reloaded"))["settings"] == "QOS_STATUS_SECRETS"
        assert [await status(service, secret) for secret in (SECRET, NEW_SECRET)] == [401, 404]

    assert "half-writt" not in service.log.read_text(encoding="utf-8")


# --- without a process ------------------------------------------------------------------------------------------


def in_force(secrets: Secrets, adopted: list[Settings]) -> InForce:
    source = Source(secrets.environ)
    return InForce(source.read(), source, adopted.append)


def test_what_is_not_new_is_not_taken_and_what_did_not_change_is_not_read(secrets: Secrets) -> None:
    adopted: list[Settings] = []
    held = in_force(secrets, adopted)

    secrets.put("agora_secrets", OLD)  # another file with the same words
    assert (held.look(), held.look(is_told=True), adopted) == (False, False, [])


def test_only_secrets_change_and_a_door_that_was_closed_stays_closed(secrets: Secrets) -> None:
    adopted: list[Settings] = []
    held = in_force(secrets, adopted)
    before = held.settings

    secrets.put("agora_secrets", "")
    assert held.look() is False
    assert held.settings is before

    secrets.put("agora_secrets", NEW)
    assert held.look() is True
    assert held.settings == replace(before, agora_secrets=(NEW,))
    assert adopted == [held.settings]


def test_where_one_cannot_be_used_none_is_taken(secrets: Secrets) -> None:
    source = Source(secrets.environ)

    def refuse(_new: Settings) -> None:
        raise SettingsError(["QOS_AGORA_SECRETS: no"])

    held = InForce(source.read(), source, refuse)
    secrets.put("agora_secrets", NEW)
    secrets.put("cases_token", NEW_TOKEN)

    assert held.look() is False
    assert (held.settings.agora_secrets, held.settings.cases_token) == ((OLD,), OLD_TOKEN)


def test_a_secret_in_the_file_of_settings_is_read_again_too(tmp_path: Path) -> None:
    config = tmp_path / "qos.toml"
    config.write_text(f'agora_secrets = ["{OLD}"]\n', encoding="utf-8")
    source = Source({}, config)
    held = InForce(source.read(), source, lambda _new: None)

    config.write_text(f'agora_secrets = ["{NEW}", "{OLD}"]\n', encoding="utf-8")

    assert held.look() is True
    assert held.settings.agora_secrets == (NEW, OLD)


def test_every_secret_of_a_running_service_rotates() -> None:
    at_the_start = {"QOS_DATABASE_URL"}  # a connection is opened with it
    of_commands = {"QOS_ONEROSTER_CLIENT", "QOS_LTI_PRIVATE_KEY"}  # read anew by each command

    assert {row.name for row in TABLE if row.is_secret} == {*ROTATING, *at_the_start, *of_commands}


async def test_claims_are_signed_with_the_secrets_in_force_at_the_time() -> None:
    held, signatures = [SECRET], []

    async def take(request: web.Request) -> web.Response:
        signatures.append(len(request.headers["webhook-signature"].split(" ")))
        return web.Response()

    app = web.Application()
    app.router.add_post("/claims", take)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        gateway = HttpClaimGateway(session, str(server.make_url("/claims")), lambda: held)
        for _ in range(2):
            await gateway.send("key", b"{}", 0)
            held.append(NEW_SECRET)

    assert signatures == [1, 2]


async def test_a_provider_is_asked_with_the_key_in_force_at_the_time() -> None:
    settings = [load({"QOS_AGORA_REST_KEY": "id:old", "QOS_AGORA_APP_ID": "x"})]
    rotated = Rotated(lambda given: Basic(*(given.agora_rest_key or ("", ""))), lambda: settings[-1])
    asked = Request("/", {}, "1", 0, "1")

    before = await rotated.headers(asked, URL("https://api.example"), 0)
    settings.append(load({"QOS_AGORA_REST_KEY": "id:new", "QOS_AGORA_APP_ID": "x"}))
    after = await rotated.headers(asked, URL("https://api.example"), 0)

    assert [base64.b64decode(one["Authorization"].split(" ")[1]) for one in (before, after)] == [b"id:old", b"id:new"]
    assert not rotated.is_renewed(after)


def test_without_a_source_nothing_is_read_again() -> None:
    assert InForce(load({}), None, lambda _new: None).look(is_told=True) is False
