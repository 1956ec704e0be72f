"""What a collector could not read is read again once it can."""

import logging
from pathlib import Path

import pytest
from service_parts import MONDAY, SpokenCollector, said
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector, Delivery, Reading, Unreadable
from qos_monitor import reading
from qos_monitor.cli import main
from qos_monitor.intake import COLUMNS
from qos_monitor.rereading import PIECE, Rereading, reread
from qos_monitor.storage import engine as storage
from qos_monitor.storage.access_tables import audit
from qos_monitor.storage.tables import READ, UNREADABLE, WAITING, deliveries, observations


class Mended(SpokenCollector):
    """Reads everything."""


class Broken(SpokenCollector):
    """Reads nothing."""

    def read(self, delivery: Delivery) -> Reading:  # noqa: ARG002 - named as in Collector
        raise Unreadable("a kind of event that nobody knew")


async def arrive(engine: AsyncEngine, provider: str, name: str) -> None:
    values = (provider, 0, name, MONDAY, "{}", said(name), WAITING)
    async with storage.writing(engine) as conn:
        await conn.execute(deliveries.insert(), dict(zip(COLUMNS, values, strict=True)))


async def states(engine: AsyncEngine) -> list[tuple[str, int]]:
    async with storage.reading(engine) as conn:
        found = await conn.execute(select(deliveries.c.event_id, deliveries.c.state).order_by(deliveries.c.seq))
        return [(row.event_id, row.state) for row in found]


async def test_the_service_reads_by_itself_what_it_can_read_by_now(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    await arrive(engine, "agora", "a")
    await arrive(engine, "livekit", "b")
    both: dict[str, Collector] = {"agora": Broken(), "livekit": Broken()}
    await reading.read_waiting(engine, both, MONDAY)
    caplog.clear()
    caplog.set_level(logging.INFO)
    again = Rereading(engine, both)

    assert await again.run(MONDAY) == 0
    assert caplog.messages == []
    both["agora"] = Mended()
    assert await again.run(MONDAY) == 1

    assert await states(engine) == [("a", WAITING), ("b", UNREADABLE)]
    assert caplog.messages == ["deliveries_read_again"]


async def test_what_stays_unreadable_holds_up_nothing_behind_it(engine: AsyncEngine) -> None:
    for number in range(PIECE):
        await arrive(engine, "livekit", f"junk{number}")
    await arrive(engine, "agora", "a")
    both = {"agora": Broken(), "livekit": Broken()}
    await reading.read_waiting(engine, both, MONDAY)
    again = Rereading(engine, both | {"agora": Mended()})

    assert await again.run(MONDAY) == 0  # the junk
    assert await again.run(MONDAY) == 1  # what lies behind it

    assert [name for name, state in await states(engine) if state == WAITING] == ["a"]


async def test_whatever_can_be_read_is_read_in_one_run_and_what_nobody_reads_here_waits(engine: AsyncEngine) -> None:
    for number in range(2 * PIECE + 1):
        await arrive(engine, "agora", f"a{number}")
    await arrive(engine, "livekit", "b")
    await reading.read_waiting(engine, {"agora": Broken(), "livekit": Broken()}, MONDAY)

    assert await Rereading(engine, {"agora": Mended()}).run(MONDAY) == 2 * PIECE + 1

    assert [name for name, state in await states(engine) if state == UNREADABLE] == ["b"]


async def test_what_was_unreadable_is_read_by_the_mended_collector_and_nothing_else_is_touched(
    engine: AsyncEngine,
) -> None:
    await arrive(engine, "agora", "a")
    await arrive(engine, "livekit", "b")
    collectors = {"agora": Broken(), "livekit": SpokenCollector("livekit")}
    await reading.read_waiting(engine, collectors, MONDAY)
    assert await states(engine) == [("a", UNREADABLE), ("b", READ)]

    assert await reread(engine, "livekit", MONDAY) == 0
    assert await reread(engine, "agora", MONDAY) == 1
    assert await states(engine) == [("a", WAITING), ("b", READ)]
    await reading.read_waiting(engine, collectors | {"agora": Mended()}, MONDAY)

    assert await states(engine) == [("a", READ), ("b", READ)]
    assert await reread(engine, None, MONDAY) == 0
    async with storage.reading(engine) as conn:
        assert sorted((await conn.execute(select(observations.c.id))).scalars()) == ["a", "b"]
        assert (await conn.execute(select(audit.c.action))).scalars().all() == ["deliveries.reread"]


def test_the_command_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/q.sqlite3")
    assert main(["reread"]) == 0
    assert "0 deliveries will be read again" in capsys.readouterr().out
