"""A class in real browsers on a real Janus, one of them behind a bad network, and what the service makes of it.

Run by ``make e2e``, as root; it fails where Janus or Chromium is not installed.
"""

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import browser
import janus_lab as lab
from playwright.async_api import Browser, Page
from running import Running, running
from service_parts import TOKEN, enrolment

from qos_monitor import clock
from rules.observation import Kind
from rules.span import HOUR, SECOND, Instant, format_instant

HERE = Path(__file__).parent
PAGE = (HERE / "classroom.html", HERE / "classroom.js", HERE.parents[1] / "collectors" / "beacon" / "client.js")
USER, PASSWORD, SECRET = "sfu", "a-password-nobody-guesses", "a-beacon-secret-nobody-guesses"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
LENGTH, WORSE_AFTER, BETTER_AFTER = 70 * SECOND, 17 * SECOND, 38 * SECOND
LOSS_PERCENT = 45
OTHERS = 24
_NEWS_S_MAX = 60.0

Row = dict[str, Any]


def now() -> Instant:
    """Tell the time of the machine, which Janus, the browsers and the service share."""
    return time.time_ns() // 1_000_000


async def sleep_until(at: Instant) -> None:
    """Let the class go on until then."""
    await asyncio.sleep(max(at - now(), 0) / SECOND)


def kept(folder: Path, what: str) -> list[Row]:
    """Read rows of the service's database."""
    with closing(sqlite3.connect(folder / "qos.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(what)]


async def until(folder: Path, what: str, is_enough: Callable[[list[Row]], bool]) -> list[Row]:
    """Read rows until they are enough."""
    async with asyncio.timeout(_NEWS_S_MAX):
        while not is_enough(rows := kept(folder, what)):  # noqa: ASYNC110 - what is waited for is another process's
            await asyncio.sleep(0.2)
    return rows


@dataclass(frozen=True)
class School:
    """The running service, and the folder of its database."""

    service: Running
    folder: Path
    environ: dict[str, str]

    async def token(self, who: str, role: str) -> str:
        """Mint a token as the school's backend may: with the command."""
        words = ("-m", "qos_monitor", "token", "--learner", who, "--class", "c1", "--role", role)
        minting = await asyncio.create_subprocess_exec(
            sys.executable, *words, env={**os.environ, **self.environ}, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await minting.communicate()
        assert minting.returncode == 0
        return printed.decode().strip()

    async def tell(self, starts_at: Instant) -> None:
        """Put the class on the roster, another of many learners beside it, and say that those were all well."""
        many = [f"o{number}" for number in range(OTHERS)]
        roster = {
            "courses": [{"id": "math", "title": "Math", "visual_essential": False}],
            "enrolments": [enrolment(f"e-{who}", who) for who in ("u1", "u2")],
            "classes": [lesson("c1", starts_at, ["u1", "u2"], "t1"), lesson("c2", starts_at, many, "t2")],
        }
        lines = "\n".join(json.dumps(line) for who in many for line in was_well(who, starts_at))
        async with aiohttp.ClientSession(self.service.url, headers=BEARER) as client:
            async with client.put("/v1/roster", json=roster) as answer:
                assert answer.status == 200, await answer.text()
            async with client.post("/v1/observations", data=lines.encode()) as answer:
                assert answer.status in (200, 202), await answer.text()


def lesson(name: str, starts_at: Instant, learners: list[str], teacher: str) -> Row:
    """Schedule a short class; only the first has a room that a browser is in."""
    return {
        "id": name,
        "course_id": "math",
        "starts_at": format_instant(starts_at),
        "ends_at": format_instant(starts_at + LENGTH),
        "provider": "janus",
        "room_id": str(lab.ROOM) if name == "c1" else f"room-of-{name}",
        "teacher_id": teacher,
        "learner_ids": learners,
        "cancelled": None,
    }


def was_well(who: str, starts_at: Instant) -> list[Row]:
    """Say of a learner of the other class that they came to the same server and stayed."""
    said = {"source": "backend", "class_id": "c2", "participant_id": who, "role": "learner", "vantage": "server"}
    said |= {"session": f"s-{who}", "domains": {"provider": "janus", "node": "sfu-1"}}  # type: ignore[dict-item]
    return [
        said | {"id": f"{who}-came", "kind": "joined", "at": format_instant(starts_at)},
        said | {"id": f"{who}-went", "kind": "left", "at": format_instant(starts_at + LENGTH), "fault": "learner"},
    ]


@asynccontextmanager
async def open_school(folder: Path, origins: list[str]) -> AsyncIterator[School]:
    """Start the service where browsers in other networks reach it."""
    environ = {
        "QOS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/qos.sqlite3",
        "QOS_HOST": "0.0.0.0",  # noqa: S104 - the ends of the cables are among all addresses
        "QOS_JANUS_CREDENTIALS": f"{USER}:{PASSWORD}",
        "QOS_BEACON_SECRETS": SECRET,
        "QOS_BEACON_ORIGINS": ",".join(origins),
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
    }
    async with running(folder, environ) as service:
        yield School(service, folder, environ)


@dataclass(frozen=True)
class Seat:
    """A network with a browser in it, and the page it opens."""

    place: lab.Place
    origin: str
    browser: Browser

    @asynccontextmanager
    async def person(self, school: School, who: str, role: str = "learner") -> AsyncIterator[Page]:
        """Let somebody open the page of the class."""
        given = {
            "api": f"http://{self.place.host}:{lab.API_PORT}/janus",
            "room": lab.ROOM,
            "opaqueId": f"{lab.ROOM}/{who}",
            "sendsApart": role == "learner",
            "beacon": {
                "url": f"http://{self.place.host}:{school.service.port}/webhooks/beacon",
                "token": await school.token(who, role),
                "app": "classroom 1",
                "domains": {"network": f"network-of-{self.place.name}"},
                "lookEveryMs": 2_000,
                "sendEveryMs": 5_000,
            },
        }
        async with browser.page(self.browser, f"{self.origin}/classroom.html") as opened:
            await opened.evaluate("given => meet(given)", given)
            await opened.evaluate("person.enter()")
            yield opened


async def played(stack: AsyncExitStack, folder: Path) -> tuple[School, Instant]:
    """Play the class; answer when it began."""
    names = ("qos-good", "qos-poor")
    places = [await stack.enter_async_context(lab.place(name, number)) for number, name in enumerate(names, start=3)]
    origins = [await stack.enter_async_context(browser.files(place.host, *PAGE)) for place in places]
    school = await stack.enter_async_context(open_school(folder, origins))
    events = f"{school.service.url}/webhooks/janus"
    server = await stack.enter_async_context(lab.janus(folder, events, USER, PASSWORD))
    seats = []
    for place, origin in zip(places, origins, strict=True):
        (folder / place.name).mkdir()
        inside = ("ip", "netns", "exec", place.name)
        started = await stack.enter_async_context(browser.chromium(folder / place.name, [origin], inside))
        seats.append(Seat(place, origin, started))
    good, poor = seats
    async with (
        good.person(school, "t1", "teacher") as teacher,
        good.person(school, "u2") as other,
        poor.person(school, "u1") as learner,
    ):
        feeds = [await page.evaluate("person.publish()") for page in (teacher, learner)]
        await learner.evaluate("feed => person.subscribe(feed)", feeds[0])
        await other.evaluate("feed => person.subscribe(feed)", feeds[0])
        await teacher.evaluate("feed => person.subscribe(feed)", feeds[1])
        starts_at = now() + SECOND
        await school.tell(starts_at)
        await sleep_until(starts_at + WORSE_AFTER)
        poor.place.lose(LOSS_PERCENT)
        await sleep_until(starts_at + BETTER_AFTER)
        poor.place.heal()
        await sleep_until(starts_at + LENGTH)
        for page in (learner, other, teacher):
            await page.evaluate("person.leave()")
    is_left = "SELECT DISTINCT source, participant_id FROM observations WHERE kind = 'left' AND class_id = 'c1'"
    await until(folder, is_left, lambda rows: len(rows) >= 6)
    server.terminate()
    await server.wait()
    await until(folder, "SELECT seq FROM deliveries WHERE state = 0", lambda rows: not rows)
    return school, starts_at


async def judged(school: School, at: Instant) -> dict[str, Row]:
    """Start the service again when the class is long over; answer what it thinks of each learner of it."""
    assert await school.service.terminate() == 0
    clock_file = school.folder / "clock"
    clock.drive(clock_file, at)
    what = "SELECT body FROM verdicts WHERE current AND class_id = 'c1'"
    async with running(school.folder, school.environ | {"QOS_CLOCK_FILE": str(clock_file)}):
        rows = await until(school.folder, what, lambda rows: len(rows) == 2)
    verdicts = [json.loads(row["body"]) for row in rows]
    return {verdict["learner_id"]: verdict for verdict in verdicts}


def spans(folder: Path, who: str, source: str, since: Instant, to: Instant) -> list[Row]:
    """Take what was measured of one person within a time, by one vantage: metrics alone."""
    what = "SELECT * FROM observations WHERE kind = 'quality' AND class_id = 'c1' ORDER BY at"
    found = [row for row in kept(folder, what) if (row["participant_id"], row["source"]) == (who, source)]
    return [json.loads(row["metrics"]) for row in found if since <= row["at"] and row["until"] <= to]


def mean(found: list[Row], name: str) -> float:
    """Take the mean of a metric; there must be some of it."""
    given = [metrics[name] for metrics in found if name in metrics]
    assert given, name
    return float(sum(given) / len(given))


async def test_who_lost_packets_is_seen_by_server_and_browser_and_answers_for_their_own_last_mile(
    tmp_path: Path,
) -> None:
    lab.require()
    async with AsyncExitStack() as stack:
        school, starts_at = await played(stack, tmp_path)
        verdicts = await judged(school, starts_at + LENGTH + 7 * HOUR)

    worse = (starts_at + WORSE_AFTER + 3 * SECOND, starts_at + BETTER_AFTER)
    whole = (starts_at, starts_at + LENGTH)
    check_both_vantages_saw_everybody(tmp_path)
    for source in ("janus", "beacon"):
        assert mean(spans(tmp_path, "u1", source, *worse), "loss") > 0.2
        for who in ("t1", "u2"):
            assert mean(spans(tmp_path, who, source, *whole), "loss") < 0.02
    frozen = spans(tmp_path, "u1", "beacon", *worse)
    assert mean(frozen, "audio_frozen") > 0.07 or mean(frozen, "video_frozen") > 0.1
    fine = spans(tmp_path, "u2", "beacon", *whole)
    assert mean(fine, "video_frozen") < 0.05
    assert -185 < mean(fine, "av_offset_ms") < 90
    assert verdicts["u2"]["verdict"] == "ATTENDED"
    found = verdicts["u1"]
    assert (found["verdict"], found["by"], found["grade"]) == ("DEGRADED", "learner", "B")


def check_both_vantages_saw_everybody(folder: Path) -> None:
    """Janus and the browsers tell the same of who came and that they left by their own act."""
    what = "SELECT source, participant_id, kind, fault FROM observations WHERE class_id = 'c1'"
    rows = {(row["source"], row["participant_id"], row["kind"], row["fault"]) for row in kept(folder, what)}
    for source in ("janus", "beacon"):
        for who in ("t1", "u1", "u2"):
            for kind, fault in ((Kind.ATTEMPTED, "unknown"), (Kind.JOINED, "unknown"), (Kind.LEFT, "learner")):
                assert (source, who, kind.value, fault) in rows
