"""Who stays in one room over classes that follow each other was in each of them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from service_parts import MONDAY, school, sighting
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Sighting
from qos_monitor import carrying, observing, roster, window_book
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import observations, windows
from rules import policy as policies
from rules.slots import states
from rules.span import HOUR, MINUTE, Instant
from rules.window import ClassInputs

DAY_END = MONDAY + 12 * HOUR


def came(at: Instant, who: str = "u1", session: str = "s1") -> Sighting:
    return known(sighting(f"joined-{who}-{session}", at=at, who=who, session=session))


def went(at: Instant, who: str = "u1", session: str = "s1") -> Sighting:
    return known(sighting(f"left-{who}-{session}", "left", at, who=who, session=session, fault="learner"))


def known(seen: Sighting) -> Sighting:
    return replace(seen, observation=replace(seen.observation, recorded_at=seen.observation.at))


async def store(engine: AsyncEngine, *sightings: Sighting) -> None:
    async with storage.writing(engine) as conn:
        for one in sightings:
            await observing.store(conn, [Entry(one, 1)], DAY_END)


async def enrol(engine: AsyncEngine, *starts: Instant, room: str | None = "r1") -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(*starts, room=room), DAY_END)


async def inputs(engine: AsyncEngine, *starts: Instant) -> dict[str, ClassInputs]:
    found: dict[str, ClassInputs] = {}
    async with storage.reading(engine) as conn:
        for start in starts:
            window = await window_book.load(conn, start // (30 * MINUTE), DAY_END, policies.default())
            found |= {one.scheduled.id: one for one in window.classes}
    return found


def share(one: ClassInputs, who: str = "u1") -> float:
    """Say how much of the class this person was in it."""
    found = states(one.evidence[who], one.scheduled, policies.default(), 0)
    return found.good.bit_count() / 360  # slots of 10 s in an hour


STARTS = (MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR)


async def carried(engine: AsyncEngine, *class_ids: str) -> Sequence[tuple[str, str | None, str | None]]:
    async with storage.reading(engine) as conn:
        return sorted((one.id, one.class_id, one.role) for one in await carrying.carried(conn, class_ids))


async def test_a_stay_over_three_classes_counts_in_each(engine: AsyncEngine) -> None:
    await enrol(engine, *STARTS)
    await store(engine, came(MONDAY), came(MONDAY, "t1", "teacher"), went(MONDAY + 3 * HOUR - MINUTE))
    await store(engine, went(MONDAY + 90 * MINUTE, "t1", "teacher"))

    assert await carried(engine, "c1", "c2", "c3") == [
        ("joined-t1-teacher@c2", "c2", "teacher"),
        ("joined-u1-s1@c2", "c2", "learner"),
        ("joined-u1-s1@c3", "c3", "learner"),
    ]
    found = await inputs(engine, *STARTS)
    assert [share(found[name]) for name in ("c1", "c2", "c3")] == [1, 1, 354 / 360]


@pytest.mark.parametrize("left_at", [MONDAY + HOUR - 1, MONDAY + HOUR])
async def test_who_leaves_before_the_next_class_or_as_it_begins_was_not_in_it(
    engine: AsyncEngine, left_at: Instant
) -> None:
    await enrol(engine, *STARTS)
    await store(engine, came(MONDAY), went(left_at))

    assert await carried(engine, "c1", "c2", "c3") == []


async def test_a_leave_that_is_lost_proves_nothing(engine: AsyncEngine) -> None:
    await enrol(engine, *STARTS)
    await store(engine, came(MONDAY))

    assert await carried(engine, "c1", "c2", "c3") == []


async def test_who_joined_the_next_class_too_needs_nothing_carried(engine: AsyncEngine) -> None:
    await enrol(engine, *STARTS[:2])
    again = came(MONDAY + 65 * MINUTE)
    await store(engine, came(MONDAY), replace(again, observation=replace(again.observation, id="again")))
    await store(engine, went(MONDAY + 2 * HOUR))

    assert await carried(engine, "c2") == []


async def test_nobody_is_carried_into_another_room_or_over_half_a_day_or_without_being_on_the_roster(
    engine: AsyncEngine,
) -> None:
    late = MONDAY + carrying.CARRY_MAX + HOUR
    first, second = school(MONDAY, room="r1"), school(MONDAY + HOUR, room="r1", learners=("u2",))
    other = school(MONDAY + HOUR, room="r2")
    renamed = [replace(world.classes[0], id=name) for world, name in ((second, "c2"), (other, "c3"))]
    third = replace(school(late).classes[0], id="c4")
    async with storage.writing(engine) as conn:
        await roster.apply(conn, replace(first, classes=(*first.classes, *renamed, third)), DAY_END)
    await store(engine, came(MONDAY), went(late + HOUR))

    assert await carried(engine, "c1", "c2", "c3", "c4") == []


async def test_whatever_comes_first_the_next_class_is_judged_with_the_stay(engine: AsyncEngine) -> None:
    await enrol(engine, *STARTS[:2])
    for number, order in enumerate(permutations([came(MONDAY), went(MONDAY + 2 * HOUR - MINUTE)])):
        async with storage.writing(engine) as conn:
            await conn.execute(observations.delete())
            await conn.execute(windows.update().values(due_at=None))
        for one in order:
            async with storage.writing(engine) as conn:
                await conn.execute(windows.update().values(due_at=None))
            await store(engine, one)

        assert await carried(engine, "c2") == [("joined-u1-s1@c2", "c2", "learner")], number
        async with storage.reading(engine) as conn:
            due = (await conn.execute(select(windows.c.window).where(windows.c.due_at.is_not(None)))).scalars()
            assert set(due) == {start // (30 * MINUTE) for start in STARTS[:2]}
