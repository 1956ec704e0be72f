"""Intake and two workers on one database: everything is done once, whichever worker is killed, stopped or cut off."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import pytest
from aiohttp import ClientSession, web
from database import Database
from postgresql_server import Server
from running import Running
from several import group, named, once_each, outcome, samples, until
from sqlalchemy import make_url
from under_load import LEARNERS_OWED

from qos_monitor.leases import LENGTH
from rules.span import MINUTE


@pytest.fixture
async def on_postgresql(postgresql: Server) -> Database:
    """Give what a stopped process cannot hold up; on SQLite one stopped in the middle of a write does."""
    async with postgresql.engine():
        return Database(postgresql.url)


async def test_two_workers_do_once_what_one_process_alone_does(tmp_path: Path, database: Database) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    async with group(alone, Database(f"sqlite+aiosqlite:///{alone}/qos.sqlite3")) as one:
        await one.plant(await one.start("intake"))
        one.passes(2 * MINUTE)  # nothing is judged before what waits so long was read: both count alike
        await one.start("worker")
        await one.paid(LEARNERS_OWED)
        wanted = await outcome(one.database)
    async with group(together, database) as several:
        several.passes(one.now - several.now)
        intake = await several.start("intake")
        await several.plant(intake)
        several.passes(2 * MINUTE)
        workers = [await several.start("worker") for _ in range(2)]
        await several.paid(LEARNERS_OWED)
        codes = [await process.terminate() for process in (intake, *workers)]
        done = await outcome(database)
        failed = several.events("job_failed")

    assert codes == [0, 0, 0]
    assert once_each(several.receiver, named("owed"))
    assert failed == []
    assert done == wanted


async def test_what_a_killed_worker_did_alone_is_gone_on_with_at_once(tmp_path: Path, database: Database) -> None:
    async with group(tmp_path, database) as several:
        intake, first = await several.start("intake"), await several.start("worker")
        await several.plant(intake, "before")
        await several.paid(LEARNERS_OWED)
        second = await several.start("worker")
        await several.plant(intake, "after")
        await first.kill()
        several.passes(6 * MINUTE)  # a window or a learner in its hand is free then; its jobs are so already
        await several.paid(2 * LEARNERS_OWED)
        assert await second.terminate() == 0

    assert {one.message["learner_id"] for one in several.receiver.received.values()} == {
        *named("before"),
        *named("after"),
    }
    assert several.receiver.refused == []


async def test_a_worker_that_is_stopped_for_minutes_loses_its_leases_and_does_no_harm_when_it_goes_on(
    tmp_path: Path, on_postgresql: Database
) -> None:
    async with group(tmp_path, on_postgresql) as several:
        intake, first = await several.start("intake"), await several.start("worker")
        await several.plant(intake, "before")
        await several.paid(LEARNERS_OWED)
        second = await several.start("worker")
        first.process.send_signal(signal.SIGSTOP)
        await several.plant(intake, "while")
        several.passes(LENGTH)  # all that the first did alone is free
        await several.paid(2 * LEARNERS_OWED)
        first.process.send_signal(signal.SIGCONT)
        await several.plant(intake, "after")
        await several.paid(3 * LEARNERS_OWED)
        codes = [await process.terminate() for process in (first, second, intake)]

    assert codes == [0, 0, 0]
    assert once_each(several.receiver, [*named("before"), *named("while"), *named("after")])


async def test_the_late_answer_to_a_stopped_worker_changes_nothing_of_what_another_one_settled(
    tmp_path: Path, on_postgresql: Database
) -> None:
    slow = _SlowOnce()
    async with group(tmp_path, on_postgresql) as several, slow.served() as url:
        several.environ["QOS_CLAIMS_URL"] = url
        intake, first = await several.start("intake"), await several.start("worker")
        await several.plant(intake, count=1)
        await slow.asked.wait()
        first.process.send_signal(signal.SIGSTOP)
        await several.start("worker")
        several.passes(3 * MINUTE)  # the lease of the claim on its way ends, and it is sent again
        await until(lambda: _states(on_postgresql, "accepted"))
        slow.may_answer.set()  # 500, to the first
        await asyncio.sleep(0.2)
        first.process.send_signal(signal.SIGCONT)
        await until(lambda: _counted(first, "unavailable"))

        assert await _states(on_postgresql, "accepted")
    assert [body for _, body in slow.came] == [slow.came[0][1]] * 2
    assert {key for key, _ in slow.came} == {slow.came[0][0]}


class _SlowOnce:
    """A refund system that answers the first claim late, with 500, and takes every other."""

    def __init__(self) -> None:
        self.came: list[tuple[str, bytes]] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.came.append((request.headers["Idempotency-Key"], await request.read()))
        if len(self.came) > 1:
            return web.json_response({"taken": True})
        self.asked.set()
        await self.may_answer.wait()
        return web.json_response({"taken": False}, status=500)

    def served(self) -> "_Served":
        return _Served(self)


class _Served:
    def __init__(self, slow: _SlowOnce) -> None:
        app = web.Application()
        app.router.add_post("/claims", slow.take)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/claims"

    async def __aexit__(self, *_raised: object) -> None:
        await self._runner.cleanup()


async def _states(database: Database, state: str) -> bool:
    return await database.rows("SELECT state FROM claims") == [(state,)]


async def _counted(worker: Running, result: str) -> bool:
    async with ClientSession() as client, client.get(f"{worker.url}/metrics?from=process") as answer:
        return samples(await answer.text())[f'qos_claims_sent_total{{result="{result}"}}'] >= 1


async def test_a_worker_whose_connections_are_cut_again_and_again_does_its_work_all_the_same(
    tmp_path: Path, on_postgresql: Database
) -> None:
    async with group(tmp_path, on_postgresql) as several:
        intake, first, second = [await several.start(role) for role in ("intake", "worker", "worker")]
        await several.plant(intake)
        cut = [await _cut(on_postgresql, first) for _ in range(8)]
        several.passes(6 * MINUTE)  # what was in hand when it was cut is free
        await several.paid(LEARNERS_OWED)
        codes = [await process.terminate() for process in (first, second, intake)]

    assert sum(cut) >= 1
    assert codes == [0, 0, 0]
    assert several.receiver.refused == []
    assert sorted(str(one.message["learner_id"]) for one in several.receiver.received.values()) == sorted(named("owed"))


async def _cut(database: Database, worker: Running) -> int:
    """Cut every connection that a process has to the database; answer how many it had."""
    url = make_url(database.url)
    conn = await asyncpg.connect(host=url.host, port=url.port, user=url.username, database=url.database)
    words = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    try:
        return len(await conn.fetch(words, f"qos-monitor {worker.process.pid}"))
    finally:
        await conn.close()
        await asyncio.sleep(0.1)
