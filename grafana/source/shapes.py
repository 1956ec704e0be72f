"""Turns what a panel shows into the builders of Grafana's panels."""

from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from choices import QOS, SOURCE, link
from look import is_low_bad, painted, thresholds
from panel import Panel, Shape

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink

_Built: TypeAlias = bargauge.Panel | stat.Panel | table.Panel | timeseries.Panel
_BY_NAME = dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def panel(told: Panel) -> _Built:
    """The builder of one panel, without its number."""
    made = _shaped(told)
    made.title(told.title).description(told.says).unit(told.unit).datasource(SOURCE).no_value(told.empty)
    made.span(told.width).height(told.height).thresholds(thresholds(told.steps))
    if told.step:
        made.interval(told.step)
    if told.decimals is not None:
        made.decimals(told.decimals)
    if told.words:
        options = {
            value: ValueMappingResult(text=word, index=at) for at, (value, word) in enumerate(told.words.items())
        }
        made.mappings([ValueMap(options=options)])
    links: list[Builder[DashboardLink]] = [link(f"Runbook: {name}", f"{QOS}/runbooks/{name}") for name in told.runbooks]
    if told.console is not None:
        links.append(link("Console", f"{QOS}/console/{told.console}"))
    made.links(links)
    for at, (expr, legend) in enumerate(told.asks):
        made.with_target(_target(told, expr, legend, chr(ord("A") + at)))
    return made


def _shaped(told: Panel) -> _Built:
    match told.shape:
        case Shape.NUMBER:
            coloured = BigValueColorMode.VALUE if told.steps else BigValueColorMode.NONE
            return stat.Panel().graph_mode(BigValueGraphMode.NONE).color_mode(coloured).reduce_options(_last())
        case Shape.RANKED:
            made = bargauge.Panel().display_mode(BarGaugeDisplayMode.BASIC).reduce_options(_last())
            return made.orientation(VizOrientation.HORIZONTAL).min(0)
        case Shape.TABLE:
            return _table(told)
        case Shape.LINES | Shape.BARS:
            return _over_time(told)


def _over_time(told: Panel) -> timeseries.Panel:
    """Lines or stacked bars; a legend of lines says the last value and the worst one."""
    is_stacked, is_share = told.shape is Shape.BARS, is_low_bad(told.steps)
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    legend.show_legend(show_legend=True).calcs([] if is_stacked else ["lastNotNull", "min" if is_share else "max"])
    sort = SortOrder.ASCENDING if is_share else SortOrder.DESCENDING
    made = timeseries.Panel().legend(legend).color_scheme(_BY_NAME)
    made.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(sort))
    if is_share:
        made.max(1)
    else:
        made.min(0)
    if told.steps:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    if is_stacked:
        made.draw_style(GraphDrawStyle.BARS).fill_opacity(70).line_width(0)
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    else:
        made.fill_opacity(10).line_width(2)
    for word in told.colours:
        regexp, properties = painted(word)
        made.override_by_regexp(regexp, properties)
    return made


def _table(told: Panel) -> table.Panel:
    """Each query is a column named by its legend, after the labels and without the time; the worst stands first."""
    names = {f"Value #{chr(ord('A') + at)}": heading for at, (_, heading) in enumerate(told.asks)}
    if len(told.asks) == 1:
        names = {"Value": told.asks[0][1]}
    first = told.asks[0][1]
    left_out = {"Time": True} if first else {"Time": True, "Value": True}
    tidy = {"excludeByName": left_out, "indexByName": {}, "renameByName": names if first else {}}
    made = (
        table.Panel()
        .show_header(show_header=True)
        .transformations(
            [DataTransformerConfig(id_val="merge", options={}), DataTransformerConfig(id_val="organize", options=tidy)]
        )
    )
    if first:
        made.sort_by([common.TableSortByFieldState().display_name(first).desc(desc=not is_low_bad(told.steps))])
    coloured = DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
    if told.steps:
        made.override_by_name(first, [coloured])
    for heading, steps in told.paints.items():
        some = [{"value": value, "color": color} for value, color in steps]
        painting = DynamicConfigValue(id_val="thresholds", value={"mode": ThresholdsMode.ABSOLUTE.value, "steps": some})
        made.override_by_name(heading, [painting, coloured])
    for heading, unit in told.units.items():
        whole = [DynamicConfigValue(id_val="decimals", value=0)] if unit == "locale" else []
        made.override_by_name(heading, [DynamicConfigValue(id_val="unit", value=unit), *whole])
    for heading, url in told.leads.items():
        lead = {"title": "Runbook", "url": url, "targetBlank": True}
        made.override_by_name(heading, [DynamicConfigValue(id_val="links", value=[lead])])
    return made


def _target(told: Panel, expr: str, legend: str, ref: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expr).ref_id(ref).datasource(SOURCE)
    match told.shape:
        case Shape.TABLE:
            return made.instant().format(PromQueryFormat.TABLE)
        case Shape.NUMBER | Shape.RANKED:
            made.instant().legend_format(legend)
            return made.format(PromQueryFormat.HEATMAP if told.buckets else PromQueryFormat.TIME_SERIES)
        case Shape.LINES | Shape.BARS:
            return made.range().legend_format(legend).format(PromQueryFormat.TIME_SERIES)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])
