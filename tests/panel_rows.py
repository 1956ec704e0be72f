"""Writes grafana/source/rows.json, how many rows each query gives: `PYTHONPATH=.:tests python tests/panel_rows.py`."""

import json
import tempfile
from pathlib import Path

import asked_panels
import recorded_past
from recorded_school import ENDS_AT

from qos_monitor.simulation.school import day
from rules.span import HOUR, MINUTE, SECOND

FILE = Path(__file__).parents[1] / "grafana" / "source" / "rows.json"
PHASES = {
    "first": day(0, 17 * HOUR + 20 * MINUTE),
    "idle": day(1, 13 * HOUR),
    "outage": day(3, 17 * HOUR + 20 * MINUTE),
    "healthy": day(7, 20 * HOUR + 20 * MINUTE),
    "after": ENDS_AT,
}
"""A class on the very first day, when nothing is judged yet; the next noon; a class in the node's outage, which is the
third day of it; a class when all is well again but for a forger; the last morning, when all is paid.
"""
INSTANTS_S = [at / SECOND for at in PHASES.values()]


def as_json(found: dict[asked_panels.Asked, list[int]]) -> str:
    """Write one line for each query."""
    lines = [json.dumps([asked.uid, asked.title, asked.query, *numbers]) for asked, numbers in found.items()]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def kept() -> dict[tuple[str, str, str], list[int]]:
    """Read what was written."""
    return {tuple(one[:3]): one[3:] for one in json.loads(FILE.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        recorded_past.make(Path(folder))
        with recorded_past.server(Path(folder)) as running:
            FILE.write_text(as_json(asked_panels.table(running, INSTANTS_S)), encoding="utf-8")
