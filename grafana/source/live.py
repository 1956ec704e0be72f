"""Live now, for who is on call: who should be in class, who is, and what keeps the others out."""

import sheet
from choices import QOS
from look import BAD, GOOD, PLAIN, SKY, WARN, Steps
from panel import Panel, Shape
from queries import OF, OF_NODE, RATE, UNHEARD, calm
from sheet import Sheet

_NOW = f"max by (provider, node, state) (qos_learners_now{{{OF_NODE}}})"
_OUT = f'max by (provider, node, state) (qos_learners_now{{{OF_NODE}, state="shut_out"}})'
_SHUT_OUT = f"sum by (provider, node) ({_OUT}) / (sum by (provider, node) ({_NOW}) > 0)"
_WITHIN_5S = (
    f'max by (provider) (rate(qos_join_duration_seconds_bucket{{{OF}, le="5.0"}}[{RATE}])) / '
    f"(sum by (provider) (max by (provider, result) (rate(qos_joins_total{{{OF}}}[{RATE}]))) > 0)"
)
_SILENT = f"max by (provider) (qos_silent_learners{{{OF}}}) / (max by (provider) (qos_scheduled_learners{{{OF}}}) > 0)"
_FIRING = 'max by (alertname, severity, provider, node) (ALERTS{alertname=~"Qos.*", alertstate="firing"})'
_SOME: Steps = ((None, GOOD), (1, WARN), (20, BAD))
_COUNT: Steps = ((None, PLAIN),)
_LOST: Steps = ((None, GOOD), (0.005, WARN), (0.072, BAD))  # the objective, and where the page for a fast burn begins
_NO_CLASS = "No class runs now"
_NO_CLASS_YET = "No class ran in this range"


def _number(title: str, says: str, ask: str, steps: Steps, runbook: str = "QosLearnerMinutesBurnFast") -> Panel:
    return Panel(
        title, says, "locale", [(ask, title)], UNHEARD, Shape.NUMBER, 3, 4, steps, (runbook, "QosDown"), "", decimals=0
    )


def _state(title: str, says: str, state: str, steps: Steps) -> Panel:
    ask = f'sum(max by (provider, node, state) (qos_learners_now{{{OF_NODE}, state="{state}"}}))'
    return _number(title, f"{says} 0 where no class runs.", calm(ask), steps)


def _by_node(part: str, whole: str, medium: str = "") -> str:
    """One counter of measured media time ÷ another, by provider and node; what never happened is 0."""
    labels = "provider, node, medium" if medium else "provider, node"
    where = f'{OF_NODE}, medium="{medium}"' if medium else OF_NODE
    grown = (f"sum by (provider, node) (max by ({labels}) (rate({name}{{{where}}}[{RATE}])))" for name in (part, whole))
    some, every = grown
    return f"({some} or {every} * 0) / ({every} > 0)"


_GLANCE = (
    _number(
        "Classes running",
        "Classes on the timetable at this moment, whatever is heard of them, on all nodes: a timetable has none.",
        calm(f"sum(max by (provider) (qos_scheduled_classes{{{OF}}}))"),
        _COUNT,
        "QosScheduledButNoData",
    ),
    _number(
        "Learners owed",
        "Everybody who should be in class now. Whoever never got in is counted here, as in no provider's dashboard. 0 "
        "where no class runs.",
        calm(f"sum({_NOW})"),
        _COUNT,
        "QosScheduledButNoData",
    ),
    _state("In class", "Inside, with media that can be used.", "in", _COUNT),
    _state("Struggling", "Inside, with impaired or unusable media.", "struggling", _SOME),
    _state("Shut out", "Tried to enter and are outside, by no act of their own.", "shut_out", _SOME),
    _state("Not seen", "Nothing was heard of them: no-shows, or a dead login.", "absent", _COUNT),
    Panel(
        "Share shut out",
        "Of the learners owed a class now, those shut out. Orange: more than the objective allows; red: where a page "
        "begins.",
        "percentunit",
        [(f"sum({_OUT}) / (sum({_NOW}) > 0)", "shut out")],
        _NO_CLASS,
        Shape.NUMBER,
        3,
        4,
        _LOST,
        ("QosLearnerMinutesBurnFast",),
        "outages",
        decimals=1,
    ),
    Panel(
        "Last look",
        "Age of the numbers that come from the database, so of all here but the alerts. Old: believe none of them.",
        "s",
        [("max(qos_reading_age_seconds)", "age")],
        UNHEARD,
        Shape.NUMBER,
        3,
        4,
        ((None, GOOD), (120, WARN), (600, BAD)),
        ("QosDown", "QosJudgingBehind"),
        decimals=0,
    ),
)

_LEARNERS = (
    Panel(
        "Learners by state",
        "All states together are those owed a class. A band of shut_out that grows is an outage; one of absent over "
        "half of a class, a dead login.",
        "locale",
        [(f"sum by (state) ({_NOW})", "{{state}}")],
        _NO_CLASS_YET,
        Shape.BARS,
        12,
        runbooks=("QosLearnerMinutesBurnFast",),
        console="",
        colours=("in", "struggling", "shut_out", "absent", "arriving", "away"),
        decimals=0,
    ),
    Panel(
        "Shut out, by provider and node",
        "Share of the learners owed a class on each node who are shut out. Node none: they never reached one.",
        "percentunit",
        [(_SHUT_OUT, "{{provider}} {{node}}")],
        _NO_CLASS_YET,
        width=12,
        steps=_LOST,
        runbooks=("QosNodeBurnFast",),
        console="outages",
    ),
)

_JOINS = (
    Panel(
        "Failed joins a minute, by fault",
        "Attempts seen to end outside, by whose fault their code says; at 0 none failed. Attempts are clicks: one "
        "learner makes many. Of all nodes: who fails to join has reached none.",
        "locale",
        [
            (
                f"60 * max by (provider, fault) (rate(qos_join_failures_total{{{OF}}}[{RATE}]))",
                "{{provider}} {{fault}}",
            )
        ],
        "No provider has told of a join yet",
        Shape.BARS,
        runbooks=("QosJoinSuccessBurnFast",),
        console="outages",
        colours=("platform", "learner", "unknown"),
        decimals=1,
    ),
    Panel(
        "Inside within 5 s",
        "Of the goes of learners at a class, those inside within five seconds: the industry's join success. A go is "
        "settled three minutes after it began. No line: nobody joined then.",
        "percentunit",
        [(_WITHIN_5S, "{{provider}}")],
        "Nobody joined a class in this range",
        steps=((None, BAD), (0.8, WARN), (0.95, GOOD)),
        runbooks=("QosJoinSuccessBurnFast",),
        console="outages",
        step="2m",
    ),
    Panel(
        "Alerts that fire",
        "Every alert of qos-monitor that fires now, in Prometheus' own words; its name leads to its runbook.",
        "none",
        [(_FIRING, "")],
        "No alert of qos-monitor fires",
        Shape.TABLE,
        console="outages",
        leads={"alertname": f"{QOS}/runbooks/${{__value.text}}"},
    ),
)


def _frozen(medium: str, says: str, steps: Steps) -> Panel:
    return Panel(
        f"{medium.capitalize()} frozen, by node",
        says,
        "percentunit",
        [(_by_node("qos_frozen_seconds_total", "qos_watched_seconds_total", medium), "{{provider}} {{node}}")],
        f"No class ran, or no {medium} was measured: beacons or a provider's statistics tell it",
        steps=steps,
        runbooks=("QosNodeBurnFast",),
        console="outages",
        step="1m",
    )


_MEDIA = (
    _frozen(
        "audio",
        "Frozen ÷ measured audio time. From 7 % on speech is hard to follow, from 30 % it is lost.",
        ((None, GOOD), (0.07, WARN), (0.3, BAD)),
    ),
    _frozen(
        "video",
        "Frozen ÷ measured video time. From 10 % on it disturbs, from 50 % it is lost.",
        ((None, GOOD), (0.1, WARN), (0.5, BAD)),
    ),
    Panel(
        "Sound and picture apart, by node",
        "Share of the measured time with audio and video out of sync: outside -185 ms to +90 ms.",
        "percentunit",
        [(_by_node("qos_av_desync_seconds_total", "qos_av_measured_seconds_total"), "{{provider}} {{node}}")],
        "No class ran, or no offset was measured: beacons tell it",
        steps=((None, GOOD), (0.05, WARN), (0.2, BAD)),
        runbooks=("QosNodeBurnFast",),
        console="outages",
        step="1m",
    ),
)

_FEEDS = (
    Panel(
        "Silent learners, of those scheduled",
        "Learners of running classes of which nothing was heard. No line: no class ran.",
        "percentunit",
        [(_SILENT, "{{provider}}")],
        _NO_CLASS_YET,
        width=6,
        steps=((None, GOOD), (0.1, WARN), (0.5, BAD)),
        runbooks=("QosScheduledButNoData",),
        console="",
    ),
    Panel(
        "Silence in class",
        "Since a provider with running classes was last heard. 0 where no class runs, by day and night.",
        "s",
        [(f"max by (provider) (qos_feed_silence_in_class_seconds{{{OF}}})", "{{provider}}")],
        UNHEARD,
        width=6,
        steps=((None, GOOD), (300, WARN), (900, BAD)),
        runbooks=("QosFeedSilentInClass",),
        console="",
    ),
    Panel(
        "Since the last delivery",
        "Age of the last thing each provider told, with classes or without: at night it grows, and that is well.",
        "s",
        [(f"max by (provider) (qos_feed_silence_seconds{{{OF}}})", "{{provider}}")],
        "No provider has delivered anything yet",
        width=6,
        runbooks=("QosFeedSilentInClass",),
        console="",
    ),
    Panel(
        "Declared incidents",
        "Open on the providers' status pages, or entered by a person. Never evidence by itself, and often late. At 0 "
        "none is open.",
        "locale",
        [(f"max by (provider) (qos_declared_incidents{{{OF}}})", "{{provider}}")],
        "No incident was declared, and no status page is watched (QOS_STATUS_PAGES)",
        width=6,
        steps=((None, SKY), (1, WARN)),
        runbooks=("QosLearnerMinutesBurnFast",),
        console="",
        decimals=0,
    ),
)

SHEET = Sheet(
    "qos-live",
    "Live now",
    "For who is on call: who is owed a class at this moment, who is in it, and what keeps the others out.",
    "now-6h",
    (
        ("At a glance", _GLANCE),
        ("Learners", _LEARNERS),
        ("Joining", _JOINS),
        ("Stalls and sync", _MEDIA),
        ("Feeds", _FEEDS),
    ),
    "30s",
    (
        ("provider", "qos_scheduled_classes"),
        ("node", f'{{__name__=~"qos_learners_now|qos_watched_seconds_total", {OF}}}'),
    ),
)

if __name__ == "__main__":
    sheet.write(SHEET)
