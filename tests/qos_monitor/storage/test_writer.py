"""Group commit: on the disk before it is answered, once, and no row pays for its neighbour."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql_server import Server
from sqlalchemy import event, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.errors import Overloaded, RowRefused, Stopping, StorageTrouble
from qos_monitor.intake import COLUMNS
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from qos_monitor.storage.writer import Row, Writer


def row(event_id: str | None, minute: int = 7, body: bytes = b"{}") -> Row:
    return ("agora", minute, event_id, 1_000, "{}", body, 0)


async def stored(engine: AsyncEngine) -> list[str]:
    async with storage.reading(engine) as conn:
        return list((await conn.execute(select(deliveries.c.event_id).order_by(deliveries.c.seq))).scalars())


@pytest.fixture
async def writer(engine: AsyncEngine) -> AsyncIterator[Writer]:
    """Give a writer that runs."""
    made = Writer(engine, deliveries, COLUMNS, queue_max=1000)
    made.start()
    yield made
    await made.stop()


async def test_a_row_is_there_for_everybody_when_put_returns(engine: AsyncEngine, writer: Writer) -> None:
    await writer.put(row("one"))

    assert await stored(engine) == ["one"]


async def test_a_repeat_is_answered_and_stored_once(engine: AsyncEngine, writer: Writer) -> None:
    await asyncio.gather(*(writer.put(row("one")) for _ in range(5)))
    await writer.put(row("one", body=b"another body"))

    assert await stored(engine) == ["one"]


async def test_the_same_id_in_another_minute_is_another_event(engine: AsyncEngine, writer: Writer) -> None:
    await writer.put(row("one", minute=7))
    await writer.put(row("one", minute=8))

    assert await stored(engine) == ["one", "one"]


async def test_rows_that_come_together_share_a_commit(engine: AsyncEngine, writer: Writer) -> None:
    async with storage.writing(engine):  # the disk is busy meanwhile
        waiting = [asyncio.create_task(writer.put(row(f"e{number}"))) for number in range(300)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    assert sorted(await stored(engine)) == sorted(f"e{number}" for number in range(300))


async def test_a_bad_row_fails_alone(engine: AsyncEngine, writer: Writer) -> None:
    rows = [row(f"e{number}") for number in range(20)]
    rows[7] = row(None)  # the column must not be null
    rows[13] = row("too large", minute=2**70)
    rows[14] = ("agora", 7, "no such type", 1, "{}", object(), 0)

    results = await asyncio.gather(*(writer.put(one) for one in rows), return_exceptions=True)

    assert [number for number, result in enumerate(results) if isinstance(result, RowRefused)] == [7, 13, 14]
    assert len(await stored(engine)) == 17


async def test_after_a_bad_row_the_writer_goes_on(engine: AsyncEngine, writer: Writer) -> None:
    with pytest.raises(RowRefused):
        await writer.put(row(None))
    await writer.put(row("after"))

    assert await stored(engine) == ["after"]


async def test_a_caller_who_is_cancelled_leaves_the_row_in(engine: AsyncEngine, writer: Writer) -> None:
    async with storage.writing(engine):
        waiting = asyncio.create_task(writer.put(row("left")))
        await asyncio.sleep(0)
        waiting.cancel()
    await writer.put(row("after"))

    assert await stored(engine) == ["left", "after"]


async def test_a_wait_that_grows_too_long_is_told_and_a_row_that_comes_in_later_is_a_repeat(
    embedded: AsyncEngine,
) -> None:
    engine = embedded
    writer = Writer(engine, deliveries, COLUMNS, wait_s_max=0.05)
    writer.start()
    async with storage.writing(engine):  # another writer, who waits for another process
        with pytest.raises(StorageTrouble, match="not on the disk after"):
            await writer.put(row("late"))

    await writer.stop()  # writes what is left
    assert await stored(engine) == ["late"]
    again = Writer(engine, deliveries, COLUMNS)
    again.start()
    await again.put(row("late"))
    await again.stop()
    assert await stored(engine) == ["late"]


async def test_a_full_queue_refuses_at_once_and_takes_again_later(engine: AsyncEngine) -> None:
    writer = Writer(engine, deliveries, COLUMNS, queue_max=2)
    waiting = [asyncio.create_task(writer.put(row(f"e{number}"))) for number in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await writer.put(row("e2"))
    assert writer.depth == 2

    writer.start()
    await asyncio.gather(*waiting)
    await writer.put(row("e2"))
    await writer.stop()
    assert sorted(await stored(engine)) == ["e0", "e1", "e2"]


async def test_stopping_stores_what_was_accepted_and_takes_nothing_new(engine: AsyncEngine) -> None:
    writer = Writer(engine, deliveries, COLUMNS)
    writer.start()
    waiting = [asyncio.create_task(writer.put(row(f"e{number}"))) for number in range(1200)]
    await asyncio.sleep(0)

    await writer.stop()

    await asyncio.gather(*waiting)
    assert len(await stored(engine)) == 1200
    with pytest.raises(Stopping):
        await writer.put(row("late"))


async def test_trouble_of_the_database_is_told_and_passes(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    writer = Writer(engine, deliveries, COLUMNS)
    writer.start()

    with pytest.raises(StorageTrouble):  # there is no table yet
        await writer.put(row("early"))
    await storage.migrate(engine)
    await writer.put(row("later"))

    assert await stored(engine) == ["later"]
    await writer.stop()
    await engine.dispose()


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), max_size=60))
def test_whatever_comes_in_whatever_order_each_key_is_stored_once(
    tmp_path_factory: pytest.TempPathFactory, ids: list[tuple[int, str]]
) -> None:
    asyncio.run(_each_key_once(tmp_path_factory.mktemp("writer"), ids))


async def _each_key_once(folder: Path, ids: list[tuple[int, str]]) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{folder}/qos.sqlite3")
    async with storage.writing(engine) as conn:
        await conn.run_sync(deliveries.create)
    writer = Writer(engine, deliveries, COLUMNS)
    writer.start()
    await asyncio.gather(*(writer.put(row(name, minute)) for minute, name in ids))
    await writer.stop()
    async with storage.reading(engine) as conn:
        found = await conn.execute(
            select(deliveries.c.minute, deliveries.c.event_id, func.count()).group_by(
                deliveries.c.minute, deliveries.c.event_id
            )
        )
        assert {(minute, name): count for minute, name, count in found} == dict.fromkeys(ids, 1)
    await engine.dispose()


async def test_a_connection_on_which_no_answer_came_is_used_by_nobody_again(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qos_monitor.storage.writer._ANSWER_S_MAX", 0.2)
    made: list[object] = []
    async with postgresql.engine() as other:
        engine = storage.create(postgresql.url)
        event.listen(engine.sync_engine, "connect", lambda connection, _: made.append(connection))
        writer = Writer(engine, deliveries, COLUMNS, wait_s_max=30.0)
        writer.start()
        await writer.put(row("one"))
        async with storage.writing(other) as conn:
            await conn.execute(text("LOCK TABLE deliveries"))
            with pytest.raises(StorageTrouble, match="TimeoutError"):
                await writer.put(row("two"))
        monkeypatch.setattr("qos_monitor.storage.writer._ANSWER_S_MAX", 20.0)
        await writer.put(row("two"))
        await writer.stop()
        await engine.dispose()

        assert (await stored(other), len(made)) == (["one", "two"], 2)
