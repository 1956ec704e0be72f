"""What a room cannot place and one event cannot measure: people in no room, and counters that never began anew."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_parts import MONDAY, school, sighting
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import ANYWHERE, Sighting
from collectors.threads import settled, totals
from qos_monitor import observing, roster
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import sighting_of
from qos_monitor.storage.tables import metadata, observations
from rules.observation import Observation
from rules.span import HOUR, MINUTE, SECOND, Instant

NOW = MONDAY + 5 * HOUR


async def store(engine: AsyncEngine, *sightings: Sighting) -> int:
    async with storage.writing(engine) as conn:
        return len(await observing.store(conn, [Entry(one, 1) for one in sightings], NOW))


async def enrol(engine: AsyncEngine, *starts: Instant, room: str | None = None, learners: str = "u1,u2") -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(*starts, room=room, learners=tuple(learners.split(","))), NOW)


async def places(engine: AsyncEngine) -> dict[str, tuple[str | None, str | None]]:
    async with storage.reading(engine) as conn:
        return {
            row.id: (row.class_id, row.role)
            for row in await conn.execute(select(observations).order_by(observations.c.seq))
        }


def somewhere(name: str, who: str = "u1", at: Instant = MONDAY) -> Sighting:
    """Build a sighting of an event that names nobody's room."""
    return replace(sighting(name, at=at, room=ANYWHERE, who=who, recorded_at=MONDAY), thread=f"h-{name}", order=1)


async def test_who_is_in_no_room_is_in_the_class_the_roster_has_them_in(engine: AsyncEngine) -> None:
    await enrol(engine, MONDAY, MONDAY + 3 * HOUR)

    await store(
        engine,
        somewhere("first"),
        somewhere("second", at=MONDAY + 3 * HOUR),
        somewhere("teacher", who="t1"),
        somewhere("stranger", who="x"),
        somewhere("another-day", at=MONDAY + 30 * HOUR),
    )

    assert await places(engine) == {
        "first": ("c1", "learner"),
        "second": ("c2", "learner"),
        "teacher": ("c1", "teacher"),
        "stranger": (None, "learner"),
        "another-day": (None, "learner"),
    }


async def test_who_was_seen_before_the_roster_is_placed_when_it_arrives_and_again_when_it_changes(
    engine: AsyncEngine,
) -> None:
    await store(engine, somewhere("e1"), somewhere("e2", who="u2"), somewhere("e3", who="u3"))
    assert {class_id for class_id, _ in (await places(engine)).values()} == {None}

    await enrol(engine, MONDAY)
    assert [class_id for class_id, _ in (await places(engine)).values()] == ["c1", "c1", None]

    await enrol(engine, MONDAY, learners="u1,u3")
    assert [class_id for class_id, _ in (await places(engine)).values()] == ["c1", None, "c1"]


async def test_a_room_that_is_named_is_not_looked_past(engine: AsyncEngine) -> None:
    await enrol(engine, MONDAY, room="r1")

    await store(engine, sighting("elsewhere", room="r2"), sighting("guest", who="x"), somewhere("e1"))

    assert [class_id for class_id, _ in (await places(engine)).values()] == [None, "c1", "c1"]


def span(seconds: int, lost: int, sent: int) -> Sighting:
    """Build a span of a thread whose provider counts from the beginning."""
    until = MONDAY + seconds * SECOND
    built = sighting(
        f"q{seconds}",
        "quality",
        until - 5 * SECOND,
        until=until,
        thread="h1:0",
        order=seconds,
        metrics={"rtt_ms": 20},
        code=totals(lost, sent),
        recorded_at=MONDAY,
    )
    return replace(built, observation=replace(built.observation, session="h1:0"))


async def spans(engine: AsyncEngine) -> list[Observation]:
    async with storage.reading(engine) as conn:
        found = await conn.execute(select(observations).order_by(observations.c.thread_order))
        return [sighting_of(row).observation for row in found]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_a_span_that_arrives_late_shortens_the_one_after_it(engine: AsyncEngine, order: tuple[int, ...]) -> None:
    await enrol(engine, MONDAY, room="r1")
    thread = [span(2, 0, 100), span(4, 31, 200), span(6, 31, 300)]

    for index in order:
        await store(engine, thread[index])

    told = await spans(engine)
    assert [one.metrics["loss"] for one in told] == [0, 0.31, 0]
    assert [(one.at - MONDAY) // SECOND for one in told] == [-3, 2, 4]
    assert {class_id for class_id, _ in (await places(engine)).values()} == {"c1"}


async def test_a_span_is_read_with_its_neighbours_alone(engine: AsyncEngine) -> None:
    """A handle has thousands: what lies before the neighbour is not read, so a mark left there stays."""
    for seconds in (2, 4, 6):
        await store(engine, span(seconds, 0, 50 * seconds))
    async with storage.writing(engine) as conn:
        marked = update(observations).where(observations.c.id.in_(["q2", "q4"])).values(metrics='{"loss":0.9}')
        await conn.execute(marked)

    await store(engine, span(8, 10, 400))

    assert [one.metrics.get("loss") for one in await spans(engine)] == [0.9, 0.9, 0, 0.1]


steps = st.lists(
    st.tuples(st.integers(1, 90), st.integers(0, 60), st.integers(0, 400)),
    min_size=1,
    max_size=8,
    unique_by=lambda step: step[0],
)


@settings(max_examples=40, deadline=None)
@given(steps=steps, seed=st.integers(0, 2**32), cut=st.integers(1, 5))
def test_spans_that_arrive_in_any_order_and_twice_are_stored_as_if_read_whole(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]], seed: int, cut: int
) -> None:
    thread = [span(*step) for step in steps]
    arriving = thread + thread[:2]
    random.Random(seed).shuffle(arriving)  # noqa: S311 - chance, not a secret

    async def stored() -> list[tuple[str, Instant, dict[str, float]]]:
        engine = storage.create(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('spans')}/qos.sqlite3")
        async with storage.writing(engine) as conn:
            await conn.run_sync(metadata.create_all)
        for first in range(0, len(arriving), cut):
            await store(engine, *arriving[first : first + cut])
        found = [(one.id, one.at, dict(one.metrics)) for one in await spans(engine)]
        await engine.dispose()
        return found

    whole = [(s.observation.id, s.observation.at, dict(s.observation.metrics)) for s in settled(thread)]
    assert asyncio.run(stored()) == whole


async def test_a_class_that_moves_takes_its_spans_along_as_they_are(engine: AsyncEngine) -> None:
    await enrol(engine, MONDAY, room="r1")
    await store(engine, span(2, 0, 100), span(4, 31, 200))
    before = await spans(engine)

    await enrol(engine, MONDAY - 30 * MINUTE, room="r1")

    assert await spans(engine) == before
