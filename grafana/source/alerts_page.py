"""Writes what is told twice of an alert from its rule: docs/alerts.md, the head of each runbook, and their index."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules" / "prometheus" / "alerts.yml"
PAGE = ROOT / "docs" / "alerts.md"
RUNBOOKS = ROOT / "docs" / "runbooks"
INDEX = RUNBOOKS / "README.md"
MARK = "<!-- written by grafana/source/alerts_page.py from here on -->\n"
END = "<!-- written by hand from here on -->\n"
SEVERITIES = ("page", "ticket", "info")
HEAD = "| alert | severity | for | it says | its query |\n|---|---|---|---|---|"
_FIRST_QUERY = re.compile(r"```promql\n.*?\n```", re.DOTALL)
_SEVERITY = re.compile(r"^Severity: .*$", re.MULTILINE)
_MEANING = re.compile(r"## What it means\n\n(.+?)[.:](?=\s)", re.DOTALL)

Alert = Mapping[str, Any]


def groups() -> list[tuple[str, list[Alert]]]:
    """Every group of alerts.yml with its rules, in their order."""
    read = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [(group["name"], group["rules"]) for group in read["groups"]]


def alerts() -> list[Alert]:
    """Every alert, in its order."""
    return [alert for _, rules in groups() for alert in rules]


def wait(alert: Alert) -> str:
    """How long the query must hold before somebody is told, such as `5m`, or `at once`."""
    return str(alert.get("for", "at once"))


def table() -> str:
    """One table of Markdown for each group."""
    lines = []
    for name, rules in groups():
        lines += ["", f"## {name}", "", HEAD, *map(_row, rules)]
    return "\n".join(lines) + "\n"


def _row(alert: Alert) -> str:
    link = f"[{alert['alert']}](runbooks/{alert['alert']}.md)"
    summary = str(alert["annotations"]["summary"])
    cells = (link, alert["labels"]["severity"], wait(alert), f"`{summary}`" if "{{" in summary else summary)
    query = " ".join(str(alert["expr"]).split()).replace("|", "\\|")
    return f"| {' | '.join(cells)} | `{query}` |"


def headed(text: str, alert: Alert) -> str:
    """A runbook with the severity, the wait and, as its first query, the expression of its alert."""
    block = f"```promql\n{str(alert['expr']).strip()}\n```"
    text = _SEVERITY.sub(f"Severity: {alert['labels']['severity']}; for: {wait(alert)}", text, count=1)
    return _FIRST_QUERY.sub(lambda _: block, text, count=1)


def index() -> str:
    """The list of runbooks by severity, each with the first sentence of what its alert means."""
    return "\n".join(_index()) + "\n"


def _index() -> Iterator[str]:
    for severity in SEVERITIES:
        yield from ("", f"## {severity}", "")
        for name in (alert["alert"] for alert in alerts() if alert["labels"]["severity"] == severity):
            found = _MEANING.search((RUNBOOKS / f"{name}.md").read_text(encoding="utf-8"))
            yield f"- [{name}]({name}.md): {' '.join(found[1].split()) if found else ''}."


def pages() -> dict[Path, str]:
    """Every page that this module writes in, with the text it should have."""
    written = {path: headed(path.read_text(encoding="utf-8"), alert) for path, alert in _runbooks()}
    told, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    before, _, rest = INDEX.read_text(encoding="utf-8").partition(MARK)
    _, _, after = rest.partition(END)
    return {**written, PAGE: told + MARK + table(), INDEX: before + MARK + index() + "\n" + END + after}


def _runbooks() -> Iterator[tuple[Path, Alert]]:
    for alert in alerts():
        yield RUNBOOKS / f"{alert['alert']}.md", alert


def write() -> None:
    """Write them; what stands before the mark, or after the end, is written by hand."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
