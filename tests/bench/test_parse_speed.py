"""The benchmark measures every collector there is, and nothing in it is unreadable."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from every_specimen import SPECIMENS
from polled_specimens import POLLED


def bench() -> ModuleType:
    """Load the program that ``make bench`` runs."""
    path = Path(__file__).with_name("parse_speed.py")
    spec = importlib.util.spec_from_file_location("parse_speed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parse_speed"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_collector_and_every_polled_list_has_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "speed.json"

    bench().main(["--json", str(kept)], rounds=1, slice_s=0)

    rows = json.loads(kept.read_text(encoding="utf-8"))
    names = {row["name"].removesuffix(" (polled)") for row in rows}
    assert names == {specimen.name for specimen in SPECIMENS} | {name for name, _ in POLLED}
    assert all(row["orjson_per_s"] > 0 and row["read_per_s"] > 0 and row["take_per_s"] > 0 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == len(rows) + 2
