"""The part of the stability dashboard that is about client releases, money and corrections."""

from look import BAD, GOOD, WARN
from panel import Panel, Shape
from queries import ENOUGH, FAILED, RISK, SPREAD, YET, grown

RELEASES = (
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
        shape=Shape.TABLE,
        width=24,
        console="outages",
        empty="No release has enough learner-classes, or nothing failed elsewhere to compare with",
        units={"Failed share": "percentunit", "Learner-classes": "locale"},
        steps=((None, GOOD), (1.5, WARN), (2, BAD)),
        decimals=2,
    ),
)

MONEY = (
    Panel(
        "Cost of outages per week",
        "Money of the claims let go to the refund system in the 7 days up to each bar, by currency: one bar a week. "
        "Currencies do not add up; look at each for itself.",
        "locale",
        [(grown("qos_filed_money_total", "kind, currency", "currency", "7d", ""), "{{currency}}")],
        shape=Shape.BARS,
        width=12,
        empty="No claim was ever filed: there is no currency yet",
        console="claims",
        step="7d",
        decimals=2,
    ),
    Panel(
        "Claims per week",
        "Claims let go to the refund system in the 7 days up to each bar. A withdrawal takes a claim back.",
        "locale",
        [(grown("qos_claims_filed_total", "kind", "kind", "7d", ""), "{{kind}}")],
        shape=Shape.BARS,
        width=12,
        empty="No claim was ever filed",
        console="claims",
        step="7d",
        decimals=0,
    ),
    Panel(
        "Verdicts that became firm",
        "Learner-classes of the day before each bar, by what the verdict says.",
        "locale",
        [(grown("qos_firm_verdicts_total", "provider, verdict", "verdict", "1d"), "{{verdict}}")],
        shape=Shape.BARS,
        width=12,
        runbooks=("QosJudgingBehind",),
        console="outages",
        colours=("ATTENDED", "DEGRADED", "UNABLE_PLATFORM", "UNABLE_LEARNER", "NO_SHOW", "CANCELLED", "UNKNOWN"),
        empty=YET,
        step="1d",
        decimals=0,
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
        shape=Shape.BARS,
        width=12,
        runbooks=("QosJudgingBehind",),
        console="cases",
        empty="No verdict has been corrected: no evidence came late",
        step="1d",
    ),
)
