"""A dashboard as rows of panels, each a few words and its queries, turned into Grafana's JSON by its typed builders."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

import choices
import shapes
from panel import Panel

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
SCHEMA_VERSION = (
    42  # the last one of the classic model: docs/decisions/0026-dashboards-are-written-in-the-classic-model.md
)
_ONLY_OF_INTERVALS = ("auto", "auto_count", "auto_min")
_OF_AN_OLD_TABLE = ("footer",)
_IN_A_MENU = "placement"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One dashboard; ``values`` are variables with the values of a label: name and series.

    ``choices`` are variables with fixed values, the first being preset: name, label, values.
    """

    uid: str
    title: str
    says: str
    since: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    refresh: str
    values: Sequence[tuple[str, str]] = ()
    choices: Sequence[tuple[str, str, Sequence[str]]] = ()
    marks: Sequence[dashboard.AnnotationQuery] = ()


def encoded(sheet: Sheet) -> str:
    """The dashboard's JSON, alike to the byte each time; ends with a line feed."""
    return tidy(JSONEncoder(sort_keys=True).encode(built(sheet).build()))


def tidy(text: str) -> str:
    """Lay JSON out, without what the library adds and Grafana's types do not have or hides in a menu."""
    made = json.loads(text)
    made["schemaVersion"] = SCHEMA_VERSION
    for variable in made["templating"]["list"]:
        _drop(variable, *_ONLY_OF_INTERVALS)
    for panel in made["panels"]:
        _drop(panel.get("options", {}), *_OF_AN_OLD_TABLE)
    for shown in (*made["annotations"]["list"], *_links(made)):
        _drop(shown, _IN_A_MENU)
    return json.dumps(made, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _links(made: Mapping[str, Any]) -> list[dict[str, object]]:
    return [*made["links"], *(one for panel in made["panels"] for one in panel.get("links", ()))]


def _drop(some: dict[str, object], *names: str) -> None:
    for name in names:
        some.pop(name, None)


def write(sheet: Sheet) -> None:
    """Put the JSON where provisioning and the tests look for it."""
    DASHBOARDS.mkdir(exist_ok=True)
    (DASHBOARDS / f"{sheet.uid}.json").write_text(encoded(sheet), encoding="utf-8")


def built(sheet: Sheet) -> dashboard.Dashboard:
    """The dashboard's builder, its panels placed and numbered."""
    made = (
        dashboard.Dashboard(sheet.title)
        .uid(sheet.uid)
        .description(sheet.says)
        .tags(["qos-monitor"])
        .time(sheet.since, "now")
        .timezone("browser")
        .refresh(sheet.refresh)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(choices.siblings())
        .link(choices.link("Console", f"{choices.QOS}/console/"))
        .link(choices.link("Runbooks", f"{choices.QOS}/runbooks/"))
        .with_variable(choices.SOURCES)
    )
    for mark in (choices.by_hand(), choices.firing(), *sheet.marks):
        made.annotation(mark)
    for name, selector in sheet.values:
        made.with_variable(choices.values(name, selector))
    for name, label, some in sheet.choices:
        made.with_variable(choices.fixed(name, label, some))
    number = 0
    for title, panels in sheet.rows:
        number += 1
        made.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            made.with_panel(shapes.panel(panel).id(number))
    return made
