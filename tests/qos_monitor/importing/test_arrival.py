"""Imports against the real store: first told, then done, and done again without effect."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.errors import InputError
from qos_monitor.importing import arrival, sheets
from qos_monitor.importing.draft import Draft
from qos_monitor.storage.engine import reading
from qos_monitor.storage.rows import class_of, course_of
from qos_monitor.storage.tables import classes, courses
from rules.span import DAY, HOUR, Instant, Span, format_instant, parse_instant
from rules.world import Cancellation

NOW = parse_instant("2026-11-02T00:00:00Z")
ALL = Span(NOW - 10 * DAY, NOW + 10 * DAY)


class Clock:
    """Stands still."""

    def now(self) -> Instant:
        """Give the instant."""
        return NOW


def lesson(
    class_id: str, starts_at: Instant, *, course: str = "math", off: Cancellation | None = None
) -> dict[str, object]:
    return {
        "id": class_id,
        "course_id": course,
        "starts_at": format_instant(starts_at),
        "ends_at": format_instant(starts_at + HOUR),
        "provider": "agora",
        "room_id": None,
        "teacher_id": "t1",
        "learner_ids": ["u2", "u1"],
        "cancelled": None if off is None else off.as_json(),
    }


def drafted(*rows: dict[str, object], is_calendar: bool = False) -> Draft:
    draft = Draft(knows_cancellations=not is_calendar)
    for number, row in enumerate(rows, start=2):
        draft.add("classes", row, f"c.csv:{number}")
    return draft


async def arrived(
    engine: AsyncEngine, draft: Draft, *, whole: Span | None = None, is_dry: bool = False
) -> arrival.Outcome:
    return await arrival.imported(engine, draft, Clock(), whole=whole, is_dry=is_dry)


async def cancellations(engine: AsyncEngine) -> dict[str, Cancellation | None]:
    async with reading(engine) as conn:
        rows = await conn.execute(classes.select())
        return {row.id: class_of(row, ()).cancelled for row in rows}


async def test_a_dry_run_tells_what_the_import_then_does_once(engine: AsyncEngine) -> None:
    draft = drafted(lesson("a", NOW + HOUR), lesson("b", NOW + DAY))
    dry = await arrived(engine, draft, whole=ALL, is_dry=True)
    assert await cancellations(engine) == {}
    assert await arrived(engine, draft, whole=ALL) == dry
    again = await arrived(engine, draft, whole=ALL)
    assert (again.plan.classes.ids, again.plan.classes.unchanged, again.ended) == (set(), 2, ())


async def test_a_class_to_come_that_is_in_a_whole_file_no_more_has_ended(engine: AsyncEngine) -> None:
    stored = [
        lesson("begun", NOW - 1),
        lesson("gone", NOW),
        lesson("stays", NOW + DAY),
        lesson("beyond", ALL.end),
        lesson("other", NOW + DAY, course="art"),
    ]
    await arrived(engine, drafted(*stored))
    rest = drafted(stored[2])
    assert (await arrived(engine, rest)).ended == ()
    assert (await arrived(engine, rest, whole=ALL)).ended == ("gone",)
    off = Cancellation(at=NOW, by="platform", is_technical=False)
    assert {name: found for name, found in (await cancellations(engine)).items() if found} == {"gone": off}
    again = await arrived(engine, rest, whole=ALL)
    assert (again.ended, again.plan.classes.ids) == ((), set())


async def test_a_class_that_ended_keeps_its_learners_and_comes_back_with_its_line(engine: AsyncEngine) -> None:
    gone, stays = lesson("gone", NOW + DAY), lesson("stays", NOW + DAY)
    await arrived(engine, drafted(gone, stays))
    outcome = await arrived(engine, drafted(stays), whole=ALL)
    assert outcome.plan.classes.changed == {"gone": ("cancelled",)}
    await arrived(engine, drafted(gone, stays, is_calendar=True), whole=ALL)
    assert (await cancellations(engine))["gone"] is None


async def test_a_calendar_does_not_change_when_a_class_was_called_off(engine: AsyncEngine) -> None:
    first = Cancellation(NOW - DAY, "platform", is_technical=False)
    later = Cancellation(NOW, "platform", is_technical=False)
    await arrived(engine, drafted(lesson("a", NOW + DAY, off=first), is_calendar=True))
    again = await arrived(engine, drafted(lesson("a", NOW + DAY, off=later), is_calendar=True))
    assert again.plan.classes.unchanged == 1
    await arrived(engine, drafted(lesson("a", NOW + DAY, off=later)))
    assert (await cancellations(engine))["a"] == later


async def test_a_calendar_does_not_take_back_a_technical_cancellation(engine: AsyncEngine) -> None:
    technical = Cancellation(NOW - DAY, "platform", is_technical=True)
    await arrived(engine, drafted(lesson("a", NOW + DAY, off=technical)))
    again = await arrived(engine, drafted(lesson("a", NOW + DAY), is_calendar=True))
    assert again.plan.classes.unchanged == 1


@pytest.mark.parametrize("is_essential", [True, False])
async def test_what_a_file_does_not_know_of_a_course_stays(engine: AsyncEngine, is_essential: bool) -> None:
    known, unknowing = Draft(), Draft(knows_essence=False)
    known.add("courses", {"id": "art", "title": "Art", "visual_essential": is_essential}, "a:1")
    unknowing.add("courses", {"id": "art", "title": "Fine art", "visual_essential": False}, "b:1")
    unknowing.add("courses", {"id": "new", "title": None, "visual_essential": False}, "b:2")
    await arrived(engine, known)
    assert (await arrived(engine, unknowing)).plan.courses.changed == {"art": ("title",)}
    assert (await arrived(engine, unknowing)).plan.courses.unchanged == 2
    async with reading(engine) as conn:
        assert {course_of(row).visual_essential for row in await conn.execute(courses.select())} == {
            is_essential,
            False,
        }


async def test_what_no_database_can_hold_is_told_with_its_line(engine: AsyncEngine) -> None:
    with pytest.raises(InputError, match=r"c\.csv:2 id: must be at most 200 characters"):
        await arrived(engine, drafted(lesson("x" * 201, NOW)), is_dry=True)


async def test_an_enrolment_that_rivals_a_stored_one_is_told_with_its_line(engine: AsyncEngine) -> None:
    header = "id,learner_id,course_id,starts_at,price_minor,paid_minor,currency,lessons_paid\n"
    line = ",u1,math,2026-09-01T00:00:00Z,1,1,CNY,1\n"
    await arrived(engine, sheets.read({"enrolments": ("e.csv", f"{header}e1{line}".encode())}))
    rival = sheets.read({"enrolments": ("e.csv", f"{header}\ne2{line}".encode())})
    with pytest.raises(InputError, match=r"e\.csv:3 starts_at: the same learner and course"):
        await arrived(engine, rival)


def test_the_page_of_imports_names_every_column() -> None:
    page = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
    columns = {name for table in sheets.COLUMNS.values() for name in (*table.required, *table.optional)}
    assert [name for name in sorted(columns) if f"`{name}`" not in page] == []
