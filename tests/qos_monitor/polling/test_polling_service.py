"""The whole service polls what its settings say, and nothing without them."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from agora_analytics import APP_ID, KEY, FakeAnalytics, series, session
from aiohttp.test_utils import TestServer
from livekit_server import KEY as LIVEKIT_KEY
from livekit_server import SECRET, FakeLiveKit, Guest
from running import running
from service_parts import SetClock

from collectors.agora.stats import AGORA_ANSWERS, AUDIO_FREEZE
from qos_monitor import checking, clock, settings
from qos_monitor.errors import SettingsError
from qos_monitor.polling import jobs
from rules.span import MINUTE, format_instant

TOKEN = "a-token-for-the-roster"
ENVIRON = {"QOS_AGORA_REST_KEY": ":".join(KEY), "QOS_AGORA_APP_ID": APP_ID}


async def metric(session: aiohttp.ClientSession, url: str, series: str) -> float:
    async with session.get(f"{url}/metrics") as response:
        found = re.search(rf"^{re.escape(series)} (\S+)$", await response.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def until(session: aiohttp.ClientSession, url: str, series: str, wanted: float) -> None:
    async with asyncio.timeout(60):
        while await metric(session, url, series) < wanted:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.05)


async def test_the_service_fetches_what_a_class_was_like_and_reads_it(tmp_path: Path) -> None:
    now = clock.SystemClock().now() // MINUTE * MINUTE
    start, end = now - 40 * MINUTE, now - 10 * MINUTE
    people = [session("s1", start, end, 7, "u1"), session("t1", start, end, 100, "t1")]
    fake = FakeAnalytics(SetClock(now), people, {"s1": [series(AUDIO_FREEZE, 100, start, [2000] * 5)]}, per_second=99)
    lesson = {"id": "c1", "course_id": "math", "provider": "agora", "room_id": "r1", "teacher_id": "t1"}
    lesson |= {"starts_at": format_instant(start), "ends_at": format_instant(end)}
    roster = {"classes": [{**lesson, "learner_ids": ["u1"]}]}
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url("/"))
        more = {"QOS_AGORA_REST_URL": url, "QOS_AGORA_PLAN": "enterprise", "QOS_ROSTER_TOKEN": TOKEN}
        async with running(tmp_path, {**ENVIRON, **more}) as service:
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            async with http.put(f"{service.url}/v1/roster", json=roster, headers=bearer) as response:
                assert response.status == 200
            seen = 'qos_observations_total{kind="%s",provider="agora-stats"}'
            # The first plan is made at the first tick, before the roster is there; the next one a minute later.
            await service.terminate()
        async with running(tmp_path, {**ENVIRON, **more}) as service:
            await until(http, service.url, seen % "quality", 1)
            assert await metric(http, service.url, seen % "joined") == 2
            assert await metric(http, service.url, 'qos_polls_total{provider="agora",result="good"}') == 3
            assert await service.terminate() == 0
            assert KEY[1] not in service.log.read_text(encoding="utf-8")
            assert "u1" not in service.log.read_text(encoding="utf-8")


async def test_the_service_asks_who_is_in_a_class_that_runs(tmp_path: Path) -> None:
    now = clock.SystemClock().now()
    fake = FakeLiveKit(SetClock(now), {"r1": [Guest("PA_1", "u1", now - MINUTE)]})
    lesson = {"id": "c1", "course_id": "math", "provider": "livekit", "room_id": "r1", "teacher_id": "t1"}
    lesson |= {"starts_at": format_instant(now - MINUTE), "ends_at": format_instant(now + 40 * MINUTE)}
    file = tmp_path / "roster.json"
    file.write_text(json.dumps({"classes": [{**lesson, "learner_ids": ["u1"]}]}), encoding="utf-8")
    database = {"QOS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3"}
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        await imported(database, file)
        given = {"QOS_LIVEKIT_KEYS": f"{LIVEKIT_KEY}:{SECRET}", "QOS_LIVEKIT_URL": str(server.make_url("/"))}
        async with running(tmp_path, {**database, **given}) as service:
            await until(http, service.url, 'qos_polls_total{provider="livekit",result="good"}', 1)
            await until(http, service.url, 'qos_observations_total{kind="joined",provider="livekit-stats"}', 1)
            assert await service.terminate() == 0
            assert SECRET not in service.log.read_text(encoding="utf-8")
    assert [room for room, _ in fake.asked] == ["r1"]


async def imported(database: dict[str, str], file: Path) -> None:
    """Take in a roster before the service starts: then its first plan has the class."""
    command = (sys.executable, "-m", "qos_monitor", "import", "roster", str(file))
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | database, stdout=asyncio.subprocess.PIPE)
    await process.communicate()
    assert process.returncode == 0


def test_without_a_key_nothing_is_polled_and_nothing_new_is_read() -> None:
    loaded = settings.load({})

    assert loaded.agora_rest_key is None
    assert loaded.agora_plan == "standard"
    assert loaded.agora_rest_url == "https://api.agora.io"
    assert jobs.readers(loaded) == {}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("wss://school.livekit.example", "https://school.livekit.example"),
        ("ws://127.0.0.1:7880/", "http://127.0.0.1:7880"),
        ("https://sfu.example/api", "https://sfu.example/api"),
    ],
)
def test_livekits_url_may_be_given_as_its_console_shows_it(given: str, url: str) -> None:
    loaded = settings.load({"QOS_LIVEKIT_KEYS": "key:secret", "QOS_LIVEKIT_URL": given})

    assert loaded.livekit_url == url
    assert list(jobs.readers(loaded)) == ["livekit-stats"]


def test_with_a_key_the_answers_can_be_read() -> None:
    loaded = settings.load({**ENVIRON, "QOS_AGORA_PLAN": "Premium"})

    assert loaded.agora_rest_key == KEY
    assert loaded.agora_plan == "premium"
    assert list(jobs.readers(loaded).values()) == [AGORA_ANSWERS]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "off     agora statistics: set QOS_AGORA_REST_KEY and QOS_AGORA_APP_ID to poll"),
        (
            ENVIRON,
            "ok      agora statistics: Agora Standard keeps 24 h: fetch within a day; they are there 5 min after",
        ),
        ({}, "off     livekit presence: set QOS_LIVEKIT_URL and QOS_LIVEKIT_KEYS to poll"),
        ({}, "off     trtc statistics: set QOS_TRTC_API_KEY and QOS_TRTC_SDK_APP_ID to poll"),
        ({}, "off     zoom statistics: set QOS_ZOOM_ACCOUNT to poll"),
        (
            {**ENVIRON, "QOS_AGORA_PLAN": "starter"},
            "off     agora statistics: Agora Starter has no statistics; set QOS_AGORA_PLAN to what you pay for",
        ),
    ],
)
async def test_check_says_what_the_plan_keeps(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    database = {"QOS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3"}

    found = await checking.findings(settings.load({**database, **environ}))

    assert any(str(finding).startswith(words) for finding in found)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"QOS_AGORA_REST_KEY": "alone"}, "QOS_AGORA_REST_KEY: a secret that is not shown was given; one id:secret"),
        ({"QOS_AGORA_REST_KEY": "a:b"}, "QOS_AGORA_APP_ID: nothing was given; QOS_AGORA_REST_KEY asks"),
        ({"QOS_AGORA_PLAN": "gold"}, "QOS_AGORA_PLAN: 'gold' was given; one of starter, standard, premium"),
        ({"QOS_AGORA_REST_URL": ""}, "QOS_AGORA_REST_URL: '' was given; a URL such as"),
        ({"QOS_LIVEKIT_URL": "wss://sfu.example"}, "QOS_LIVEKIT_KEYS: nothing was given; who asks at QOS_LIVEKIT_URL"),
        ({"QOS_LIVEKIT_URL": "sfu.example"}, "QOS_LIVEKIT_URL: 'sfu.example' was given; a URL such as wss://"),
        ({"QOS_LIVEKIT_POLL_S": "9"}, "QOS_LIVEKIT_POLL_S: '9' was given; a number of seconds from 10 to 300"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_words(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(environ)

    assert any(told.startswith(problem) for told in caught.value.problems)
