"""The page on imports: every command on it is run, on the files that it shows."""

import io
import json
import re
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from importing_specimens import CLASSES, ENROLMENTS, ONEROSTER
from roster_server import CLIENT, FakeSchool, private_key, served, small_school

from qos_monitor import cli

PAGE = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
_WRITTEN = re.findall(r"^    qos-monitor (import (?:.*\\\n)*.*)", PAGE, re.MULTILINE)
COMMANDS = [shlex.split(text.replace("\\\n", " ")) for text in _WRITTEN]
ICS = re.findall(r"```ics\n(.*?)```", PAGE, re.DOTALL)[0]
GROUP_LINES = (
    "id,starts_at,ends_at,provider,group\nl1,2026-11-02T11:00:00Z,2026-11-02T12:00:00Z,agora,math-7b\n"  # one lesson
)
DELTA = {
    "manifest.csv": "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.enrollments,delta\n",
    "enrollments.csv": ONEROSTER["enrollments.csv"].partition("\n")[0] + "\n2,tobedeleted,,math-7b,o1,u2,student,,,\n",
}


def zipped(files: Mapping[str, str]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return body.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    monkeypatch.setenv("QOS_ONEROSTER_CLIENT", ":".join(CLIENT))
    monkeypatch.setenv("QOS_LTI_PRIVATE_KEY", private_key())
    monkeypatch.chdir(tmp_path)
    files = {
        "courses.csv": b"id,title\nmath,Mathematics\n",
        "enrolments.csv": ENROLMENTS,
        "classes.csv": CLASSES,
        "lessons.csv": GROUP_LINES.encode(),
        "school.ics": ICS.encode(),
        "export.zip": zipped(ONEROSTER),
        "changes.zip": zipped(DELTA),
        **{name: text.encode() for name, text in re.findall(r"```csv (\S+)\n(.*?)```", PAGE, re.DOTALL)},
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    assert folder.is_dir()
    members: list[dict[str, object]] = [{"user_id": one, "roles": ["Learner"]} for one in ("u1", "u3")]
    with served(FakeSchool(small_school(), members=members)) as address:
        yield address


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    code = cli.main([*argv])
    told = capsys.readouterr()
    assert (code, told.err) == (0, ""), argv
    answer: dict[str, Any] = json.loads(told.out)
    return answer


def at(url: str, argument: str) -> str:
    """Put the address of the fake systems where the page has an example's."""
    argument = argument.replace("https://sis.school.example/ims/oneroster/rostering/v1p2", f"{url}/or")
    return re.sub(r"https://(sis|lms)\.school\.example", url, argument)


def test_every_command_of_the_page_is_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    later = ICS.replace(":2026", ":2126")
    Path("later.ics").write_text(later, encoding="utf-8", newline="")
    window = ("--from", "2126-10-01", "--until", "2127-02-01", "--provider", "agora", "--course", "math-7b")
    run(capsys, "import", "ical", "later.ics", *window)
    assert {command[1] for command in COMMANDS} == {"csv", "ical", "oneroster", "oneroster-rest", "nrps", "identities"}
    for command in COMMANDS:
        told = run(capsys, *(at(url, argument) for argument in command))
        assert told["dry_run"], command


@pytest.mark.usefixtures("folder")
def test_the_calendar_of_the_page_is_the_classes_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    command = next(command for command in COMMANDS if command[1] == "ical")
    told = run(capsys, *command)
    assert len(told["classes"]["added"]) == 3
    assert [name for name in told["classes"]["added"] if f"`{name}`" not in PAGE] == []


@pytest.mark.usefixtures("folder")
def test_a_class_that_moves_in_a_later_edition_is_changed_and_neither_added_nor_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    window = ("--from", "2126-10-01", "--until", "2127-02-01", "--provider", "agora", "--course", "math", "--whole")
    lesson = ICS.replace(":2026", ":2126").split("BEGIN:VEVENT")
    single = lesson[0] + "BEGIN:VEVENT" + re.sub(r"(RRULE|EXDATE).*\n", "", lesson[1]) + "END:VCALENDAR\n"
    Path("one.ics").write_text(single, encoding="utf-8")
    run(capsys, "import", "ical", "one.ics", *window)
    moved = single.replace("T190000", "T150000").replace("T200000", "T160000").replace("SEQUENCE:0", "SEQUENCE:1")
    Path("one.ics").write_text(moved, encoding="utf-8")
    told = run(capsys, "import", "ical", "one.ics", *window)
    assert told["classes"]["added"] == []
    assert {name: sorted(keys) for name, keys in told["classes"]["changed"].items()} == {
        "algebra-mondays": ["ends_at", "starts_at"]
    }
    assert not told.get("ended")
