"""What stands above the panels of a dashboard: variables, annotations and links."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from look import BAD, SKY

QOS = "https://qos.school.example"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_GRAFANA = DataSourceRef(type_val="grafana", uid="-- Grafana --")
_LABEL_VALUES = 1  # how Grafana's Prometheus data source stores that a variable asks for values of a label
_EDITOR = "PrometheusVariableQueryEditor-VariableQuery"

SOURCES = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def values(name: str, selector: str) -> dashboard.QueryVariable:
    """Let some or all values of a label be chosen, of those that series have in the range shown."""
    asked = f"label_values({selector}, {name})"
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query({"qryType": _LABEL_VALUES, "query": asked, "refId": _EDITOR})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def fixed(name: str, label: str, some: Sequence[str]) -> dashboard.CustomVariable:
    """Let one of some values be chosen, the first being preset."""
    chosen = [VariableOption(selected=value == some[0], text=value, value=value) for value in some]
    return dashboard.CustomVariable(name).label(label).values(",".join(some)).current(chosen[0]).options(chosen)


def by_hand() -> dashboard.AnnotationQuery:
    """Keep what people write on graphs in Grafana, as every dashboard does."""
    made = dashboard.AnnotationQuery().name("Annotations & Alerts").datasource(_GRAFANA).type("dashboard")
    return made.built_in(1).enable(enable=True).hide(hide=True).icon_color("rgba(0, 211, 255, 1)")


def firing() -> dashboard.AnnotationQuery:
    """Mark when pages and tickets fired."""
    asked = 'ALERTS{alertname=~"Qos.*", alertstate="firing", severity!="info"}'
    return _marked("Alerts", asked, BAD, "{{alertname}}", "{{severity}} {{provider}} {{node}} {{kind}}")


def upgrades() -> dashboard.AnnotationQuery:
    """Mark the hours after which another version of the monitor or of its rules was seen."""
    now = "count by (version, rule_version) (qos_build_info)"
    told = "rules {{rule_version}}"
    return _marked("Upgrades", f"{now} unless {now[:-1]} offset 1h)", SKY, "qos-monitor {{version}}", told)


def releases() -> dashboard.AnnotationQuery:
    """Mark the day after which a client release was first heard of."""
    now = 'sum by (release) (qos_release_learner_classes_total{release!~"none|other"}) > 0'
    before = 'sum by (release) (qos_release_learner_classes_total{release!~"none|other"} offset 1d) > 0'
    return _marked("Client releases", f"{now} unless {before}", SKY, "Release {{release}}", "first heard of")


def _marked(name: str, asked: str, colour: str, title: str, text: str) -> dashboard.AnnotationQuery:
    query = prometheus.Dataquery().expr(asked).ref_id("Anno").datasource(SOURCE)
    made = dashboard.AnnotationQuery().name(name).datasource(SOURCE).icon_color(colour).enable(enable=True)
    made.target(query.range().format(PromQueryFormat.TIME_SERIES))
    return made.hide(hide=False).title_format(title).text_format(text)


def link(title: str, url: str) -> dashboard.DashboardLink:
    """Lead somewhere else, in a tab of its own."""
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(target_blank=True)


def siblings() -> dashboard.DashboardLink:
    """Lead to the other dashboards, with what is chosen here."""
    made = dashboard.DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags(["qos-monitor"])
    return made.as_dropdown(as_dropdown=False).include_vars(include_vars=True).keep_time(keep_time=True)
