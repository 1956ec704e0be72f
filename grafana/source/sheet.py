"""A dashboard as rows of panels, each a few words and its queries, turned into Grafana's JSON by its typed builders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder

QOS = "https://qos.school.example"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
DASHBOARDS = Path(__file__).parents[1] / "dashboards"
SCHEMA_VERSION = 39  # Grafana 11; newer ones migrate it on reading

_Built: TypeAlias = bargauge.Panel | stat.Panel | table.Panel | timeseries.Panel


class Shape(Enum):
    """How a panel shows its numbers."""

    NUMBER = "stat"
    LINES = "lines"
    BARS = "bars"  # stacked over time
    RANKED = "ranked"  # one bar for each series, as of now
    TABLE = "table"  # one row for each set of labels, one column for each query


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: ``asks`` are pairs of PromQL and legend (of a table: the column's heading).

    ``unit`` is Grafana's name of a unit; ``steps`` are thresholds (from value, colour), the first from None;
    ``empty`` says why there is nothing to see; ``runbooks`` are names of alerts, ``console`` a page of the console;
    ``units`` are those of a table's columns that differ from ``unit``, by heading.
    """

    title: str
    says: str
    unit: str
    asks: Sequence[tuple[str, str]]
    shape: Shape = Shape.LINES
    width: int = 8
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ()
    empty: str = "No data in this time range"
    runbooks: Sequence[str] = ()
    console: str = ""
    step: str = ""
    buckets: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One dashboard; ``choices`` are variables with fixed values, the first being preset: name, label, values."""

    uid: str
    title: str
    says: str
    since: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    choices: Sequence[tuple[str, str, Sequence[str]]] = ()
    provider_of: str = ""
    refresh: str = "5m"


def encoded(sheet: Sheet) -> str:
    """The dashboard's JSON, alike to the byte each time; ends with a line feed."""
    made = built(sheet).build()
    made.schema_version = SCHEMA_VERSION
    return JSONEncoder(sort_keys=True, indent=2).encode(made) + "\n"


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
        .link(_link("Console", f"{QOS}/console/"))
        .link(_link("Runbooks", f"{QOS}/runbooks/"))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    if sheet.provider_of:
        made.with_variable(_provider(sheet.provider_of))
    for name, label, values in sheet.choices:
        made.with_variable(_choice(name, label, values))
    number = 0
    for title, panels in sheet.rows:
        number += 1
        made.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            made.with_panel(_panel(panel).id(number))
    return made


def _provider(metric: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("provider")
        .label("Provider")
        .datasource(SOURCE)
        .query(f"label_values({metric}, provider)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _choice(name: str, label: str, values: Sequence[str]) -> dashboard.CustomVariable:
    chosen = [VariableOption(selected=value == values[0], text=value, value=value) for value in values]
    return dashboard.CustomVariable(name).label(label).values(",".join(values)).current(chosen[0]).options(chosen)


def _panel(panel: Panel) -> _Built:
    made = _shaped(panel)
    made.title(panel.title).description(panel.says).unit(panel.unit).datasource(SOURCE).no_value(panel.empty)
    made.span(panel.width).height(panel.height)
    if panel.step:
        made.interval(panel.step)
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    steps = [Threshold(value=value, color=color) for value, color in panel.steps or [(None, "green")]]
    made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    links: list[Builder[DashboardLink]] = [
        _link(f"Runbook: {name}", f"{QOS}/runbooks/{name}") for name in panel.runbooks
    ]
    if panel.console:
        links.append(_link("Console", f"{QOS}/console/{panel.console}"))
    made.links(links)
    for at, (expr, legend) in enumerate(panel.asks):
        made.with_target(_target(panel, expr, legend, chr(ord("A") + at)))
    return made


def _shaped(panel: Panel) -> _Built:
    match panel.shape:
        case Shape.NUMBER:
            coloured = BigValueColorMode.VALUE if panel.steps else BigValueColorMode.NONE
            return stat.Panel().graph_mode(BigValueGraphMode.NONE).color_mode(coloured).reduce_options(_last())
        case Shape.RANKED:
            made = bargauge.Panel().display_mode(BarGaugeDisplayMode.BASIC).reduce_options(_last())
            return made.orientation(VizOrientation.HORIZONTAL)
        case Shape.TABLE:
            return _table(panel)
        case Shape.LINES | Shape.BARS:
            return _over_time(panel)


def _over_time(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .fill_opacity(10)
    )
    if panel.steps:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    if panel.shape is Shape.BARS:
        made.draw_style(GraphDrawStyle.BARS).fill_opacity(70)
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    return made


def _table(panel: Panel) -> table.Panel:
    """Each query is a column named by its legend; the labels come first, the time is left out."""
    names = {f"Value #{chr(ord('A') + at)}": heading for at, (_, heading) in enumerate(panel.asks)}
    if len(panel.asks) == 1:
        names = {"Value": panel.asks[0][1]}
    tidy = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}
    made = (
        table.Panel()
        .show_header(show_header=True)
        .transformations(
            [DataTransformerConfig(id_val="merge", options={}), DataTransformerConfig(id_val="organize", options=tidy)]
        )
    )
    if panel.steps:
        coloured = DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
        made.override_by_name(panel.asks[0][1], [coloured])
    for heading, unit in panel.units.items():
        made.override_by_name(heading, [DynamicConfigValue(id_val="unit", value=unit)])
    return made


def _target(panel: Panel, expr: str, legend: str, ref: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expr).ref_id(ref).datasource(SOURCE)
    match panel.shape:
        case Shape.TABLE:
            return made.instant().format(PromQueryFormat.TABLE)
        case Shape.NUMBER | Shape.RANKED:
            made.instant().legend_format(legend)
            return made.format(PromQueryFormat.HEATMAP if panel.buckets else PromQueryFormat.TIME_SERIES)
        case Shape.LINES | Shape.BARS:
            return made.range().legend_format(legend).format(PromQueryFormat.TIME_SERIES)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(target_blank=True)
