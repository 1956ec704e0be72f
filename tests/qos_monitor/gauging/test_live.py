"""Who is missed at the edges of a class: nobody before five minutes of it are lost, as its verdict forgives them."""

import pytest
from service_parts import MONDAY, school, sighting
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Sighting
from qos_monitor import observing, roster
from qos_monitor.feeds import NO_DOORS
from qos_monitor.gauging import live
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.tallying import Vocabulary
from rules import policy as policies
from rules.span import HOUR, MINUTE, SECOND, Instant

ENDS = MONDAY + HOUR


async def states(engine: AsyncEngine, now: Instant, *seen: Sighting) -> dict[str, float]:
    """Tell in which state the learners u1 and u2 of a class of an hour are, by what was seen of them."""
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(), MONDAY - HOUR)
        await observing.store(conn, [Entry(one, 1) for one in seen], now)
    return await read(engine, now)


async def read(engine: AsyncEngine, now: Instant) -> dict[str, float]:
    async with storage.reading(engine) as conn:
        found = await live.read(conn, await Vocabulary.read(conn), NO_DOORS, policies.default(), now)
    (samples,) = found.values()
    counts: dict[str, float] = {}
    for (_, _, state), count in samples.items():
        assert isinstance(count, float | int)
        counts[state] = counts.get(state, 0) + count
    return {state: count for state, count in counts.items() if count}


def session(who: str, left_at: Instant, fault: str = "unknown") -> list[Sighting]:
    """Let one come in at the start and leave, in a session of their own."""
    of = {"who": who, "session": who, "fault": fault}
    return [sighting(f"{who}-in", "joined", MONDAY, **of), sighting(f"{who}-out", "left", left_at, **of)]  # type: ignore[arg-type]  # the builder's keywords


async def test_who_is_not_seen_is_late_for_five_minutes_and_absent_from_then_on(engine: AsyncEngine) -> None:
    assert await states(engine, MONDAY) == {"arriving": 2}
    assert await read(engine, MONDAY + 5 * MINUTE - 1) == {"arriving": 2}
    assert await read(engine, MONDAY + 5 * MINUTE) == {"absent": 2}


async def test_a_provider_of_whom_nothing_was_ever_heard_has_its_name_and_one_we_do_not_know_has_none(
    engine: AsyncEngine,
) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(), MONDAY - HOUR)
        strange = Vocabulary({})
        known = await live.read(conn, strange, NO_DOORS, policies.default(), MONDAY)
        await roster.apply(conn, school(provider="a-studio"), MONDAY - HOUR)
        unknown = await live.read(conn, strange, NO_DOORS, policies.default(), MONDAY)

    assert [{labels[0] for labels in samples} for samples in (*known.values(), *unknown.values())] == [
        {"agora"},
        {"other"},
    ]


async def test_who_waits_at_the_door_is_shut_out_when_the_class_has_run_for_five_minutes(engine: AsyncEngine) -> None:
    waits = sighting("t", "attempted", MONDAY - 10 * MINUTE, session=None)

    assert await states(engine, MONDAY, waits) == {"arriving": 2}
    assert await read(engine, MONDAY + 5 * MINUTE) == {"absent": 1, "shut_out": 1}


async def test_who_is_refused_is_shut_out_at_once(engine: AsyncEngine) -> None:
    refused = sighting("f", "join_failed", MONDAY + 10 * SECOND, session=None)

    assert await states(engine, MONDAY + 20 * SECOND, refused) == {"arriving": 1, "shut_out": 1}


@pytest.mark.parametrize("fault", ["unknown", "platform"])
async def test_who_is_let_out_in_the_last_five_minutes_is_not_shut_out(engine: AsyncEngine, fault: str) -> None:
    seen = [*session("u1", ENDS - 5 * MINUTE, fault), *session("u2", ENDS - 5 * MINUTE - 1, fault)]

    assert await states(engine, ENDS - MINUTE, *seen) == {"away": 1, "shut_out": 1}


async def test_who_was_put_out_before_and_fails_again_at_the_end_is_shut_out_still(engine: AsyncEngine) -> None:
    again = sighting("u1-f", "join_failed", ENDS - 2 * MINUTE, session=None)

    seen = [*session("u1", MONDAY + 20 * MINUTE), *session("u2", MONDAY + 20 * MINUTE, "learner"), again]
    assert await states(engine, ENDS - MINUTE, *seen) == {"away": 1, "shut_out": 1}


async def test_of_a_short_class_a_quarter_is_forgiven(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(ends_at="2026-11-02T11:08:00Z"), MONDAY - HOUR)

    assert await read(engine, MONDAY + 2 * MINUTE - 1) == {"arriving": 2}
    assert await read(engine, MONDAY + 2 * MINUTE) == {"absent": 2}
