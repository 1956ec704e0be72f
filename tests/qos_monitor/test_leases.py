"""One process at a time: a lease changes hands when it ends, and who lost it writes nothing any more."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from service_parts import MONDAY, SetClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.leases import LENGTH, Leases, is_gone, is_over, this_process
from qos_monitor.storage import engine as storage
from qos_monitor.storage.process_tables import leases
from qos_monitor.storage.tables import cursors
from rules.span import HOUR, SECOND

HERE, THERE = "one-machine/1/1", "another-machine/1/1"


async def one() -> int:
    return 1


async def test_work_is_done_by_whoever_has_its_lease_and_by_nobody_else(engine: AsyncEngine) -> None:
    clock = SetClock()
    mine, theirs = Leases(engine, clock, HERE), Leases(engine, clock, THERE)

    done = [await mine.alone("read", one), await theirs.alone("read", one), await theirs.alone("poll agora", one)]
    clock.at += LENGTH - SECOND
    done += [await mine.alone("read", one)]  # which renews it
    clock.at += LENGTH - SECOND
    done += [await theirs.alone("read", one), await mine.alone("read", one)]

    assert done == [1, 0, 1, 1, 0, 1]


async def test_a_lease_that_was_not_renewed_is_taken_over_and_what_its_holder_writes_then_is_refused(
    engine: AsyncEngine,
) -> None:
    clock = SetClock()
    mine, theirs = Leases(engine, clock, HERE), Leases(engine, clock, THERE)
    taken_over: list[int] = []

    async def paused() -> int:
        clock.at += LENGTH
        taken_over.append(await theirs.alone("read", one))
        async with storage.writing(engine) as conn:
            await conn.execute(cursors.insert(), [{"name": "late", "value": 1}])
        return 1

    done = await mine.alone("read", paused)

    async with storage.reading(engine) as conn:
        written = (await conn.execute(select(cursors.c.name))).scalars().all()
        [lease] = (await conn.execute(select(leases))).all()
    assert (done, taken_over, written) == (0, [1], [])
    assert (lease.token, lease.holder) == (2, THERE)
    assert await mine.alone("read", one) == 0


async def test_long_work_renews_its_lease_whenever_it_writes(engine: AsyncEngine) -> None:
    clock = SetClock()
    mine, theirs = Leases(engine, clock, HERE), Leases(engine, clock, THERE)
    others: list[int] = []

    async def long() -> int:
        for number in range(4):
            clock.at += LENGTH - SECOND
            async with storage.writing(engine) as conn:
                await conn.execute(cursors.insert(), [{"name": str(number), "value": 1}])
            others.append(await theirs.alone("read", one))
        return 4

    assert await mine.alone("read", long) == 4
    assert others == [0, 0, 0, 0]


async def test_a_lease_given_back_is_free_at_once(engine: AsyncEngine) -> None:
    clock = SetClock()
    mine, theirs = Leases(engine, clock, HERE), Leases(engine, clock, THERE)
    await mine.alone("read", one)

    await mine.give_back()

    assert await theirs.alone("read", one) == 1


async def test_a_clock_that_steps_back_an_hour_hangs_nobody(engine: AsyncEngine) -> None:
    clock = SetClock()
    mine, theirs = Leases(engine, clock, HERE), Leases(engine, clock, THERE)
    await mine.alone("read", one)

    clock.at -= HOUR

    assert await theirs.alone("read", one) == 1
    assert await mine.alone("read", one) == 0


async def test_a_process_of_this_machine_that_was_killed_holds_nothing(engine: AsyncEngine) -> None:
    clock = SetClock()
    words = "from qos_monitor.leases import this_process; print(this_process(), flush=True); input()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", words, stdout=PIPE, stdin=PIPE)
    assert process.stdout is not None
    holder = (await process.stdout.readline()).decode().strip()
    await Leases(engine, clock, holder).alone("read", one)
    while_it_runs = await Leases(engine, clock).alone("read", one)
    process.kill()
    await process.wait()
    after = await Leases(engine, clock).alone("read", one)

    assert (while_it_runs, after) == (0, 1)


def test_a_process_is_gone_only_where_that_is_known() -> None:
    place = this_process().partition("/")[0]

    assert not is_gone(this_process())
    assert is_gone(f"{place}/1/of-another-start")
    assert not is_gone("another-machine/999999/1")
    assert not is_gone("what nobody wrote")


def test_a_lease_lasts_until_its_end_and_none_longer_than_one_can() -> None:
    ends = {ahead: is_over(MONDAY + ahead * SECOND, MONDAY, 30 * SECOND) for ahead in (-1, 0, 1, 60, 61)}

    assert ends == {-1: True, 0: True, 1: False, 60: False, 61: True}
