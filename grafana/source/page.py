"""Writes the table of panels in docs/dashboards.md from the dashboards' JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dashboards.md"
ROWS = ROOT / "grafana" / "source" / "rows.json"
"""How many rows each query gave in the simulated school; `tests/panel_rows.py` writes it."""
HEAD = "| panel | first | idle | outage | healthy | after | query |"
RULE = "|---|--:|--:|--:|--:|--:|---|"
MARK = "<!-- written by grafana/source/page.py from here on -->\n"


def panels() -> str:
    """Every panel of every dashboard with its queries and the rows they gave, as tables of Markdown."""
    counted = {tuple(one[:3]): one[3:] for one in json.loads(ROWS.read_text(encoding="utf-8"))}
    lines = []
    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        lines += ["", f"### {dashboard['title']} (`{dashboard['uid']}`)", "", HEAD, RULE]
        lines += _rows(dashboard, counted)
    return "\n".join(lines) + "\n"


def _rows(dashboard: dict[str, object], counted: dict[tuple[str, ...], list[int]]) -> Iterator[str]:
    for panel in dashboard["panels"]:  # type: ignore[attr-defined]  # JSON: a list by Grafana's schema
        for target in panel.get("targets", []):
            query = target["expr"].replace("|", "\\|")
            found = counted.get((str(dashboard["uid"]), panel["title"], target["expr"]), ["–"] * RULE.count("-:"))
            yield f"| {panel['title']} | {' | '.join(map(str, found))} | `{query}` |"


def write() -> None:
    """Put the tables behind the mark; what stands before it is written by hand."""
    told, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(told + MARK + panels(), encoding="utf-8")


if __name__ == "__main__":
    write()
