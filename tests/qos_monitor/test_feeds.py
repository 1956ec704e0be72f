"""Silence by the timetable: it rises only while a class runs, for a whole provider and for one class among others."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from judging_parts import enrol, tell
from rules_school import cancelled, lesson, present, school, seen
from service_parts import row
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import feeds
from qos_monitor.feeds import SILENT_AFTER, Doors, Watch, doors_of
from qos_monitor.metrics.labels import OTHER
from qos_monitor.metrics.metric import Metric
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from rules.span import DAY, HOUR, MINUTE, Instant
from rules.world import CLASS_LENGTH_MAX

A = lesson("c1").starts_at
B = A + HOUR
DOORS = doors_of(["agora", "livekit", "beacon", "generic", "observations"], ["sfu"])


async def knock(engine: AsyncEngine, *knocks: tuple[str, Instant]) -> None:
    async with storage.writing(engine) as conn:
        for number, (provider, at) in enumerate(knocks):
            name = f"{provider}-{at}-{number}"
            await conn.execute(deliveries.insert(), [row(deliveries, provider=provider, event_id=name, received_at=at)])


async def gauges(engine: AsyncEngine, now: Instant, doors: Doors = DOORS, **last: Instant) -> dict[str, float]:
    async with storage.reading(engine) as conn:
        return _flat(await Watch(doors).samples(conn, last, now))


def _flat(samples: Mapping[Metric, Mapping[tuple[str, ...], float]]) -> dict[str, float]:
    return {
        f"{metric.name.removeprefix('qos_')} {' '.join(labels)}": value
        for metric, counted in samples.items()
        for labels, value in counted.items()
    }


def of(found: Mapping[str, float], provider: str) -> list[float]:
    """Give scheduled classes and learners, silent classes and learners, and seconds of silence in class."""
    names = (
        "scheduled_classes",
        "scheduled_learners",
        "silent_classes",
        "silent_learners",
        "feed_silence_in_class_seconds",
    )
    return [found[f"{name} {provider}"] for name in names]


async def test_where_no_class_runs_nothing_is_silent_however_long_nothing_came(engine: AsyncEngine) -> None:
    await enrol(engine, school([lesson("c1"), lesson("c2", A + DAY)]))

    before, between = await gauges(engine, A - 1), await gauges(engine, B)

    assert [of(found, "agora") for found in (before, between)] == [[0, 0, 0, 0, 0]] * 2


async def test_a_class_without_a_word_is_silent_from_its_fifth_minute_to_its_end(engine: AsyncEngine) -> None:
    await enrol(engine, school([lesson("c1", A, "u1", "u2")]))

    found = [of(await gauges(engine, at), "agora") for at in (A, A + SILENT_AFTER - 1, A + SILENT_AFTER, B - 1, B)]

    assert [row[:4] for row in found] == [[1, 2, 0, 0], [1, 2, 0, 0], [1, 2, 1, 2], [1, 2, 1, 2], [0, 0, 0, 0]]
    assert [row[4] for row in found] == [0, 299.999, 300, 3599.999, 0]


async def test_one_observation_by_the_provider_ends_the_silence_of_its_class_and_not_of_another(
    engine: AsyncEngine,
) -> None:
    rows = [lesson("c1", A, "u1"), lesson("c2", A, "u2", "u3")]
    await enrol(engine, school(rows))
    await tell(engine, present(rows[0], "u1"), A + MINUTE)
    await tell(engine, [seen("attempted", A, rows[1], "u2", source="beacon", vantage="client")], A + MINUTE)

    assert of(await gauges(engine, A + 10 * MINUTE), "agora")[:4] == [2, 3, 1, 2]


async def test_silence_in_class_counts_from_the_later_of_the_last_delivery_and_the_start_of_the_earliest_class(
    engine: AsyncEngine,
) -> None:
    await enrol(engine, school([lesson("c1"), lesson("c2", A + HOUR // 2)]))
    now = A + 40 * MINUTE
    await knock(engine, ("livekit", now), ("agora", A - DAY))
    never = of(await gauges(engine, now), "agora")[4]
    await knock(engine, ("agora", A + 25 * MINUTE))

    assert never == 40 * 60
    assert of(await gauges(engine, now), "agora")[4] == 15 * 60
    assert of(await gauges(engine, now), "livekit")[4] == 0


async def test_a_provider_without_a_door_of_its_own_is_heard_where_foreign_observations_come(
    engine: AsyncEngine,
) -> None:
    await enrol(engine, school([lesson("c1", provider="sfu"), lesson("c2", provider="no-such-provider")]))
    await knock(engine, ("generic", A + 9 * MINUTE), ("agora", A + 10 * MINUTE))

    found = await gauges(engine, A + 10 * MINUTE)

    assert of(found, "sfu") == [1, 1, 1, 1, 60]
    assert of(found, OTHER) == [1, 1, 1, 1, 60]


async def test_what_classes_name_is_counted_under_a_closed_set_of_names(engine: AsyncEngine) -> None:
    strangers = [lesson(f"c{number}", provider=f"typing-error-{number}") for number in range(50)]
    await enrol(engine, school([*strangers, lesson("z", provider="zoom")]))

    found = await gauges(engine, A + 10 * MINUTE)

    labels = {name.split()[1] for name in found if name.startswith("scheduled_classes")}
    assert labels == {"agora", "livekit", "sfu", "zoom", OTHER}
    assert of(found, OTHER)[0] == 50
    assert of(found, "zoom") == [1, 1, 1, 1, 600]


@pytest.mark.parametrize(("at", "runs"), [(A - HOUR, 0), (A + 10 * MINUTE, 0), (A + 30 * MINUTE, 1)])
async def test_a_class_called_off_is_expected_until_it_was(engine: AsyncEngine, at: Instant, runs: int) -> None:
    row = lesson("c1", cancelled=cancelled(at))
    await enrol(engine, school([row]))

    assert of(await gauges(engine, A + 10 * MINUTE), "agora")[0] == runs


async def test_the_longest_class_there_can_be_is_expected_to_its_end(engine: AsyncEngine) -> None:
    long = replace(lesson("c1"), ends_at=A + CLASS_LENGTH_MAX)
    await enrol(engine, school([long]))

    assert of(await gauges(engine, A), "agora")[0] == 1
    assert of(await gauges(engine, long.ends_at - 1), "agora")[0] == 1


async def test_silence_since_the_last_delivery_is_what_another_process_heard_too(engine: AsyncEngine) -> None:
    await knock(engine, ("agora", A), ("livekit", A - DAY))

    found = await gauges(engine, A + MINUTE, agora=A - HOUR, livekit=A - HOUR)

    assert found["feed_silence_seconds agora"] == 60
    assert found["feed_silence_seconds livekit"] == 61 * 60


async def test_falling_silent_and_being_heard_again_is_logged_once_each(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="qos_monitor")
    watch, one = Watch(DOORS), lesson("c1", A, "u1", "u2")
    await enrol(engine, school([one]))
    async with storage.reading(engine) as conn:
        for now in (A, A + 6 * MINUTE, A + 7 * MINUTE):
            await watch.samples(conn, {}, now)
    await tell(engine, present(one), A + 8 * MINUTE)
    async with storage.reading(engine) as conn:
        for now in (A + 8 * MINUTE, A + 9 * MINUTE):
            await watch.samples(conn, {}, now)

    told = [(record.message, record.__dict__["facts"]) for record in caplog.records]
    assert told == [
        ("feed_silent", {"provider": "agora", "classes": 1, "of": 1, "learners": 2}),
        ("feed_not_silent", {"provider": "agora"}),
    ]


async def test_a_class_whose_provider_cannot_deliver_here_is_heard_if_anybody_tells_of_it(engine: AsyncEngine) -> None:
    heard, unheard = replace(lesson("c1"), provider="zoom"), replace(lesson("c2"), provider="zoom")
    beacon = [replace(one, source="beacon") for one in present(heard)]
    await enrol(engine, school([heard, unheard]))
    await tell(engine, beacon, A)

    at = A + SILENT_AFTER
    assert of(await gauges(engine, at), "zoom")[:4] == [2, 2, 1, 1]
    assert of(await gauges(engine, at, doors_of(["zoom", "beacon"], [])), "zoom")[:4] == [2, 2, 2, 2]


async def test_silent_classes_are_named_the_longest_silent_first_up_to_a_limit(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "LISTED_MAX", 2)
    rows = [lesson("b", A + MINUTE), lesson("c"), lesson("heard"), lesson("a", A + 2 * MINUTE)]
    await enrol(engine, school(rows))
    await tell(engine, present(rows[2]), A)

    async with storage.reading(engine) as conn:
        found = await feeds.silent(conn, DOORS, A + 10 * MINUTE)

    assert [one.id for one in found] == ["c", "b"]


async def test_a_feed_was_alive_until_the_end_of_its_last_word_and_one_that_never_spoke_is_not_named(
    engine: AsyncEngine,
) -> None:
    words = [(A, A + HOUR), (A + 2 * HOUR, A + 3 * HOUR), (A - DAY, A - HOUR)]
    await tell(engine, [seen("feed_alive", start, None, None, until=end) for start, end in words], B)

    async with storage.reading(engine) as conn:
        assert await feeds.alive_until(conn, ["agora", "livekit"]) == {"agora": A + 3 * HOUR}


async def test_everything_is_found_by_indexes_among_the_classes_that_run(embedded: AsyncEngine) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_conn: object, _cursor: object, statement: str, given: tuple[object, ...], *_more: object) -> None:
        asked.append((statement, given))

    await enrol(embedded, school([lesson("c1")]))
    event.listen(embedded.sync_engine, "before_cursor_execute", note)
    async with storage.reading(embedded) as conn:
        await feeds.heard(conn, DOORS)
        await feeds.expected(conn, DOORS, A)
        await feeds.silent(conn, DOORS, A)
        await feeds.alive_until(conn, ["agora"])
    event.remove(embedded.sync_engine, "before_cursor_execute", note)

    plans = []
    async with storage.reading(embedded) as conn:
        for statement, given in (pair for pair in asked if pair[0].startswith(("SELECT", "WITH"))):
            plan = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            plans += [step.detail for step in plan]
    assert {step for step in plans if step.startswith(("SCAN", "SEARCH"))} == {
        "SCAN each_class",
        "SEARCH class_learners USING COVERING INDEX sqlite_autoindex_class_learners_1 (class_id=?)",
        "SEARCH classes USING INDEX ix_classes_running (ends_at>? AND ends_at<?)",
        "SEARCH deliveries USING INDEX ix_deliveries_provider_seq (provider=?)",
        "SEARCH feed_spans USING INDEX sqlite_autoindex_feed_spans_1 (source=?)",
        "SEARCH observations USING INDEX ix_observations_class_id_participant_id (class_id=?)",
    }
