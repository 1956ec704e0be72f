"""A planted outage, live: the service is scraped by Prometheus, whose alerts Alertmanager groups and sends."""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import one_evening
import prometheus_lab as lab
import pytest
import quick_monitoring as quick
from aiohttp import web
from aiohttp.test_utils import TestServer

from qos_monitor import clock
from qos_monitor.simulation.post import Post
from qos_monitor.simulation.stage import CLOCK, ROSTER_TOKEN, Stage, stage
from rules.span import MINUTE, SECOND, Instant

BEGINS_AT: Instant = one_evening.STARTS_AT - 5 * MINUTE
STEP_MAX = 15 * SECOND
PATIENCE_S = 300
SETTLED_S = 8
"""Longer than Alertmanager waits to tell what is new of a group."""
EXPECTED = {
    "QosLearnerMinutesBurnFast agora",
    "QosLearnerMinutesBurnSlow agora",
    "QosNodeBurnFast agora bj-7",
    "QosNodeBurnSlow agora bj-7",
    "QosJoinSuccessBurnFast agora",
    "QosJoinSuccessBurnSlow agora",
    "QosSignatureFailures agora missing_signature",
    "QosSignatureFailures agora wrong_signature",
    "QosSignatureFailures livekit wrong_signature",
}
"""What fires: an outage of a fourth of Agora's learners, and somebody who forges."""
DURATION = re.compile(r"\b\d+(?:ms|[smhd])\b")
BY_THE_MACHINE = {"QosCalendarMissing"}
"""It looks at Prometheus's own date, which is not the play's, and is no page."""


@dataclass
class Sink:
    """Whoever is told."""

    told: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{who}", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        self.told.append((request.match_info["who"], await request.json()))
        return web.Response()

    def groups(self, who: str) -> list[tuple[str, list[str]]]:
        """List what was told to one receiver: each group with its alerts."""
        return [
            (_worded(one["groupLabels"]), sorted(named(alert["labels"]) for alert in one["alerts"]))
            for receiver, one in self.told
            if receiver == who
        ]


def _worded(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def named(labels: Mapping[str, str]) -> str:
    told = [labels[name] for name in ("provider", "node", "reason") if name in labels]
    return " ".join([labels["alertname"], *told])


async def test_one_outage_of_a_provider_is_one_page_and_what_follows_from_it_is_held_back(tmp_path: Path) -> None:
    sink = Sink()
    async with TestServer(sink.app()) as told, evening(tmp_path) as set_up:
        (tmp_path / "monitoring").mkdir()
        with monitored(tmp_path / "monitoring", set_up.service.url, str(told.make_url("")).rstrip("/")) as server:
            played = asyncio.create_task(play(set_up))
            await until(lambda: fired(server) >= EXPECTED, played)
            await asyncio.sleep(SETTLED_S)
            played.cancel()

            assert fired(server) - BY_THE_MACHINE == EXPECTED
    assert sink.groups("pager") == [("provider=agora", ["QosLearnerMinutesBurnFast agora"])]
    assert dict(sink.groups("tickets")) == {
        "alertname=QosSignatureFailures provider=agora": [
            "QosSignatureFailures agora missing_signature",
            "QosSignatureFailures agora wrong_signature",
        ],
        "alertname=QosSignatureFailures provider=livekit": ["QosSignatureFailures livekit wrong_signature"],
    }


@asynccontextmanager
async def evening(folder: Path) -> AsyncIterator[Stage]:
    """Run the service five minutes before the classes, with the school on its roster."""
    (folder / "play").mkdir()
    async with stage(folder / "play", 0) as set_up:
        clock.drive(set_up.folder / CLOCK, BEGINS_AT)
        await set_up.driver.put_roster(one_evening.school().roster(), ROSTER_TOKEN)
        yield set_up


@contextmanager
def monitored(folder: Path, service: str, sink: str) -> Iterator[lab.Prometheus]:
    """Run Alertmanager and Prometheus; the rules begin once the service was scraped.

    Prometheus takes 5 s to find its targets, which are five minutes at this pace: it would say that all is down.
    """
    address = service.removeprefix("http://")
    with lab.alertmanager(folder, quick.alertmanager_yml(sink)) as alertmanager:
        given = (address, alertmanager.address)
        with lab.prometheus(folder, quick.prometheus_yml(*given, has_rules=False)) as server:
            server.wait_for("count(up == 1) == 2")
            quick.rule_files(folder)
            server.reload(folder, quick.prometheus_yml(*given, has_rules=True))
            yield server


async def play(set_up: Stage) -> None:
    """Let the evening pass, and send what is due; twice in it somebody forges.

    Time waits for what was sent to be read, however slow the machine: nobody is to be missing for that reason.
    """
    waiting = deque(one_evening.letters(one_evening.school()))
    forged = deque([one_evening.STARTS_AT + 4 * MINUTE, one_evening.STARTS_AT + 9 * MINUTE])
    began_s, now = clock.stopwatch_s(), BEGINS_AT
    while True:
        passed = round((clock.stopwatch_s() - began_s) * quick.FACTOR * SECOND)
        now = min(now + STEP_MAX, BEGINS_AT + passed)
        clock.drive(set_up.folder / CLOCK, now)
        while waiting and waiting[0][0] <= now:
            assert await send(set_up, waiting.popleft()[1](now)) < 300
        if forged and forged[0] <= now:
            forged.popleft()
            assert {await send(set_up, post) for post in one_evening.forged(now)} == {401}
        await set_up.driver.settle("read")


async def send(set_up: Stage, post: Post) -> int:
    url = f"{set_up.service.url}{post.path}"
    async with set_up.session.post(url, data=post.body, headers=post.headers) as answer:
        return answer.status


async def until(is_so: Callable[[], bool], played: asyncio.Task[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(is_so):
            if played.done():
                played.result()
            await asyncio.sleep(1)


def fired(server: lab.Prometheus) -> set[str]:
    """Name every alert that has fired."""
    return {named(labels) for labels, _ in server.query('max_over_time(ALERTS{alertstate="firing"}[10m])', time.time())}


@pytest.mark.parametrize("name", ["recording.yml", "alerts.yml", "alertmanager.example.yml"])
def test_nothing_but_durations_differs_at_the_quick_pace(name: str) -> None:
    delivered = (quick.RULES / name).read_text(encoding="utf-8")
    hurried = quick.scaled(delivered)

    assert DURATION.sub("", hurried) == DURATION.sub("", delivered)
    assert re.findall(r"\[\d+[smhd]\]|(?:for|interval|wait): \d+[smhd]$", hurried, re.MULTILINE) == []
