"""``qos-monitor import`` from the command line: exit codes, and what is printed where."""

import json
from pathlib import Path
from typing import Any

import pytest
from importing_specimens import CALENDAR, CLASSES, ENROLMENTS
from importing_specimens import ONEROSTER as FILES

from qos_monitor import cli

WINDOW = ("--from", "2026-10-01", "--until", "2026-12-01", "--course", "math", "--provider", "agora")


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give every command a database of its own."""
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")


def saved(folder: Path, name: str, body: bytes) -> str:
    file = folder / name
    file.write_bytes(body)
    return str(file)


def school(folder: Path) -> str:
    path = folder / "oneroster"
    path.mkdir()
    for name, text in FILES.items():
        (path / name).write_text(text, encoding="utf-8")
    return str(path)


def done(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert cli.main(["import", *argv]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert cli.main(["import", *argv]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()


def test_sheets_are_imported_after_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["csv", "--classes", saved(tmp_path, "c.csv", CLASSES), "--enrolments", saved(tmp_path, "e.csv", ENROLMENTS)]
    for more, added in (["--dry-run"], 2), ([], 2), ([], 0):
        told = done(capsys, *argv, *more)
        assert len(told["classes"]["added"]) == added


def test_nothing_is_imported_where_one_line_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = saved(tmp_path, "wrong.csv", CLASSES.replace(b"2026-11-02T12", b"2026-11-02T10"))
    assert refused(capsys, "csv", "--classes", wrong) == [f"{wrong}:2 ends_at: must be later than starts_at"]
    right = saved(tmp_path, "c.csv", CLASSES)
    assert len(done(capsys, "csv", "--classes", right)["classes"]["added"]) == 2


def test_a_database_that_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, "c.csv", CLASSES)
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{file}")

    assert cli.main(["import", "csv", "--classes", file]) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("the database cannot be used (DatabaseError); ")


def test_whole_sheets_end_what_they_do_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = CLASSES.replace(b"2026-11", b"2126-11").replace(b"ma,th", b"math").replace(b"2126-11-01", b"2026-11-01")
    later = later.replace(b"2026-11-01T00:00:00Z,platform,false", b",,")
    done(capsys, "csv", "--classes", saved(tmp_path, "c.csv", later))
    rest = saved(tmp_path, "rest.csv", b"\n".join(later.splitlines()[:2]))
    told = done(capsys, "csv", "--classes", rest, "--whole", "--from", "2126-10-01", "--until", "2126-12-01")
    assert told["ended"] == ["c2"]
    assert "--whole: needs" in refused(capsys, "csv", "--classes", rest, "--whole")[0]


def test_a_calendar_is_imported_after_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["ical", saved(tmp_path, "t.ics", CALENDAR), *WINDOW, "--zone", "Europe/Berlin"]
    for more, added in (["--dry-run"], 9), ([], 9), ([], 0):
        told = done(capsys, *argv, *more)
        assert len(told["classes"]["added"]) == added


def test_a_calendar_is_combined_with_the_groups_of_oneroster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calendar = saved(tmp_path, "t.ics", CALENDAR.replace(b"X-QOS-LEARNERS:u1,u2", b"X-QOS-GROUP:math-7b"))
    groups = school(tmp_path)
    argv = ["ical", calendar, *WINDOW, "--zone", "Europe/Berlin"]
    assert "group: names a group that is not among those given" in refused(capsys, *argv)[0]
    assert len(done(capsys, *argv, "--groups", groups)["classes"]["added"]) == 9


def test_courses_of_oneroster_are_imported_and_its_groups_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = done(capsys, "oneroster", school(tmp_path))
    assert told["courses"]["added"] == ["math"]
    assert told["groups"] == {"math-7b": {"course_id": "math", "title": "Maths 7b", "teachers": 2, "learners": 2}}


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["csv"], "import csv: needs at least one of"),
        (["csv", "--classes", "nowhere"], "nowhere: cannot be read"),
        (["ical", "nowhere", *WINDOW], "nowhere: cannot be read"),
        (["ical", "x", "--from", "2026-12-01", "--until", "2026-12-01"], "--until: must be later than --from"),
        (["ical", "x", "--from", "2026-12-01", "--until", "2028-12-01"], "--until: must be later than --from"),
        (["ical", "x", "--from", "soon", "--until", "2028-12-01"], "--from: must be a day"),
        (["ical", "x", *WINDOW, "--zone", "Mars/Olympus"], "--zone: must be the name"),
        (["ical", "x", *WINDOW, "--zone", "../x"], "--zone: must be the name"),
        (["oneroster", "nowhere"], "nowhere: cannot be read"),
    ],
)
def test_wrong_options_are_told_and_the_exit_code_is_2(
    argv: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *argv)[0].startswith(wanted)


def test_a_day_begins_in_the_zone_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [*CALENDAR.splitlines()[:5], b"DTSTART:20261130T230000Z", b"DURATION:PT1H", b"X-QOS-TEACHER:t"]
    lesson = b"\n".join([*lines, b"X-QOS-LEARNERS:u", b"END:VEVENT", b"END:VCALENDAR"])
    file = saved(tmp_path, "t.ics", lesson)
    assert done(capsys, "ical", file, *WINDOW, "--dry-run")["classes"]["added"] == ["algebra"]
    assert done(capsys, "ical", file, *WINDOW, "--zone", "Europe/Berlin", "--dry-run")["classes"]["added"] == []
