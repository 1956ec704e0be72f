"""An old and a new process on one database: the new one widens the tables, and the old one goes on working on them."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from database import Database
from running import START_S_MAX
from several import group, named
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.errors import StorageTrouble
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import cursors

ROOT = Path(__file__).parents[3]
NEWER = '''"""What the next release adds: a column that may stay empty, one with a default of the database, a table."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "HEAD"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("claims", sa.Column("note", sa.String(20)))
    op.add_column("learners", sa.Column("weight", sa.Integer(), nullable=False, server_default="1"))
    op.create_table("novelties", sa.Column("name", sa.String(20), primary_key=True))
'''


def newer_program(folder: Path) -> Path:
    """Copy the program, and add the next release's migration to the copy."""
    made = folder / "newer"
    for name in ("qos_monitor", "collectors", "rules"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    versions = made / "qos_monitor" / "storage" / "migrations" / "versions"
    said = [path.read_text(encoding="utf-8") for path in versions.glob("0*.py")]
    behind = {name for words in said for name in re.findall(r'^down_revision = "(\w+)"', words, re.MULTILINE)}
    [head] = {name for words in said for name in re.findall(r'^revision = "(\w+)"', words, re.MULTILINE)} - behind
    (versions / "9999_novelties.py").write_text(NEWER.replace("HEAD", head), encoding="utf-8")
    return made


async def test_an_old_and_a_new_process_work_on_one_database_while_the_one_takes_the_others_place(
    tmp_path: Path, database: Database
) -> None:
    newer = newer_program(tmp_path)
    async with group(tmp_path, database) as several:
        old = await several.start("all")
        await several.plant(old, "before", 4)
        await several.paid(4)
        new = await several.start("all", environ={"PYTHONPATH": str(newer), "PYTHONSAFEPATH": "1"})
        await several.plant(old, "during", 4)
        await several.paid(8)
        another_old = await several.start("all")
        await several.plant(another_old, "still", 4)
        await several.paid(12)
        codes = [await process.terminate() for process in (old, another_old)]
        await several.plant(new, "after", 4)
        await several.paid(16)
        codes.append(await new.terminate())
        failed, told = several.events("job_failed"), several.events("database_is_newer")

    learners = [*named("before", 4), *named("during", 4), *named("still", 4), *named("after", 4)]
    assert await database.rows("SELECT version_num FROM alembic_version") == [("9999",)]
    assert sorted(str(one.message["learner_id"]) for one in several.receiver.received.values()) == sorted(learners)
    assert (several.receiver.refused, failed, codes) == ([], [], [0, 0, 0])
    assert [event["revision"] for event in told] == ["9999"]


async def _at_newer(engine: AsyncEngine, floor: int | None) -> None:
    async with storage.writing(engine) as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        if floor is not None:
            await conn.execute(cursors.insert(), [{"name": storage.FLOOR, "value": floor}])


@pytest.mark.parametrize("floor", [None, 1, 8])
async def test_a_database_that_a_later_version_only_widened_is_worked_on(
    engine: AsyncEngine, floor: int | None
) -> None:
    await _at_newer(engine, floor)

    await storage.migrate(engine)

    await _back(engine)


async def test_a_database_that_a_later_version_made_its_own_is_refused_with_words(engine: AsyncEngine) -> None:
    await _at_newer(engine, 9998)

    with pytest.raises(StorageTrouble, match="too old"):
        await storage.migrate(engine)

    await _back(engine)


async def _back(engine: AsyncEngine) -> None:
    """Leave the tables as other tests expect them, for PostgreSQL's are shared."""
    await _emptied(engine)
    await storage.migrate(engine)


async def _emptied(engine: AsyncEngine) -> None:
    """Drop every table: as before the first start."""
    async with storage.writing(engine) as conn:
        if not storage.is_sqlite(engine):
            await conn.execute(text("DROP SCHEMA public CASCADE"))
            await conn.execute(text("CREATE SCHEMA public"))
            return
        for table in await conn.run_sync(lambda sync: inspect(sync).get_table_names()):
            await conn.execute(text(f"DROP TABLE {table}"))


async def test_processes_that_start_at_once_on_a_new_database_migrate_it_once(engine: AsyncEngine) -> None:
    await _emptied(engine)
    others = [storage.create(engine.url.render_as_string(hide_password=False)) for _ in range(4)]

    async with asyncio.timeout(START_S_MAX):
        await asyncio.gather(*(storage.migrate(other) for other in others))

    async with storage.reading(engine) as conn:
        assert len((await conn.execute(text("SELECT version_num FROM alembic_version"))).all()) == 1
    await asyncio.gather(*(other.dispose() for other in others))
