"""The demo from end to end: signed webhooks become claims a refund system received, and no other."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from played import KEYS

from qos_monitor.simulation.account import asked, owed
from qos_monitor.simulation.expectations import dues
from qos_monitor.simulation.plan import make


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the whole demo once."""
    folder = tmp_path_factory.mktemp("demo") / "play"
    command = [sys.executable, "-m", "qos_monitor", "demo", "--once", "--port", "0", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False), folder


Played = tuple[subprocess.CompletedProcess[str], Path]


def test_the_demo_ends_well_and_says_so(played: Played) -> None:
    result, _ = played
    assert result.returncode == 0, result.stdout + result.stderr
    assert "✗" not in result.stdout
    assert result.stderr == ""


def test_the_claims_received_ask_for_all_the_plan_owes_and_nothing_else(played: Played) -> None:
    received = json.loads((played[1] / "claims.json").read_text(encoding="utf-8"))
    assert asked(received) == owed(dues(make(1, KEYS)))


def test_the_readme_shows_the_sum_the_demo_comes_to(played: Played) -> None:
    told = re.search(r"for \d+ enrolments, CNY [\d,.]+", played[0].stdout)
    assert told is not None
    assert told[0] in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_evidence_of_a_claim_is_verified_from_its_file(played: Played) -> None:
    command = [sys.executable, "-m", "qos_monitor", "verify", str(played[1] / "bundle.json")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def replayed(folder: Path, **providers: str) -> subprocess.CompletedProcess[str]:
    database = {"QOS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/qos-monitor.sqlite3"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QOS_")} | database
    command = [sys.executable, "-m", "qos_monitor", "replay"]
    given = environ | providers | {"QOS_CLOCK_FILE": str(folder / "clock")}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False)


def test_all_of_it_follows_from_the_deliveries_that_are_kept(played: Played) -> None:
    secrets = {"QOS_AGORA_SECRETS": KEYS.agora, "QOS_BEACON_SECRETS": KEYS.beacon}

    result = replayed(played[1], QOS_LIVEKIT_KEYS=":".join(KEYS.livekit), **secrets)

    assert result.returncode == 0, result.stdout + result.stderr
    table = {words[0]: [int(word) for word in words[1:]] for words in map(str.split, result.stdout.splitlines()[1:5])}
    assert {what: (equal == total, different) for what, (total, equal, different) in table.items()} == dict.fromkeys(
        ("observations", "verdicts", "outages", "cases"), (True, 0)
    )
    assert table["cases"][0] == 85


def test_replay_names_the_providers_whose_deliveries_it_could_not_read(played: Played) -> None:
    result = replayed(played[1], QOS_AGORA_SECRETS=KEYS.agora)

    assert (result.returncode, result.stdout) == (2, "")
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["beacon", "livekit"]


def test_every_day_is_told_on_a_line_of_its_own(played: Played) -> None:
    days = [line for line in played[0].stdout.splitlines() if " requests " in line and " Nov " in line]
    assert len(days) == 10


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    command = [sys.executable, "-m", "qos_monitor", "demo", "--once", "--folder", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "give an empty folder" in result.stderr
    assert (tmp_path / "thesis.txt").exists()
