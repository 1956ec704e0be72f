"""A copy is whole, is made while others write, and never takes the place of anything."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from claim_parts import FILED, Court, dark_life
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor.cli import main
from qos_monitor.errors import QosError
from qos_monitor.storage import backup
from qos_monitor.storage import engine as storage
from qos_monitor.storage.backup import NotACopy
from qos_monitor.storage.tables import deliveries


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())


async def filled(engine: AsyncEngine) -> Path:
    """File a refund in the database; give its file."""
    court = Court(engine)
    await court.enrol(dark_life())
    await court.observe(dark_life().observations, FILED)
    file = storage.file_of(engine)
    assert file is not None
    return file


def _noted(file: Path) -> str:
    """Give the line of a dump that says that this was put back."""
    [line] = [line for line in dump(file) if line.startswith('INSERT INTO "audit"') and "database.restored" in line]
    assert "from copy.sqlite3, 0 deliveries (the last: none), 1 cases" in line
    return line


async def test_what_is_restored_from_a_copy_is_what_was_there(
    embedded: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, kept, back = await filled(embedded), tmp_path / "kept" / "copy.sqlite3", tmp_path / "back.sqlite3"

    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{file}")
    assert await asyncio.to_thread(main, ["backup", str(kept)]) == 0
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{back}")
    assert await asyncio.to_thread(main, ["restore", str(kept)]) == 0

    assert dump(kept) == dump(file)
    assert [line for line in dump(back) if line not in set(dump(file))] == [_noted(back)]
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"copied to {kept}: ")
    assert told[1].startswith(f"restored to {back}: ")
    assert told[1].endswith("0 deliveries (the last: none), 1 cases")
    async with storage.opened(f"sqlite+aiosqlite:///{back}") as engine:
        assert (await Court(engine).case()).state == "filed"


async def test_a_copy_may_be_read_by_its_owner_alone(embedded: AsyncEngine, tmp_path: Path) -> None:
    file = storage.file_of(embedded)
    assert file is not None
    before = os.umask(0)
    try:
        await asyncio.to_thread(backup.copy, file, tmp_path / "copy")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


async def test_a_copy_made_while_others_write_holds_all_that_was_committed_before_it_began(
    embedded: AsyncEngine, tmp_path: Path
) -> None:
    file = storage.file_of(embedded)
    assert file is not None
    written = 0

    async def write(name: str) -> None:
        nonlocal written
        row = {
            "provider": "agora",
            "minute": 0,
            "event_id": name,
            "received_at": 5,
            "headers": "{}",
            "body": b"x" * 999,
        }
        async with storage.writing(embedded) as conn:
            await conn.execute(deliveries.insert(), row)
        written += 1

    for number in range(50):
        await write(f"before-{number}")
    is_over = asyncio.Event()

    async def go_on() -> None:
        while not is_over.is_set():
            await write(f"meanwhile-{written}")

    writer = asyncio.create_task(go_on())
    copied = await asyncio.to_thread(backup.copy, file, tmp_path / "copy")
    is_over.set()
    await writer

    assert 50 <= copied.deliveries <= written
    assert copied.last_received_at == 5
    with closing(sqlite3.connect(tmp_path / "copy")) as database:
        names = {name for (name,) in database.execute("SELECT event_id FROM deliveries")}
    assert {f"before-{number}" for number in range(50)} <= names


@pytest.mark.parametrize("beside", backup.BESIDE)
async def test_nothing_is_overwritten(embedded: AsyncEngine, tmp_path: Path, beside: str) -> None:
    file = await filled(embedded)
    there = tmp_path / f"there{beside}"
    there.write_bytes(b"somebody's")

    with pytest.raises(QosError, match=f"{there.name} is there already"):
        backup.copy(file, tmp_path / "there")

    assert there.read_bytes() == b"somebody's"


def _other(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE other (x)")
        database.commit()


def _later(file: Path) -> None:
    asyncio.run(_made(file))
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()


async def _made(file: Path) -> None:
    async with storage.opened(f"sqlite+aiosqlite:///{file}"):
        pass


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: None, "there is no such file"),  # noqa: ARG005 - makes nothing
        (lambda file: file.write_bytes(b"not a database at all" * 99), "not"),
        (_other, "not a database of qos-monitor"),
        (_later, "made by a later version"),
    ],
)
def test_what_is_no_copy_is_not_restored(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    file, target = tmp_path / "copy", tmp_path / "database"
    make(file)

    with pytest.raises(QosError, match=words):
        backup.copy(file, target)

    assert not target.exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_server_is_copied_with_its_own_tools() -> None:
    with pytest.raises(QosError, match="pg_dump"):
        backup.database_file("postgresql+asyncpg://qos@db/qos")


def test_it_says_what_is_wrong_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/nowhere")

    assert main(["backup", str(tmp_path / "copy")]) == 2

    assert capsys.readouterr().err == f"{tmp_path}/nowhere: there is no such file\n"
    assert issubclass(NotACopy, QosError)
