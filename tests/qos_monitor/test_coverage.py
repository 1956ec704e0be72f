"""What feeds say of themselves enters verdicts as `judge` has it, whatever came when, and touches only what it must."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from judging_parts import (
    POLICY,
    Filed,
    drain,
    enrol,
    expected,
    fresh_tables,
    kept,
    play,
    tell,
    undated,
    without_next_look,
)
from rules_school import Crowd, crowd, judged, lesson, on_weekdays, present, school, seen
from rules_strategies import MONDAY_EVENING, instants, worlds
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import coverage, judging
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import window_of
from qos_monitor.storage.tables import feed_spans, verdicts, windows
from rules.judge import feed_spans as united_of
from rules.judge import judge
from rules.observation import Observation, chosen
from rules.span import DAY, HOUR, MINUTE, Instant, Span
from rules.world import ScheduledClass, World

MON = lesson("mon", "Mon 19:00", "u1", "u2")
A, B = MON.starts_at, MON.ends_at
FIRM: Instant = B + 6 * HOUR


def alive(
    start: Instant, end: Instant, *, source: str = "agora", name: str = "", recorded_at: Instant | None = None
) -> Observation:
    said = seen("feed_alive", start, None, None, until=end, source=source, id=name or f"{source}-{start}-{end}")
    return replace(said, recorded_at=recorded_at)


def minutes(start: Instant, end: Instant) -> list[Observation]:
    """Say it once a minute, as a poll does."""
    return [alive(at, min(at + MINUTE, end)) for at in range(start, end, MINUTE)]


async def spans(engine: AsyncEngine, source: str = "agora") -> tuple[Span, ...]:
    statement = select(feed_spans).where(feed_spans.c.source == source).order_by(feed_spans.c.starts_at)
    async with storage.reading(engine) as conn:
        return tuple(Span(row.starts_at, row.ends_at) for row in await conn.execute(statement))


async def due(engine: AsyncEngine) -> dict[int, Instant | None]:
    async with storage.reading(engine) as conn:
        return {row.window: row.due_at for row in await conn.execute(select(windows))}


async def told(engine: AsyncEngine) -> dict[str, str]:
    async with storage.reading(engine) as conn:
        rows = await conn.execute(select(verdicts).where(verdicts.c.current))
        return {f"{row.learner_id} {row.class_id}": row.verdict for row in rows}


async def rows_written(engine: AsyncEngine) -> int:
    async with storage.reading(engine) as conn:
        return int((await conn.execute(select(func.count()).select_from(verdicts))).scalar_one())


@st.composite
def feeds(draw: st.DrawFn) -> list[Observation]:
    """Make pieces of two feeds, often side by side, some told days later, some told twice and differently."""
    found = []
    all_late = draw(st.sampled_from([0, 0, 100 * HOUR]))
    for number in range(draw(st.integers(1, 8))):
        start = MONDAY_EVENING + draw(st.sampled_from([-DAY, -30, 0, 3, 20, 30, 57, 60, 24 * 60, 48 * 60])) * MINUTE
        end = start + draw(st.sampled_from([1, 3, 30, 37, 57, 60, 24 * 60])) * MINUTE
        late = draw(st.sampled_from([0, 0, MINUTE, HOUR, 26 * HOUR, 9 * DAY]))
        name = draw(st.sampled_from([f"f{number}", "again", "again"]))
        source = draw(st.sampled_from(["agora", "agora", "app"]))
        found.append(alive(start, end, source=source, name=name, recorded_at=end + late + all_late))
    return found


@settings(max_examples=40)
@given(world=worlds(), told_of=feeds(), as_of=instants(), stages=st.integers(1, 6))
def test_feeds_that_speak_early_late_and_in_pieces_are_judged_as_all_at_once(
    world: World, told_of: list[Observation], as_of: Instant, stages: int
) -> None:
    world = replace(world, observations=(*world.observations, *told_of))
    whole = judge(world, as_of, POLICY, on_weekdays)

    filed, found = asyncio.run(play(world, as_of, stages))

    assert without_next_look(found) == without_next_look(expected(whole))
    assert filed.cases == {case.case_key: undated(case) for case in whole.cases}


async def _kept_of(batches: Iterable[Sequence[Observation]]) -> dict[str, tuple[Span, ...]]:
    async with fresh_tables() as engine:
        for batch in batches:
            await tell(engine, batch, FIRM)
        found = {source: await spans(engine, source) for source in ("agora", "app")}
    return {source: kept_ones for source, kept_ones in found.items() if kept_ones}


@settings(max_examples=80)
@given(st.data())
def test_the_spans_kept_are_those_of_all_that_was_told_in_any_order_batches_and_repetition(data: st.DataObject) -> None:
    said = data.draw(feeds())
    arriving = data.draw(st.permutations(said + said[: data.draw(st.integers(0, 3))]))
    cut = data.draw(st.integers(1, len(arriving)))

    found = asyncio.run(_kept_of(arriving[start : start + cut] for start in range(0, len(arriving), cut)))

    assert found == united_of(chosen(said))


async def test_a_feed_that_never_stopped_is_one_row_however_often_it_said_so(engine: AsyncEngine) -> None:
    await tell(engine, minutes(A - DAY, B), FIRM)

    assert await spans(engine) == (Span(A - DAY, B),)


async def test_two_workers_that_hear_pieces_of_one_feed_at_once_leave_one_span(engine: AsyncEngine) -> None:
    pieces = minutes(A, A + 8 * MINUTE)

    await asyncio.gather(
        *(
            tell(engine, [one, replace(other, id=f"{other.id} too")], FIRM)
            for one, other in zip(pieces, pieces[1:] + pieces[:1], strict=True)
        )
    )

    assert await spans(engine) == (Span(A, A + 8 * MINUTE),)


async def test_words_of_an_evening_concern_the_classes_they_cover_and_not_those_between(engine: AsyncEngine) -> None:
    rows = [lesson(f"c{number}", A + number * HOUR) for number in range(5)]
    await enrol(engine, school(rows))
    await tell(engine, [alive(A - 2 * DAY, A - DAY)], A + DAY)
    await drain(engine, A + DAY, Filed())

    await tell(engine, covering([rows[0], rows[2], rows[3]]), A + DAY)

    ripe = {number for number, at in (await due(engine)).items() if at == A + DAY}
    assert ripe == {window_of(rows[place].starts_at) for place in (0, 2, 3)}


async def test_a_word_that_is_replaced_by_an_earlier_copy_takes_back_what_only_it_said(engine: AsyncEngine) -> None:
    await tell(engine, [alive(A, B, name="f", recorded_at=FIRM), alive(A, A + HOUR // 2, recorded_at=FIRM)], FIRM)
    await enrol(engine, school([MON]))
    await drain(engine, FIRM, Filed())
    before = await told(engine)

    await tell(engine, [alive(A, A + MINUTE, name="f", recorded_at=FIRM - 1)], FIRM)
    await drain(engine, FIRM, Filed())

    assert await spans(engine) == (Span(A, A + HOUR // 2),)
    assert (set(before.values()), set((await told(engine)).values())) == ({"NO_SHOW"}, {"UNKNOWN"})


async def test_a_word_replaced_by_a_longer_one_unites_what_stood_apart(engine: AsyncEngine) -> None:
    apart = alive(A + 50 * MINUTE, A + 55 * MINUTE)
    await tell(engine, [alive(A, A + 30 * MINUTE, name="f", recorded_at=FIRM), apart], FIRM)

    await tell(engine, [alive(A + 10 * MINUTE, B, name="f", recorded_at=FIRM - 1)], FIRM)

    assert await spans(engine) == (Span(A + 10 * MINUTE, B),)


async def test_a_word_every_minute_of_a_class_has_nothing_judged_again_before_it_is_over(engine: AsyncEngine) -> None:
    early = lesson("early", A, minutes=10)
    filed = Filed()
    await enrol(engine, school([MON, early]))
    await tell(engine, minutes(A, A + 25 * MINUTE), A + 25 * MINUTE)
    await drain(engine, A + 25 * MINUTE, filed)
    runs = 0

    for now in range(A + 26 * MINUTE, B + 15 * MINUTE, MINUTE):
        await tell(engine, minutes(now - MINUTE, now), now)
        runs += await judging.judge_due(engine, POLICY, on_weekdays, now, filed.settle)

    assert runs == 0
    assert await due(engine) == {window_of(A): B + 15 * MINUTE}


async def test_a_late_word_concerns_the_classes_it_newly_covers_and_no_others(engine: AsyncEngine) -> None:
    rows = [MON, lesson("next", A + HOUR), lesson("far", A + 3 * HOUR), lesson("else", A, provider="livekit")]
    await enrol(engine, school(rows))
    await tell(engine, [alive(A - DAY, A + HOUR // 2)], FIRM)
    await drain(engine, FIRM, Filed())
    quiet = await due(engine)

    await tell(engine, [alive(A, A + HOUR // 2, name="a second poll of the same time")], FIRM)
    same = await due(engine)
    await tell(engine, [alive(A, A + HOUR + MINUTE)], FIRM)
    after = await due(engine)

    assert same == quiet
    assert {number for number in quiet if after[number] == FIRM} == {window_of(A), window_of(A + HOUR)}


async def test_a_late_word_writes_no_new_verdict_for_those_who_came(engine: AsyncEngine) -> None:
    filed = Filed()
    await enrol(engine, school([MON], present(MON, "u2")))
    await tell(engine, present(MON, "u2"), FIRM)
    await drain(engine, FIRM, filed)
    before = await rows_written(engine)

    await tell(engine, [alive(A, A + HOUR // 2)], FIRM)
    await drain(engine, FIRM, filed)

    assert await rows_written(engine) == before + 1
    assert await told(engine) == {"u1 mon": "UNKNOWN", "u2 mon": "ATTENDED"}


async def test_the_first_word_of_a_feed_is_asked_of_all_its_past_and_holds_up_nothing(engine: AsyncEngine) -> None:
    count = coverage.PAST_WINDOWS_AT_ONCE + 1
    past = [lesson(f"c{number}", A - number * DAY) for number in range(count)]
    world = school([*past, lesson("else", A + HOUR, provider="livekit")], [alive(B - MINUTE, B)])
    filed = Filed()
    await enrol(engine, world)
    await drain(engine, FIRM, filed)
    before = set((await told(engine)).values())

    await tell(engine, world.observations, FIRM)
    waiting = await due(engine)
    await drain(engine, FIRM + MINUTE, filed)

    assert before == {"NO_SHOW"}
    assert [waiting[window_of(row.starts_at)] for row in past] == [FIRM] * (count - 1) + [FIRM + MINUTE]
    assert (await kept(engine))[0] == expected(judged(world, FIRM + MINUTE))[0]
    assert {name for name, verdict in (await told(engine)).items() if verdict == "NO_SHOW"} == {"u1 else"}


def nobody_gets_in() -> Crowd:
    """Give 64 learners a class each; 51 of them leave no trace (the 15th of the worked examples)."""
    came = crowd("Mon 19:00", 64, 0)
    traceless = {row.id for row in came.classes[:51]}
    return Crowd(came.classes, [one for one in came.observations if one.class_id not in traceless])


async def verdicts_under(engine: AsyncEngine, said: Sequence[Observation]) -> tuple[int, int]:
    """Judge that crowd; answer how many are presumed kept out, and of how many nobody can say."""
    people = nobody_gets_in()
    world = school(people.classes, [*people.observations, *said], enrolments=())
    await enrol(engine, world)
    await tell(engine, world.observations, FIRM)
    await drain(engine, FIRM, Filed())
    found = list((await told(engine)).values())
    assert (await kept(engine))[0] == expected(judged(world, FIRM))[0]
    return found.count("UNABLE_PLATFORM"), found.count("UNKNOWN")


async def test_an_outage_of_login_stays_one_where_the_feed_never_speaks_of_itself(engine: AsyncEngine) -> None:
    assert await verdicts_under(engine, []) == (51, 0)


async def test_an_outage_of_login_stays_one_where_the_feed_was_alive_and_told_of_nobody(engine: AsyncEngine) -> None:
    assert await verdicts_under(engine, minutes(A, B)) == (51, 0)


async def test_where_the_feed_itself_was_out_nobody_can_say(engine: AsyncEngine) -> None:
    assert await verdicts_under(engine, minutes(A, A + HOUR // 2)) == (0, 51)


async def test_what_is_read_of_a_feed_and_of_its_classes_is_found_by_indexes(embedded: AsyncEngine) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_conn: object, _cursor: object, statement: str, values: tuple[object, ...], *_more: object) -> None:
        asked.append((statement, values))

    await enrol(embedded, school([MON]))
    await tell(embedded, [alive(A - DAY, A)], FIRM)
    event.listen(embedded.sync_engine, "before_cursor_execute", note)
    async with storage.writing(embedded) as conn:
        await coverage.of_classes(conn, [MON])
        await coverage.learn(conn, [coverage.Word("agora", Span(A - DAY, A), Span(A, B))], FIRM)
    event.remove(embedded.sync_engine, "before_cursor_execute", note)

    plans = []
    async with storage.reading(embedded) as conn:
        for statement, values in asked:
            if statement.startswith("SELECT"):
                plan = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                plans += [step.detail for step in plan]
    used = {step for step in plans if step.startswith(("SCAN", "SEARCH"))}
    assert used == {
        "SEARCH classes USING INDEX ix_classes_running (ends_at>? AND ends_at<?)",
        "SEARCH classes USING INDEX sqlite_autoindex_classes_1 (id=?)",
        "SEARCH cursors USING INDEX sqlite_autoindex_cursors_1 (name=?)",
        "SEARCH feed_spans USING COVERING INDEX sqlite_autoindex_feed_spans_1 (source=?)",
        "SEARCH feed_spans USING COVERING INDEX sqlite_autoindex_feed_spans_1 (source=? AND starts_at<?)",
        "SEARCH feed_spans USING INDEX sqlite_autoindex_feed_spans_1 (source=? AND starts_at>? AND starts_at<?)",
        "SEARCH observations USING INDEX ix_observations_kind_at (kind=? AND at>? AND at<?)",
    }


def covering(rows: Sequence[ScheduledClass]) -> list[Observation]:
    return [alive(row.starts_at, row.ends_at, name=f"poll-{row.id}") for row in rows]


async def test_polls_of_many_classes_of_one_hour_have_their_window_judged_again_once(engine: AsyncEngine) -> None:
    rows = [lesson(f"c{number}", A, f"u{number}") for number in range(20)]
    filed = Filed()
    await enrol(engine, school(rows))
    await drain(engine, FIRM, filed)
    runs = 0

    for said in covering(rows):
        await tell(engine, [said], FIRM)
        runs += window_of(A) in {number for number, at in (await due(engine)).items() if at == FIRM}
        await drain(engine, FIRM, filed)

    assert runs == 1
