"""Platform stability, for the product manager: how much of what was promised was delivered, and what the rest cost."""

import sheet
from queries import (
    ENOUGH,
    FAILED,
    OF,
    RANGE,
    RISK,
    SPREAD,
    budget,
    corrected,
    delivered,
    frozen_users,
    group,
    grown,
    joined,
    ratio,
    share,
)
from sheet import Panel, Shape, Sheet

_SLO = ((None, "red"), (0.99, "orange"), (0.995, "green"))
_BUDGET = ((None, "red"), (0.0, "orange"), (0.25, "green"))
_LATE = "Counted when verdicts become firm, about six hours after a class."
_YET = "No verdict has become firm in this time (it takes about six hours after a class)"


def _number(title: str, says: str, ask: str, steps: tuple[tuple[float | None, str], ...], empty: str = _YET) -> Panel:
    unit = "percentunit"
    return Panel(title, says, unit, [(ask, title)], Shape.NUMBER, 4, 4, steps, empty, decimals=2)


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
        ((None, "red"), (0.95, "orange"), (0.98, "green")),
        "No learner tried to get into a class in 28 days",
    ),
    Panel(
        "Delivered ÷ owed, by provider",
        f"The last day's share at each moment, each provider for itself. {_LATE}",
        "percentunit",
        [(delivered("provider", "1d"), "{{provider}}")],
        width=12,
        steps=_SLO,
        empty=_YET,
        runbooks=("QosLearnerMinutesBurnFast", "QosLearnerMinutesBurnSlow"),
        console="outages",
        step="1h",
    ),
    Panel(
        "Lost learner-minutes, by whose fault",
        "Class time shut out or unusable, of the day before each bar. Only what is the platform's or unknown counts "
        "against the promise; a large share of learners' own faults is a matter for support, not for the provider.",
        "s",
        [(grown("qos_lost_learner_seconds_total", "provider, fault", "fault", "1d"), "{{fault}}")],
        Shape.BARS,
        12,
        empty=_YET,
        console="outages",
        step="1d",
    ),
)


def _breakdown(title: str, says: str, asks: tuple[str, str], width: int = 12, runbook: str = "") -> Panel:
    return Panel(
        title,
        says,
        "percentunit",
        [(asks[0], "Delivered ÷ owed"), (asks[1], "Hours owed")],
        Shape.TABLE,
        width,
        empty=_YET,
        units={"Hours owed": "none"},
        steps=_SLO,
        decimals=2,
        runbooks=(runbook,) if runbook else (),
    )


def _owed_hours(by: str) -> str:
    return f"({grown('qos_owed_learner_seconds_total', 'provider, node', by, RANGE)} > 0) / 3600"


_WHERE = (
    _breakdown(
        "By provider",
        "Over the range shown. Hours owed say how much a share rests on.",
        (delivered("provider", RANGE), _owed_hours("provider")),
        runbook="QosLearnerMinutesBurnSlow",
    ),
    _breakdown(
        "By node",
        "Over the range shown. `none` is learners who never got in, so used no node; `other` is nodes beyond the 64 "
        "that have names.",
        (delivered("provider, node", RANGE), _owed_hours("provider, node")),
        runbook="QosNodeBurnSlow",
    ),
    _breakdown(
        "By client release",
        "Over the range shown, all providers. `none` is learners whose client told no release, often because they "
        "never got in.",
        group("release"),
    ),
    _breakdown(
        "By access network", "Over the range shown, all providers, by the learner's access network.", group("network")
    ),
)

_DOOR = (
    Panel(
        "In within 5 s, by provider",
        "Goes that were inside within 5 s, of all goes of the day before each moment.",
        "percentunit",
        [(joined("provider", "1d"), "{{provider}}")],
        steps=((None, "red"), (0.95, "orange"), (0.98, "green")),
        empty="No learner tried to get into a class",
        runbooks=("QosJoinSuccessBurnFast", "QosJoinSuccessBurnSlow"),
        step="1h",
    ),
    Panel(
        "How long it takes to get in",
        "Of the goes that ended inside: half were faster than the middle, 5 % slower than the upper line.",
        "s",
        [
            (
                (
                    f"histogram_quantile({quantile}, "
                    f"{grown('qos_join_duration_seconds_bucket', 'provider, le', 'provider, le', '1d')})"
                ),
                f"{{{{provider}}}} {name}",
            )
            for quantile, name in ((0.5, "median"), (0.95, "95th percentile"))
        ],
        steps=((None, "green"), (5, "red")),
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
        "Share of learner-classes that were frozen for more than the chosen share of their measured time. This is what "
        "people say of the product.",
        "percentunit",
        [(frozen_users("provider, medium", "1d"), "{{provider}} {{medium}}")],
        empty=_YET,
        step="1h",
    ),
    Panel(
        "Frozen time (calls)",
        "Frozen seconds ÷ watched seconds: the vendors' number. It hides few learners with much freezing behind many "
        "without; read it beside the other.",
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
        empty="No client told of freezing: it needs beacons or a provider's quality data",
        step="1h",
    ),
    Panel(
        "Audio and video out of sync",
        "Of the media time with a measured offset, the share outside -185 ms to +90 ms (ITU-R BT.1359).",
        "percentunit",
        [
            (
                ratio("qos_av_desync_seconds_total", "qos_av_measured_seconds_total", _AV, "provider", "1d"),
                "{{provider}}",
            )
        ],
        empty="No client measured the offset of audio and video",
        step="1h",
    ),
    Panel(
        "Offset of audio and video",
        "Spans measured in the range shown, by offset up to each value in seconds: + is audio ahead. Fine lies between "
        "-0.185 and 0.09.",
        "none",
        [(grown("qos_av_offset_seconds_bucket", "provider, le", "le", RANGE), "{{le}}")],
        Shape.RANKED,
        empty="No client measured the offset of audio and video",
        buckets=True,
        decimals=0,
    ),
    Panel(
        "Share of time frozen, learner-classes",
        "Learner-classes of the range shown by the share of video time that was frozen, up to each value.",
        "none",
        [
            (
                grown("qos_freeze_ratio_bucket", "provider, medium, le", "le", RANGE, f'{OF}, medium="video"'),
                "{{le}}",
            )
        ],
        Shape.RANKED,
        empty=_YET,
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
        Shape.RANKED,
        empty="No client told of freezing: it needs beacons or a provider's quality data",
    ),
)

_RELEASES = (
    Panel(
        "Relative risk of a release against the rest",
        "Failed share of a release's learner-classes ÷ failed share of all other releases, over the range shown: 2 is "
        "twice as often. Low and high are the 95 % interval; believe a release to be worse only where low is above 1. "
        "Releases with fewer learner-classes than the chosen minimum are left out, and learners who told no release, "
        "for they are those who never got in.",
        "none",
        [
            (RISK, "Relative risk"),
            (f"exp(ln({RISK}) - 1.96 * {SPREAD})", "Low"),
            (f"exp(ln({RISK}) + 1.96 * {SPREAD})", "High"),
            (f"{FAILED} / {ENOUGH}", "Failed share"),
            (ENOUGH, "Learner-classes"),
        ],
        Shape.TABLE,
        24,
        empty="No release has enough learner-classes, or nothing failed elsewhere to compare with",
        units={"Failed share": "percentunit", "Learner-classes": "locale"},
        steps=((None, "green"), (1.5, "orange"), (2, "red")),
        decimals=2,
    ),
)

_MONEY = (
    Panel(
        "Cost of outages per week",
        "Money of the claims let go to the refund system in the 7 days up to each bar, by currency: one bar a week. "
        "Currencies do not add up; look at each for itself.",
        "none",
        [(grown("qos_filed_money_total", "kind, currency", "currency", "7d", ""), "{{currency}}")],
        Shape.BARS,
        12,
        empty="No claim was ever filed: there is no currency yet",
        console="claims",
        step="7d",
        decimals=2,
    ),
    Panel(
        "Claims per week",
        "Claims let go to the refund system in the 7 days up to each bar. A withdrawal takes a claim back.",
        "none",
        [(grown("qos_claims_filed_total", "kind", "kind", "7d", ""), "{{kind}}")],
        Shape.BARS,
        12,
        empty="No claim was ever filed",
        console="claims",
        step="7d",
    ),
    Panel(
        "Verdicts that became firm",
        "Learner-classes of the day before each bar, by what the verdict says.",
        "none",
        [(grown("qos_firm_verdicts_total", "provider, verdict", "verdict", "1d"), "{{verdict}}")],
        Shape.BARS,
        12,
        empty=_YET,
        step="1d",
    ),
    Panel(
        "Verdicts corrected",
        "Learner-time that superseded verdicts added to (up) or took from (down) owed and delivered in the day before "
        "each bar. Flat at 0 is a healthy day: no evidence came late.",
        "s",
        [
            (
                grown("qos_corrected_learner_seconds_total", "provider, of, direction", "of, direction", "1d"),
                "{{of}} {{direction}}",
            )
        ],
        Shape.BARS,
        12,
        empty="No verdict has been corrected: no evidence came late",
        step="1d",
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
        ("Client releases", _RELEASES),
        ("Money and corrections", _MONEY),
    ),
    choices=(
        ("objective", "Objective (delivered ÷ owed)", ("0.995", "0.99", "0.999")),
        ("freeze", "Frozen for more than", ("0.03", "0.01", "0.02", "0.05", "0.07", "0.1", "0.2", "0.3", "0.5")),
        ("minimum", "Least learner-classes of a release", ("50", "20", "100", "500")),
    ),
    provider_of="qos_owed_learner_seconds_total",
)

if __name__ == "__main__":
    sheet.write(SHEET)
