"""A recorded feed replayed shuffled, doubled and in any pieces gives the observations and the verdicts it gave."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from collector_specimens import NOON
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recordings import LEARNERS, RECORDINGS, Recording
from rules_school import judged
from service_parts import SetClock, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery
from qos_monitor import reading, roster
from qos_monitor.intake import COLUMNS, Intake
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import UNREADABLE, deliveries, metadata, observations
from qos_monitor.storage.writer import Writer
from rules.observation import Observation
from rules.span import HOUR
from rules.world import World

EVENING = NOON + 9 * HOUR
Verdict = tuple[str, str, str | None, str | None, str | None]
Outcome = tuple[list[str], list[Verdict]]

BY_PROVIDER = {recording.provider: recording for recording in RECORDINGS}
every_provider = pytest.mark.parametrize("provider", BY_PROVIDER)


async def take(engine: AsyncEngine, recording: Recording, arriving: Sequence[Delivery], cuts: Sequence[int]) -> None:
    """Let deliveries in, each at its own time, through the real front door; read after each piece."""
    collectors = {recording.provider: recording.specimen.collector}
    writer = Writer(engine, deliveries, COLUMNS)
    writer.start()
    for start, end in zip((0, *cuts), (*cuts, len(arriving)), strict=True):
        doors = [(Intake(collectors, writer, SetClock(one.received_at)), one) for one in arriving[start:end]]
        await asyncio.gather(*(door.take(one.provider, one.body, one.headers) for door, one in doors))
        while await reading.read_waiting(engine, collectors, EVENING, 7):
            pass
    await writer.stop()


async def enrol(engine: AsyncEngine, recording: Recording) -> None:
    """Put the class on the roster."""
    async with storage.writing(engine) as conn:
        await roster.apply(conn, world_of(recording), NOON - HOUR)


def world_of(recording: Recording, seen: Sequence[Observation] = ()) -> World:
    """Make the school of the recorded class."""
    made = school(NOON, room=recording.room, learners=LEARNERS, provider=recording.provider)
    return replace(made, observations=tuple(seen))


async def outcome(engine: AsyncEngine, recording: Recording) -> Outcome:
    """Take what was stored, but for when, and what the rules make of it; nothing may have been unreadable."""
    async with storage.reading(engine) as conn:
        states = set((await conn.execute(select(deliveries.c.state))).scalars())
        rows = (await conn.execute(select(observations))).all()
    assert UNREADABLE not in states
    assert all(row.class_id == "c1" for row in rows)
    seen = [replace(observation_of(row), recorded_at=None) for row in rows]
    records = judged(world_of(recording, seen), EVENING).records
    verdicts = sorted((one.learner_id, one.verdict.value, one.by, one.grade, one.domain) for one in records)
    return sorted(one.canonical() for one in seen), verdicts


async def replayed(
    folder: Path, recording: Recording, arriving: Sequence[Delivery], cuts: Sequence[int] = (), *, is_late: bool = False
) -> Outcome:
    """Play deliveries into an empty service; ``is_late`` puts the class on the roster only afterwards."""
    engine = storage.create(f"sqlite+aiosqlite:///{folder}/qos.sqlite3")
    async with storage.writing(engine) as conn:
        await conn.run_sync(metadata.create_all)
    if not is_late:
        await enrol(engine, recording)
    await take(engine, recording, arriving, cuts)
    if is_late:
        await enrol(engine, recording)
    found = await outcome(engine, recording)
    await engine.dispose()
    return found


@cache
def in_order_once(provider: str) -> Outcome:
    """Play a feed as it happened."""
    recording = BY_PROVIDER[provider]
    with TemporaryDirectory() as folder:
        return asyncio.run(replayed(Path(folder), recording, [first for first, _ in recording.deliveries]))


@every_provider
@settings(max_examples=3, deadline=None, phases=(Phase.generate,))  # the first failure says enough
@given(seed=st.integers(0, 2**32), is_late=st.booleans())
def test_a_feed_shuffled_and_doubled_and_in_pieces_comes_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, provider: str, seed: int, is_late: bool
) -> None:
    recording = BY_PROVIDER[provider]
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    arriving = [first for first, _ in recording.deliveries]
    arriving += [again for _, again in recording.deliveries if chance.random() < 0.7]
    chance.shuffle(arriving)
    cuts = sorted(chance.sample(range(1, len(arriving)), chance.randrange(5)))

    torn = asyncio.run(replayed(tmp_path_factory.mktemp("torn"), recording, arriving, cuts, is_late=is_late))

    assert torn == in_order_once(provider)


SHUT_OUT = {"agora": "platform", "livekit": "platform", "hundredms": "platform", "generic": "platform"}
"""Who answers for u1, who was out for twenty minutes, where the provider tells; with the others nobody does."""
MEASURED = {"zoom", "janus", "beacon"}
"""Those that tell of a minute what u1 received, and nothing of the rest: of that class nothing is concluded."""


@every_provider
def test_a_feed_tells_who_was_there_and_who_was_not(provider: str) -> None:
    _, verdicts = in_order_once(provider)

    degraded = ("u1", "DEGRADED", SHUT_OUT.get(provider))
    assert [verdict[:3] for verdict in verdicts] == [
        ("u1", "UNKNOWN", None) if provider in MEASURED else degraded,
        ("u2", "DEGRADED", None),
        ("u3", "ATTENDED", None),
        ("u4", "NO_SHOW", None),
    ]
