"""OneRoster as systems write it: every table and column of 1.2 and 1.1, extensions, spellings, marks and line ends."""

import pytest
from importing_specimens import ONEROSTER

from qos_monitor.importing import oneroster
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.groups import Groups
from qos_monitor.importing.oneroster_records import Mapped

TEACHES_NOT = "enrollments.csv:6: neither student nor teacher"
OTHERS = (
    "categories",
    "classResources",
    "courseResources",
    "demographics",
    "lineItemLearningObjectiveIds",
    "lineItems",
    "lineItemScoreScales",
    "resources",
    "resultLearningObjectiveIds",
    "results",
    "resultScoreScales",
    "roles",
    "scoreScales",
    "userProfiles",
    "userResources",
)
USERS_1_1 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password\n"
)


def read(**changes: str) -> tuple[Draft, Groups]:
    texts = {**ONEROSTER, **{f"{name}.csv": text for name, text in changes.items()}}
    return oneroster.read({name: text.encode() for name, text in texts.items()}, Mapped())


def told(**changes: str) -> list[str]:
    return [str(problem) for problem in read(**changes)[0].problems]


def test_every_other_table_of_the_standard_is_told_and_not_used() -> None:
    manifest = ONEROSTER["manifest.csv"].replace("file.demographics,absent\n", "")
    manifest += "".join(f"file.{name},bulk\n" for name in OTHERS)
    draft, groups = read(manifest=manifest, **dict.fromkeys(OTHERS, "sourcedId,status\nx,\n"))
    assert (draft.problems, list(groups)) == ([], ["math-7b"])
    assert sorted(draft.skipped) == sorted([TEACHES_NOT, *(f"{name}.csv: not used" for name in OTHERS)])


def test_the_users_of_1_1_have_their_role_and_schools_beside_them() -> None:
    people = (("u1", "student"), ("u2", "student"), ("t1", "teacher"), ("t2", "teacher"), ("p1", "proctor"))
    lines = "".join(f'{one},,,true,"o1,o1",{role},n-{one},,A,B,,,,,,,"07,08",\n' for one, role in people)
    manifest = ONEROSTER["manifest.csv"].replace("oneroster.version,1.2", "oneroster.version,1.1")
    draft, groups = read(manifest=manifest, users=USERS_1_1 + lines)
    assert (draft.problems, draft.skipped) == ([], [TEACHES_NOT])
    assert len(groups["math-7b"].members) == 4
    assert told(manifest=manifest, users=USERS_1_1 + lines.replace("o1,o1", "o1,o9", 1)) == [
        "users.csv:2 orgSourcedIds: names what is not in orgs"
    ]


@pytest.mark.parametrize("table", sorted(oneroster.STANDARD))
def test_every_column_of_the_standard_is_taken_and_every_other_is_told(table: str) -> None:
    header, _, rows = ONEROSTER[f"{table}.csv"].partition("\n")
    more = sorted(oneroster.STANDARD[table] - {*header.split(",")})
    wide = ",".join([header, *more, "metadata.tutor", "Colour"])
    lines = [line + "," * len(more) + ",x,blue" for line in rows.splitlines()]
    draft, groups = read(**{table: "\n".join([wide, *lines])})
    assert (draft.problems, list(groups)) == ([], ["math-7b"])
    assert draft.skipped == [f"{table}.csv:1: not used: Colour, metadata.tutor", TEACHES_NOT]


def test_the_columns_may_come_in_any_order() -> None:
    courses = "title,orgSourcedId,sourcedId\nMathematics,o1,math\n"
    assert [row.id for row in read(courses=courses)[0].roster().courses] == ["math"]


def test_byte_order_marks_and_ends_of_lines_of_other_systems_change_nothing() -> None:
    files = {name: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for name, text in ONEROSTER.items()}
    draft, groups = oneroster.read(files, Mapped())
    plain, plain_groups = read()
    assert (draft.roster(), draft.skipped, groups) == (plain.roster(), plain.skipped, plain_groups)


@pytest.mark.parametrize("yes", ["true", "TRUE", "True", "tRuE"])
@pytest.mark.parametrize("no", ["false", "FALSE", "False"])
def test_true_and_false_may_be_spelled_in_any_case(yes: str, no: str) -> None:
    users = ONEROSTER["users.csv"].replace(",true,", f",{yes},")
    enrollments = ONEROSTER["enrollments.csv"].replace(",true,", f",{yes},").replace(",false,", f",{no},")
    assert read(users=users, enrollments=enrollments)[1] == read()[1]


def test_words_of_the_standard_may_be_spelled_in_any_case() -> None:
    enrollments = ONEROSTER["enrollments.csv"].replace("student", "Student").replace("1,,,", "1,Active,,")
    manifest = ONEROSTER["manifest.csv"].replace(",bulk", ",Bulk")
    assert read(manifest=manifest, enrollments=enrollments)[1] == read()[1]


@pytest.mark.parametrize("terms", ['"term1,term2"', '"term1, term2"', '"term1,term2,"'])
def test_lists_of_ids_stand_in_quotes(terms: str) -> None:
    sessions = ONEROSTER["academicSessions.csv"] + "term2,,,Spring,term,2027-02-01,2027-07-01,,2027\n"
    classes = ONEROSTER["classes.csv"].replace('"term1"', terms)
    assert told(academicSessions=sessions, classes=classes) == []
    assert told(classes=classes) == ["classes.csv:2 termSourcedIds: names what is not in academicSessions"]


@pytest.mark.parametrize(
    ("table", "old", "new", "wanted"),
    [
        ("users", "u2,,,true", "u2,,,yes", "users.csv:3 enabledUser: must be true or false"),
        ("enrollments", "t2,teacher,true", "t2,teacher,1", "enrollments.csv:5 primary: must be true or false"),
        ("enrollments", "1,,,", "1,gone,,", "enrollments.csv:2 status: must be active or tobedeleted"),
        ("courses", "math,,,", "math,,today,", "courses.csv:2 dateLastModified: must be an instant such as"),
        ("academicSessions", "2026-09-01", "2026-02-30", "academicSessions.csv:2 startDate: must be a date"),
        ("enrollments", "2026-10-01", "2027-10-01", "enrollments.csv:3 endDate: must not be before beginDate"),
        ("classes", "math-7b,,,", "math-7b,,", "classes.csv:2: must have 14 cells, not 13"),
        ("users", "sourcedId,status", "sourcedId,sourcedId", "users.csv:1: names the column 'sourcedId' 2 times"),
        ("classes", ",math,,scheduled", ",maths,,scheduled", "classes.csv:2 courseSourcedId: names what is not in"),
    ],
)
def test_a_wrong_row_is_told_with_file_line_and_column(table: str, old: str, new: str, wanted: str) -> None:
    assert old in ONEROSTER[f"{table}.csv"]
    found = told(**{table: ONEROSTER[f"{table}.csv"].replace(old, new)})
    assert any(problem.startswith(wanted) for problem in found), found


def test_a_line_is_that_of_the_file_where_cells_hold_ends_of_lines() -> None:
    courses = ONEROSTER["courses.csv"] + 'art,,,,"Art,\nfor all",A,07,o1,,\nmusic,,,,Music,M,07,o9,,\n'
    assert told(courses=courses) == ["courses.csv:5 orgSourcedId: names what is not in orgs"]


def test_letters_that_are_no_utf_8_are_told_with_their_line() -> None:
    files = {name: text.encode() for name, text in ONEROSTER.items()}
    files["courses.csv"] = files["courses.csv"].replace(b"Mathematics", b"Math\xe9matiques")
    first, *_ = oneroster.read(files, Mapped())[0].problems
    assert str(first) == "courses.csv:2: must be UTF-8"
