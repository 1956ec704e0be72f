"""Live now, for who is on call: who should be in class, who is, and what keeps the others out."""

import sheet
from queries import OF, RATE, told
from sheet import Panel, Shape, Sheet

_NOW = f"max by (provider, node, state) (qos_learners_now{{{OF}}})"
_SHUT_OUT = (
    f'sum by (provider, node) (max by (provider, node, state) (qos_learners_now{{{OF}, state="shut_out"}})) '
    f"/ (sum by (provider, node) ({_NOW}) > 0)"
)
_WITHIN_5S = (
    f'max by (provider) (rate(qos_join_duration_seconds_bucket{{{OF}, le="5.0"}}[{RATE}])) / '
    f"(sum by (provider) (max by (provider, result) (rate(qos_joins_total{{{OF}}}[{RATE}]))) > 0)"
)
_SILENT = f"max by (provider) (qos_silent_learners{{{OF}}}) / (max by (provider) (qos_scheduled_learners{{{OF}}}) > 0)"
_BAD = ((None, "green"), (1, "orange"), (20, "red"))
_NO_CLASS = "No class runs now"


def _state(title: str, says: str, state: str, steps: tuple[tuple[float | None, str], ...], console: str = "") -> Panel:
    ask = f'sum(max by (provider, node, state) (qos_learners_now{{{OF}, state="{state}"}})) or vector(0)'
    return Panel(
        title,
        says,
        "locale",
        [(ask, title)],
        Shape.NUMBER,
        4,
        4,
        steps,
        _NO_CLASS,
        ("QosLearnerMinutesBurnFast",),
        console,
    )


def _by_node(part: str, whole: str, medium: str = "") -> str:
    """One counter of measured media time ÷ another, by provider and node; what never happened is 0."""
    labels = "provider, node, medium" if medium else "provider, node"
    where = f'{OF}, medium="{medium}"' if medium else OF
    grown = (f"sum by (provider, node) (max by ({labels}) (rate({name}{{{where}}}[{RATE}])))" for name in (part, whole))
    some, every = grown
    return f"({some} or {every} * 0) / ({every} > 0)"


_LEARNERS = (
    Panel(
        "Classes running",
        "Classes on the timetable at this moment, whatever is heard of them.",
        "locale",
        [(f"sum(max by (provider) (qos_scheduled_classes{{{OF}}}))", "classes")],
        Shape.NUMBER,
        4,
        4,
        ((None, "blue"),),
        _NO_CLASS,
        ("QosScheduledButNoData",),
    ),
    Panel(
        "Learners owed a class",
        "Everybody who should be in class now. Whoever never got in is counted here, as in no provider's dashboard.",
        "locale",
        [(f"sum({_NOW}) or vector(0)", "owed")],
        Shape.NUMBER,
        4,
        4,
        ((None, "blue"),),
        _NO_CLASS,
        ("QosScheduledButNoData",),
    ),
    _state("In class", "Inside, with media that can be used.", "in", ((None, "green"),)),
    _state("Struggling", "Inside, with impaired or unusable media.", "struggling", _BAD),
    _state("Shut out", "Tried to enter and are outside, by no act of their own.", "shut_out", _BAD, "outages"),
    _state("Not seen", "Nothing was heard of them: no-shows, or a dead login.", "absent", ((None, "blue"),)),
    Panel(
        "Learners by state",
        "All states together are those owed a class. A band of shut_out that grows is an outage.",
        "locale",
        [(f"sum by (state) ({_NOW})", "{{state}}")],
        Shape.BARS,
        16,
        empty=_NO_CLASS,
        runbooks=("QosLearnerMinutesBurnFast",),
    ),
    Panel(
        "Shut out, by provider and node",
        "Share of the learners owed a class on each node who are shut out. Node none: they never reached one.",
        "percentunit",
        [
            (
                _SHUT_OUT,
                "{{provider}} {{node}}",
            )
        ],
        steps=((None, "green"), (0.005, "orange"), (0.072, "red")),
        empty=_NO_CLASS,
        runbooks=("QosNodeBurnFast",),
        console="outages",
    ),
)

_JOINS = (
    Panel(
        "Failed joins, by fault",
        "Attempts seen to end outside, each second, by whose fault their code says. No line: none failed.",
        "ops",
        [
            (
                f"sum by (provider, fault) (max by (provider, fault) (rate(qos_join_failures_total{{{OF}}}[{RATE}])))",
                "{{provider}} {{fault}}",
            )
        ],
        width=12,
        empty="No join has failed",
        runbooks=("QosJoinSuccessBurnFast",),
    ),
    Panel(
        "Inside within 5 s",
        "Of the goes of learners at a class, those inside within five seconds: the industry's join success.",
        "percentunit",
        [
            (
                _WITHIN_5S,
                "{{provider}}",
            )
        ],
        width=12,
        steps=((None, "red"), (0.8, "orange"), (0.95, "green")),
        empty="Nobody joined in this time range",
        runbooks=("QosJoinSuccessBurnFast",),
    ),
)

_MEDIA = (
    Panel(
        "Audio frozen, by node",
        "Frozen ÷ measured audio time. From 7 % on speech is hard to follow, from 30 % it is lost.",
        "percentunit",
        [(_by_node("qos_frozen_seconds_total", "qos_watched_seconds_total", "audio"), "{{provider}} {{node}}")],
        steps=((None, "green"), (0.07, "orange"), (0.3, "red")),
        empty="No audio was measured: beacons or polls tell it",
        runbooks=("QosNodeBurnFast",),
    ),
    Panel(
        "Video frozen, by node",
        "Frozen ÷ measured video time.",
        "percentunit",
        [(_by_node("qos_frozen_seconds_total", "qos_watched_seconds_total", "video"), "{{provider}} {{node}}")],
        steps=((None, "green"), (0.1, "orange"), (0.5, "red")),
        empty="No video was measured: beacons or polls tell it",
        runbooks=("QosNodeBurnFast",),
    ),
    Panel(
        "Out of sync, by node",
        "Share of the measured time with audio and video apart: outside -185 ms to +90 ms.",
        "percentunit",
        [(_by_node("qos_av_desync_seconds_total", "qos_av_measured_seconds_total"), "{{provider}} {{node}}")],
        steps=((None, "green"), (0.05, "orange"), (0.2, "red")),
        empty="No offset was measured: beacons tell it",
        runbooks=("QosNodeBurnFast",),
    ),
)

_FEEDS = (
    Panel(
        "Silent learners, of those scheduled",
        "Learners of running classes of which nothing was heard. 0 where no class runs.",
        "percentunit",
        [
            (
                _SILENT,
                "{{provider}}",
            )
        ],
        steps=((None, "green"), (0.1, "orange"), (0.5, "red")),
        empty=_NO_CLASS,
        runbooks=("QosScheduledButNoData",),
    ),
    Panel(
        "Silence in class",
        "Since a provider with running classes was last heard. 0 where no class runs, by day and night.",
        "s",
        [(f"max by (provider) (qos_feed_silence_in_class_seconds{{{OF}}})", "{{provider}}")],
        steps=((None, "green"), (300, "orange"), (900, "red")),
        runbooks=("QosFeedSilentInClass",),
    ),
    Panel(
        "Declared incidents",
        "Open on the providers' status pages. Never evidence by itself, and often late.",
        "locale",
        [(f"{told('qos_declared_incidents', 'provider')} or vector(0)", "{{provider}}")],
        steps=((None, "green"), (1, "orange")),
        empty="No status page is watched: QOS_STATUS_PAGES",
        runbooks=("QosLearnerMinutesBurnFast",),
    ),
)

SHEET = Sheet(
    "qos-live",
    "Live now",
    "For who is on call: who is owed a class at this moment, who is in it, and what keeps the others out.",
    "now-6h",
    (("Learners", _LEARNERS), ("Joining", _JOINS), ("Stalls and sync", _MEDIA), ("Feeds", _FEEDS)),
    provider_of="qos_scheduled_classes",
    refresh="30s",
)

if __name__ == "__main__":
    sheet.write(SHEET)
