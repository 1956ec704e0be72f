"""Status pages are looked at over real HTTP, politely and warily, and stored once however often they are seen."""

import asyncio
import gzip
import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from running import running
from service_parts import MONDAY, SetClock
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from status_pages import FakePage, incident, listing, rss

from collectors.contract import Collector
from collectors.statuspage import READER, StatusPage, StatusPages
from qos_monitor import incidents, reading, settings
from qos_monitor.clock import SystemClock
from qos_monitor.errors import SettingsError
from qos_monitor.polling import status_pages
from qos_monitor.polling.page_client import PAGE_BYTES_MAX, PageClient
from qos_monitor.polling.status_pages import PAUSE_MAX, Watch
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from rules.span import HOUR, MINUTE, SECOND

READERS: dict[str, Collector] = {READER: StatusPages()}
PERIOD = 2 * MINUTE
BEGUN = MONDAY - 10 * MINUTE
OPEN = listing(incident("i1", BEGUN, (BEGUN, "investigating")))
OVER = listing(incident("i1", BEGUN, (BEGUN, "investigating"), (MONDAY, "resolved")))


@dataclass
class Watching:
    """A watch between a database and a fake page, and what it counted."""

    engine: AsyncEngine
    page: FakePage
    url: str
    session: aiohttp.ClientSession
    clock: SetClock = field(default_factory=SetClock)
    counts: Counter[str] = field(default_factory=Counter)
    timeout_s: float = 5.0
    path: str = ""

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is not in the database."""
        self.client = PageClient(self.session, self.timeout_s)
        page = StatusPage("agora", f"{self.url}{self.path}")
        self.watch = Watch(self.engine, self.clock, self.client, {page: PERIOD}, self.count)

    def count(self, provider: str, result: str) -> None:
        """Count one look."""
        self.counts[f"{provider} {result}"] += 1

    async def look(self, times: int = 1, every: int = PERIOD) -> None:
        """Let the job run so often."""
        for _ in range(times):
            assert await self.watch.step() == 0
            self.clock.at += every

    async def stored(self) -> int:
        """Count what was stored, and read it."""
        while await reading.read_waiting(self.engine, READERS, self.clock.now()):
            pass
        async with storage.reading(self.engine) as conn:
            return int((await conn.execute(select(func.count()).select_from(deliveries))).scalar_one())

    async def known(self) -> list[tuple[str, int, int | None]]:
        """Tell what is known: provider, begin and end of every incident."""
        async with storage.reading(self.engine) as conn:
            found = await incidents.declared(conn, self.clock.now())
        return [(one.provider, one.declared_at, one.cleared_at) for one in found]


@pytest.fixture
async def watching(embedded: AsyncEngine) -> AsyncIterator[Watching]:
    page = FakePage(OPEN)
    async with TestServer(page.app()) as server, aiohttp.ClientSession() as session:
        yield Watching(embedded, page, str(server.make_url("")).rstrip("/"), session)


async def test_an_incident_seen_a_hundred_times_is_stored_once_and_its_end_is_added(watching: Watching) -> None:
    await watching.look(50)
    watching.restart()
    await watching.look(50)

    assert await watching.stored() == 1
    assert await watching.known() == [("agora", BEGUN, None)]

    watching.page.body = OVER
    await watching.look()

    assert await watching.stored() == 2
    assert await watching.known() == [("agora", BEGUN, MONDAY)]
    assert watching.counts == {"agora changed": 3, "agora unchanged": 98}


async def test_a_page_is_asked_whether_it_changed(watching: Watching) -> None:
    watching.page.headers = {"ETag": '"one"', "Last-Modified": "Mon, 02 Nov 2026 10:50:00 GMT"}

    await watching.look(3)

    asked = [(one.get("If-None-Match"), one.get("If-Modified-Since")) for one in watching.page.asked]
    assert asked == [(None, None), *[('"one"', "Mon, 02 Nov 2026 10:50:00 GMT")] * 2]
    assert watching.counts == {"agora changed": 1, "agora unchanged": 2}


async def test_a_page_is_left_alone_until_its_time_has_come(watching: Watching) -> None:
    await watching.look(120, every=SECOND)
    assert len(watching.page.asked) == 1

    await watching.look(1)

    assert len(watching.page.asked) == 2


async def test_a_feed_is_watched_just_so(watching: Watching) -> None:
    watching.path = "/history.rss"
    watching.restart()
    watching.page.body = rss(("i1", "Mon, 02 Nov 2026 10:50:00 +0000", [("Nov 2, 10:50 UTC", "Investigating")]))

    await watching.look(2)

    assert await watching.stored() == 1
    assert await watching.known() == [("agora", BEGUN, None)]


async def test_a_redirect_is_not_followed_wherever_it_leads(watching: Watching) -> None:
    watching.page.status, watching.page.headers = 302, {"Location": "/elsewhere"}

    await watching.look()

    assert watching.page.elsewhere == 0
    assert watching.counts == {"agora moved": 1}
    assert await watching.stored() == 0


@pytest.mark.parametrize(
    ("body", "headers", "result"),
    [
        (b"x" * (PAGE_BYTES_MAX + 1), {}, "unavailable"),
        (gzip.compress(OPEN, mtime=0), {"Content-Encoding": "gzip"}, "unavailable"),
        (zlib.compress(b"\0" * 10_000_000), {"Content-Encoding": "deflate"}, "unavailable"),
        (b"<html>Sign in</html>", {}, "broken"),
        (b"<!DOCTYPE html><html></html>", {}, "broken"),
        (b"\x1f\x8b", {}, "broken"),
    ],
)
async def test_what_is_too_large_packed_or_no_page_at_all_is_not_stored(
    watching: Watching, body: bytes, headers: dict[str, str], result: str
) -> None:
    await watching.look()
    watching.page.body, watching.page.headers = body, headers

    await watching.look()

    assert watching.counts[f"agora {result}"] == 1
    assert await watching.stored() == 1
    assert await watching.known() == [("agora", BEGUN, None)]


@pytest.mark.parametrize(
    ("status", "result"), [(404, "refused"), (401, "refused"), (429, "unavailable"), (503, "unavailable")]
)
async def test_a_page_in_trouble_is_asked_less_and_less_often_up_to_an_hour(
    watching: Watching, status: int, result: str
) -> None:
    watching.page.status = status
    pauses, last = [], watching.clock.at

    for _ in range(5 * PAUSE_MAX // MINUTE):
        before = len(watching.page.asked)
        await watching.look(1, every=MINUTE)
        if len(watching.page.asked) > before:
            pauses.append((watching.clock.at - MINUTE - last) // MINUTE)
            last = watching.clock.at - MINUTE

    assert pauses == [0, 4, 8, 16, 32, 60, 60, 60]
    assert set(watching.counts) == {f"agora {result}"}
    watching.page.status = 200
    await watching.look(1, every=HOUR)
    await watching.look(2)
    assert watching.counts["agora changed"] == 1


async def test_a_page_that_says_when_to_come_again_is_believed(watching: Watching) -> None:
    watching.page.status, watching.page.headers = 429, {"Retry-After": "1800"}

    await watching.look(30, every=MINUTE)
    assert len(watching.page.asked) == 1

    await watching.look()
    assert len(watching.page.asked) == 2


async def test_a_clock_that_steps_back_stops_no_watch(watching: Watching) -> None:
    await watching.look()
    watching.clock.at -= 2 * HOUR

    await watching.look()

    assert len(watching.page.asked) == 2


async def test_nobody_there_is_no_failure_of_the_job(watching: Watching) -> None:
    watching.url = "http://127.0.0.1:1"
    watching.restart()

    await watching.look()

    assert watching.counts == {"agora unavailable": 1}


async def test_hanging_up_ends_every_look(watching: Watching) -> None:
    await watching.client.hang_up()

    await watching.look()

    assert watching.page.asked == []


async def test_the_whole_service_watches_them_reads_them_and_tells(tmp_path: Path) -> None:
    token = "a-token-for-the-cases"
    begun = SystemClock().now() - HOUR
    page = FakePage(listing(incident("i1", begun, (begun, "identified"))))
    async with TestServer(page.app()) as server, aiohttp.ClientSession() as client:
        url = str(server.make_url("")).rstrip("/")
        environ = {"QOS_STATUS_PAGES": f"livekit:{url}", "QOS_CASES_TOKEN": token}
        async with running(tmp_path, environ) as service:
            bearer = {"Authorization": f"Bearer {token}"}
            found = await told(client, f"{service.url}/v1/incidents?open=1", bearer, '"provider":"livekit"')
            gauge = 'qos_declared_incidents{provider="livekit"} 1.0'
            metrics = await told(client, f"{service.url}/metrics", {}, gauge)
            assert await service.terminate() == 0

    assert '"words":"major: Joins fail in one region"' in found
    assert 'qos_status_page_looks_total{provider="livekit",result="changed"} 1.0' in metrics
    assert len(page.asked) == 1


async def told(client: aiohttp.ClientSession, url: str, headers: dict[str, str], wanted: str) -> str:
    """Ask until an answer holds these words."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(url, headers=headers) as answer:
                if wanted in (text := await answer.text()):
                    return text
            await asyncio.sleep(0.05)


def test_the_settings_name_the_pages() -> None:
    loaded = settings.load({"QOS_STATUS_PAGES": "agora:https://status.a.example/,zoom:https://z.example/history.rss"})

    assert [page.fetched for page in loaded.status_pages] == [
        "https://status.a.example/api/v2/incidents.json",
        "https://z.example/history.rss",
    ]
    assert loaded.status_pages_s == 120
    assert settings.shown(loaded)["QOS_STATUS_PAGES"].startswith("agora:https://status.a.example/,zoom:")
    assert list(status_pages.readers(loaded)) == [READER]
    assert status_pages.readers(settings.load({})) == {}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("QOS_STATUS_PAGES", "https://status.a.example"),
        ("QOS_STATUS_PAGES", "agora:http://status.a.example"),
        ("QOS_STATUS_PAGES", "agora:ftp://status.a.example"),
        ("QOS_STATUS_PAGES", "agora:https://me:secret@status.a.example"),
        ("QOS_STATUS_PAGES", "Agora!:https://status.a.example"),
        ("QOS_STATUS_PAGES", "agora:https://a.example,zoom:https://a.example"),
        ("QOS_STATUS_PAGES_S", "59"),
        ("QOS_STATUS_PAGES_S", "86401"),
        ("QOS_STATUS_PAGES_S", "often"),
    ],
)
def test_pages_that_cannot_be_watched_are_said_in_words(name: str, given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load({name: given})

    assert [re.match(r"(\w+): .* is wanted", told) is not None for told in caught.value.problems] == [True]
