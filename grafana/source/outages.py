"""Outages and money, for on call and finance: who nears 48 h, what it would cost, and where the claims are."""

import sheet
from look import BAD, CALENDAR, GOOD, PLAIN, WARN, Steps
from panel import Panel, Shape
from queries import UNHEARD, told
from sheet import Sheet

_CALM: Steps = ((None, GOOD), (1, WARN))
_WRONG: Steps = ((None, GOOD), (1, BAD))
_AGES = ("under_6h", "under_24h", "under_36h", "under_44h", "under_48h", "over_48h")
_OLDER = {24: _AGES[2:], 36: _AGES[3:], 44: _AGES[4:], 48: _AGES[5:]}
_NOTHING_OPEN = "No outage is open whose refund could be reckoned"
_NEVER_FILED = "No claim was ever let go to the refund system"


def _number(title: str, says: str, ask: str, runbook: str, steps: Steps, page: str) -> Panel:
    return Panel(
        title, says, "locale", [(ask, title)], UNHEARD, Shape.NUMBER, 3, 4, steps, (runbook,), page, decimals=0
    )


def _out_for(hours: int, says: str, runbook: str, steps: Steps) -> Panel:
    """Everybody whose oldest open outage is so old or older."""
    ask = f'sum(max by (age) (qos_learners_in_open_outage{{age=~"{"|".join(_OLDER[hours])}"}}))'
    return _number(f"Out for {hours} h or more", says, ask, runbook, steps, "outages")


_NOW = (
    _out_for(24, "Learners whose oldest open outage began 24 h ago or earlier.", "QosOutageOver24h", _CALM),
    _out_for(36, "The same from 36 h on: at most twelve hours are left to mend it.", "QosOutageOver36h", _CALM),
    _out_for(44, "The same from 44 h on: at most four hours are left to mend it.", "QosOutageOver44h", _WRONG),
    _out_for(
        48,
        "The same from 48 h on, and not settled: what was seen of them does not prove yet that a refund is owed, or "
        "that none is. They are judged again as evidence comes.",
        "QosOutageOver44h",
        _WRONG,
    ),
    Panel(
        "Owed in 24 h, if nothing changes",
        "Refunds of open outages that will be 48 h old by then, and of those under review, each currency for itself.",
        "locale",
        [(told('qos_liability_money{ahead="24h"}', "currency"), "{{currency}}")],
        _NOTHING_OPEN,
        Shape.NUMBER,
        3,
        4,
        ((None, PLAIN),),
        ("QosOutageOver36h",),
        "outages",
        decimals=2,
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
    Panel(
        "Breaker",
        "Open: more is claimed than usual, and further claims wait until a person has looked.",
        "none",
        [("max(qos_breaker_open)", "breaker")],
        UNHEARD,
        Shape.NUMBER,
        3,
        4,
        _WRONG,
        ("QosBreakerOpen",),
        "claims",
        words={"0": "closed", "1": "open"},
    ),
)

_OPEN = (
    Panel(
        "Learners in an open outage, by its age",
        "By the age of their oldest outage that is neither owed nor over. 0 on a healthy day.",
        "locale",
        [(told("qos_learners_in_open_outage", "age"), "{{age}}")],
        UNHEARD,
        Shape.BARS,
        12,
        runbooks=("QosOutageOver24h",),
        console="outages",
        colours=_AGES,
        decimals=0,
    ),
    Panel(
        "What open outages would cost, by age",
        "Refunds if these outages came to be owed today, in units of the currency. Currencies do not add up.",
        "locale",
        [(told("qos_open_outage_money", "age, currency"), "{{currency}} {{age}}")],
        _NOTHING_OPEN,
        Shape.BARS,
        12,
        runbooks=("QosOutageOver36h",),
        console="outages",
        colours=_AGES,
        decimals=2,
    ),
    Panel(
        "Projected liability, if nothing changes",
        "Refunds of open outages that will be 48 h old now, and 6, 12 and 24 hours ahead, and of those under review.",
        "locale",
        [(told("qos_liability_money", "ahead, currency"), "{{currency}} in {{ahead}}")],
        _NOTHING_OPEN,
        width=12,
        runbooks=("QosOutageOver44h",),
        console="outages",
        decimals=2,
    ),
    Panel(
        "Limit days of open cases",
        "Overdue, soon (today or the next working day), or later. 0 where no case is open.",
        "locale",
        [(told("qos_cases_due", "kind, due"), "{{kind}} {{due}}")],
        UNHEARD,
        Shape.BARS,
        12,
        runbooks=("QosClaimsDueSoon", "QosClaimsOverdue"),
        console="cases",
        colours=("overdue", "soon", "later"),
        decimals=0,
    ),
)

_CASES = (
    Panel(
        "Cases, by kind and state",
        "Every case ever opened, where it stands now.",
        "locale",
        [(f"{told('qos_cases', 'kind, state')} > 0", "{{kind}} {{state}}")],
        "No case was ever opened: nobody was owed anything",
        Shape.RANKED,
        9,
        runbooks=("QosClaimsDueSoon",),
        console="cases",
        decimals=0,
    ),
    Panel(
        "Claims, by kind and state",
        "Every message to the refund system, where it stands now.",
        "locale",
        [(f"{told('qos_claims', 'kind, state')} > 0", "{{kind}} {{state}}")],
        "No claim was ever written: nobody was owed anything",
        Shape.RANKED,
        9,
        runbooks=("QosClaimsParked", "QosClaimsRejected"),
        console="claims",
        decimals=0,
    ),
    Panel(
        "Working days known for",
        "Until the end of the last year whose working days are published: limit days beyond are provisional. Next "
        "year's come in November.",
        "s",
        [(f"{told('qos_calendar_published_until_timestamp_seconds')} - time()", "known for")],
        UNHEARD,
        Shape.NUMBER,
        6,
        steps=CALENDAR,
        runbooks=("QosCalendarMissing",),
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
        _NEVER_FILED,
        Shape.BARS,
        12,
        runbooks=("QosBreakerOpen",),
        console="cases",
        step="1h",
        decimals=2,
    ),
    Panel(
        "Claims filed in a day",
        "Let go to the refund system in the 24 hours before each moment, each once.",
        "locale",
        [("max by (kind) (increase(qos_claims_filed_total[1d]))", "{{kind}}")],
        _NEVER_FILED,
        Shape.BARS,
        12,
        runbooks=("QosOutboxOld",),
        console="cases",
        step="1h",
        decimals=0,
    ),
)

SHEET = Sheet(
    "qos-outages",
    "Outages and money",
    "For on call and finance: who nears 48 hours, what it would cost if nothing changes, and where the claims are.",
    "now-7d",
    (("Now", _NOW), ("Open outages and limit days", _OPEN), ("Cases and claims", _CASES), ("Filed", _SENT)),
    "1m",
)

if __name__ == "__main__":
    sheet.write(SHEET)
