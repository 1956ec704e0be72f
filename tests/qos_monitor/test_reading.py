"""Deliveries become observations: late, doubled, reordered, threaded, before the roster, and past a bug."""

import asyncio
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_parts import MONDAY, SpokenCollector, said, school, sighting
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Sighting
from collectors.threads import named
from qos_monitor import observation_lines, observing, reading, roster
from qos_monitor.due import PROVISIONAL_AFTER
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of, window_of
from qos_monitor.storage.tables import READ, UNREADABLE, deliveries, learners, metadata, observations, windows
from rules.span import HOUR, MINUTE, SECOND, Instant

COLLECTORS = {"agora": SpokenCollector()}
NOW = MONDAY + 5 * HOUR
STRANGE = (float("inf"), float("nan"), 10**400, "long")
"""What is no number of which both databases could be told."""


async def deliver(engine: AsyncEngine, *bodies: bytes, at: Instant = MONDAY, provider: str = "agora") -> None:
    async with storage.writing(engine) as conn:
        held = (await conn.execute(select(deliveries.c.seq))).all()
        rows = [
            {
                "provider": provider,
                "minute": 0,
                "event_id": f"{len(held)}-{number}",
                "received_at": at,
                "headers": "{}",
                "body": body,
                "state": 0,
            }
            for number, body in enumerate(bodies)
        ]
        await conn.execute(insert(deliveries), rows)


async def enrol(engine: AsyncEngine, *starts: Instant, now: Instant = MONDAY - HOUR) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(*starts), now)


async def rows(engine: AsyncEngine) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Tell class, role and session of each observation."""
    async with storage.reading(engine) as conn:
        found = await conn.execute(select(observations))
        return {row.id: (row.class_id, row.role, row.session) for row in found}


async def due(engine: AsyncEngine) -> dict[int, Instant | None]:
    async with storage.reading(engine) as conn:
        return {row.window: row.due_at for row in await conn.execute(select(windows))}


async def states(engine: AsyncEngine) -> list[tuple[int, str | None]]:
    async with storage.reading(engine) as conn:
        found = await conn.execute(select(deliveries.c.state, deliveries.c.problem).order_by(deliveries.c.seq))
        return [(row.state, row.problem) for row in found]


async def store(engine: AsyncEngine, *sightings: Sighting, now: Instant = NOW) -> int:
    async with storage.writing(engine) as conn:
        return len(await observing.store(conn, [Entry(one, 1) for one in sightings], now))


async def test_a_delivery_becomes_an_observation_of_our_class_and_learner(engine: AsyncEngine) -> None:
    await enrol(engine)
    await deliver(engine, said("e1", who="u1"), said("e2", who="t1"), at=MONDAY + SECOND)

    assert await reading.read_waiting(engine, COLLECTORS, NOW, 10) == 2

    assert await rows(engine) == {"e1": ("c1", "learner", "s1"), "e2": ("c1", "teacher", "s1")}
    assert await states(engine) == [(READ, None), (READ, None)]
    async with storage.reading(engine) as conn:
        seen = observation_of((await conn.execute(select(observations).where(observations.c.id == "e1"))).one())
    assert seen.recorded_at == MONDAY + SECOND


async def test_nothing_waits_then_nothing_is_done(engine: AsyncEngine) -> None:
    assert await reading.read_waiting(engine, COLLECTORS, NOW, 10) == 0


async def test_a_batch_is_cut_at_its_limit_and_the_rest_is_read_next(engine: AsyncEngine) -> None:
    await deliver(engine, *(said(f"e{number}") for number in range(5)))

    counts = [await reading.read_waiting(engine, COLLECTORS, NOW, 2) for _ in range(4)]

    assert counts == [2, 2, 1, 0]


async def test_unreadable_bytes_and_a_bug_stop_nobody_behind_them(engine: AsyncEngine) -> None:
    measured = [
        said(f"e4{value}", kind="quality", until=MONDAY + MINUTE, metrics={"rtt_ms": value}) for value in STRANGE
    ]
    await deliver(engine, b"not json", said("e1", bug="u1"), said("e2", code="half \ud800"), *measured, said("e3"))

    report = await reading.read_batch(engine, COLLECTORS, NOW, 10)

    assert await states(engine) == [
        (UNREADABLE, "Unreadable: the body is not JSON"),
        (UNREADABLE, "KeyError"),
        *[(UNREADABLE, "NotStorable")] * (1 + len(STRANGE)),
        (READ, None),
    ]
    assert report.read == {("agora", "unreadable"): 3 + len(STRANGE), ("agora", "read"): 1}
    assert set(await rows(engine)) == {"e3"}


async def test_a_provider_that_is_not_configured_at_present_waits_and_holds_up_nobody(engine: AsyncEngine) -> None:
    await deliver(engine, said("e1"), said("e2"), provider="livekit")
    await deliver(engine, said("e3"))

    assert await reading.read_waiting(engine, COLLECTORS, NOW, 1) == 1
    assert set(await rows(engine)) == {"e3"}
    both = {**COLLECTORS, "livekit": SpokenCollector("livekit")}
    assert await reading.read_waiting(engine, both, NOW, 10) == 2


async def test_a_repeat_in_another_delivery_changes_nothing_and_asks_for_no_judgement(engine: AsyncEngine) -> None:
    await enrol(engine)
    await deliver(engine, said("e1"), at=MONDAY)
    await reading.read_waiting(engine, COLLECTORS, NOW, 10)
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    await deliver(engine, said("e1"), at=MONDAY + MINUTE)
    report = await reading.read_batch(engine, COLLECTORS, NOW + HOUR, 10)

    assert report.observations == []
    assert await due(engine) == {window_of(MONDAY): None}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_copies_that_differ_the_earliest_recorded_stays_whatever_came_first(
    engine: AsyncEngine, order: tuple[int, int]
) -> None:
    await enrol(engine)
    copies = [sighting("e1", code="first", recorded_at=MONDAY), sighting("e1", code="second", recorded_at=MONDAY + 1)]

    for index in order:
        await store(engine, copies[index])

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(observations.c.code))).scalars().all() == ["first"]


@pytest.mark.parametrize(("said", "kept"), [(None, 0), (-HOUR, -HOUR), (HOUR, 0)])
async def test_a_sender_may_have_known_before_us_but_not_after(
    engine: AsyncEngine, said: int | None, kept: int
) -> None:
    line = sighting("e1", room="c1", placed=True, recorded_at=None if said is None else MONDAY + said).observation
    await deliver(engine, json.dumps(line.as_json()).encode(), provider=observation_lines.PROVIDER)

    await reading.read_waiting(engine, {observation_lines.PROVIDER: observation_lines.ObservationLines()}, NOW)

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(observations.c.recorded_at))).scalars().all() == [MONDAY + kept]


async def test_a_late_event_has_the_window_judged_again_at_once(engine: AsyncEngine) -> None:
    await enrol(engine)
    assert await due(engine) == {window_of(MONDAY): MONDAY + HOUR + PROVISIONAL_AFTER}
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=MONDAY + 30 * HOUR, judged_at=MONDAY + 2 * HOUR))

    await store(engine, sighting("late"), now=NOW)

    assert await due(engine) == {window_of(MONDAY): NOW}


async def test_an_event_of_a_running_class_waits_for_the_class_to_end(engine: AsyncEngine) -> None:
    await enrol(engine)

    await store(engine, sighting("e1"), now=MONDAY + MINUTE)

    assert await due(engine) == {window_of(MONDAY): MONDAY + HOUR + PROVISIONAL_AFTER}


async def test_a_check_has_the_learner_looked_at_again(engine: AsyncEngine) -> None:
    await store(engine, sighting("k1", "check_failed", room=None, session=None, fault="platform", placed=True))

    async with storage.reading(engine) as conn:
        assert [tuple(row) for row in await conn.execute(select(learners.c.id, learners.c.look_again_at))] == [
            ("u1", NOW)
        ]


async def test_a_sign_of_life_of_the_feed_touches_every_class_it_covers(engine: AsyncEngine) -> None:
    await enrol(engine, MONDAY, MONDAY + 24 * HOUR)
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    await store(engine, sighting("f1", "feed_alive", room=None, who=None, session=None, until=MONDAY + HOUR))

    assert await due(engine) == {window_of(MONDAY): NOW, window_of(MONDAY + 24 * HOUR): None}


THREAD = [
    sighting("j1", "joined", MONDAY, thread="u1@r1", order=1),
    sighting("l2", "left", MONDAY + 10 * MINUTE, thread="u1@r1", order=2),
    sighting("j3", "joined", MONDAY + 11 * MINUTE, thread="u1@r1", order=3),
    sighting("l4", "left", MONDAY + 50 * MINUTE, thread="u1@r1", order=4),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_sessions_of_a_thread_are_the_same_whatever_came_first(engine: AsyncEngine, order: Sequence[int]) -> None:
    await enrol(engine)
    for index in order:
        await store(engine, THREAD[index])

    sessions = {name: session for name, (_, _, session) in (await rows(engine)).items()}

    assert sessions == {"j1": "u1@r1#1", "l2": "u1@r1#1", "j3": "u1@r1#3", "l4": "u1@r1#3"}


async def test_a_late_join_moves_the_leave_after_it_and_has_it_judged_again(engine: AsyncEngine) -> None:
    await enrol(engine)
    await store(engine, THREAD[0], THREAD[3])
    assert (await rows(engine))["l4"][2] == "u1@r1#1"
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    await store(engine, THREAD[2])

    assert (await rows(engine))["l4"][2] == "u1@r1#3"
    assert await due(engine) == {window_of(MONDAY): NOW}


async def test_what_came_before_the_roster_is_kept_and_placed_when_it_arrives(engine: AsyncEngine) -> None:
    await store(engine, sighting("e1"), sighting("e2", who="t1"), sighting("e3", room="elsewhere"))
    assert {name: row[0] for name, row in (await rows(engine)).items()} == {"e1": None, "e2": None, "e3": None}

    await enrol(engine, now=NOW)

    found = await rows(engine)
    assert found["e1"] == ("c1", "learner", "s1")
    assert found["e2"] == ("c1", "teacher", "s1")
    assert found["e3"] == (None, "learner", "s1")
    assert await due(engine) == {window_of(MONDAY): NOW}


async def test_a_class_that_moves_takes_what_was_seen_along_and_both_windows_are_judged(engine: AsyncEngine) -> None:
    await enrol(engine, MONDAY, MONDAY + 24 * HOUR)
    tuesday = MONDAY + 24 * HOUR
    await store(engine, sighting("e1", at=tuesday + 70 * MINUTE))
    assert (await rows(engine))["e1"][0] == "c2"
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None, judged_at=NOW))

    await enrol(engine, MONDAY, tuesday + 3 * HOUR + 30 * MINUTE, now=tuesday)

    assert (await rows(engine))["e1"][0] is None
    assert (await due(engine))[window_of(tuesday)] == tuesday


@pytest.mark.parametrize(
    ("at", "class_id"),
    [
        (MONDAY - 15 * MINUTE, "c1"),
        (MONDAY + HOUR - 1, "c1"),
        (MONDAY + 90 * MINUTE - 1, "c1"),  # before the second class's join window opens it is nearer to the first
        (MONDAY + 105 * MINUTE, "c2"),  # 15 min before the second class: its join window is open
        (MONDAY + 105 * MINUTE - 1, "c2"),  # outside of both, nearer to the second
        (MONDAY + 2 * HOUR, "c2"),
        (MONDAY - 3 * HOUR, None),
        (MONDAY + 6 * HOUR, None),
    ],
)
async def test_of_two_classes_in_a_room_an_event_is_the_nearer_one_s(
    engine: AsyncEngine, at: Instant, class_id: str | None
) -> None:
    await enrol(engine, MONDAY, MONDAY + 2 * HOUR)

    await store(engine, sighting("e1", at=at))

    assert (await rows(engine))["e1"][0] == class_id


async def test_a_learner_who_comes_early_is_of_the_class_that_has_them(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        both = school(MONDAY, MONDAY + HOUR)
        first, second = (replace(row, learner_ids=(who,)) for row, who in zip(both.classes, ("u1", "u2"), strict=True))
        await roster.apply(conn, replace(both, classes=(first, second)), MONDAY)

    await store(engine, sighting("e1", at=MONDAY + 55 * MINUTE, who="u2"), sighting("e2", at=MONDAY + 55 * MINUTE))

    assert {name: row[0] for name, row in (await rows(engine)).items()} == {"e1": "c2", "e2": "c1"}


async def test_our_own_ids_are_taken_as_they_are(engine: AsyncEngine) -> None:
    await enrol(engine)

    await store(engine, sighting("b1", room="c1", source="beacon", placed=True))

    assert (await rows(engine))["b1"][0] == "c1"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_order_repetition_and_batching_never_change_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    sightings = [
        *THREAD,
        sighting("x", code="a", recorded_at=MONDAY + 5),
        sighting("x", code="b", recorded_at=MONDAY + 5),
        sighting("y", "quality", until=MONDAY + MINUTE, session=None, metrics={"loss": 0.5}),
    ]
    shuffled = sightings + random.Random(seed).sample(sightings, 5)  # noqa: S311 - a seed, not a secret
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    bounds = sorted({0, *cuts, len(shuffled)})

    async def stored(batches: list[list[Sighting]], name: str) -> set[tuple[object, ...]]:
        engine = storage.create(f"sqlite+aiosqlite:///{folder / name}")
        await storage.migrate(engine)
        await enrol(engine)
        for batch in batches:
            await store(engine, *batch)
        async with storage.reading(engine) as conn:
            columns = [column for column in observations.c if column.name != "seq"]
            found = {tuple(row) for row in await conn.execute(select(*columns))}
        await engine.dispose()
        return found

    async def both() -> None:
        batches = [shuffled[low:high] for low, high in itertools.pairwise(bounds)]
        assert await stored(batches, "one") == await stored([sightings], "other")

    asyncio.run(both())


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["joined", "left"])), min_size=1, max_size=14),
    cut=st.integers(1, 5),
)
def test_a_long_thread_read_in_part_is_named_as_if_it_were_read_whole(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, str]], cut: int
) -> None:
    thread = [
        sighting(f"e{number}", kind, MONDAY + order * MINUTE, thread="u1@r1", order=order, recorded_at=MONDAY)
        for number, (order, kind) in enumerate(events)
    ]
    whole = {one.observation.id: one.observation.session for one in named(thread)}

    async def stored() -> dict[str, str | None]:
        engine = storage.create(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('thread')}/qos.sqlite3")
        async with storage.writing(engine) as conn:
            await conn.run_sync(metadata.create_all)
        for first in range(0, len(thread), cut):
            await store(engine, *thread[first : first + cut])
        found = {name: session for name, (_, _, session) in (await rows(engine)).items()}
        await engine.dispose()
        return found

    assert asyncio.run(stored()) == whole
