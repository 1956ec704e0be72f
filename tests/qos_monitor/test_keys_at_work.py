"""A key made and revoked by commands, beside the real service: what it opens, and how soon it opens nothing."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
from database import Database
from running import running


async def command(database: Database, *words: str) -> str:
    """Run a command on the service's database; give what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QOS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "qos_monitor", *words),
        env=environ | {"QOS_DATABASE_URL": database.url},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_a_key_opens_what_it_was_made_for_until_it_is_revoked(tmp_path: Path, database: Database) -> None:
    async with (
        running(tmp_path, {"QOS_DATABASE_URL": database.url}) as service,
        running(tmp_path, {"QOS_DATABASE_URL": database.url}) as other,
        aiohttp.ClientSession() as client,
    ):
        bearer = (await command(database, "keys", "create", "desk", "--scope", "cases.read")).strip()

        async def ask(url: str, path: str = "/v1/cases") -> int:
            async with client.get(url + path, headers={"Authorization": f"Bearer {bearer}"}) as answer:
                return answer.status

        async def until(wanted: int) -> None:
            async with asyncio.timeout(60):
                for url in (service.url, other.url):
                    while True:
                        if await ask(url) == wanted:
                            break
                        await asyncio.sleep(0.05)

        await until(200)
        assert await ask(service.url, "/v1/unmapped") == 403

        (key,) = json.loads(await command(database, "keys", "list"))["keys"]
        await command(database, "keys", "revoke", key["id"], "--reason", "left the school")
        await until(401)

        (key,) = json.loads(await command(database, "keys", "list"))["keys"]
        told = json.loads(await command(database, "audit"))
    assert key["last_used_at"] is not None
    assert [entry["action"] for entry in told["entries"]] == ["key.revoked", "key.created"]
    assert told["first_broken"] is None
