"""OneRoster deliveries: shaped as the standard's example files, whole, by reference, and wrong in every way."""

import io
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from importing_specimens import ONEROSTER as FILES

from qos_monitor.importing import delivery, oneroster
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups
from qos_monitor.importing.oneroster_records import Mapped
from rules.document import Invalid


def changed(name: str, old: str, new: str) -> Mapping[str, bytes]:
    assert old in FILES[name]
    return {**encoded(), name: FILES[name].replace(old, new).encode()}


def encoded() -> dict[str, bytes]:
    return {name: text.encode() for name, text in FILES.items()}


def read(files: Mapping[str, bytes] | None = None, mapped: Mapped | None = None) -> tuple[Draft, Groups]:
    return oneroster.read(encoded() if files is None else files, mapped or Mapped())


def problems(files: Mapping[str, bytes], mapped: Mapped | None = None) -> list[str]:
    draft, _ = read(files, mapped)
    with pytest.raises(Invalid) as caught:
        draft.roster()
    return [str(problem) for problem in caught.value.problems]


def test_courses_become_courses_and_classes_become_groups() -> None:
    draft, groups = read()
    assert [(row.id, row.title) for row in draft.roster().courses] == [("math", "Mathematics, basic")]
    assert {group.id: (group.course_id, group.title) for group in groups.values()} == {"math-7b": ("math", "Maths 7b")}


def test_a_class_may_be_what_is_bought() -> None:
    draft, groups = read(mapped=Mapped(course="class"))
    assert [(row.id, row.title) for row in draft.roster().courses] == [("math-7b", "Maths 7b")]
    assert groups["math-7b"].course_id == "math-7b"


def test_people_belong_to_a_group_from_their_first_to_their_last_day() -> None:
    group = read()[1]["math-7b"]
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 12, 18), date(2026, 12, 19)]
    assert [group.learners_on(day) for day in days] == [["u1"], ["u1", "u2"], ["u1", "u2"], ["u1"]]


def test_the_primary_teacher_teaches_while_there_is_one() -> None:
    group = read()[1]["math-7b"]
    assert [group.teacher_on(day) for day in (date(2026, 10, 31), date(2026, 11, 1))] == ["t2", "t1"]


def test_the_id_of_a_person_may_be_their_user_name() -> None:
    assert read(mapped=Mapped(person="username"))[1]["math-7b"].learners_on(date(2026, 9, 1)) == ["name-u1"]
    assert "users.csv:2 identifier: must not be blank: it is the person's id (--person)" in problems(
        encoded(), Mapped(person="identifier")
    )


def test_whoever_neither_learns_nor_teaches_is_skipped_and_told() -> None:
    assert read()[0].skipped == ["enrollments.csv:6: neither student nor teacher"]


def test_files_that_are_absent_and_not_needed_are_not_missed() -> None:
    files = dict(changed("manifest.csv", "file.orgs,bulk", "file.orgs,absent"))
    del files["orgs.csv"]
    assert len(read(files)[0].roster().courses) == 1


def test_a_record_that_is_to_be_deleted_is_left_out() -> None:
    draft, groups = read(changed("enrollments.csv", "1,,,", "1,tobedeleted,2026-10-01T00:00:00Z,"))
    assert groups["math-7b"].learners_on(date(2026, 9, 1)) == []
    assert "enrollments.csv:2: its status is tobedeleted" in draft.skipped


@pytest.mark.parametrize(
    ("name", "old", "new", "wanted"),
    [
        ("manifest.csv", "oneroster.version,1.2", "oneroster.version,2.0", "manifest.csv:3: oneroster.version must be"),
        (
            "manifest.csv",
            "file.users,bulk",
            "file.users,some",
            "manifest.csv:9: file.users must be one of absent, bulk",
        ),
        (
            "manifest.csv",
            "file.users,bulk",
            "file.users,absent",
            "manifest.csv:9: file.users must be bulk, and is absent",
        ),
        ("enrollments.csv", "o1,u2", "o1,u9", "enrollments.csv:3 userSourcedId: names what is not in users"),
        ("enrollments.csv", "1,,,math-7b", "1,,,", "enrollments.csv:2 classSourcedId: must not be blank"),
        ("enrollments.csv", "2026-12-18", "18.12.2026", "enrollments.csv:3 endDate: must be a date"),
        ("enrollments.csv", "2,,,", "1,,,", "enrollments.csv:3 sourcedId: is already that of enrollments.csv:2"),
        ("classes.csv", "term1", "term9", "classes.csv:2 termSourcedIds: names what is not in academicSessions"),
        ("courses.csv", "orgSourcedId", "org", "courses.csv:1: the column 'orgSourcedId' is missing"),
        ("users.csv", "u1,,,true", ",,,true", "users.csv:2 sourcedId: must not be blank"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_column(name: str, old: str, new: str, wanted: str) -> None:
    assert any(told.startswith(wanted) for told in problems(changed(name, old, new))), problems(changed(name, old, new))


def test_a_delivery_without_its_manifest_or_a_promised_file_is_told() -> None:
    files = encoded()
    del files["users.csv"]
    assert problems(files) == ["manifest.csv:9: file.users is bulk, but there is no users.csv"]
    del files["manifest.csv"]
    assert problems(files) == ["manifest.csv: is missing: every delivery of OneRoster has one"]


def zipped(folder: str = "", files: Mapping[str, bytes] | None = None) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (encoded() if files is None else files).items():
            packed.writestr(f"{folder}{name}", content)
    return body.getvalue()


@pytest.mark.parametrize("folder", ["", "export/"])
def test_a_zip_and_a_folder_hold_the_same(tmp_path: Path, folder: str) -> None:
    (tmp_path / "all.zip").write_bytes(zipped(folder))
    plain = tmp_path / "plain"
    plain.mkdir()
    for name, text in FILES.items():
        (plain / name).write_bytes(text.encode())
    assert delivery.opened(tmp_path / "all.zip") == delivery.opened(plain) == encoded()


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    for body in b"", b"PK\x03\x04", zipped()[:-30], zipped()[:200] + b"?" * 40 + zipped()[240:]:
        with pytest.raises(Invalid, match="must be a folder or a zip"):
            delivery.unzipped("d.zip", body)
    with pytest.raises(Invalid, match="cannot be read"):
        delivery.opened(tmp_path / "nowhere")


def test_a_zip_that_swells_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BYTES_MAX", 1000)
    halves = {"users.csv": b"x" * 500, "orgs.csv": b"x" * 500}
    assert delivery.unzipped("d.zip", zipped(files=halves)) == halves
    with pytest.raises(Invalid, match="must hold at most 1000 bytes"):
        delivery.unzipped("d.zip", zipped(files=halves | {"classes.csv": b"x"}))
