"""What is stored follows from what came in; where somebody changed it, replay names the row."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from judging_parts import POLICY
from rules_school import on_weekdays
from seeded_run import Stage, stage
from seeded_school import PROVIDERS, Words
from sqlalchemy import Table, delete, func, select, update

from qos_monitor import replaying
from qos_monitor.judging import Terms
from qos_monitor.replay_commands import told
from qos_monitor.replaying import Replay
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import cases, deliveries, observations, outages, verdicts

SEED = 9


@pytest.fixture(scope="module")
def empty_stage() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.fixture
def played(empty_stage: Stage) -> Stage:
    """Give what a small school left behind."""
    empty_stage.play(SEED)
    return empty_stage


def replayed(played: Stage) -> Replay:
    async def run() -> Replay:
        readers = {name: Words(name) for name in PROVIDERS}
        found = await replaying.replay(played.engine, readers, Terms(POLICY, on_weekdays), played.ended_at)
        await played.engine.dispose()
        return found

    return asyncio.run(run())


def change(played: Stage, table: Table, values: Mapping[str, object] | None) -> None:
    """Change the first row of a table, or delete it."""

    async def run() -> None:
        async with storage.writing(played.engine) as conn:
            key = next(iter(table.primary_key))
            first = (await conn.execute(select(key).order_by(key).limit(1))).scalar_one()
            changed = delete(table) if values is None else update(table).values(values)
            await conn.execute(changed.where(key == first))
        await played.engine.dispose()

    asyncio.run(run())


def test_a_school_that_was_played_with_deaths_is_found_again_without_a_difference(played: Stage) -> None:
    found = replayed(played)

    assert found.is_same, told(found, is_verbose=True)
    assert {one.what: one.total > 0 for one in found.tables} == dict.fromkeys(
        ("observations", "verdicts", "outages", "cases"), True
    )
    assert found.pending == found.not_rebuilt == 0


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (observations, {"fault": "learner", "code": "changed"}),
        (observations, None),
        (verdicts, {"body": "{}", "current": True}),
        (verdicts, {"verdict": "UNKNOWN", "current": True}),
        (outages, {"answer": "review"}),
        (outages, {"body": "{}"}),
        (outages, {"body": '"look_again_at":null, and no JSON'}),
        (outages, {"domains": "|somewhere:else|"}),
        (cases, None),
    ],
)
def test_a_row_that_was_tampered_with_is_found(
    played: Stage, table: Table, values: Mapping[str, object] | None
) -> None:
    change(played, table, values)

    found = replayed(played)

    assert not found.is_same
    assert [one.what for one in found.tables if one.different] == [table.name]


def test_when_to_look_again_is_no_difference_for_an_outage_that_did_not_change_is_not_written_again_for_it(
    played: Stage,
) -> None:
    change(played, outages, {"body": func.replace(outages.c.body, '"look_again_at":"2026', '"look_again_at":"2025')})

    found = replayed(played)

    assert found.is_same, told(found, is_verbose=True)


def test_observations_whose_delivery_is_no_longer_kept_are_taken_as_they_are(played: Stage) -> None:
    change(played, deliveries, None)

    found = replayed(played)

    assert found.is_same
    assert found.not_rebuilt > 0


def test_learners_are_not_named_unless_asked_for(played: Stage) -> None:
    change(played, verdicts, {"body": "{}", "current": True})

    found = replayed(played)

    assert not any("u1 c" in line for line in told(found, is_verbose=False))
    assert any("body" in line for line in told(found, is_verbose=True))
