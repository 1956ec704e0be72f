"""What `qos-monitor verify` says: equal is not yet the same file, and it says so."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from claim_parts import FILED, Court, dark_life, richer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import cli
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import canonical
from qos_monitor.storage.tables import bundles
from rules.span import HOUR


@pytest.fixture
async def chain(engine: AsyncEngine, tmp_path: Path) -> list[Path]:
    """Write three bundles of one learner to files, oldest first."""
    court = Court(engine)
    for step, used in enumerate((30, 20, 10)):
        await court.judge(dark_life(richer(used)), FILED + step * HOUR)
    async with storage.reading(engine) as conn:
        bodies = list((await conn.execute(select(bundles.c.body).order_by(bundles.c.seq))).scalars())
    files = [tmp_path / f"bundle-{index}.json" for index in range(3)]
    for file, body in zip(files, bodies, strict=True):
        file.write_text(body, encoding="utf-8")
    return files


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _recorded(bundled: dict[str, Any]) -> None:
    bundled["dossier"]["observations"][0]["recorded_at"] = "2026-11-02T12:34:56.000Z"


def _place(bundled: dict[str, Any]) -> None:
    bundled["previous_sha256"] = "0" * 64


TOUCHES = [_recorded, _place]


def touch(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    bundled = json.loads(file.read_bytes())
    change(bundled)
    file.write_text(canonical(bundled), encoding="utf-8")


def test_the_hash_of_the_file_is_always_told(chain: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(chain[0])]) == 0

    told = capsys.readouterr().out
    assert f"SHA-256 {hash_of(chain[0])}" in told
    assert "equal: " in told


def test_without_the_claims_hash_it_says_that_the_file_may_be_another(
    chain: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(chain[0])]) == 0
    without = capsys.readouterr().out
    assert cli.main(["verify", str(chain[0]), "--sha256", hash_of(chain[0]).upper()]) == 0
    given = capsys.readouterr().out

    assert "not proved: that nothing was changed" in without
    assert "\nproved:" not in without
    assert "\nproved: " in given
    assert "not proved: that nothing was changed" not in given


@pytest.mark.parametrize("change", TOUCHES)
def test_a_touch_on_which_no_result_depends_is_found_out_by_the_claims_hash(
    chain: list[Path], capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None]
) -> None:
    carried = hash_of(chain[0])
    touch(chain[0], change)

    assert cli.main(["verify", str(chain[0])]) == 0
    assert "not proved: that nothing was changed" in capsys.readouterr().out
    assert cli.main(["verify", str(chain[0]), "--sha256", carried]) == 1

    told = capsys.readouterr().out
    assert f"another file: {chain[0]} does not have the hash that was given, {carried}" in told
    assert "\nproved:" not in told


def test_several_bundles_in_order_are_proved_to_be_a_chain_and_the_hash_is_the_last_ones(
    chain: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", *map(str, chain), "--sha256", hash_of(chain[2])]) == 0

    told = capsys.readouterr().out
    assert "proved: each file carries the hash of the one before it" in told
    assert told.count("SHA-256 ") == told.count("equal: ") == 3


@pytest.mark.parametrize("change", TOUCHES)
def test_a_touch_on_an_earlier_bundle_breaks_the_chain(
    chain: list[Path], capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None]
) -> None:
    touch(chain[0], change)

    assert cli.main(["verify", *map(str, chain)]) == 1

    assert "no chain: bundle 1: names" in capsys.readouterr().out


def test_a_bundle_left_out_breaks_the_chain(chain: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(chain[0]), str(chain[2])]) == 1

    assert "no chain: " in capsys.readouterr().out


def test_what_differs_is_told_beneath_the_file_it_is_in(chain: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    def enrich(bundled: dict[str, Any]) -> None:
        bundled["judgement"]["cases"][0]["amount_minor"] += 1

    touch(chain[2], enrich)

    assert cli.main(["verify", *map(str, chain)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index(str(chain[2])) + 2].startswith("  differs: judgement.cases[0].amount_minor: stored")
