"""The migrations make the tables of the code, on both databases, whole or not at all."""

import io
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateIndex, CreateTable

from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import metadata


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_migrations_and_tables_do_not_drift(engine: AsyncEngine) -> None:
    async with storage.reading(engine) as conn:
        assert await conn.run_sync(differences) == []


async def test_every_index_of_the_tables_is_made_with_its_condition(embedded: AsyncEngine) -> None:
    wanted = {
        index.name: str(CreateIndex(index).compile(dialect=embedded.dialect))
        for table in metadata.tables.values()
        for index in table.indexes
    }

    async with storage.reading(embedded) as conn:
        rows = await conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type='index'")
        made = {row.name: row.sql for row in rows if row.sql is not None}

    assert made == wanted


async def test_migrating_again_changes_nothing(engine: AsyncEngine) -> None:
    await storage.migrate(engine)

    async with storage.reading(engine) as conn:
        assert await conn.run_sync(differences) == []


async def test_down_and_up_again_gives_the_same_tables(engine: AsyncEngine) -> None:
    async with storage.writing(engine) as conn:
        await conn.run_sync(lambda sync: command.downgrade(storage.migrations(connection=sync), "base"))
        left = await conn.run_sync(lambda sync: inspect(sync).get_table_names())
    assert left == ["alembic_version"]

    await storage.migrate(engine)
    async with storage.reading(engine) as conn:
        assert await conn.run_sync(differences) == []


async def test_a_migration_that_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/half.sqlite3")
    async with storage.writing(engine) as conn:
        await conn.exec_driver_sql("CREATE TABLE outages (learner_id TEXT)")

    with pytest.raises(Exception, match="outages"):
        await storage.migrate(engine)

    async with storage.reading(engine) as conn:
        assert await conn.run_sync(lambda sync: inspect(sync).get_table_names()) == ["outages"]
    await engine.dispose()


def test_the_same_migrations_are_written_for_postgresql() -> None:
    written = io.StringIO()
    config = storage.migrations(dialect_name="postgresql")
    config.output_buffer = written

    command.upgrade(config, "head", sql=True)

    assert written.getvalue().count("CREATE TABLE") == len(metadata.tables) + 1
    assert "BIGSERIAL" in written.getvalue()
    assert "WHERE state = 0" in written.getvalue()


def test_the_tables_compile_for_postgresql() -> None:
    dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]  # it is not annotated there

    for table in metadata.tables.values():
        assert str(CreateTable(table).compile(dialect=dialect))


async def test_a_reader_sees_one_state_throughout_and_never_writes(engine: AsyncEngine) -> None:
    cursors = metadata.tables["cursors"]
    counted = select(func.count()).select_from(cursors)
    async with storage.reading(engine) as reader:
        assert (await reader.execute(counted)).scalar_one() == 0
        async with storage.writing(engine) as writer:
            await writer.execute(cursors.insert(), [{"name": "a", "value": 1}])
        assert (await reader.execute(counted)).scalar_one() == 0
        await reader.execute(select(1))

    async with storage.reading(engine) as reader:
        assert (await reader.execute(counted)).scalar_one() == 1


async def test_an_error_inside_a_write_undoes_all_of_it(engine: AsyncEngine) -> None:
    cursors = metadata.tables["cursors"]

    async def begun_and_failed() -> None:
        async with storage.writing(engine) as writer:
            await writer.execute(cursors.insert(), [{"name": "a", "value": 1}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await begun_and_failed()

    async with storage.reading(engine) as reader:
        assert (await reader.execute(select(cursors))).all() == []


async def test_the_folder_of_the_database_is_made_with_the_tables_and_not_before(tmp_path: Path) -> None:
    engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/var/deep/qos.sqlite3")
    assert not (tmp_path / "var").exists()

    await storage.migrate(engine)

    assert (tmp_path / "var" / "deep" / "qos.sqlite3").is_file()
    await engine.dispose()


async def test_every_connection_is_durable_and_in_wal_mode(embedded: AsyncEngine) -> None:
    async with storage.reading(embedded) as conn:
        assert (await conn.exec_driver_sql("PRAGMA synchronous")).scalar_one() == 2
        assert (await conn.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="give a file"):
        storage.create("sqlite+aiosqlite:///:memory:")
