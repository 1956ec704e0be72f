"""Platform stability, for the product manager: how much of what was promised was delivered, and what the rest cost."""

from collections.abc import Callable

import sheet
from choices import releases, upgrades
from costs import MONEY, RELEASES
from look import BAD, GOOD, WARN, Steps
from panel import Panel, Shape
from queries import (
    OF,
    RANGE,
    YET,
    budget,
    corrected,
    delivered,
    frozen_users,
    group,
    grown,
    joined,
    left,
    ratio,
    share,
)
from sheet import Sheet

_SLO: Steps = ((None, BAD), (0.99, WARN), (0.995, GOOD))
_BUDGET: Steps = ((None, BAD), (0.0, WARN), (0.25, GOOD))
_JOINED: Steps = ((None, BAD), (0.8, WARN), (0.95, GOOD))  # below 0.8 a ticket is written; 0.95 is the objective
_LATE = "Counted when verdicts become firm, about six hours after a class."


def _number(title: str, says: str, ask: str, steps: Steps, empty: str = YET) -> Panel:
    watch = ("QosLearnerMinutesBurnSlow",) if empty == YET else ("QosJoinSuccessBurnSlow",)
    return Panel(
        title, says, "percentunit", [(ask, title)], empty, Shape.NUMBER, 4, 4, steps, watch, "outages", decimals=2
    )


_PROMISE = (
    _number(
        "Delivered, 28 days",
        "Learner-minutes delivered ÷ owed over 28 days, whatever range is shown. What the platform lost, and what "
        f"nobody can explain, is not delivered; what learners lost themselves is. {_LATE}",
        delivered("", "28d"),
        _SLO,
    ),
    _number(
        "Budget left, 28 days",
        "Of the learner-minutes that the objective allows to be lost in 28 days, the share not lost yet; below 0 the "
        "promise is broken.",
        budget("28d"),
        _BUDGET,
    ),
    _number("Delivered, 90 days", f"The same over 90 days. {_LATE}", delivered("", "90d"), _SLO),
    _number(
        "Budget left, 90 days",
        "The same for 90 days; wants a Prometheus that keeps as many.",
        budget("90d"),
        _BUDGET,
    ),
    _number(
        "Delivered, with corrections",
        "28 days, with what late evidence changed in verdicts that had been firm. Far from the first number: look at "
        "the corrections below.",
        corrected("28d"),
        _SLO,
    ),
    _number(
        "In within 5 s, 28 days",
        "Goes of learners at a class that were inside within 5 s, of all goes. Those who never got in are in the "
        "denominator; clicks in a row are one go.",
        joined("", "28d"),
        _JOINED,
        "No learner tried to get into a class in 28 days",
    ),
    Panel(
        "Delivered ÷ owed, by provider",
        f"The last day's share at each moment, each provider for itself. {_LATE}",
        "percentunit",
        [(delivered("provider", "1d"), "{{provider}}")],
        width=12,
        steps=_SLO,
        empty=YET,
        runbooks=("QosLearnerMinutesBurnFast", "QosLearnerMinutesBurnSlow", "QosLearnerMinutesBurnLong"),
        console="outages",
        step="1h",
    ),
    Panel(
        "Lost learner-time, by whose fault",
        "Class time shut out or unusable, of the day before each bar. Only what is the platform's or unknown counts "
        "against the promise; a large share of learners' own faults is a matter for support, not for the provider.",
        "s",
        [(grown("qos_lost_learner_seconds_total", "provider, fault", "fault", "1d"), "{{fault}}")],
        shape=Shape.BARS,
        width=12,
        colours=("platform", "learner", "unknown"),
        empty=YET,
        console="outages",
        step="1d",
    ),
)


def _breakdown(title: str, says: str, by: Callable[[str], tuple[str, str]], runbook: str) -> Panel:
    """Shares and budgets of 28 and 90 days; ``by`` gives delivered ÷ owed and hours owed of so many days."""
    (short, hours), (long, _) = by("28d"), by("90d")
    asks = [
        (short, "Delivered, 28 d"),
        (left(short), "Budget left, 28 d"),
        (long, "Delivered, 90 d"),
        (left(long), "Budget left, 90 d"),
        (hours, "Hours owed, 28 d"),
    ]
    return Panel(
        title,
        says,
        "percentunit",
        asks,
        YET,
        Shape.TABLE,
        12,
        steps=_SLO,
        runbooks=(runbook,),
        console="outages",
        units={"Hours owed, 28 d": "locale"},
        paints={"Budget left, 28 d": _BUDGET, "Delivered, 90 d": _SLO, "Budget left, 90 d": _BUDGET},
        decimals=2,
    )


def _by(labels: str) -> Callable[[str], tuple[str, str]]:
    def asked(over: str) -> tuple[str, str]:
        return delivered(
            labels, over
        ), f"({grown('qos_owed_learner_seconds_total', 'provider, node', labels, over)} > 0) / 3600"

    return asked


def _group(name: str) -> Callable[[str], tuple[str, str]]:
    return lambda over: group(name, over)


_WHERE = (
    _breakdown(
        "By provider",
        "Whatever range is shown. Hours owed say how much a share rests on. Budget left: of what the objective allows "
        "to be lost, the share not lost yet; below 0 the promise is broken.",
        _by("provider"),
        "QosLearnerMinutesBurnSlow",
    ),
    _breakdown(
        "By node",
        "As by provider. `none` is learners who never got in, so used no node; `other` is nodes beyond the 64 that "
        "have names.",
        _by("provider, node"),
        "QosNodeBurnSlow",
    ),
    _breakdown(
        "By client release",
        "As by provider, but all providers together. `none` is learners whose client told no release, often because "
        "they never got in.",
        _group("release"),
        "QosLearnerMinutesBurnSlow",
    ),
    _breakdown(
        "By access network",
        "As by provider, but all providers together, by the learner's access network.",
        _group("network"),
        "QosLearnerMinutesBurnSlow",
    ),
)

_DOOR = (
    Panel(
        "In within 5 s, by provider",
        "Goes that were inside within 5 s, of all goes of the day before each moment.",
        "percentunit",
        [(joined("provider", "1d"), "{{provider}}")],
        steps=_JOINED,
        empty="No learner tried to get into a class",
        runbooks=("QosJoinSuccessBurnFast", "QosJoinSuccessBurnSlow", "QosJoinSuccessBurnLong"),
        step="1h",
    ),
    Panel(
        "How long it takes to get in",
        "Of the goes of the day before each moment that ended inside: half were faster than the middle line, 5 % "
        "slower than the upper one.",
        "s",
        [
            (
                (
                    f"histogram_quantile({quantile}, "
                    f"{grown('qos_join_duration_seconds_bucket', 'provider, le', 'provider, le', '1d')}) >= 0"
                ),
                f"{{{{provider}}}} {name}",
            )
            for quantile, name in ((0.5, "median"), (0.95, "95th percentile"))
        ],
        steps=((None, GOOD), (5, BAD)),
        runbooks=("QosJoinSuccessBurnSlow",),
        console="outages",
        empty="No learner got into a class",
        step="1h",
    ),
    Panel(
        "Failed attempts, by whose fault",
        "Attempts that were seen to end outside, of all attempts, in the day before each moment. Attempts are clicks: "
        "one learner may make many.",
        "percentunit",
        [
            (
                (
                    f"{grown('qos_join_failures_total', 'provider, fault', 'fault', '1d')} / on () group_left () "
                    f"({grown('qos_join_attempts_total', 'provider', '', '1d')} > 0)"
                ),
                "{{fault}}",
            )
        ],
        runbooks=("QosJoinSuccessBurnSlow",),
        console="outages",
        colours=("platform", "learner", "unknown"),
        empty="No attempt was seen",
        step="1h",
    ),
)

_AV = "provider, node"
_FROZEN, _WATCHED = (
    grown(f"qos_{which}_seconds_total", _AV, _AV, RANGE, f'{OF}, medium="video"') for which in ("frozen", "watched")
)
_MEDIA = (
    Panel(
        "Learners with freezes (users)",
        "Of the day before each moment, the share of learner-classes that were frozen for more than the chosen share "
        "of their measured time. This is what people say of the product.",
        "percentunit",
        [(frozen_users("provider, medium", "1d"), "{{provider}} {{medium}}")],
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty=YET,
        step="1h",
    ),
    Panel(
        "Frozen time (calls)",
        "Frozen seconds ÷ watched seconds of the day before each moment: the vendors' number. It hides few learners "
        "with much freezing behind many without; read it beside the other.",
        "percentunit",
        [
            (
                ratio(
                    "qos_frozen_seconds_total",
                    "qos_watched_seconds_total",
                    "provider, node, medium",
                    "provider, medium",
                    "1d",
                ),
                "{{provider}} {{medium}}",
            )
        ],
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty="No client told of freezing: it needs beacons or a provider's quality data",
        step="1h",
    ),
    Panel(
        "Audio and video out of sync",
        "Of the media time of the day before each moment with a measured offset, the share outside -185 ms to +90 ms "
        "(ITU-R BT.1359).",
        "percentunit",
        [
            (
                ratio("qos_av_desync_seconds_total", "qos_av_measured_seconds_total", _AV, "provider", "1d"),
                "{{provider}}",
            )
        ],
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty="No client measured the offset of audio and video",
        step="1h",
    ),
    Panel(
        "Offset of audio and video",
        "Spans measured in the range shown, by offset up to each value in seconds: + is audio ahead. Fine lies between "
        "-0.185 and 0.09.",
        "locale",
        [(grown("qos_av_offset_seconds_bucket", "provider, le", "le", RANGE), "{{le}}")],
        shape=Shape.RANKED,
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty="No client measured the offset of audio and video",
        buckets=True,
        decimals=0,
    ),
    Panel(
        "Share of time frozen, learner-classes",
        "Learner-classes of the range shown by the share of video time that was frozen, up to each value.",
        "locale",
        [
            (
                grown("qos_freeze_ratio_bucket", "provider, medium, le", "le", RANGE, f'{OF}, medium="video"'),
                "{{le}}",
            )
        ],
        shape=Shape.RANKED,
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty=YET,
        buckets=True,
        decimals=0,
    ),
    Panel(
        "Frozen time, by node",
        "Frozen ÷ watched seconds of video over the range shown, the ten worst nodes.",
        "percentunit",
        [
            (
                f"topk(10, {share(_FROZEN, _WATCHED)})",
                "{{provider}} {{node}}",
            )
        ],
        shape=Shape.RANKED,
        runbooks=("QosNodeBurnSlow",),
        console="outages",
        empty="No client told of freezing: it needs beacons or a provider's quality data",
    ),
)

SHEET = Sheet(
    uid="qos-stability",
    title="Platform stability",
    says="How much of what was promised to learners was delivered, where the rest was lost, and what it cost. Counters "
    "grow when verdicts become firm, about six hours after a class.",
    since="now-28d",
    rows=(
        ("The promise", _PROMISE),
        ("Where it is kept, and where not", _WHERE),
        ("Getting in", _DOOR),
        ("Picture and sound", _MEDIA),
        ("Client releases", RELEASES),
        ("Money and corrections", MONEY),
    ),
    choices=(
        ("objective", "Objective (delivered ÷ owed)", ("0.995", "0.99", "0.999")),
        ("freeze", "Frozen for more than", ("0.03", "0.01", "0.02", "0.05", "0.07", "0.1", "0.2", "0.3", "0.5")),
        ("minimum", "Least learner-classes of a release", ("50", "20", "100", "500")),
    ),
    values=(("provider", "qos_owed_learner_seconds_total"),),
    marks=(releases(), upgrades()),
    refresh="5m",
)

if __name__ == "__main__":
    sheet.write(SHEET)
