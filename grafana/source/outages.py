"""Outages and money, for on call and finance: who nears 48 h, what it would cost, and where the claims are."""

from typing import TypeAlias

import sheet
from queries import told
from sheet import Panel, Shape, Sheet

Steps: TypeAlias = tuple[tuple[float | None, str], ...]
_CALM: Steps = ((None, "green"), (1, "orange"))
_WRONG: Steps = ((None, "green"), (1, "red"))


def _number(
    title: str, says: str, ask: str, runbook: str, steps: tuple[tuple[float | None, str], ...], page: str
) -> Panel:
    return Panel(title, says, "locale", [(ask, title)], Shape.NUMBER, 4, 4, steps, "Not scraped", (runbook,), page)


def _aged(*ages: str) -> str:
    return f'sum(max by (age) (qos_learners_in_open_outage{{age=~"{"|".join(ages)}"}}))'


_NOW = (
    _number(
        "Past 24 h",
        "Learners kept out for 24 h to 36 h.",
        _aged("under_36h"),
        "QosOutageOver24h",
        _CALM,
        "outages",
    ),
    _number(
        "Past 36 h", "Learners kept out for 36 h to 44 h.", _aged("under_44h"), "QosOutageOver36h", _CALM, "outages"
    ),
    _number(
        "Past 44 h",
        "Less than four hours are left to mend it.",
        _aged("under_48h"),
        "QosOutageOver44h",
        _WRONG,
        "outages",
    ),
    _number(
        "Breaker",
        "1: claims are held back until a person has looked.",
        "max(qos_breaker_open)",
        "QosBreakerOpen",
        _WRONG,
        "",
    ),
    _number(
        "Overdue cases",
        "Past the day by which the learner was promised an answer.",
        'sum(max by (kind, due) (qos_cases_due{due="overdue"}))',
        "QosClaimsOverdue",
        _WRONG,
        "cases",
    ),
    _number(
        "Stuck claims",
        "Parked, stopped, rejected or failed: each waits for a person.",
        'sum(max by (kind, state) (qos_claims{state=~"parked|stopped|rejected|failed"}))',
        "QosClaimsParked",
        _WRONG,
        "claims",
    ),
)

_OPEN = (
    Panel(
        "Learners in an open outage, by its age",
        "By the age of their oldest outage that is neither owed nor over. 0 on a healthy day.",
        "locale",
        [(told("qos_learners_in_open_outage", "age"), "{{age}}")],
        Shape.BARS,
        12,
        runbooks=("QosOutageOver24h",),
        console="outages",
    ),
    Panel(
        "What open outages would cost, by age",
        "Refunds if these outages came to be owed today, in units of the currency.",
        "locale",
        [(told("qos_open_outage_money", "age, currency"), "{{currency}} {{age}}")],
        Shape.BARS,
        12,
        empty="No outage is open",
        runbooks=("QosOutageOver36h",),
        console="outages",
    ),
    Panel(
        "Projected liability, if nothing changes",
        "Refunds of open outages that will be 48 h old now, and 6, 12 and 24 hours ahead, and of those under review.",
        "locale",
        [(told("qos_liability_money", "ahead, currency"), "{{currency}} in {{ahead}}")],
        width=24,
        empty="Nothing is open that could come to be owed",
        runbooks=("QosOutageOver44h",),
        console="outages",
    ),
)

_CASES = (
    Panel(
        "Cases, by kind and state",
        "Every case ever opened, where it stands now.",
        "locale",
        [(f"{told('qos_cases', 'kind, state')} > 0", "{{kind}} {{state}}")],
        Shape.RANKED,
        8,
        empty="No case was ever opened",
        runbooks=("QosClaimsDueSoon",),
        console="cases",
    ),
    Panel(
        "Claims, by kind and state",
        "Every message to the refund system, where it stands now.",
        "locale",
        [(f"{told('qos_claims', 'kind, state')} > 0", "{{kind}} {{state}}")],
        Shape.RANKED,
        8,
        empty="No claim was ever written",
        runbooks=("QosClaimsParked",),
        console="claims",
    ),
    Panel(
        "Limit days of open cases",
        "Overdue, soon (today or the next working day), or later.",
        "locale",
        [(told("qos_cases_due", "kind, due"), "{{kind}} {{due}}")],
        Shape.BARS,
        8,
        runbooks=("QosClaimsDueSoon",),
        console="cases",
    ),
)

_SENT = (
    Panel(
        "Money filed in a day",
        "What claims let go in the 24 hours before each moment asked for, in units of the currency.",
        "locale",
        [
            (
                "sum by (kind, currency) (max by (kind, currency) (increase(qos_filed_money_total[1d])))",
                "{{currency}} {{kind}}",
            )
        ],
        Shape.BARS,
        12,
        empty="Nothing was ever filed",
        runbooks=("QosBreakerOpen",),
        console="cases",
    ),
    Panel(
        "Claims filed in a day",
        "Let go to the refund system in the 24 hours before, each once.",
        "locale",
        [("max by (kind) (increase(qos_claims_filed_total[1d]))", "{{kind}}")],
        Shape.BARS,
        12,
        empty="Nothing was ever filed",
        runbooks=("QosOutboxOld",),
        console="cases",
    ),
)

SHEET = Sheet(
    "qos-outages",
    "Outages and money",
    "For on call and finance: who nears 48 hours, what it would cost if nothing changes, and where the claims are.",
    "now-7d",
    (("Now", _NOW), ("Open outages", _OPEN), ("Cases and claims", _CASES), ("Filed", _SENT)),
    refresh="1m",
)

if __name__ == "__main__":
    sheet.write(SHEET)
