"""Plain CSV: every spelling a spreadsheet exports, and every mistake with its line and column."""

import pytest

from qos_monitor.importing import sheets
from qos_monitor.importing.groups import Group, Member
from rules.document import Invalid
from rules.world import World

CLASSES = "id,course_id,starts_at,ends_at,provider,room_id,teacher_id,learner_ids"
CLASS = "c1,math,2026-11-02T11:00:00Z,2026-11-02T12:00:00Z,agora,r1,t1,u1;u2"
ENROLMENTS = (
    "id,learner_id,course_id,starts_at,price_minor,paid_minor,currency,lessons_paid,lessons_gift,lessons_used_before"
)
ENROLMENT = "e1,u1,math,2026-09-01T00:00:00+08:00,480000,480000,CNY,48,2,20.5"


def read(table: str, *lines: str, groups: dict[str, Group] | None = None) -> World:
    return sheets.read({table: ("f.csv", "\n".join(lines).encode())}, groups).roster()


def problems(table: str, *lines: str, groups: dict[str, Group] | None = None) -> list[str]:
    with pytest.raises(Invalid) as caught:
        read(table, *lines, groups=groups)
    return [str(problem) for problem in caught.value.problems]


def test_classes_are_read() -> None:
    (row,) = read("classes", CLASSES, CLASS).classes
    assert (row.id, row.course_id, row.room_id, row.learner_ids) == ("c1", "math", "r1", ("u1", "u2"))


def test_enrolments_are_read_and_blank_means_none_or_nothing_yet() -> None:
    (row,) = read("enrolments", ENROLMENTS, ENROLMENT).enrolments
    assert row.as_json()["lessons_used_before"] == 20.5
    assert row.as_json()["starts_at"] == "2026-08-31T16:00:00.000Z"
    assert (row.price_refunded_minor, row.contract_refund_minor) == (0, None)


def test_courses_are_read() -> None:
    rows = read("courses", "id,title,visual_essential", "a,Art,TRUE", "m,,").courses
    assert [(row.title, row.visual_essential) for row in rows] == [("Art", True), (None, False)]


def test_a_byte_order_mark_line_ends_of_windows_quotes_and_blank_lines_change_nothing() -> None:
    body = b"\xef\xbb\xbf" + f'{CLASSES}\r\n\r\n"c1",{CLASS[3:]}\r\n,,,,,,,\r\n'.encode()
    assert sheets.read({"classes": ("f.csv", body)}).roster() == read("classes", CLASSES, CLASS)


def test_a_cell_may_hold_commas_quotes_and_line_ends() -> None:
    rows = read("courses", "id,title", 'a,"Art, ""fine""\nand\nother"', "b,Biology").courses
    assert rows[0].title == 'Art, "fine"\nand\nother'
    assert problems("courses", "id,title", 'a,"Art\nand\nother"', ",Biology")[0].startswith("f.csv:5 id: ")


def test_a_called_off_class_says_by_whom_and_why() -> None:
    header = f"{CLASSES},cancelled_at,cancelled_by,cancelled_technical"
    (row,) = read("classes", header, f"{CLASS},2026-11-01T00:00:00Z,platform,true").classes
    assert row.cancelled is not None
    assert row.cancelled.is_technical
    (told,) = problems("classes", header, f"{CLASS},2026-11-01T00:00:00Z,nobody,")
    assert told.startswith("f.csv:2 cancelled_by: must be one of learner, platform, mutual")


def test_every_mistake_of_every_line_is_told_in_order() -> None:
    wrong = "c2,math,yesterday,2026-11-02T12:00:00Z,,r1,t1,u1;u1"
    told = problems("classes", CLASSES, wrong, CLASS, "c3,math", CLASS.replace("12:00:00Z", "10:00:00Z"))
    assert [text.partition(": ")[0] for text in told] == [
        "f.csv:2 starts_at",
        "f.csv:2 provider",
        "f.csv:2 learner_ids",
        "f.csv:4",
        "f.csv:5 ends_at",
    ]


def test_an_amount_that_is_no_whole_number_is_told() -> None:
    (told,) = problems("enrolments", ENROLMENTS, ENROLMENT.replace("480000,480000", "4800.00,480000"))
    assert told.startswith("f.csv:2 price_minor: must be a whole number")


def test_a_line_that_comes_twice_names_the_first() -> None:
    assert problems("classes", CLASSES, CLASS, CLASS) == ["f.csv:3 id: 'c1' is already the id of f.csv:2"]


def test_two_purchases_that_start_together_are_told() -> None:
    (told,) = problems("enrolments", ENROLMENTS, ENROLMENT, ENROLMENT.replace("e1", "e2"))
    assert told.startswith("f.csv:3 starts_at: the same learner and course")


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ((), "f.csv:1: must begin with a line of column names"),
        (("id,title,teacher",), "f.csv:1: 'teacher' is not a column of this file; its columns are id, title"),
        (("title",), "f.csv:1: the column 'id' is missing"),
        (("id;title", "a;b"), "f.csv:1: 'id;title' is not a column"),
        (("id,id",), "f.csv:1: names the column 'id' 2 times"),
        (("id,title", 'a,"Art'), "f.csv:2: is not CSV from here on"),
        (("id,title", 'a,"Art"x'), "f.csv:2: is not CSV from here on"),
    ],
)
def test_a_file_of_another_shape_is_told(lines: tuple[str, ...], wanted: str) -> None:
    assert problems("courses", *lines)[0].startswith(wanted)


def test_a_file_that_is_not_in_utf_8_is_told_with_its_line() -> None:
    with pytest.raises(Invalid, match=r"f\.csv:2: must be UTF-8"):
        sheets.read({"courses": ("f.csv", "id,title\na,Ä".encode("latin-1"))}).roster()


def test_of_very_many_mistakes_the_first_are_told() -> None:
    told = problems("courses", "id,title", *[",x"] * 300)
    assert (len(told), told[-1]) == (201, "and 100 more problems")


def test_a_group_fills_only_what_the_line_leaves_blank() -> None:
    group = Group("g1", "math", "7b", (Member("u1", is_teacher=False), Member("t1", is_teacher=True)))
    header, line = "id,starts_at,ends_at,provider,teacher_id,group", "2026-11-02T11:00:00Z,2026-11-02T12:00:00Z,agora"
    first, second = read("classes", header, f"c1,{line},,g1", f"c2,{line},t2,g1", groups={"g1": group}).classes
    assert (first.course_id, first.teacher_id, first.learner_ids) == ("math", "t1", ("u1",))
    assert second.teacher_id == "t2"
    assert "f.csv:2 group: is not among the groups given" in problems("classes", header, f"c1,{line},,g1", groups={})
    assert "f.csv:2 group: is given, but no groups are (--groups)" in problems("classes", header, f"c1,{line},,g1")
