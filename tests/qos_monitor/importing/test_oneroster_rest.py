"""OneRoster over REST against a server: pages, totals that change, tokens that end, bad days and wrong answers."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from import_command import ImportCommand
from roster_server import CLIENT, FakeSchool, Misdeed, hangs_up, remote_of, row, says, served, small_school

from qos_monitor.importing import oneroster, oneroster_rest, remote
from qos_monitor.importing.delivery import opened
from qos_monitor.importing.oneroster_records import Mapped
from rules.document import Invalid


@pytest.fixture
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSchool:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
    monkeypatch.setenv("QOS_ONEROSTER_CLIENT", ":".join(CLIENT))
    return FakeSchool(small_school())


@pytest.fixture
def url(school: FakeSchool) -> Iterator[str]:
    with served(school) as address:
        yield address


def _arguments(url: str, more: tuple[str, ...]) -> list[str]:
    return ["oneroster-rest", f"{url}/or", "--token-url", f"{url}/token", *more]


@pytest.fixture
def command(url: str, capsys: pytest.CaptureFixture[str]) -> ImportCommand:
    return ImportCommand(url, capsys, _arguments)


def test_courses_arrive_after_a_dry_run_and_once(command: ImportCommand, school: FakeSchool) -> None:
    for more, added in (["--dry-run"], ["math"]), ([], ["math"]), ([], []):
        assert command.done(*more)["courses"]["added"] == added
    assert school.scopes == [oneroster_rest.SCOPE] * 3
    assert len(school.tokens) == 3


def test_it_reads_what_the_csv_of_the_same_school_says(command: ImportCommand, tmp_path: Path) -> None:
    told = command.done("--save", str(tmp_path / "groups.zip"), "--dry-run")
    assert told["groups"] == {"math-7b": {"course_id": "math", "title": "Maths 7b", "teachers": 2, "learners": 2}}
    _, groups = oneroster.read(opened(tmp_path / "groups.zip"), Mapped())
    group = groups["math-7b"]
    assert group.learners_on(date(2026, 9, 30)) == ["u1"]
    assert group.learners_on(date(2026, 10, 1)) == ["u1", "u2"]
    assert [group.teacher_on(date(2026, month, 1)) for month in (10, 11)] == ["t2", "t1"]
    assert (tmp_path / "groups.zip").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("tells_links", [True, False])
def test_every_page_is_asked_for_however_the_server_counts(
    command: ImportCommand, school: FakeSchool, tells_total: bool, tells_links: bool
) -> None:
    school.records["courses"] = [row(f"c{n}", title=f"Course {n}") for n in range(7)] + school.records["courses"]
    school.tells_total, school.tells_links = tells_total, tells_links
    assert len(command.done()["courses"]["added"]) == 8
    offsets = [asked.partition("offset=")[2] for asked in school.asked if "/courses" in asked]
    assert offsets == ["0", "3", "6", "8"][: 3 if tells_total or tells_links else 4]


def test_only_active_records_are_asked_for_if_wanted(command: ImportCommand, school: FakeSchool) -> None:
    school.records["courses"].append(row("old", title="Old") | {"status": "tobedeleted"})
    assert command.done()["skipped"][0] == "courses[1]: its status is tobedeleted"
    assert command.done("--active-only")["skipped"] == ["enrollments[4]: neither student nor teacher"]
    assert any("filter=status%3D'active'" in asked for asked in school.asked)


def test_a_collection_that_changes_between_two_pages_is_read_anew(command: ImportCommand, school: FakeSchool) -> None:
    school.records["courses"] += [row(f"c{n}", title="C") for n in range(4)]
    school.late["courses"] = [row("late", title="Late")]
    assert len(command.done()["courses"]["added"]) == 6
    assert [asked.partition("offset=")[2] for asked in school.asked if "/courses" in asked] == ["0", "3", "0", "3"]


def test_a_collection_that_never_keeps_still_is_told(command: ImportCommand, school: FakeSchool) -> None:
    page = json.dumps({"orgs": [row("o1", name="O")]})
    school.misdeeds = [says(200, page, X_Total_Count=str(total)) for total in (5, 6) * 3]
    assert command.refused().startswith("/or/orgs: changed between two pages, 3 times over")


def test_a_server_that_gives_the_same_page_for_ever_is_told(command: ImportCommand, school: FakeSchool) -> None:
    page = json.dumps({"orgs": [row("o1", name="O")]})
    school.misdeeds = [says(200, page)] * 6
    assert command.refused().startswith("/or/orgs: changed between two pages, 3 times over")


def test_a_token_that_ended_is_asked_for_anew(command: ImportCommand, school: FakeSchool) -> None:
    school.token_uses = 2
    command.done()
    assert len(school.tokens) == 4  # seven pages, of which the users are two


def test_a_token_refused_twice_is_told(command: ImportCommand, school: FakeSchool) -> None:
    school.token_uses = 0
    assert command.refused() == "/or/orgs: does not let us in: the token was refused twice (401)\n"
    assert len(school.tokens) == 2


def test_trouble_over_there_passes(command: ImportCommand, school: FakeSchool) -> None:
    school.token_misdeeds = [says(503, Retry_After="0")]
    school.misdeeds = [says(500, Retry_After="0"), says(429, Retry_After="0"), says(502, Retry_After="0")]
    assert command.done()["courses"]["added"] == ["math"]


def test_trouble_that_stays_is_told_as_such(command: ImportCommand, school: FakeSchool) -> None:
    school.misdeeds = [says(503, Retry_After="0")] * remote.TRIES_MAX
    code, _, err = command.run()
    assert code == 1
    assert "/or/orgs: asked 5 times in vain (status 503); try again later" in err


@pytest.mark.parametrize(
    ("misdeed", "wanted"),
    [
        (says(200, "<html>", "text/html"), "/or/orgs: must answer with application/json, and answers with text/html"),
        (says(200, "{"), "/or/orgs: must be JSON in UTF-8"),
        (says(200, "[]"), "/or/orgs offset=0: must hold a list under 'orgs'"),
        (says(200, '{"orgs": 1}'), "/or/orgs offset=0: must hold a list under 'orgs'"),
        (says(200, '{"orgs": [1]}', X_Total_Count="1"), "orgs[0]: must be an object"),
        (says(200, '{"orgs": [{"sourcedId": 7}]}', X_Total_Count="1"), "orgs[0] sourcedId: must be a text"),
        (says(302, Location="https://elsewhere.example"), "/or/orgs: leads elsewhere (302)"),
        (says(403), "/or/orgs: refuses: the client may lack the scope (403)"),
        (says(404), "/or/orgs: is not there (404)"),
        (says(422), "/or/orgs: cannot be asked so (422)"),
    ],
)
def test_what_is_no_roster_is_told_in_words(
    command: ImportCommand, school: FakeSchool, misdeed: Misdeed, wanted: str
) -> None:
    school.misdeeds = [misdeed]
    assert any(line.startswith(wanted) for line in command.refused().splitlines())


@pytest.mark.parametrize(
    ("misdeed", "wanted"),
    [
        (says(401, '{"error": "invalid_client"}'), "/token: gives no token (invalid_client)"),
        (says(400, '{"error": "a-secret-nobody-guesses"}'), "/token: gives no token (status 400)"),
        (says(200, "{}"), "/token: must answer with a bearer token"),
        (says(200, '{"access_token": "a\\nb"}'), "/token: must answer with a bearer token"),
        (says(200, '{"access_token": "a", "token_type": "mac"}'), "/token: must answer with a bearer token"),
        (says(200, "<html>", "text/html"), "/token: must answer with a bearer token"),
    ],
)
def test_who_gets_no_token_is_told_why_without_the_secret(
    command: ImportCommand, school: FakeSchool, misdeed: Misdeed, wanted: str
) -> None:
    school.token_misdeeds = [misdeed]
    assert command.refused().startswith(wanted)


def test_a_wrong_record_is_told_with_its_offset(command: ImportCommand, school: FakeSchool) -> None:
    enrollments = school.records["enrollments"]
    enrollments[1] = {**enrollments[1], "endDate": "soon"}
    enrollments[2] = {**enrollments[2], "user": {"sourcedId": "nobody"}}
    assert command.refused().splitlines() == [
        "enrollments[1] endDate: must be a date such as 2026-09-01",
        "enrollments[2] userSourcedId: names what is not in users",
    ]


def test_an_answer_without_end_is_refused(
    command: ImportCommand, school: FakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ANSWER_BYTES_MAX", 200)
    school.records["orgs"] = [row("o1", name="x" * 500)]
    assert command.refused().startswith("/or/orgs: must answer in at most 200 bytes")


def test_a_secret_goes_to_nobody_but_over_https(monkeypatch: pytest.MonkeyPatch, command: ImportCommand) -> None:
    for address in "http://sis.example/or", "ftp://sis.example", "https://u:p@sis.example", "nowhere", "https://":
        command.url = address
        assert "must be an https address" in command.refused()
    monkeypatch.delenv("QOS_ONEROSTER_CLIENT")
    assert command.refused().startswith("QOS_ONEROSTER_CLIENT: nothing was given")


async def test_broken_connections_are_tried_again_after_the_waits_we_were_told() -> None:
    waits: list[float] = []

    async def pause(wait_s: float) -> None:
        waits.append(wait_s)

    school = FakeSchool(small_school())
    school.misdeeds = [hangs_up, hangs_up, says(503, Retry_After="7"), says(429)]  # aiohttp itself tries once more
    school.misdeeds.append(says(500, Retry_After="Wed, 04 Nov 2099 00:00:00 GMT"))
    async with remote_of(school, pause) as (client, base):
        found = await oneroster_rest.fetched(client, base / "or", 100, is_active_only=False)
    assert [len(found[name]) for name in ("courses", "users")] == [1, 5]
    assert waits == [1.0, 7.0, 4.0, remote.WAIT_MAX_S]


def test_records_that_are_no_objects_are_all_told() -> None:
    wrong: dict[str, list[object]] = {"users": [None, 1, [], {"sourcedId": []}], "enrollments": [{"class": 1}]}
    draft, groups, _ = oneroster_rest.read(wrong, Mapped())
    assert groups == {}
    with pytest.raises(Invalid) as caught:
        draft.roster()
    assert len(caught.value.problems) >= 6
