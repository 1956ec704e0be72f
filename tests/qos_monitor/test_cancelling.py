"""What the school says of a whole class becomes the roster's, whatever a timetable says every night."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from claim_parts import FILED, MON, WED, Court, dark_life
from rules_school import school as world_of
from rules_school import told
from service_parts import MONDAY, school
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Notice
from qos_monitor import cancelling, roster
from qos_monitor.claims import bundle
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import window_of
from qos_monitor.storage.tables import bundles, classes, notices, verdicts, windows
from rules.judge import judge
from rules.span import HOUR, MINUTE, Instant
from rules.world import Cancellation, World

NOW = MONDAY - HOUR
OFF = Notice("n1", "c1", MONDAY - 2 * HOUR, "platform", is_technical=True)
MUTUAL = Notice("n2", "c1", MONDAY - 2 * HOUR, "mutual")
ON = Notice("n3", "c1", MONDAY - HOUR, None)
TECHNICAL = Cancellation(OFF.at, "platform", True)


async def tell(engine: AsyncEngine, *received: tuple[Notice, Instant], now: Instant = NOW) -> None:
    async with storage.writing(engine) as conn:
        await cancelling.store(conn, received, now)


async def put(engine: AsyncEngine, world: World) -> Mapping[str, object]:
    async with storage.writing(engine) as conn:
        return (await roster.apply(conn, world, NOW)).as_json()


async def cancelled(engine: AsyncEngine) -> Cancellation | None:
    async with storage.reading(engine) as conn:
        row = (await conn.execute(select(classes))).one()
    if row.cancelled_by is None:
        return None
    return Cancellation(row.cancelled_at, row.cancelled_by, row.cancelled_technical)


async def test_a_class_called_off_is_cancelled_and_its_window_is_due(engine: AsyncEngine) -> None:
    await put(engine, school())
    async with storage.writing(engine) as conn:
        await conn.execute(update(windows).values(due_at=None))

    await tell(engine, (OFF, NOW), now=MONDAY + 5 * HOUR)

    assert await cancelled(engine) == TECHNICAL
    async with storage.reading(engine) as conn:
        due = (await conn.execute(select(windows.c.window, windows.c.due_at))).all()
    assert [tuple(row) for row in due] == [(window_of(MONDAY), MONDAY + 5 * HOUR)]


async def test_told_again_it_touches_nothing(engine: AsyncEngine) -> None:
    await put(engine, school())
    await tell(engine, (OFF, NOW))
    async with storage.writing(engine) as conn:
        await conn.execute(update(windows).values(due_at=None))

    await tell(engine, (OFF, NOW), (OFF, NOW + HOUR))

    async with storage.reading(engine) as conn:
        assert (await conn.execute(select(windows.c.due_at))).scalars().all() == [None]


async def test_a_correction_counts_from_when_it_comes_and_a_class_can_take_place_after_all(engine: AsyncEngine) -> None:
    await put(engine, school())

    await tell(engine, (MUTUAL, NOW))
    assert await cancelled(engine) == Cancellation(MUTUAL.at, "mutual", False)
    await tell(engine, (OFF, NOW + MINUTE))
    assert await cancelled(engine) == TECHNICAL
    await tell(engine, (ON, NOW + 2 * MINUTE))
    assert await cancelled(engine) is None


async def test_an_old_word_that_is_told_late_or_again_does_not_undo_a_newer_one(engine: AsyncEngine) -> None:
    await put(engine, school())

    await tell(engine, (OFF, NOW + MINUTE))
    await tell(engine, (MUTUAL, NOW))

    assert await cancelled(engine) == TECHNICAL


async def test_a_class_the_roster_does_not_know_is_cancelled_when_it_comes(engine: AsyncEngine) -> None:
    await tell(engine, (OFF, NOW))

    await put(engine, school())

    assert await cancelled(engine) == TECHNICAL


async def test_a_timetable_that_knows_nothing_of_it_does_not_put_the_class_back(engine: AsyncEngine) -> None:
    await put(engine, school())
    await tell(engine, (OFF, NOW))

    planned = await put(engine, school())

    assert planned["classes"] == {"added": [], "changed": {}, "unchanged": 1}
    assert await cancelled(engine) == TECHNICAL


async def test_a_timetable_that_says_something_is_a_newer_word_and_outlives_the_next_that_is_silent(
    engine: AsyncEngine,
) -> None:
    await put(engine, school())
    await tell(engine, (OFF, NOW))
    off = {"at": "2026-11-02T10:00:00Z", "by": "learner", "technical": False}

    await put(engine, school(cancelled=off))
    await put(engine, school())

    found = await cancelled(engine)
    assert found is not None
    assert found.by == "learner"


async def test_a_notice_and_a_timetable_at_the_same_moment_do_not_miss_each_other(engine: AsyncEngine) -> None:
    for round_ in range(10):
        notice = replace(OFF, id=f"n{round_}", class_id=f"c{round_}")
        row = replace(school().classes[0], id=f"c{round_}")

        await asyncio.gather(tell(engine, (notice, NOW)), put(engine, replace(school(), classes=(row,))))

    async with storage.reading(engine) as conn:
        found = (await conn.execute(select(classes.c.cancelled_by))).scalars().all()
    assert found == ["platform"] * 10


async def test_a_class_that_takes_place_after_all_is_the_timetables_again(engine: AsyncEngine) -> None:
    await tell(engine, (OFF, NOW), (ON, NOW + MINUTE))

    await put(engine, school(cancelled={"at": "2026-11-02T10:00:00Z", "by": "learner", "technical": False}))
    assert await cancelled(engine) is not None
    await put(engine, school())

    assert await cancelled(engine) is None


async def test_a_class_that_was_never_told_of_is_put_back_by_the_timetable_as_before(engine: AsyncEngine) -> None:
    await put(engine, school(cancelled={"at": "2026-11-02T10:00:00Z", "by": "learner", "technical": False}))

    await put(engine, school())

    assert await cancelled(engine) is None


async def test_order_repetition_and_partition_of_what_is_told_change_nothing(embedded: AsyncEngine) -> None:
    await put(embedded, school())
    received = [(MUTUAL, NOW), (ON, NOW + MINUTE), (OFF, NOW + 2 * MINUTE), (replace(OFF, by="mutual"), NOW + HOUR)]

    for place, order in enumerate(itertools.permutations(received)):
        async with storage.writing(embedded) as conn:
            await conn.execute(delete(notices))
        cut = place % 5
        await tell(embedded, *order[:cut])
        await tell(embedded, *order[cut:])
        await tell(embedded, *order)

        assert await cancelled(embedded) == TECHNICAL


@pytest.fixture
async def court(engine: AsyncEngine) -> Court:
    made = Court(engine)
    await made.enrol(dark_life())
    return made


async def test_a_verdict_that_was_given_is_superseded_and_equals_judging_the_roster_with_it(court: Court) -> None:
    await court.observe((), FILED)
    notice = Notice("n1", "wed", WED.starts_at - HOUR, "platform", is_technical=True)

    await tell(court.engine, (notice, FILED), now=FILED)
    await court.catch_up(FILED)

    off = replace(WED, cancelled=Cancellation(notice.at, "platform", True))
    whole = judge(world_of([MON, off]), FILED, court.policy, court.options.is_working_day)
    assert told(whole, "wed") == "UNABLE_PLATFORM platform A class:wed"
    async with storage.reading(court.engine) as conn:
        rows = await conn.execute(select(verdicts.c.verdict).where(verdicts.c.current, verdicts.c.class_id == "wed"))
        assert rows.scalars().all() == ["UNABLE_PLATFORM"]
        bodies = (await conn.execute(select(bundles.c.body))).scalars().all()
    assert [case.kind for case in await court.cases()] == ["compensation"]
    assert [bundle.verify(body.encode()) for body in bodies] == [[]] * len(bodies)
    assert '"technical":true' in bodies[-1]
