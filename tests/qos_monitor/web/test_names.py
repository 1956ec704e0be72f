"""Who is who, and who is nobody yet, over real HTTP."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from gates import gate_of
from service_parts import TOKEN, SetClock
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.web import app
from qos_monitor.web.names import NamesDoor

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def door(engine: AsyncEngine) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the door, and give a session of its address."""
    client = TestClient(TestServer(app.create([NamesDoor(engine, SetClock(), gate_of(engine, SetClock()))], [], 10**6)))
    await client.start_server()
    async with aiohttp.ClientSession(str(client.make_url("/"))) as session:
        yield session
    await client.close()


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/identities"), ("GET", "/v1/unmapped")])
async def test_names_are_shown_and_taken_only_behind_the_token(
    door: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with door.request(method, path) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("hours", ["0", "x", "8785", "-1", "1.5", "٣"])
async def test_a_span_that_is_none_is_told(door: aiohttp.ClientSession, hours: str) -> None:
    async with door.get("/v1/unmapped", params={"hours": hours}, headers=BEARER) as answer:
        assert (answer.status, [one["path"] for one in (await answer.json())["errors"]]) == (422, ["hours"])


async def test_where_nothing_is_unmapped_the_list_is_empty(door: aiohttp.ClientSession) -> None:
    async with door.get("/v1/unmapped", headers=BEARER) as answer:
        assert (answer.status, await answer.json()) == (200, {"unmapped": []})


def one(name: object, person: object = "u1", provider: object = "agora") -> dict[str, object]:
    return {"provider": provider, "name": name, "person_id": person}


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"identities": [one("1", provider="agoar")]}, ["identities[0].provider"]),
        ({"identities": [one(1), {"provider": "agora", "nam": "1"}]}, [f"identities[{at}].name" for at in (0, 1)]),
        ({"identities": [one("1"), one("1", "u2")]}, ["identities[1].name"]),
        ({"identities": [one("x" * 201)]}, ["identities[0].name"]),
        ({"identities": [one("1", "")]}, ["identities[0].person_id"]),
        ({"identities": {}}, ["identities"]),
        ({"identity": []}, ["identities", "identity"]),
        ([], [""]),
    ],
)
async def test_what_is_wrong_is_told_by_its_path_and_nothing_is_taken(
    door: aiohttp.ClientSession, given: object, paths: list[str]
) -> None:
    async with door.put("/v1/identities", json=given, headers=BEARER) as answer:
        told = [problem["path"] for problem in (await answer.json())["errors"]]
        assert (answer.status, [path for path in told if not path.endswith(".nam")]) == (422, paths)


async def test_a_dry_run_tells_what_then_is_done_and_null_takes_it_back(door: aiohttp.ClientSession) -> None:
    told = []
    for path, person in (("?dry_run=1", "u1"), ("", "u1"), ("", "u1"), ("", "u2"), ("", None), ("", None)):
        async with door.put(
            f"/v1/identities{path}", json={"identities": [one("42", person)]}, headers=BEARER
        ) as answer:
            answered = await answer.json()
            told.append([key for key in ("added", "changed", "removed") if answered[key] == ["agora:42"]])

    assert told == [["added"], ["added"], [], ["changed"], ["removed"], []]


async def test_what_is_not_json_is_told(door: aiohttp.ClientSession) -> None:
    async with door.put("/v1/identities", data=b"{", headers=BEARER) as answer:
        assert answer.status == 400
