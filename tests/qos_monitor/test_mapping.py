"""Who and where in the provider's words becomes who and where in ours, whichever is told first."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from gates import SOMEBODY
from hypothesis import given, settings
from hypothesis import strategies as st
from service_parts import MONDAY, SetClock, school, sighting
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import ANYWHERE, Sighting
from qos_monitor import identities, observing, remapping, roster, unmapped
from qos_monitor.identities import Identity
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import sighting_of
from qos_monitor.storage.tables import metadata, observations, windows
from qos_monitor.templates import participant_templates, room_templates
from rules.span import DAY, HOUR, MINUTE
from rules.world import World

NOW = MONDAY + 5 * HOUR


async def store(engine: AsyncEngine, *sightings: Sighting) -> None:
    async with storage.writing(engine) as conn:
        await observing.store(conn, [Entry(replace_known(one), 1) for one in sightings], NOW)


def replace_known(one: Sighting) -> Sighting:
    return replace(one, observation=replace(one.observation, recorded_at=MONDAY))


async def enrol(engine: AsyncEngine, world: World) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, world, NOW)


async def say(engine: AsyncEngine, **people: str | None) -> None:
    """Tell whose names at Agora these are; an underscore before a uid is none of it."""
    listed = [Identity("agora", name.removeprefix("_"), person) for name, person in people.items()]
    await identities.imported(engine, listed, SetClock(NOW), SOMEBODY, is_dry=False)


async def write_as(engine: AsyncEngine, rooms: str = "", people: str = "") -> None:
    """Put templates in force, and place everything anew."""
    await remapping.adopt(engine, (*room_templates(rooms), *participant_templates(people)))
    while await remapping.remap(engine, NOW):
        pass


async def rows(engine: AsyncEngine) -> dict[str, tuple[Any, ...]]:
    async with storage.reading(engine) as conn:
        found = await conn.execute(select(observations))
        return {row.id: (row.class_id, row.participant_id, row.role, row.unmapped) for row in found}


async def test_a_room_is_found_by_the_template_where_the_roster_names_no_room(engine: AsyncEngine) -> None:
    await write_as(engine, "class-{class_id}")
    await enrol(engine, school(MONDAY, room=None))

    await store(engine, sighting("e1", room="class-c1"), sighting("e2", room="class-c9"), sighting("e3", room="c1"))

    assert await rows(engine) == {
        "e1": ("c1", "u1", "learner", None),
        "e2": (None, "u1", "learner", "room"),
        "e3": (None, "u1", "learner", "room"),
    }


async def test_the_rosters_own_room_goes_before_what_a_room_is_called(engine: AsyncEngine) -> None:
    await write_as(engine, "{class_id}")
    await enrol(engine, school(MONDAY, MONDAY, room="c2"))
    other = school(MONDAY, room=None)
    await enrol(engine, replace(other, classes=(replace(other.classes[0], id="c3"),)))

    await store(engine, sighting("by-room", room="c2"), sighting("by-name", room="c3"))

    placed = await rows(engine)
    assert (placed["by-room"][0], placed["by-name"][0]) == ("c1", "c3")


async def test_a_class_of_another_provider_or_another_day_is_not_the_one_that_is_called_so(engine: AsyncEngine) -> None:
    await write_as(engine, "{class_id}")
    await enrol(engine, school(MONDAY, MONDAY + DAY, room=None, provider="livekit"))

    await store(engine, sighting("agora", room="c1"), sighting("livekit", room="c2", source="livekit"))

    assert [place[0] for place in (await rows(engine)).values()] == [None, None]


async def test_the_course_in_a_rooms_name_must_be_the_classs_own(engine: AsyncEngine) -> None:
    await write_as(engine, "{course_id}-{class_id}")
    await enrol(engine, school(MONDAY, room=None))

    await store(engine, sighting("right", room="math-c1"), sighting("wrong", room="art-c1"))

    placed = await rows(engine)
    assert (placed["right"][0], placed["wrong"][0]) == ("c1", None)


async def test_learners_and_teachers_are_found_by_how_their_names_are_written(engine: AsyncEngine) -> None:
    await write_as(engine, people="agora:user_{learner_id},agora:teacher-{teacher_id}")
    await enrol(engine, school(MONDAY))

    people = {"learner": "user_u1", "teacher": "teacher-t1", "plain": "u2", "swapped": "teacher-u1", "nobody": "user_x"}
    await store(engine, *(sighting(name, who=who) for name, who in people.items()))

    assert await rows(engine) == {
        "learner": ("c1", "u1", "learner", None),
        "teacher": ("c1", "t1", "teacher", None),
        "plain": ("c1", "u2", "learner", None),
        "swapped": ("c1", "teacher-u1", "learner", "person"),
        "nobody": ("c1", "user_x", "learner", "person"),
    }


async def test_a_learner_and_a_teacher_of_the_same_id_are_told_apart_by_how_they_are_written(
    engine: AsyncEngine,
) -> None:
    await write_as(engine, people="agora:u{learner_id},agora:t{teacher_id}")
    await enrol(engine, school(MONDAY, learners=("1", "2"), teacher_id="1"))

    await store(engine, sighting("learner", who="u1"), sighting("teacher", who="t1"))

    assert await rows(engine) == {"learner": ("c1", "1", "learner", None), "teacher": ("c1", "1", "teacher", None)}


async def test_what_the_school_says_of_a_name_goes_before_all_else(engine: AsyncEngine) -> None:
    await write_as(engine, people="agora:user_{learner_id}")
    await say(engine, user_u1="u2", _42="u1", u2="t1", u1="somebody")
    await enrol(engine, school(MONDAY))

    people = {"template": "user_u1", "uid": "42", "own": "u2", "stranger": "u1"}
    await store(engine, *(sighting(name, who=who) for name, who in people.items()))

    assert await rows(engine) == {
        "template": ("c1", "u2", "learner", None),
        "uid": ("c1", "u1", "learner", None),
        "own": ("c1", "t1", "teacher", None),
        "stranger": ("c1", "somebody", "learner", "person"),
    }


async def test_who_is_seen_in_no_room_is_found_under_every_name(engine: AsyncEngine) -> None:
    await write_as(engine, people="agora:user_{learner_id}")
    await say(engine, _42="u2")
    names = {"template": "user_u1", "uid": "42", "teacher": "t1", "stranger": "x"}
    await store(engine, *(sighting(name, who=who, room=ANYWHERE) for name, who in names.items()))
    assert {place[0] for place in (await rows(engine)).values()} == {None}

    await enrol(engine, school(MONDAY, room=None))

    assert await rows(engine) == {
        "template": ("c1", "u1", "learner", None),
        "uid": ("c1", "u2", "learner", None),
        "teacher": ("c1", "t1", "teacher", None),
        "stranger": (None, "x", "learner", "person"),
    }


async def test_what_comes_late_is_judged_again(engine: AsyncEngine) -> None:
    await enrol(engine, school(MONDAY))
    await store(engine, sighting("e1", who="42"))
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    await say(engine, _42="u1")

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(windows.c.due_at))).scalars().all() == [NOW]


async def test_a_name_given_back_is_nobodys_again_and_twice_is_once(engine: AsyncEngine) -> None:
    await enrol(engine, school(MONDAY))
    await store(engine, sighting("e1", who="42"))
    before = await rows(engine)

    await say(engine, _42="u1")
    assert (await rows(engine))["e1"][1] == "u1"
    again = await identities.imported(engine, [Identity("agora", "42", "u1")], SetClock(NOW), SOMEBODY, is_dry=False)
    assert again.as_json() == {"added": [], "changed": [], "removed": [], "unchanged": 1}

    await say(engine, _42=None)
    assert await rows(engine) == before


@pytest.mark.parametrize("what", ["identity", "roster", "template"])
async def test_a_reading_and_a_mapping_at_the_same_moment_do_not_miss_each_other(
    engine: AsyncEngine, what: str
) -> None:
    if what != "roster":
        await enrol(engine, school(MONDAY))
    tell: Callable[[], Coroutine[None, None, None]] = {
        "identity": lambda: say(engine, user_u1="u1"),
        "roster": lambda: enrol(engine, school(MONDAY, learners=("user_u1",))),
        "template": lambda: write_as(engine, people="user_{learner_id}"),
    }[what]

    async with storage.writing(engine) as conn:
        await observing.store(conn, [Entry(replace_known(sighting("e1", who="user_u1")), 1)], NOW)
        telling = asyncio.create_task(tell())
        await asyncio.sleep(0.1)  # long enough for it to come as far as it can
        assert not telling.done()
    await telling

    assert (await rows(engine))["e1"] == ("c1", "user_u1" if what == "roster" else "u1", "learner", None)


async def test_of_more_than_can_be_placed_at_once_the_job_takes_care(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_as(engine)
    await enrol(engine, school(MONDAY))
    await store(engine, *(sighting(f"e{number}", who="42", session=f"s{number}") for number in range(3)))
    monkeypatch.setattr(identities, "AT_ONCE_MAX", 2)
    monkeypatch.setattr(remapping, "PIECE", 2)

    await say(engine, _42="u1")
    assert not await remapping.is_whole(engine)
    assert {place[1] for place in (await rows(engine)).values()} == {"42"}

    assert [await remapping.remap(engine, NOW) for _ in range(3)] == [2, 2, 0]
    assert await remapping.is_whole(engine)
    assert {place[1] for place in (await rows(engine)).values()} == {"u1"}


async def test_templates_that_stay_as_they_are_place_nothing_anew(engine: AsyncEngine) -> None:
    given = room_templates("class-{class_id}")

    assert await remapping.adopt(engine, given)
    assert await remapping.remap(engine, NOW) == 0
    assert not await remapping.adopt(engine, given)
    assert await remapping.is_whole(engine)
    assert await remapping.adopt(engine, ())
    assert not await remapping.is_whole(engine)


async def test_unmapped_rooms_and_people_are_counted_by_provider_and_listed_for_a_person(engine: AsyncEngine) -> None:
    await say(engine, _7="stranger")
    await enrol(engine, school(MONDAY))
    await store(
        engine,
        sighting("known"),
        sighting("room-1", room="r9"),
        sighting("room-2", room="r9", who="u2", at=MONDAY + MINUTE),
        sighting("person", who="7"),
        sighting("roomless", who="x", room=ANYWHERE),
        sighting("gone", room="old", source="left-us"),
        sighting("long-ago", room="r9", at=MONDAY - 7 * DAY),
        sighting("ours", room="c-unknown", placed=True),
    )

    async with storage.reading(engine) as conn:
        counted = await unmapped.counts(conn, ["agora", "livekit"], MONDAY + 1)
        listed = [one.as_json() for one in await unmapped.listed(conn, MONDAY - HOUR, "agora")]

    assert {key: count for key, count in counted.items() if count} == {
        ("agora", "room"): 2,
        ("agora", "person"): 2,
        ("other", "room"): 1,
    }
    assert counted["livekit", "person"] == 0
    words = [(one["what"], one["room"], one["class_id"], one["name"], one["observations"]) for one in listed]
    assert words == [
        ("room", "r9", None, None, 2),
        ("person", None, None, "x", 1),
        ("person", "r1", "c1", "7", 1),
    ]
    assert (listed[0]["first_at"], listed[0]["last_at"]) == ("2026-11-02T11:00:00.000Z", "2026-11-02T11:01:00.000Z")


async def test_of_a_flood_of_unmapped_names_only_the_latest_are_counted(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(engine, *(sighting(f"e{number}", room=f"r{number}") for number in range(5)))
    monkeypatch.setattr(unmapped, "COUNTED_MAX", 3)

    async with storage.reading(engine) as conn:
        assert (await unmapped.counts(conn, ["agora"], MONDAY))["agora", "room"] == 3


_PEOPLE = ("u1", "u2", "user_u1", "user_u2", "teacher-t1", "42", "43", "x")
_ROOMS = ("r1", "class-c1", "class-c2", "class-c2-math", "math", ANYWHERE, "r9")
SEEN = st.builds(
    lambda number, who, room, at: sighting(f"e{number}", who=who, room=room, at=at, session=f"s{number}"),
    st.integers(0, 9),
    st.sampled_from(_PEOPLE),
    st.sampled_from(_ROOMS),
    st.sampled_from([MONDAY - HOUR, MONDAY + MINUTE, MONDAY + 70 * MINUTE, MONDAY + 4 * HOUR]),
)
SAID = st.dictionaries(st.sampled_from(["42", "43", "u1", "user_u2"]), st.sampled_from(["u1", "u2", "t1", "y"]))
HOW = st.tuples(
    st.sampled_from(["", "class-{class_id}", "class-{class_id}-{course_id}", "class-{class_id}-{anything}"]),
    st.sampled_from(["", "agora:user_{learner_id},agora:teacher-{teacher_id}"]),
)


FIRST = school(MONDAY, room="r1")
LAST = school(MONDAY + HOUR, room=None, learners=("u2",))
CHANGED = replace(LAST, classes=(replace(LAST.classes[0], id="c2"),), enrolments=())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('mapping')}/qos.sqlite3"


@settings(max_examples=25)
@given(
    st.lists(SEEN, max_size=8, unique_by=lambda one: one.observation.id),
    SAID,
    HOW,
    st.permutations(["seen", "more", "said", "roster", "how", "changed"]),
)
def test_whatever_is_told_first_the_same_stands_in_the_end(
    database: str, seen: Sequence[Sighting], said: dict[str, str], how: tuple[str, str], order: Sequence[str]
) -> None:
    telling: dict[str, Callable[[AsyncEngine], Awaitable[None]]] = {
        "seen": lambda engine: store(engine, *seen[::2]),
        "more": lambda engine: store(engine, *seen[1::2]),
        "said": lambda engine: say(engine, **{f"_{name}": person for name, person in said.items()}),
        "how": lambda engine: write_as(engine, *how),
        "roster": lambda engine: enrol(engine, FIRST),
        "changed": lambda engine: enrol(engine, CHANGED),
    }

    async def state(steps: Sequence[str]) -> list[tuple[Any, ...]]:
        engine = storage.create(database)
        try:
            async with storage.writing(engine) as conn:
                await conn.run_sync(metadata.create_all)
                for table in metadata.sorted_tables:
                    await conn.execute(table.delete())
            for step in steps:
                await telling[step](engine)
            async with storage.reading(engine) as conn:
                found = (await conn.execute(select(observations).order_by(observations.c.id))).all()
        finally:
            await engine.dispose()
        names = sorted((one.observation.id, one.observation.class_id, one.observation.participant_id) for one in seen)
        read = [sighting_of(row).observation for row in found]
        assert [(one.id, one.class_id, one.participant_id) for one in read] == names
        return [(row.id, row.class_id, row.participant_id, row.named, row.role, row.unmapped) for row in found]

    assert asyncio.run(state(order)) == asyncio.run(state(["how", "said", "roster", "changed", "seen", "more"]))
