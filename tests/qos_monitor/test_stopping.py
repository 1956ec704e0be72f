"""The service is told to stop while the refund system answers nothing."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from claim_parts import FILED, HOUR, SECRET, Court, dark_life, multiply
from running import running

from qos_monitor import relay
from qos_monitor.claims.receiver import Misbehaviour, Receiver
from qos_monitor.clock import drive
from qos_monitor.storage import engine as storage

CLAIMS = 20


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Leave a database with many claims that are due, and a clock that stands still."""
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    await storage.migrate(engine)
    court = Court(engine)
    await court.judge(dark_life())
    await multiply(court, CLAIMS)
    await engine.dispose()
    drive(tmp_path / "clock", FILED + HOUR)
    return tmp_path


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        found = list(database.execute(query))
    database.close()
    return found


async def test_told_to_stop_it_hangs_up_on_who_does_not_answer_and_sends_the_same_again_at_the_next_start(
    folder: Path,
) -> None:
    receiver = Receiver([SECRET], now=lambda: FILED + HOUR)
    receiver.script.extend([Misbehaviour.HANG] * CLAIMS)
    async with TestServer(receiver.app()) as server:
        environ = {
            "QOS_CLOCK_FILE": f"{folder}/clock",
            "QOS_PUBLIC_URL": "https://qos.example",
            "QOS_CLAIMS_URL": str(server.make_url("/claims")),
            "QOS_CLAIMS_SECRETS": SECRET,
        }
        async with running(folder, environ) as service:
            async with asyncio.timeout(30):
                while len(receiver.script) > CLAIMS - relay.PARALLEL_MAX:  # noqa: ASYNC110 - the receiver tells nobody
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(10):  # what a container is given before it is killed
                assert await service.terminate() == 0
        assert rows(folder, "SELECT DISTINCT state, lease_until FROM claims") == [("ready", 0)]

        receiver.script.clear()
        async with running(folder, environ) as service:
            async with asyncio.timeout(30):
                while rows(folder, "SELECT DISTINCT state FROM claims") != [("accepted",)]:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            assert await service.terminate() == 0
    sent = sorted((key, got.body.decode()) for key, got in receiver.received.items())
    assert sent == rows(folder, "SELECT claim_key, body FROM claims ORDER BY claim_key")


async def test_told_to_stop_it_does_not_wait_for_a_sender_who_never_ends(tmp_path: Path) -> None:
    async with running(tmp_path, {"QOS_AGORA_SECRETS": "a-secret"}) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(
            b"POST /webhooks/agora HTTP/1.1\r\nHost: qos\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n{"
        )
        assert b"100 Continue" in await reader.readline()

        async with asyncio.timeout(10):
            assert await service.terminate() == 0
        writer.close()
