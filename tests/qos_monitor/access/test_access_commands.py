"""``qos-monitor keys`` and ``audit``, as an operator types them, and what other commands leave on the trail."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gates import roster_of
from service_parts import school
from sqlalchemy import text

from qos_monitor import cli
from qos_monitor.access import keys
from qos_monitor.storage import engine as storage

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("QOS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")

    def command(*words: str) -> tuple[int, str, str]:
        code = cli.main(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked_with_a_reason(run: Run) -> None:
    code, out, _ = run("keys", "create", "timetable", "--scope", "roster", "--scope", "cases.read", "--days", "30")
    shown = keys.read(out.strip())
    assert code == 0
    assert shown is not None
    key_id, secret = shown

    _, listed, _ = run("keys", "list")
    (key,) = json.loads(listed)["keys"]
    assert (key["id"], key["name"], key["scopes"]) == (key_id, "timetable", ["cases.read", "roster"])
    assert key["expires_at"] > key["created_at"]
    assert (key["last_used_at"], key["revoked_at"]) == (None, None)
    assert secret not in listed

    assert run("keys", "revoke", key_id, "--reason", "left the school")[0] == 0
    assert "before" in run("keys", "revoke", key_id, "--reason", "again")[1]
    (key,) = json.loads(run("keys", "list")[1])["keys"]
    assert key["revoked_why"] == "left the school"

    code, out, _ = run("audit")
    told = json.loads(out)
    assert (code, told["first_broken"]) == (0, None)
    newest = told["entries"][0]
    assert (newest["action"], newest["via"], newest["reason"]) == ("key.revoked", "command", "left the school")
    assert secret not in out


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["create", "x", "--scope", "roster", "--days", "0"], "--days"),
        (["create", "x", "--scope", "roster", "--days", "1", "--expires", "2030-01-01T00:00:00Z"], "--expires"),
        (["create", "x", "--scope", "roster", "--expires", "tomorrow"], "--expires"),
        (["create", "x", "--scope", "roster", "--expires", "2020-01-01T00:00:00Z"], "expires"),
        (["create", "", "--scope", "roster"], "name"),
        (["revoke", "nobody", "--reason", "x"], "id"),
        (["revoke", "nobody", "--reason", "  "], "--reason"),
    ],
)
def test_what_is_wrong_is_told_in_words(run: Run, words: list[str], wrong: str) -> None:
    code, out, err = run("keys", *words)

    assert (code, out) == (2, "")
    assert err.startswith(f"{wrong}: ")


def test_commands_that_change_something_are_on_the_trail_and_dry_runs_are_not(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "roster.json"
    file.write_text(json.dumps(roster_of(school())), encoding="utf-8")
    names = tmp_path / "names.csv"
    names.write_text("provider,name,person_id\nagora,42,u1\n", encoding="utf-8")

    for more in (["--dry-run"], []):
        assert run("import", "roster", str(file), *more)[0] == 0
        assert run("import", "identities", str(names), *more)[0] == 0
    assert run("remap")[0] == 0

    entries = json.loads(run("audit")[1])["entries"]
    assert [one["action"] for one in entries] == ["remap.begun", "identities.changed", "roster.changed"]
    assert entries[1]["reason"] == "1 added, 0 changed, 0 removed"
    assert entries[2]["reason"].startswith("courses: 1 added, 0 changed; enrolments: 2 added")


def test_a_trail_that_was_changed_is_told_with_the_place_and_the_exit_code(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("keys", "create", name, "--scope", "roster")

    async def change() -> None:
        engine = storage.create(f"sqlite+aiosqlite:///{tmp_path}/qos.sqlite3")
        async with storage.writing(engine) as conn:
            await conn.execute(text("DROP TRIGGER audit_no_update"))
            await conn.execute(text("UPDATE audit SET actor = 'nobody' WHERE seq = 1"))
        await engine.dispose()

    asyncio.run(change())

    code, out, _ = run("audit", "--limit", "1")
    assert (code, json.loads(out)["first_broken"]) == (1, 1)
    assert run("audit", "--limit", "0")[0] == 2
