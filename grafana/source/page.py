"""Writes the table of panels in docs/dashboards.md from the dashboards' JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dashboards.md"
MARK = "<!-- written by grafana/source/page.py from here on -->\n"


def panels() -> str:
    """Every panel of every dashboard with its queries, as tables of Markdown."""
    lines = []
    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        lines += ["", f"### {dashboard['title']} (`{dashboard['uid']}`)", "", "| panel | query |", "|---|---|"]
        lines += _rows(dashboard)
    return "\n".join(lines) + "\n"


def _rows(dashboard: dict[str, object]) -> Iterator[str]:
    for panel in dashboard["panels"]:  # type: ignore[attr-defined]  # JSON: a list by Grafana's schema
        for target in panel.get("targets", []):
            query = target["expr"].replace("|", "\\|")
            yield f"| {panel['title']} | `{query}` |"


def write() -> None:
    """Put the tables behind the mark; what stands before it is written by hand."""
    told, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(told + MARK + panels(), encoding="utf-8")


if __name__ == "__main__":
    write()
