"""What the README and docs/evidence.md show of the backend's own word is taken by the real service as shown."""

import asyncio
import json
import re
import shlex
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from running import Running, running

from collectors import removals
from qos_monitor import backend
from rules.observation import Fault, Role

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
TOKENS = {
    "QOS_EVIDENCE_TOKEN": "a-token-for-the-evidence",
    "QOS_OBSERVATIONS_TOKEN": "a-token-for-observations",
    "QOS_CASES_TOKEN": "a-token-for-the-cases",
}


def curls(holding: str) -> list[list[str]]:
    """Take the curl commands of the README's block that holds these words, as a shell would read them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if holding in block]
    for name, token in TOKENS.items():
        block = block.replace(f"${name}", token)
    return [shlex.split(f"curl {command}") for command in block.replace("\\\n", " ").split("curl ")[1:]]


async def run(client: aiohttp.ClientSession, service: Running, words: list[str]) -> tuple[int, Mapping[str, object]]:
    """Do what curl would, but ask this service."""
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    data = words[words.index("--data") + 1].encode() if "--data" in words else None
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    (url,) = [word for word in words if word.startswith("https://qos.school.example")]
    path = url.removeprefix("https://qos.school.example")
    async with client.request(method, f"{service.url}{path}", data=data, headers=headers) as answer:
        return answer.status, await answer.json()


def known(folder: Path) -> list[tuple[str, str | None]]:
    with sqlite3.connect(folder / "qos.sqlite3") as database:
        found = database.execute("SELECT kind, participant_id FROM observations ORDER BY id").fetchall()
        found += [("notice", None)] * database.execute("SELECT count(*) FROM notices").fetchone()[0]
    database.close()
    return found


async def until(folder: Path, count: int) -> list[tuple[str, str | None]]:
    async with asyncio.timeout(60):
        while len(found := known(folder)) < count:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.05)
    return found


async def test_what_the_readme_posts_is_taken_read_and_listed(tmp_path: Path) -> None:
    (own,) = curls("/v1/evidence")
    *declare, listed = curls("incident_declared")
    async with running(tmp_path, TOKENS) as service, aiohttp.ClientSession() as client:
        first = await run(client, service, own)
        again = await run(client, service, own)
        opened = await run(client, service, declare[0])
        await until(tmp_path, 5)
        open_now = await run(client, service, listed)
        over = await run(client, service, declare[1])
        found = await until(tmp_path, 6)
        open_then = await run(client, service, listed)
        assert await service.terminate() == 0
        log = service.log.read_text(encoding="utf-8")

    assert first == again == (202, {"accepted": 4, "unknown_classes": ["c1", "c2"]})
    assert (opened[0], over[0]) == (202, 202)
    assert sorted(found, key=str) == [
        ("attempted", "u1"),
        ("attempted", "u1"),
        ("incident_cleared", None),
        ("incident_declared", None),
        ("left", "u1"),
        ("notice", None),
    ]
    assert "'name': 'inc-7'" in str(open_now[1])
    assert "'words': 'Li Wei: nobody gets in over bj-7'" in str(open_now[1])
    assert open_then == (200, {"incidents": []})
    assert not any(token in log for token in (*TOKENS.values(), "u1"))


def test_the_page_lists_every_kind_and_every_reason_with_its_fault() -> None:
    kinds = next(row for row in PAGE.splitlines() if row.startswith("| `kind` |"))
    rows = re.findall(r"^\| `(\w+)` \| .* \| (learner|platform) \|$", PAGE, re.MULTILINE)

    assert tuple(re.findall(r"`(\w+)`", kinds)[1:]) == backend.KINDS
    assert dict(rows) == {reason: fault.value for reason, (fault, _) in removals.REASONS.items()}
    for_teachers = {reason for reason in removals.REASONS if removals.blame(reason, Role.TEACHER)[1] == "teacher"}
    assert for_teachers == {"conduct", "mistake"}
    assert all(removals.blame(reason, Role.TEACHER)[0] is Fault.PLATFORM for reason in for_teachers)


def test_the_decision_lists_the_same_reasons() -> None:
    decision = (ROOT / "docs" / "decisions" / "0020-own-acts-and-announcements.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(\w+)` \| (\w+)(?:, `(\w+)`)? \|", decision, re.MULTILINE)

    assert rows == [(reason, fault.value, blames or "") for reason, (fault, blames) in removals.REASONS.items()]


def test_the_answer_shown_is_the_one_given() -> None:
    (shown,) = re.findall(r"^\| 202 `(\{.*?\})` \|", PAGE, re.MULTILINE)

    assert list(json.loads(shown)) == ["accepted", "unknown_classes"]
