"""A delivery of many lines is read in pieces, so that webhooks need not wait for it, and still exactly once."""

import json
from collections.abc import Iterable

import pytest
from service_parts import MONDAY
from sqlalchemy import event, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import observing, reading
from qos_monitor.observation_lines import PROVIDER, ObservationLines
from qos_monitor.observing import Entry
from qos_monitor.reading import SIGHTINGS_MAX
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import READ, WAITING, deliveries, observations

COLLECTORS = {PROVIDER: ObservationLines()}
PIECES = 3
COUNT = SIGHTINGS_MAX * (PIECES - 1) + 1


def line(number: int) -> bytes:
    return json.dumps(
        {"source": "s", "id": f"o{number}", "kind": "attempted", "at": "2026-11-02T11:00:05Z", "class_id": "c1",
         "participant_id": "u1", "role": "learner", "vantage": "server"},
    ).encode()  # fmt: skip


async def deliver(engine: AsyncEngine, *counts: int) -> None:
    """Store one delivery per count, of so many lines, all the same from the first."""
    rows = [
        {"provider": PROVIDER, "minute": 0, "event_id": str(number), "received_at": MONDAY, "headers": "{}",
         "body": b"\n".join(map(line, range(count))), "state": WAITING}
        for number, count in enumerate(counts)
    ]  # fmt: skip
    async with storage.writing(engine) as conn:
        await conn.execute(insert(deliveries), rows)


async def kept(engine: AsyncEngine) -> tuple[int, list[int]]:
    """Count the observations, and tell the state of each delivery."""
    async with storage.reading(engine) as conn:
        count = (await conn.execute(select(func.count()).select_from(observations))).scalar_one()
        return count, list((await conn.execute(select(deliveries.c.state).order_by(deliveries.c.seq))).scalars())


async def test_a_long_delivery_is_stored_in_several_transactions_and_counted_once(engine: AsyncEngine) -> None:
    await deliver(engine, COUNT)
    commits: list[object] = []
    event.listen(engine.sync_engine, "commit", commits.append)

    report = await reading.read_batch(engine, COLLECTORS, MONDAY)

    assert len(commits) == PIECES
    assert await kept(engine) == (COUNT, [READ])
    assert report.count == 1
    assert len(report.observations) == COUNT


async def test_a_crash_in_the_middle_of_a_delivery_leaves_it_waiting_and_it_is_read_again_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(engine, COUNT)
    store, calls = observing.store, 0

    async def dying(conn: object, arrived: Iterable[Entry], now: int) -> list[tuple[int, object]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ZeroDivisionError
        return await store(conn, arrived, now)  # type: ignore[arg-type,return-value]

    monkeypatch.setattr(observing, "store", dying)
    with pytest.raises(ZeroDivisionError):
        await reading.read_batch(engine, COLLECTORS, MONDAY)
    assert await kept(engine) == (SIGHTINGS_MAX, [WAITING])

    report = await reading.read_batch(engine, COLLECTORS, MONDAY)

    assert await kept(engine) == (COUNT, [READ])
    assert len(report.observations) == COUNT - SIGHTINGS_MAX


async def test_many_deliveries_of_many_lines_share_no_transaction_that_is_too_long(engine: AsyncEngine) -> None:
    half = SIGHTINGS_MAX // 2
    await deliver(engine, half, half, 1, 0)
    commits: list[object] = []
    event.listen(engine.sync_engine, "commit", commits.append)

    report = await reading.read_batch(engine, COLLECTORS, MONDAY)

    assert len(commits) == 2
    assert report.count == 4
    assert await kept(engine) == (half, [READ] * 4)
