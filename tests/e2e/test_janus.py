"""A real class on a real Janus: one learns through a bad minute, one never gets media, one is there when it goes down.

Run by ``make e2e``, as root, for the networks with faults; it fails where Janus is not installed.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import janus_lab as lab
import pytest
from running import Running, running
from service_parts import school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery
from collectors.janus import Janus
from qos_monitor import roster, window_book
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import READ, deliveries, observations
from rules.observation import Fault, Kind, Observation, Role
from rules.span import MINUTE, SECOND, Instant

USER, PASSWORD = "sfu", "a-password-nobody-guesses"
CREDENTIALS = f"{USER}:{PASSWORD}"
LOSS_PERCENT = 30
_NEWS_S_MAX = 40.0


def now() -> Instant:
    """Tell the time of the machine, which Janus and the service share."""
    return time.time_ns() // 1_000_000


@dataclass
class Stage:
    """The running service and the database it writes."""

    service: Running
    engine: AsyncEngine

    async def seen(self) -> list[Observation]:
        """Read every observation that has a class, and those of the server itself."""
        async with storage.reading(self.engine) as conn:
            found = await conn.execute(select(observations).order_by(observations.c.at))
            whole = [row for row in found if row.class_id is not None or row.participant_id is None]
            return [observation_of(row) for row in whole]

    async def judged_on(self) -> list[Observation]:
        """Read what the class is judged on."""
        async with storage.reading(self.engine) as conn:
            return await window_book.observations_of(conn, ["c1"])

    async def until(self, is_enough: Callable[[list[Observation]], bool]) -> None:
        """Wait until what was seen is enough."""
        async with asyncio.timeout(_NEWS_S_MAX):
            while not is_enough(await self.seen()):  # noqa: ASYNC110 - what is waited for is another process's
                await asyncio.sleep(0.2)

    async def posts(self) -> list[Delivery]:
        """Read every post that Janus made; all must have been read."""
        async with storage.reading(self.engine) as conn:
            rows = (await conn.execute(select(deliveries))).all()
        assert {row.state for row in rows} == {READ}
        return [Delivery("janus", row.body, {}, row.received_at) for row in rows]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Start the service with a class of u1, u2 and u3 that began a minute ago."""
    lab.require()
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    await storage.migrate(engine)
    async with storage.writing(engine) as conn:
        began = now() - MINUTE
        await roster.apply(
            conn, school(began, room=str(lab.ROOM), provider="janus", learners=("u1", "u2", "u3")), began
        )
    async with running(tmp_path, {"QOS_JANUS_CREDENTIALS": CREDENTIALS}) as service:
        yield Stage(service, engine)
    await engine.dispose()


def of(seen: list[Observation], who: str, *kinds: Kind) -> list[Observation]:
    """Take what was seen of one person."""
    return [one for one in seen if one.participant_id == who and one.kind in kinds]


def lossy(seen: list[Observation], since: Instant) -> list[Observation]:
    """Take the learner's spans since then that lost a lot."""
    spans = of(seen, "u1", Kind.QUALITY)
    return [one for one in spans if one.at >= since and one.metrics.get("loss", 0) >= 0.15]


async def played(stage: Stage, folder: Path) -> tuple[Instant, Instant]:
    """Play the class; answer from when to when the learner's network was bad."""
    url = f"{stage.service.url}/webhooks/janus"
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(lab.place("qos-bad", 1))
        dark = await stack.enter_async_context(lab.place("qos-dark", 2))
        server = await stack.enter_async_context(lab.janus(folder, url, USER, PASSWORD))
        teacher = await stack.enter_async_context(lab.someone("t1", bad.host))
        learner = await stack.enter_async_context(lab.someone("u1", bad.host, bad))
        other = await stack.enter_async_context(lab.someone(f"{lab.ROOM}/u2", dark.host, dark))
        await teacher.do("publish")
        await teacher.until(what="webrtcup")
        dark.lose(100)
        await other.do("publish")
        await learner.do("publish")
        await learner.do("subscribe")
        await learner.until(2, what="webrtcup")
        await stage.until(lambda seen: len(of(seen, "u1", Kind.QUALITY)) >= 6)
        bad.lose(LOSS_PERCENT)
        worse_at = now()
        await stage.until(lambda seen: len(lossy(seen, worse_at)) >= 4)
        bad.heal()
        better_at = now()
        await other.until(what="hangup", reason="ICE failed")
        await learner.do("leave")
        await stage.until(lambda seen: len(of(seen, "u1", Kind.LEFT)) >= 2)
        last = await stack.enter_async_context(lab.someone("u3", bad.host, bad))
        await last.do("publish")
        await last.do("subscribe")
        await stage.until(lambda seen: len(of(seen, "u3", Kind.QUALITY)) >= 4)
        server.terminate()
        await server.wait()
        await stage.until(lambda seen: any(one.kind is Kind.INCIDENT_DECLARED for one in seen))
    return worse_at, better_at


async def test_a_real_class_is_seen_as_it_was(stage: Stage, tmp_path: Path) -> None:
    worse_at, better_at = await played(stage, tmp_path)
    seen = await stage.seen()

    check_who_came_and_who_could_not(seen)
    check_the_bad_minute(of(seen, "u1", Kind.QUALITY), worse_at, better_at)
    check_the_end(seen)
    check_who_was_there_when_it_went_down(seen, await stage.judged_on())
    for post in await stage.posts():
        assert Janus((CREDENTIALS,)).read(post).unknown == ()


def check_who_came_and_who_could_not(seen: list[Observation]) -> None:
    """The learner has two handles and is one person; the teacher only sends; the other one stays outside."""
    assert {one.class_id for one in seen if one.participant_id} == {"c1"}
    feeds = [one for one in seen if one.participant_id not in (None, "t1", "u1", "u2", "u3")]
    assert {(one.kind, one.code, one.fault) for one in feeds} <= {(Kind.LEFT, "leaving", Fault.LEARNER)}
    assert {one.role for one in seen if one.participant_id == "t1"} == {Role.TEACHER}
    attempts = {who: len(of(seen, who, Kind.ATTEMPTED)) for who in ("t1", "u1", "u2")}
    joins = {who: len(of(seen, who, Kind.JOINED)) for who in ("t1", "u1", "u2")}
    assert attempts == {"t1": 1, "u1": 2, "u2": 1}
    assert joins == {"t1": 1, "u1": 2, "u2": 0}
    [failed] = [one for one in seen if one.kind is Kind.JOIN_FAILED]
    assert (failed.participant_id, failed.code, failed.fault) == ("u2", "ICE failed", Fault.UNKNOWN)


def check_the_bad_minute(spans: list[Observation], worse_at: Instant, better_at: Instant) -> None:
    """What was lost is told where it was lost, and nowhere else; of two lines, each without a gap."""
    lines = {session: [one for one in spans if one.session == session] for session in {one.session for one in spans}}
    assert len(lines) == 2
    for line in lines.values():
        assert all(later.at == earlier.until for earlier, later in itertools.pairwise(line))
    # A receiver reports every second or so: what is told of a span may have happened shortly before it.
    healthy = [one for one in spans if (one.until or 0) <= worse_at or one.at >= better_at + 4 * SECOND]
    assert healthy
    assert all(one.metrics.get("loss", 0) < 0.05 for one in healthy)
    inside = [one for one in spans if one.at >= worse_at + 2 * SECOND and (one.until or 0) <= better_at]
    assert inside
    lost = [one.metrics["loss"] for one in inside]
    assert 0.1 < sum(lost) / len(lost) < 0.5
    assert all(0 < one.metrics["rtt_ms"] < 2_000 for one in spans if "rtt_ms" in one.metrics)


def check_the_end(seen: list[Observation]) -> None:
    """The learner left by their own act, on both handles; the server said that it was stopped."""
    stays = {one.session for one in of(seen, "u1", Kind.JOINED)}
    ends = of(seen, "u1", Kind.LEFT)
    assert stays <= {one.session for one in ends}
    assert {one.fault for one in ends if one.session in stays} == {Fault.LEARNER}
    [incident] = [one for one in seen if one.kind is Kind.INCIDENT_DECLARED]
    assert (incident.blames, incident.domains["node"]) == ("node", "sfu-1")


def check_who_was_there_when_it_went_down(seen: list[Observation], judged_on: list[Observation]) -> None:
    """Janus told nothing of u3's end; for the rules both handles ended with the server, by its fault."""
    assert of(seen, "u3", Kind.LEFT) == []
    [incident] = [one for one in seen if one.kind is Kind.INCIDENT_DECLARED]
    ends = of(judged_on, "u3", Kind.LEFT)
    assert {one.session for one in ends} == {one.session for one in of(seen, "u3", Kind.JOINED)}
    assert {(one.at, one.fault, one.blames) for one in ends} == {(incident.at, Fault.PLATFORM, "node")}
