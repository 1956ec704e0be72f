"""The command line: exit codes, and every problem on a line of its own."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from service_parts import MONDAY, school

from collectors.beacon import token as tokens
from qos_monitor import cli
from rules.span import HOUR, SECOND, format_instant

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give every command a database of its own and nothing of the developer's."""
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")


def given(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def world(folder: Path, text: str | None = None) -> str:
    file = folder / "world.json"
    file.write_text(json.dumps(school().as_json()) if text is None else text, encoding="utf-8")
    return str(file)


def test_a_world_is_judged_as_of_an_instant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_of = format_instant(MONDAY + 2 * HOUR)

    assert cli.main(["judge", world(tmp_path), "--as-of", as_of]) == 0

    told = capsys.readouterr()
    judgement = json.loads(told.out)
    assert judgement["as_of"] == as_of
    assert {verdict["verdict"] for verdict in judgement["verdicts"]} == {"NO_SHOW"}
    assert told.out.startswith('{\n  "rule_version"')
    assert told.err == ""


def test_a_judgement_can_be_read_by_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["judge", world(tmp_path), "--as-of", "2026-11-03T00:00:00Z", "--format", "text"]) == 0
    assert "u1" in capsys.readouterr().out


def test_without_an_instant_it_is_judged_as_of_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["judge", world(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["as_of"] > "2026-11"


def test_every_problem_of_a_world_has_its_line_and_the_exit_code_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps({"courses": [{"id": 1, "visual_essential": False}], "lessons": []})

    assert cli.main(["judge", world(tmp_path, text)]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["courses[0].id", "lessons"]


@pytest.mark.parametrize("text", ["{", '{"courses": NaN}', "[" * 100_000])
def test_a_world_that_is_not_json_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert cli.main(["judge", world(tmp_path, text)]) == 2
    assert "must be JSON" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["judge"], ["import", "roster"]])
def test_a_text_in_another_encoding_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    file = tmp_path / "latin.json"
    file.write_bytes(b'{"courses": [{"id": "\xe9"}]}')

    assert cli.main([*command, str(file)]) == 2
    assert "latin.json: must be JSON in UTF-8 (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["judge", "nowhere.json"], "nowhere.json: cannot be read"),
        (["judge", "WORLD", "--as-of", "yesterday"], "--as-of: 'yesterday' is not an instant"),
        (["judge", "WORLD", "--policy", "nowhere.toml"], "nowhere.toml"),
        (["verify", "nowhere"], "nowhere: cannot be read"),
        (["import", "roster", "nowhere"], "nowhere: cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], problem: str
) -> None:
    assert cli.main([world(tmp_path) if word == "WORLD" else word for word in argv]) == 2
    assert problem in capsys.readouterr().err


def test_a_policy_with_wrong_keys_is_told_key_by_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("first_wrong = 1\nsecond_wrong = 2\n", encoding="utf-8")

    assert cli.main(["judge", world(tmp_path), "--policy", str(policy)]) == 2

    told = capsys.readouterr().err
    assert "first_wrong" in told
    assert "second_wrong" in told


def test_a_roster_is_imported_after_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster = school().as_json()
    roster.pop("observations")
    file = world(tmp_path, json.dumps(roster))

    for argv, added in (["--dry-run"], 1), ([], 1), ([], 0):
        assert cli.main(["import", "roster", file, *argv]) == 0
        assert len(json.loads(capsys.readouterr().out)["classes"]["added"]) == added


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://u:p@127.0.0.1:1/x",
        "sqlite+aiosqlite:////proc/x/y.db",
        "sqlite+aiosqlite:///NO_DATABASE",
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_database_that_cannot_be_used_ends_an_import_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, more: list[str]
) -> None:
    (tmp_path / "no-database").write_text("these are words" * 1000, encoding="utf-8")
    given(monkeypatch, {"QOS_DATABASE_URL": url.replace("NO_DATABASE", str(tmp_path / "no-database"))})

    assert cli.main(["import", "roster", world(tmp_path, "{}"), *more]) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("the database cannot be used (")


@pytest.mark.parametrize("command", [["serve"], ["check"], ["import", "roster", "WORLD"]])
def test_a_database_whose_driver_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    given(monkeypatch, {"QOS_DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1:1/x"})
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    file = world(tmp_path, "{}")

    assert cli.main([file if word == "WORLD" else word for word in command]) != 0

    told = capsys.readouterr()
    assert "QOS_DATABASE_URL: PostgreSQL needs `pip install qos-monitor[postgresql]`" in told.out + told.err


@pytest.mark.parametrize("url", ["postgresql+asyncpg://u:p@127.0.0.1:1/x", "sqlite+aiosqlite:////proc/x/y.db"])
def test_a_database_that_cannot_be_used_ends_the_service_with_1_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    given(monkeypatch, {"QOS_DATABASE_URL": url, "QOS_PORT": "0"})
    ended = subprocess.run(
        [sys.executable, "-m", "qos_monitor", "serve"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 1
    events = [json.loads(line)["event"] for line in ended.stderr.splitlines()]
    assert events == ["start_failed", "stopping", "stopped"]


def test_a_token_is_minted_for_one_person_in_one_class(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, {"QOS_BEACON_SECRETS": "the-first-signs,the-second-does-not"})

    assert cli.main(["token", "--learner", "u1", "--class", "c1", "--ttl-s", "60"]) == 0

    token = capsys.readouterr().out.strip()
    ticket = tokens.believed(token, ["the-first-signs"], MONDAY)
    assert (ticket.learner_id, ticket.class_id) == ("u1", "c1")
    assert ticket.expires_at % SECOND == 0


@pytest.mark.parametrize("ttl_s", ["0", "-5"])
def test_a_token_that_is_never_good_is_not_minted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ttl_s: str
) -> None:
    given(monkeypatch, {"QOS_BEACON_SECRETS": "the-first-signs"})

    assert cli.main(["token", "--learner", "u1", "--class", "c1", "--ttl-s", ttl_s]) == 2
    assert capsys.readouterr().err == f"--ttl-s: must be 1 or more seconds, not {ttl_s}\n"


def test_without_a_secret_no_token_is_minted(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["token", "--learner", "u1", "--class", "c1"]) == 2
    assert "QOS_BEACON_SECRETS" in capsys.readouterr().err


def test_check_tells_what_is_missing_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check"]) == 1

    told = capsys.readouterr().out
    assert "MISSING claims, where to: set QOS_CLAIMS_URL" in told
    assert "MISSING agora webhooks: set QOS_AGORA_SECRETS to take them" in told
    assert "ok      database: will be made at the first start (sqlite)" in told


def test_check_is_content_with_one_source_and_a_signed_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(
        monkeypatch,
        {
            "QOS_AGORA_SECRETS": "never-shown",
            "QOS_CLAIMS_URL": "https://refunds.example/claims",
            "QOS_CLAIMS_SECRETS": WHSEC,
        },
    )

    assert cli.main(["check"]) == 0

    told = capsys.readouterr().out
    assert "MISSING" not in told
    assert "off     livekit webhooks: set QOS_LIVEKIT_KEYS to take them" in told
    assert "never-shown" not in told


def test_check_makes_nothing_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, {"QOS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/deep/qos.sqlite3"})
    cli.main(["check"])
    assert list(tmp_path.iterdir()) == []

    cli.main(["import", "roster", world(tmp_path, "{}")])
    before = {file: file.read_bytes() for file in (tmp_path / "deep").iterdir()}
    cli.main(["check"])
    assert {file: file.read_bytes() for file in (tmp_path / "deep").iterdir()} == before


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("QOS_DATABASE_URL", "sqlite+aiosqlite:////proc/x/y.db", "MISSING database: cannot be used"),
        ("QOS_DATABASE_URL", "sqlite+aiosqlite:///FILE", "MISSING database: cannot be used (DatabaseError)"),
        ("QOS_DATABASE_URL", "postgresql+asyncpg://u:p@127.0.0.1:1/x", "MISSING database: cannot be used"),
        ("QOS_CLOCK_FILE", "FILE", "MISSING clock: QOS_CLOCK_FILE"),
        ("QOS_HOST", "192.0.2.1", "MISSING listening: QOS_HOST: '192.0.2.1' was given"),
        (
            "QOS_HUNDREDMS_SECRETS",
            "x-school:a-value-nobody-guesses,Authorization:Bearer something",
            "ok      collectors",
        ),
    ],
)
def test_check_finds_what_the_service_would_stumble_over(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    file = tmp_path / "file"
    file.write_text("" if name == "QOS_CLOCK_FILE" else "these are words" * 1000, encoding="utf-8")
    given(monkeypatch, {name: value.replace("FILE", str(file))})

    assert cli.main(["check"]) == 1

    assert told in capsys.readouterr().out


def test_check_and_serve_tell_every_mistake_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, {"QOS_PORT": "-1", "QOS_HOTS": "::"})

    assert cli.main(["check"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert cli.main(["serve"]) == 2
    assert "QOS_HOTS: is not a setting; QOS_HOST is" in capsys.readouterr().err


def test_a_port_that_is_taken_ends_with_1_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given(monkeypatch, {"QOS_PORT": str(taken.getsockname()[1])})
        ended = subprocess.run(
            [sys.executable, "-m", "qos_monitor", "serve"], capture_output=True, text=True, check=False, timeout=60
        )

    assert ended.returncode == 1
    assert json.loads(ended.stderr.splitlines()[0])["event"] == "start_failed"


def test_the_version_names_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    assert "rules 1-" in capsys.readouterr().out
