"""A Janus server that goes down in the middle of a class is answered for, whenever its word is read."""

import itertools
from collections.abc import Sequence

import pytest
from collector_specimens import NOON, Body
from janus_specimen import JANUS, attached, janus_event, line, statistics, up
from rules_school import judged
from service_parts import school
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import reading, roster, window_book
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries, windows
from rules.span import HOUR, MINUTE, SECOND
from rules.world import World

DOWN, EVENING = NOON + 20 * MINUTE, NOON + 9 * HOUR
HEAD = {"session_id": 1, "handle_id": 2, "opaque_id": "u1"}
TEACHER = {"session_id": 3, "handle_id": 4, "opaque_id": "t1"}
CAME: list[Body] = [
    attached(**HEAD),
    up(**HEAD),
    up(**TEACHER),
    *(
        statistics(line(**{"packets-sent": 250 * n, "lost-by-remote": 0}), **HEAD, timestamp=(NOON + 5_000 * n) * 1_000)
        for n in range(1, 20 * 12)
    ),
]
WENT_DOWN: list[Body] = [janus_event(256, {"status": "shutdown", "signum": 15}, 2, timestamp=DOWN * 1_000)]
WENT_DOWN[0].pop("opaque_id")


def world(**more: object) -> World:
    """Put u1 into a class that names no room."""
    return school(NOON, room=None, learners=("u1",), provider="janus", **more)


async def read(engine: AsyncEngine, events: Sequence[Body], place: int) -> None:
    """Read events as a service does that has just been sent them."""
    row = {"provider": "janus", "minute": 0, "received_at": DOWN, "headers": "{}", "state": 0}
    rows = [row | {"event_id": f"{place}-{number}", "body": JANUS.write(event)} for number, event in enumerate(events)]
    async with storage.writing(engine) as conn:
        await conn.execute(insert(deliveries), rows)
    while await reading.read_waiting(engine, {"janus": JANUS.collector}, EVENING):
        pass


@pytest.mark.parametrize("order", list(itertools.permutations([CAME, WENT_DOWN])), ids=["in order", "word first"])
async def test_who_was_there_when_it_went_down_is_owed_the_rest_of_the_class(
    engine: AsyncEngine, order: Sequence[Sequence[Body]]
) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, world(), NOON - HOUR)
    for place, events in enumerate(order):
        await read(engine, events, place)

    async with storage.reading(engine) as conn:
        seen = await window_book.observations_of(conn, ["c1"])

    made = world()
    [record] = judged(World(made.courses, made.enrolments, made.classes, tuple(seen)), EVENING).records
    assert (record.verdict.value, record.by, record.grade, record.domain) == (
        "UNABLE_PLATFORM",
        "platform",
        "A",
        "node:sfu-1",
    )


async def test_a_class_that_a_shutdown_fell_into_is_judged_again(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, world(), NOON - HOUR)
    await read(engine, CAME, 1)
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    await read(engine, WENT_DOWN, 2)

    async with storage.reading(engine) as conn:
        [due] = (await conn.execute(select(windows.c.due_at))).scalars()
    assert due is not None
    assert due <= EVENING + SECOND
