"""The roster: what would change, what changes, and what that touches."""

from dataclasses import replace

import pytest
from gates import SOMEBODY
from service_parts import MONDAY, SetClock, enrolment, row, school
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import roster
from qos_monitor.errors import InputError
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import class_of, enrolment_of, window_of
from qos_monitor.storage.tables import class_learners, classes, enrolments, learners, verdicts, windows
from rules.span import HOUR, MINUTE
from rules.world import World, read_roster

CLOCK = SetClock(MONDAY - HOUR)


async def put(engine: AsyncEngine, world: World, *, is_dry: bool = False) -> dict[str, object]:
    return (await roster.imported(engine, world, CLOCK, SOMEBODY, is_dry=is_dry)).as_json()


def nothing_but(**changes: object) -> dict[str, object]:
    empty = {"added": [], "changed": {}, "unchanged": 0}
    return {table: changes.get(table, empty) for table in ("courses", "enrolments", "classes")}


async def test_a_roster_is_stored_and_read_back_as_it_was(engine: AsyncEngine) -> None:
    off = {"at": "2026-11-02T10:00:00Z", "by": "platform", "technical": True}
    world = school(MONDAY, cancelled=off)

    await put(engine, world)

    async with storage.reading(engine) as conn:
        members = (await conn.execute(select(class_learners.c.learner_id))).scalars().all()
        row = (await conn.execute(select(classes))).one()
        assert class_of(row, sorted(members)) == world.classes[0]
        assert {enrolment_of(row) for row in await conn.execute(select(enrolments))} == set(world.enrolments)
        assert [tuple(row) for row in await conn.execute(select(windows.c.window, windows.c.due_at))] == [
            (window_of(MONDAY), MONDAY + HOUR + 15 * MINUTE)
        ]


async def test_a_dry_run_tells_and_changes_nothing(engine: AsyncEngine) -> None:
    told = await put(engine, school(), is_dry=True)

    assert told == {
        "courses": {"added": ["math"], "changed": {}, "unchanged": 0},
        "enrolments": {"added": ["e-u1", "e-u2"], "changed": {}, "unchanged": 0},
        "classes": {"added": ["c1"], "changed": {}, "unchanged": 0},
    }
    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(func.count()).select_from(classes))).scalar_one() == 0


async def test_applying_does_what_the_dry_run_told_and_twice_is_once(engine: AsyncEngine) -> None:
    told = await put(engine, school(), is_dry=True)

    assert await put(engine, school()) == told
    again = await put(engine, school())

    assert again == {
        "courses": {"added": [], "changed": {}, "unchanged": 1},
        "enrolments": {"added": [], "changed": {}, "unchanged": 2},
        "classes": {"added": [], "changed": {}, "unchanged": 1},
    }


async def test_a_change_is_told_with_its_keys(engine: AsyncEngine) -> None:
    await put(engine, school())
    world = school(learners=("u2", "u3"))
    dearer = read_roster({"enrolments": [enrolment("e-u1", "u1", price_minor=500000, lessons_used_before=21)]})
    changed = replace(world, enrolments=dearer.enrolments, courses=())

    told = await put(engine, changed)

    assert told == nothing_but(
        classes={"added": [], "changed": {"c1": ["learner_ids"]}, "unchanged": 0},
        enrolments={"added": [], "changed": {"e-u1": ["price_minor", "lessons_used_before"]}, "unchanged": 0},
    )
    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(class_learners.c.learner_id))).scalars().all() == ["u2", "u3"]


async def test_the_order_of_learners_is_no_change(engine: AsyncEngine) -> None:
    await put(engine, school(learners=("u1", "u2")))

    told = await put(engine, replace(school(learners=("u2", "u1")), enrolments=(), courses=()))

    assert told == nothing_but(classes={"added": [], "changed": {}, "unchanged": 1})


async def test_what_a_roster_does_not_name_stays(engine: AsyncEngine) -> None:
    await put(engine, school(MONDAY, MONDAY + 24 * HOUR))

    await put(engine, school(MONDAY))

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(classes.c.id).order_by(classes.c.id))).scalars().all() == ["c1", "c2"]


async def test_two_enrolments_that_start_together_are_refused_across_requests(engine: AsyncEngine) -> None:
    await put(engine, school())
    rival = read_roster({"enrolments": [enrolment("other", "u1")]})

    with pytest.raises(InputError) as caught:
        await put(engine, rival, is_dry=True)

    assert [problem.path for problem in caught.value.problems] == ["enrolments[0].starts_at"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"learner_id": "u" * 201}, "enrolments[0].learner_id"),
        ({"course_id": "m\0ath"}, "enrolments[0].course_id"),
        ({"price_minor": 2**60}, "enrolments[0].price_minor"),
    ],
)
async def test_what_no_database_can_hold_is_refused_with_its_path(
    engine: AsyncEngine, changes: dict[str, object], path: str
) -> None:
    row = {**enrolment("e1", "u1"), **changes}

    with pytest.raises(InputError) as caught:
        await put(engine, read_roster({"enrolments": [row]}))

    assert [problem.path for problem in caught.value.problems] == [path]


async def test_money_that_changes_has_a_judged_learner_looked_at_and_no_other(engine: AsyncEngine) -> None:
    await put(engine, school())
    async with storage.writing(engine) as conn:
        values = row(verdicts, learner_id="u1", class_id="c1", verdict="ATTENDED", firm=True, current=True)
        await conn.execute(verdicts.insert(), [values])
    rows = [enrolment(f"e-{who}", who, paid_minor=1) for who in ("u1", "u2")]

    await put(engine, read_roster({"enrolments": rows}))

    async with storage.reading(engine) as conn:
        assert [tuple(row) for row in await conn.execute(select(learners.c.id, learners.c.look_again_at))] == [
            ("u1", CLOCK.at)
        ]


async def test_a_course_that_becomes_visual_has_its_classes_judged_again(engine: AsyncEngine) -> None:
    await put(engine, school())
    async with storage.writing(engine) as conn:
        await conn.execute(windows.update().values(due_at=None))

    course = {"id": "math", "title": "Math", "visual_essential": True}
    async with storage.writing(engine) as conn:
        await roster.apply(conn, read_roster({"courses": [course]}), MONDAY + 9 * HOUR)

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(windows.c.due_at))).scalars().all() == [MONDAY + 9 * HOUR]


async def test_a_large_roster_is_one_request(engine: AsyncEngine) -> None:
    starts = [MONDAY + day * 24 * HOUR for day in range(700)]

    told = await put(engine, school(*starts))

    assert len(told["classes"]["added"]) == 700  # type: ignore[index]  # the shape of this JSON
