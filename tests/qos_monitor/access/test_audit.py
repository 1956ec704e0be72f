"""The trail: nothing is changed in it, nothing taken out, and a chain tells where somebody did."""

import asyncio

import pytest
from gates import SOMEBODY
from service_parts import MONDAY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.access import audit, pseudonyms
from qos_monitor.access.audit import Act, Actor
from qos_monitor.storage import engine as storage


async def write(conn: AsyncConnection, *reasons: str) -> None:
    for reason in reasons:
        await audit.record(conn, Act(SOMEBODY, "case.release", "case x", reason), MONDAY)


async def filled(engine: AsyncEngine, *reasons: str) -> None:
    async with storage.writing(engine) as conn:
        await write(conn, *reasons)


async def test_entries_are_read_back_newest_first_and_by_pages(engine: AsyncEngine) -> None:
    await filled(engine, "one", "two", "three")

    async with storage.reading(engine) as conn:
        first = await audit.page(conn, limit=2)
        second = await audit.page(conn, before=first[-1].seq, limit=2)

    assert [entry.act.reason for entry in (*first, *second)] == ["three", "two", "one"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'another'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET at = 0 WHERE seq = 1",
    ],
)
async def test_the_database_refuses_to_change_or_delete_an_entry(engine: AsyncEngine, statement: str) -> None:
    await filled(engine, "one", "two")

    with pytest.raises(DBAPIError, match="append-only"):
        async with storage.writing(engine) as conn:
            await conn.execute(text(statement))

    async with storage.reading(engine) as conn:
        assert [entry.act.reason for entry in await audit.page(conn)] == ["two", "one"]


async def test_the_embedded_database_refuses_to_replace_an_entry_and_the_server_to_empty_the_table(
    engine: AsyncEngine,
) -> None:
    await filled(engine, "one")
    statement = "TRUNCATE audit"
    if storage.is_sqlite(engine):
        columns = "seq, at, actor, via, action, about, reason, sha256"
        statement = f"REPLACE INTO audit ({columns}) VALUES (1, 0, 'x', 'x', 'x', 'x', 'x', 'x')"  # noqa: S608 - fixed

    with pytest.raises(DBAPIError, match="append-only"):
        async with storage.writing(engine) as conn:
            await conn.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET reason = 'another' WHERE seq = 2", 2),
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 1", 2),
        ("DELETE FROM audit WHERE seq = 2", 3),
    ],
)
async def test_who_takes_the_guard_away_first_is_found_by_the_chain(
    embedded: AsyncEngine, statement: str, broken: int
) -> None:
    await filled(embedded, "one", "two", "three")
    async with storage.writing(embedded) as conn:
        assert await audit.first_broken(conn) is None
        for name in ("update", "delete"):
            await conn.execute(text(f"DROP TRIGGER audit_no_{name}"))
        await conn.execute(text(statement))

    async with storage.reading(embedded) as conn:
        assert await audit.first_broken(conn) == broken


async def test_those_who_write_at_once_make_one_chain(engine: AsyncEngine) -> None:
    await asyncio.gather(*(filled(engine, f"{number}", f"{number} again") for number in range(8)))

    async with storage.reading(engine) as conn:
        assert len(await audit.page(conn)) == 16
        assert await audit.first_broken(conn) is None


async def test_an_act_that_is_undone_leaves_no_entry(engine: AsyncEngine) -> None:
    async def fail() -> None:
        async with storage.writing(engine) as conn:
            await write(conn, "one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    async with storage.reading(engine) as conn:
        assert await audit.page(conn) == []


async def test_whatever_a_person_writes_is_kept_as_far_as_databases_take_it(engine: AsyncEngine) -> None:
    act = Act(Actor("n\0" * 500, "v" * 500), "a", "b" * 500, "\ud800 李\0" + "r" * 9_000)
    async with storage.writing(engine) as conn:
        await audit.record(conn, act, MONDAY)

    async with storage.reading(engine) as conn:
        (entry,) = await audit.page(conn)
        assert await audit.first_broken(conn) is None
    assert (len(entry.act.actor.name), len(entry.act.about), len(entry.act.reason)) == (200, 300, 4_000)
    assert entry.act.reason.startswith("? 李r")


def test_a_command_is_signed_by_the_person_of_the_operating_system() -> None:
    assert audit.of_command().name
    assert audit.of_command().via == "command"


async def test_a_learner_has_one_pseudonym_in_an_installation_and_another_elsewhere(engine: AsyncEngine) -> None:
    names = []
    for _ in range(2):
        async with storage.writing(engine) as conn:
            names.append((await pseudonyms.of_installation(conn)).of("u1"))
    elsewhere = pseudonyms.Pseudonyms(b"another key").of("u1")

    assert names[0] == names[1]
    assert names[0] != elsewhere
    assert "u1" not in names[0]
