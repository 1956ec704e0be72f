"""``import identities``, ``unmapped`` and ``remap`` from the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from service_parts import MONDAY, school, sighting
from sqlalchemy import select

from qos_monitor import cli, clock, observing, roster
from qos_monitor.observing import Entry
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import observations
from rules.span import HOUR


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Give every command a database of its own, in which something was seen, and a clock."""
    url = f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3"
    clock.drive(tmp_path / "clock", MONDAY + HOUR)
    monkeypatch.setenv("QOS_DATABASE_URL", url)
    monkeypatch.setenv("QOS_CLOCK_FILE", str(tmp_path / "clock"))

    async def fill() -> None:
        async with storage.opened(url) as engine, storage.writing(engine) as conn:
            await roster.apply(conn, school(MONDAY), MONDAY)
            seen = [sighting("e1", who="42", recorded_at=MONDAY), sighting("e2", room="c1", recorded_at=MONDAY)]
            await observing.store(conn, [Entry(one, 1) for one in seen], MONDAY)

    asyncio.run(fill())
    return url


def places(url: str) -> list[tuple[Any, ...]]:
    async def read() -> list[tuple[Any, ...]]:
        async with storage.opened(url) as engine, storage.reading(engine) as conn:
            rows = await conn.execute(select(observations).order_by(observations.c.id))
            return [(row.id, row.class_id, row.participant_id) for row in rows]

    return asyncio.run(read())


def test_identities_are_imported_after_a_dry_run(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,provider,person_id\n42,agora,u1\na@b,zoom,u2\n", encoding="utf-8")

    told = []
    for more in (["--dry-run"], [], []):
        assert cli.main(["import", "identities", str(file), *more]) == 0
        answered = json.loads(capsys.readouterr().out)
        told.append((answered["dry_run"], answered["added"], answered["unchanged"]))

    both = ["agora:42", "zoom:a@b"]
    assert told == [(True, both, 0), (False, both, 0), (False, [], 2)]
    assert places(database)[0] == ("e1", "c1", "u1")


def test_every_wrong_line_is_told_and_nothing_is_imported(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("provider,name,person_id\nagora,42,u1\nagoar,7,u1\nagora,,u1\nagora,42,u2\n", encoding="utf-8")

    assert cli.main(["import", "identities", str(file)]) == 2

    told = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in told] == ["3 provider", "4 name", "5 name"]
    assert told[2].endswith(f"is given twice; see {file}:2")
    assert places(database)[0] == ("e1", "c1", "42")


def test_a_column_of_another_name_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "people.csv"
    file.write_text("provider,uid,person_id\nagora,42,u1\n", encoding="utf-8")

    assert cli.main(["import", "identities", str(file)]) == 2

    told = capsys.readouterr().err
    assert "'uid' is not a column of this file; its columns are provider, name, person_id" in told


def test_what_nobody_could_map_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for more in ([], ["--provider", "zoom"], ["--hours", "1"]):
        assert cli.main(["unmapped", *more]) == 0
        listed = json.loads(capsys.readouterr().out)["unmapped"]
        found[" ".join(more)] = [(one["what"], one["room"], one["name"]) for one in listed]

    everything = [("room", "c1", None), ("person", "r1", "42")]
    assert found == {"": everything, "--provider zoom": [], "--hours 1": everything}
    assert cli.main(["unmapped", "--hours", "0"]) == 2


def test_remap_places_everything_by_the_templates_of_the_settings(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QOS_ROOM_TEMPLATES", "{class_id}")
    monkeypatch.setenv("QOS_PARTICIPANT_TEMPLATES", "4{learner_id},{learner_id}")

    assert cli.main(["remap"]) == 0

    assert places(database) == [("e1", "c1", "42"), ("e2", "c1", "u1")]
    assert "placed anew" in capsys.readouterr().out
