"""LTI Names and Roles against a server: signed requests, pages, differences, roles in every spelling."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from import_command import ImportCommand
from roster_server import CLIENT, FakeSchool, Misdeed, Row, private_key, says, served

from qos_monitor import cli
from qos_monitor.importing import nrps
from qos_monitor.importing.draft import Draft
from rules.document import Invalid

HEADER = "id,course_id,starts_at,ends_at,provider,teacher_id,learner_ids"
VOCABULARY = "http://purl.imsglobal.org/vocab/lis/v2"


def member(user_id: str, *roles: str, **more: object) -> Row:
    return {"user_id": user_id, "roles": list(roles), "status": "Active", **more}


LEARNERS = [member("u1", "Learner"), member("u2", f"{VOCABULARY}/membership#Learner", name="Two, U.")]
TEACHER = member("t1", f"{VOCABULARY}/membership#Instructor", f"{VOCABULARY}/institution/person#Faculty")


@pytest.fixture
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSchool:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    monkeypatch.setenv("QOS_LTI_PRIVATE_KEY", private_key())
    return FakeSchool(members=[*LEARNERS, TEACHER], page_max=2)


@pytest.fixture
def timetable(school: FakeSchool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lessons = [("gone", 2020, "math"), ("c1", 2126, "math"), ("c2", 2126, "math"), ("a1", 2126, "art")]
    lines = [f"{i},{c},{y}-11-02T11:00:00Z,{y}-11-02T12:00:00Z,agora,t1,u1;u9" for i, y, c in lessons]
    (tmp_path / "c.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    assert cli.main(["import", "csv", "--classes", str(tmp_path / "c.csv")]) == 0
    capsys.readouterr()


@pytest.fixture
def url(school: FakeSchool) -> Iterator[str]:
    with served(school) as address:
        yield address


def _arguments(url: str, more: tuple[str, ...]) -> list[str]:
    fixed = ["nrps", f"{url}/nrps", "--token-url", f"{url}/token", "--client-id", CLIENT[0], "--key-id", "k1"]
    return [*fixed, *(more if "--course" in more else ("--course", "math", *more))]


@pytest.fixture
def command(url: str, capsys: pytest.CaptureFixture[str]) -> ImportCommand:
    return ImportCommand(url, capsys, _arguments)


@pytest.mark.usefixtures("timetable")
def test_members_join_the_classes_to_come_of_their_course_after_a_dry_run_and_once(command: ImportCommand) -> None:
    both = {"c1": ["learner_ids"], "c2": ["learner_ids"]}
    for more, changed in (["--dry-run"], both), ([], both), ([], {}):
        told = command.done(*more)
        assert told["classes"]["changed"] == changed
        assert told["ended"] == {class_id: ["u9"] for class_id in changed}


@pytest.mark.usefixtures("timetable")
def test_the_request_for_a_token_is_signed_with_our_key(command: ImportCommand, school: FakeSchool) -> None:
    command.done()
    (claims,) = school.assertions
    assert (claims["kid"], claims["alg"], claims["iss"]) == ("k1", "RS256", CLIENT[0])
    assert school.scopes == [nrps.SCOPE]
    assert school.asked == ["/nrps", "/nrps?p=1"]


@pytest.mark.usefixtures("timetable")
def test_only_the_classes_named_are_touched(command: ImportCommand) -> None:
    assert list(command.done("--classes", "*1")["classes"]["changed"]) == ["c1"]


@pytest.mark.usefixtures("timetable")
def test_who_is_active_no_more_has_ended(command: ImportCommand, school: FakeSchool) -> None:
    command.done()
    school.members[0] = member("u1", "Learner", status="Inactive")
    assert command.done()["ended"] == {"c1": ["u1"], "c2": ["u1"]}


@pytest.mark.usefixtures("timetable")
def test_differences_are_asked_for_next_time_and_change_only_who_they_name(
    command: ImportCommand, school: FakeSchool, tmp_path: Path
) -> None:
    kept = tmp_path / "since"
    more = ("--differences", str(kept))
    command.done(*more, "--dry-run")
    assert not kept.exists()
    assert command.done(*more)["is_whole"]
    assert kept.read_text(encoding="utf-8").strip() == f"{command.url}/nrps?since=672638"
    school.changed = [member("u2", status="Deleted") | {"roles": None}, member("u3", "Learner")]
    told = command.done(*more)
    assert (told["is_whole"], told["ended"]) == (False, {"c1": ["u2"], "c2": ["u2"]})
    assert school.asked[-1] == "/nrps?since=672638"
    assert command.done(*more)["classes"]["unchanged"] == 2
    school.members = [member("u1", "Learner"), member("u3", "Learner"), TEACHER]
    assert command.done()["classes"]["unchanged"] == 2


def test_differences_of_another_server_are_not_asked_for(command: ImportCommand, tmp_path: Path) -> None:
    (tmp_path / "since").write_text("https://elsewhere.example/nrps", encoding="utf-8")
    assert "holds the address of another server" in command.refused("--differences", str(tmp_path / "since"))


@pytest.mark.usefixtures("timetable")
def test_an_instructor_takes_over_where_the_teacher_left_and_no_assistant_before(
    command: ImportCommand, school: FakeSchool
) -> None:
    assistant = member("a1", "Instructor", f"{VOCABULARY}/membership/Instructor#TeachingAssistant")
    school.members = [*LEARNERS, assistant, member("t2", "Instructor"), member("t3", "Instructor")]
    told = command.done("--dry-run", "--keep-teachers")
    assert told["classes"]["changed"]["c1"] == ["learner_ids"]
    assert command.done()["classes"]["changed"]["c1"] == ["teacher_id", "learner_ids"]
    school.members = [*LEARNERS, member("t2", "Instructor"), member("a0", "Instructor")]
    assert command.done()["classes"]["changed"] == {}


@pytest.mark.usefixtures("timetable")
def test_a_course_without_learners_leaves_its_classes_alone(command: ImportCommand, school: FakeSchool) -> None:
    school.members = [TEACHER]
    assert command.refused().splitlines() == ["c1: would have no learner", "c2: would have no learner"]


def test_a_course_nobody_knows_is_told(command: ImportCommand) -> None:
    assert command.refused("--course", "chess").startswith("--course: has no class on the roster")


@pytest.mark.parametrize(
    ("misdeed", "wanted"),
    [
        (says(200, '{"members": []}', "text/html"), "/nrps: must answer with application/vnd.ims.lti-nrps.v2"),
        (says(200, '{"members": 1}'), "members: must be a list in every page"),
        (says(200, "null"), "members: must be a list in every page"),
        (says(200, '{"members": [7, {}, {"user_id": "u", "status": "Gone", "roles": [1]}]}'), "members[0]: must be an"),
        (says(200, '{"members": []}', Link='</nrps>; rel="next"'), "/nrps: must come to an end"),
        (
            says(200, '{"members": []}', Link="<https://elsewhere.example/>; rel=next"),
            "/nrps: must name a next page on",
        ),
    ],
)
def test_what_is_no_membership_is_told_in_words(
    command: ImportCommand, school: FakeSchool, misdeed: Misdeed, wanted: str
) -> None:
    school.misdeeds = [misdeed]
    assert command.refused().startswith(wanted)


def test_a_key_that_cannot_sign_is_told_and_not_shown(command: ImportCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in "hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----":
        monkeypatch.setenv("QOS_LTI_PRIVATE_KEY", wrong)
        told = command.refused()
        assert told.startswith("QOS_LTI_PRIVATE_KEY: a secret that is not shown was given; an RSA private key")
        assert "hunter2" not in told
    monkeypatch.delenv("QOS_LTI_PRIVATE_KEY")
    assert command.refused().startswith("QOS_LTI_PRIVATE_KEY: nothing was given")


def read(*members: object, person: str = "user_id") -> tuple[dict[str, nrps.Person], Draft]:
    draft = Draft()
    return dict(nrps.read([{"members": list(members)}], person, draft)), draft


@pytest.mark.parametrize(
    ("roles", "is_learner", "is_teacher"),
    [
        (["Learner"], True, False),
        ([f"{VOCABULARY}/membership#Learner"], True, False),
        ([f"{VOCABULARY}/membership/Learner#GuestLearner"], True, False),
        (["Instructor"], False, True),
        ([f"{VOCABULARY}/membership#Instructor", "Learner"], False, True),
        ([f"{VOCABULARY}/institution/person#Student", "Learner"], True, False),
        ([f"{VOCABULARY}/institution/person#Student"], False, False),
        ([f"{VOCABULARY}/system/person#Administrator"], False, False),
        (["Mentor"], False, False),
        (["http://elsewhere.example/membership#Learner"], False, False),
        ([], False, False),
    ],
)
def test_only_roles_in_the_course_count(roles: list[str], is_learner: bool, is_teacher: bool) -> None:
    people, _ = read(member("u1", *roles))
    assert (people["u1"].is_learner, people["u1"].is_teacher) == (is_learner, is_teacher)


def test_a_status_that_is_not_told_is_active_and_test_users_are_skipped() -> None:
    test_user = "http://purl.imsglobal.org/vocab/lti/system/person#TestUser"
    people, draft = read({"user_id": "u1", "roles": ["Learner"]}, member("x", "Learner", test_user))
    assert people["u1"].is_active
    assert draft.skipped == ["members[1]: a test user"]


def test_another_key_may_be_the_id_of_a_person() -> None:
    people, draft = read(member("u1", "Learner", email=" u1@school.example "), member("u2", "Learner"), person="email")
    assert list(people) == ["u1@school.example"]
    with pytest.raises(Invalid, match=r"members\[1\] email: must be a text that is not empty"):
        draft.roster()
