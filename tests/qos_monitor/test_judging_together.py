"""Two workers judge on one database: what is in hand is passed over, and who comes back late does no harm."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from judging_parts import POLICY, Filed, drain, enrol, expected, kept, tell
from rules_school import crowd, kept_out, lesson, local, on_weekdays, school
from rules_school import judged as judged_at_once
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import due, folding, judging, window_book
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import learners, verdicts, windows
from rules.span import HOUR, SECOND, Instant

MONDAY, WEDNESDAY = lesson("mon"), lesson("wed", "Wed 19:00")
OWED = school([MONDAY, WEDNESDAY], kept_out(MONDAY) + kept_out(WEDNESDAY))
FIRM: Instant = local("Wed 20:00") + 6 * HOUR
LATER: Instant = FIRM + judging.LEASE + SECOND


async def prepared(engine: AsyncEngine) -> None:
    await enrol(engine, OWED)
    await tell(engine, OWED.observations, FIRM)


async def judged(engine: AsyncEngine, now: Instant, filed: Filed) -> int:
    return await judging.judge_due(engine, POLICY, on_weekdays, now, filed.settle)


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], Awaitable[object]]) -> None:
    """Have something happen between the first reading of this kind and what is written of it."""
    load: Callable[..., Awaitable[Any]] = getattr(module, name)
    calls: list[None] = []

    async def loaded(*given: object) -> object:
        found = await load(*given)
        calls.append(None)
        if len(calls) == 1:
            await act()
        return found

    monkeypatch.setattr(module, name, loaded)


async def test_who_comes_back_after_a_learner_was_taken_over_files_nothing(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepared(engine)
    slow, quick = Filed(), Filed()
    meanwhile(monkeypatch, folding, "load", lambda: drain(engine, LATER, quick))

    await judged(engine, FIRM, slow)

    assert (slow.times, quick.times) == (0, 1)
    async with storage.reading(engine) as conn:
        [row] = (await conn.execute(select(learners))).all()
    assert (row.lease_token, row.look_again_at) == (2, None)


async def test_a_learner_touched_while_in_hand_is_not_filed_before_that_is_folded_too(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepared(engine)
    filed = Filed()

    async def touched() -> None:
        async with storage.writing(engine) as conn:
            await due.touch_learners(conn, ["u1"], FIRM)

    meanwhile(monkeypatch, folding, "load", touched)

    await judged(engine, FIRM, filed)
    before = filed.times
    await drain(engine, FIRM, filed)

    assert (before, filed.times) == (0, 1)


async def test_who_comes_back_after_a_window_was_taken_over_writes_no_verdict(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepared(engine)
    slow, quick = Filed(), Filed()
    meanwhile(monkeypatch, window_book, "load", lambda: drain(engine, LATER, quick))

    await judged(engine, FIRM, slow)

    async with storage.reading(engine) as conn:
        as_of = set((await conn.execute(select(verdicts.c.valid_from))).scalars())
    assert as_of == {LATER}
    assert quick.times == 1


async def test_a_window_in_hand_is_judged_again_where_what_is_usual_before_it_changes(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in test_judging: three of fifteen others are unusual until Monday is judged, and that is while Tuesday is read.
    bad = {"provider": "agora", "node": "bj-7"}
    monday = crowd("Mon 19:00", 100, 4, bad, name="m")
    tuesday = crowd("Tue 19:00", 16, 4, bad, name="t")
    world = school(monday.classes + tuesday.classes, monday.observations + tuesday.observations, enrolments=())
    filed = Filed()
    await enrol(engine, replace(world, classes=tuple(tuesday.classes)))
    await tell(engine, tuesday.observations, FIRM)

    async def other_worker() -> None:
        await enrol(engine, replace(world, classes=tuple(monday.classes)))
        await tell(engine, monday.observations, FIRM)
        await drain(engine, FIRM, filed)

    meanwhile(monkeypatch, window_book, "load", other_worker)
    await drain(engine, FIRM, filed)

    assert (await kept(engine))[0] == expected(judged_at_once(world, FIRM))[0]


async def test_a_window_whose_holder_died_before_the_clock_stepped_back_is_judged(engine: AsyncEngine) -> None:
    await prepared(engine)
    filed = Filed()
    held = FIRM + HOUR + judging.LEASE
    async with storage.writing(engine) as conn:
        await conn.execute(update(windows).values(due_at=held, lease_until=held, lease_token=1))

    await drain(engine, FIRM, filed)

    assert filed.times == 1
