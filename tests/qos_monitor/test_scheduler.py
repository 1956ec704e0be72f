"""Background jobs: nothing is dropped, nothing overlaps, nothing stops for ever."""

import asyncio
from collections.abc import Callable

import pytest
from service_parts import SetClock

from qos_monitor.scheduler import FAILURES_MAX, JOB_DEFAULTS, Job, Scheduler
from qos_monitor.telemetry import Telemetry
from qos_monitor.wiring import every
from rules.span import HOUR, Instant

TICK_S = 0.02


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the jobs know nothing of who waits
            await asyncio.sleep(0.005)


def runs(telemetry: Telemetry, result: str) -> float:
    return telemetry.registry.get_sample_value("qos_job_runs_total", {"job": "read", "result": result}) or 0.0


async def test_two_jobs_of_one_name_run_each_for_itself_and_are_counted_together() -> None:
    ran: list[str] = []

    async def good() -> int:
        ran.append("good")
        return 0

    async def bad() -> int:
        ran.append("bad")
        raise ZeroDivisionError

    telemetry = Telemetry([])
    scheduler = Scheduler([Job("read", good, of="one"), Job("read", bad, of="other")], TICK_S, telemetry)
    scheduler.start()
    await until(lambda: ran.count("bad") > FAILURES_MAX + 1 and "good" in ran)
    is_failing = scheduler.is_failing()
    await scheduler.stop()

    assert is_failing  # though the other one is well
    assert runs(telemetry, "ok") >= 1
    assert runs(telemetry, "failed") > FAILURES_MAX


async def test_a_run_that_is_late_is_run_all_the_same() -> None:
    scheduler = Scheduler([Job("read", _nothing)], 60.0, Telemetry([]))
    scheduler.start()

    [job] = scheduler.library.get_jobs()

    assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)
    assert JOB_DEFAULTS == {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    await scheduler.stop()


async def _nothing() -> int:
    return 0


async def test_a_job_that_fails_is_counted_and_runs_again() -> None:
    tries = 0

    async def run() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        return 0

    telemetry = Telemetry([])
    scheduler = Scheduler([Job("read", run)], TICK_S, telemetry)
    scheduler.start()
    await until(lambda: tries >= 2)
    await scheduler.stop()

    assert runs(telemetry, "failed") == 1
    assert runs(telemetry, "ok") >= 1


async def test_a_job_keeps_failing_after_three_runs_until_one_succeeds() -> None:
    outcomes = ["fail", "fail", "ok", "fail", "fail", "fail", "ok"]
    told: list[bool] = []

    async def run() -> int:
        told.append(scheduler.is_failing())
        if len(told) <= len(outcomes) and outcomes[len(told) - 1] == "fail":
            raise ZeroDivisionError
        return 0

    scheduler = Scheduler([Job("read", run)], TICK_S, Telemetry([]))
    scheduler.start()
    await until(lambda: len(told) > len(outcomes))
    await scheduler.stop()

    assert told[: len(outcomes) + 1] == [False] * 6 + [True, False]


async def test_a_full_batch_is_followed_at_once_by_the_next_until_one_is_short() -> None:
    left = [5, 5, 5, 2]
    done: list[int] = []

    async def run() -> int:
        done.append(left.pop(0) if left else 0)
        return done[-1]

    scheduler = Scheduler([Job("read", run, full=5)], 0.2, Telemetry([]))
    scheduler.start()
    await until(lambda: len(done) >= 4)
    await scheduler.stop()

    assert done[:4] == [5, 5, 5, 2]


async def test_a_job_never_overlaps_itself() -> None:
    inside, most = 0, 0

    async def run() -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(TICK_S * 4)
        inside -= 1
        return 0

    telemetry = Telemetry([])
    scheduler = Scheduler([Job("read", run)], TICK_S, telemetry)
    scheduler.start()
    await until(lambda: runs(telemetry, "ok") >= 2)
    await scheduler.stop()

    assert most == 1


async def test_stopping_lets_the_running_job_end_and_starts_no_other() -> None:
    begun, ended = asyncio.Event(), 0

    async def run() -> int:
        nonlocal ended
        begun.set()
        await asyncio.sleep(TICK_S * 5)
        ended += 1
        return 1

    scheduler = Scheduler([Job("read", run)], TICK_S, Telemetry([]))
    scheduler.start()
    await begun.wait()

    await scheduler.stop()

    assert ended == 1
    await asyncio.sleep(TICK_S * 3)
    assert ended == 1


async def test_stopping_tells_every_job_to_end_even_where_one_cannot_and_waits_for_what_runs() -> None:
    begun, told, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run() -> int:
        begun.set()
        await told.wait()
        ended.set()
        return 0

    async def fail() -> None:
        raise ZeroDivisionError

    async def tell() -> None:
        told.set()

    scheduler = Scheduler([Job("judge", _nothing, stop=fail), Job("read", run, stop=tell)], TICK_S, Telemetry([]))
    scheduler.start()
    await begun.wait()

    await scheduler.stop()

    assert ended.is_set()


async def test_a_job_of_every_hour_runs_once_an_hour_of_our_clock_and_again_after_a_failure() -> None:
    clock, ran = SetClock(), list[Instant]()

    async def run(now: Instant) -> int:
        ran.append(now)
        if len(ran) == 1:
            raise ZeroDivisionError
        return 1

    job, start = every(HOUR, clock, run), clock.at
    with pytest.raises(ZeroDivisionError):
        await job()
    await job()
    clock.at = start + HOUR - 1
    await job()
    clock.at = start + HOUR
    await job()

    assert ran == [start, start, start + HOUR]
