"""Data of every revision come to the present one, and the statements of an older program run on its tables."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.storage import engine as storage

REVISIONS = [one.revision for one in ScriptDirectory.from_config(storage.migrations()).walk_revisions()][::-1]
"""Every revision, the first one first."""

NOT_OURS = {"alembic_version"}
_MOST = 3  # rows in each table


async def to(engine: AsyncEngine, revision: str) -> None:
    """Bring an empty database to a revision."""
    async with storage.writing(engine) as conn:
        await conn.run_sync(lambda sync: command.upgrade(storage.migrations(connection=sync), revision))


async def tables_of(engine: AsyncEngine) -> dict[str, Table]:
    """Read the tables as they are, as a program of that revision knows them."""

    def read(conn: Connection) -> dict[str, Table]:
        found = MetaData()
        found.reflect(conn)
        return {name: table for name, table in found.tables.items() if name not in NOT_OURS}

    async with storage.reading(engine) as conn:
        return await conn.run_sync(read)


def rows_of(table: Table) -> list[dict[str, Any]]:
    """Fill every column, each row with other keys."""
    keys = {column.name for column in table.primary_key}
    for one in table.constraints:
        if isinstance(one, UniqueConstraint):
            keys |= {column.name for column in one.columns}
    is_counted = table.primary_key.columns.keys() == ["seq"]
    return [
        {
            c.name: _value(c, number, is_key=c.name in keys)
            for c in table.columns
            if not (is_counted and c.name == "seq")
        }
        for number in range(1, _MOST + 1)
    ]


def _value(column: Any, number: int, *, is_key: bool) -> object:  # noqa: ANN401 - a reflected column of any type
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer):
        return number
    if isinstance(column.type, LargeBinary):
        return b"{}"
    wide = column.type.length or 64
    return (f"{column.name}-{number}" if is_key or column.name.endswith("_id") else f"{number}")[-wide:]


@pytest.fixture
async def bare(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Give a database without any table, and leave it with those of today."""
    async with storage.writing(engine) as conn:
        await conn.run_sync(lambda sync: command.downgrade(storage.migrations(connection=sync), "base"))
    yield engine
    async with storage.writing(engine) as conn:
        if engine.dialect.name == "postgresql":
            await conn.execute(text("DROP SCHEMA public CASCADE"))
            await conn.execute(text("CREATE SCHEMA public"))
    if engine.dialect.name == "postgresql":
        await storage.migrate(engine)


async def put(engine: AsyncEngine, tables: dict[str, Table]) -> None:
    async with storage.writing(engine) as conn:
        for table in tables.values():
            await conn.execute(table.insert(), rows_of(table))


async def kept(engine: AsyncEngine, tables: dict[str, Table]) -> dict[str, list[tuple[Any, ...]]]:
    """Read the columns that a revision knows."""
    found = {}
    async with storage.reading(engine) as conn:
        for name, table in tables.items():
            rows = await conn.execute(select(table))
            found[name] = sorted((tuple(one) for one in rows), key=repr)
    return found


_COUNTED = {"tallies", "cursors", "feed_spans"}
"""A migration counts into these what was there before."""


@pytest.mark.parametrize("revision", REVISIONS)
async def test_rows_of_every_revision_are_there_at_the_present_one(bare: AsyncEngine, revision: str) -> None:
    await to(bare, revision)
    old = await tables_of(bare)
    await put(bare, old)
    before = await kept(bare, old)

    await storage.migrate(bare)

    after = await kept(bare, old)
    assert {name: rows for name, rows in after.items() if name not in _COUNTED} == {
        name: rows for name, rows in before.items() if name not in _COUNTED
    }
    for name in _COUNTED & before.keys():
        assert set(before[name]) <= set(after[name])


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_the_statements_of_an_older_program_run_on_the_present_tables(bare: AsyncEngine, revision: str) -> None:
    await to(bare, revision)
    old = await tables_of(bare)
    await storage.migrate(bare)

    await put(bare, old)

    async with storage.writing(bare) as conn:
        for table in old.values():
            assert (await conn.execute(select(func.count()).select_from(table))).scalar_one() >= _MOST
            if table.name == "audit":
                continue  # nobody changes it
            changed = {column.name: column for column in table.columns if not column.primary_key}
            if changed:
                await conn.execute(table.update().values(changed))
            await conn.execute(table.delete())


async def test_there_is_one_newest_revision() -> None:
    assert len(ScriptDirectory.from_config(storage.migrations()).get_heads()) == 1


async def test_a_column_that_came_later_has_a_value_of_its_own_or_none(engine: AsyncEngine) -> None:
    """Else the insert of a program that does not know it yet would be refused while both run."""

    def found(conn: Connection) -> list[str]:
        looked = inspect(conn)
        return [
            f"{table}.{column['name']}"
            for table, columns in LATER.items()
            for column in looked.get_columns(table)
            if column["name"] in columns and not column["nullable"] and column["default"] is None
        ]

    async with storage.reading(engine) as conn:
        assert await conn.run_sync(found) == []


LATER = {"observations": {"named", "unmapped"}, "learners": {"lease_until", "lease_token"}}
"""Columns of tables that were there before; the tests above would find another one too."""
