"""The monitor itself, for who runs it: does it hear everything, keep up, and get its claims across."""

import sheet
from choices import upgrades
from look import BAD, CALENDAR, GOOD, WARN, Steps
from machine import ANY, MACHINE
from panel import Panel, Shape
from queries import OF, OF_INSTANCE, RANGE, RATE, UNHEARD, rate, told
from sheet import Sheet

_RUNBOOK_OF = {
    "Processes up": "QosDown",
    "Waiting to be read": "QosJudgingBehind",
    "Judging lag": "QosJudgingBehind",
    "Oldest claim in the outbox": "QosOutboxOld",
    "Database, of its limit": "QosDatabaseNearFull",
    "Calendar known for": "QosCalendarMissing",
}


def _number(title: str, says: str, ask: str, unit: str, steps: Steps) -> Panel:
    runbooks, decimals = (_RUNBOOK_OF[title],), None if unit == "s" else 1 if unit == "percentunit" else 0
    return Panel(title, says, unit, [(ask, title)], UNHEARD, Shape.NUMBER, 4, 4, steps, runbooks, decimals=decimals)


_OURS = f"{OF}, {OF_INSTANCE}"

_NOW = (
    _number(
        "Processes up",
        "Processes of qos-monitor that Prometheus can scrape now.",
        "count(qos_build_info)",
        "locale",
        ((None, BAD), (1, GOOD)),
    ),
    _number(
        "Waiting to be read",
        "Deliveries stored and not yet read. A few are normal under load; a rising number is not.",
        told("qos_deliveries_waiting"),
        "locale",
        ((None, GOOD), (1000, WARN), (10000, BAD)),
    ),
    _number(
        "Judging lag",
        "How long the oldest window or learner has been due. Verdicts, and so refunds, are late by as much.",
        told("qos_judging_lag_seconds"),
        "s",
        ((None, GOOD), (300, WARN), (900, BAD)),
    ),
    _number(
        "Oldest claim in the outbox",
        "Since the oldest claim that the refund system has not answered was made; 0 where none waits.",
        told("qos_outbox_oldest_seconds"),
        "s",
        ((None, GOOD), (900, WARN), (3600, BAD)),
    ),
    _number(
        "Database, of its limit",
        "Size ÷ what it may take: the set limit, or what it and the free disk make together. 0 where no limit is "
        "known (PostgreSQL without QOS_DATABASE_BYTES_MAX).",
        f"{told('qos_database_size_bytes')} / {told('qos_database_limit_bytes')}",
        "percentunit",
        ((None, GOOD), (0.7, WARN), (0.85, BAD)),
    ),
    _number(
        "Calendar known for",
        "Until the end of the last year whose working days are known. Deadlines beyond are provisional; next year's "
        "calendar is published in November.",
        f"{told('qos_calendar_published_until_timestamp_seconds')} - time()",
        "s",
        CALENDAR,
    ),
)

_INTAKE = (
    Panel(
        "Deliveries, by result",
        "Webhooks answered each second, by what became of them. Overloaded and failed are sent again by their "
        "senders; refused and invalid are not believed.",
        "reqps",
        [(rate("qos_deliveries_total", "result", _OURS), "{{result}}")],
        colours=("accepted", "refused", "failed"),
        empty=UNHEARD,
        runbooks=("QosIntakeRefusing",),
    ),
    Panel(
        "Senders not believed, by reason",
        "Deliveries whose signature or token was not right, each second. All of one provider: a changed secret. A few: "
        "somebody tries.",
        "reqps",
        [
            (rate("qos_deliveries_refused_total", "provider, reason", _OURS) + " > 0", "{{provider}} {{reason}}"),
            (f"sum(rate(qos_deliveries_unknown_provider_total{{{OF_INSTANCE}}}[{RATE}])) > 0", "unknown provider"),
        ],
        empty="Every sender was believed: nothing was refused in this range",
        runbooks=("QosSignatureFailures",),
    ),
    Panel(
        "From delivery to answer",
        "Verified, stored and committed. A sender gives up after some seconds and sends again.",
        "s",
        [
            (f"histogram_quantile({q}, {rate('qos_intake_duration_seconds_bucket', 'le', OF_INSTANCE)}) >= 0", name)
            for q, name in ((0.5, "median"), (0.95, "95th percentile"), (0.99, "99th percentile"))
        ],
        steps=((None, GOOD), (1, BAD)),
        empty="Nothing was delivered in this range",
        runbooks=("QosIntakeRefusing",),
    ),
    Panel(
        "Queue for the disk, of its limit",
        "Deliveries accepted and waiting for the disk ÷ so many may wait. At 1 the next sender is told to come again. "
        "The fullest process counts.",
        "percentunit",
        [(f"max(qos_intake_queue_rows{{{OF_INSTANCE}}} / qos_intake_queue_limit_rows)", "fullest process")],
        steps=((None, GOOD), (0.8, BAD)),
        empty=UNHEARD,
        runbooks=("QosIntakeRefusing",),
    ),
    Panel(
        "Unreadable deliveries and unknown events",
        "Unreadable: believed, but not understood; they are kept, and read again after an upgrade. Unknown: kinds of "
        "events that the collector does not know yet.",
        "reqps",
        [
            (rate("qos_deliveries_read_total", "provider", f'{_OURS}, result="unreadable"'), "{{provider}} unreadable"),
            (rate("qos_events_unknown_total", "provider", _OURS), "{{provider}} unknown events"),
        ],
        empty=UNHEARD,
        runbooks=("QosUnreadableDeliveries",),
    ),
    Panel(
        "Told to come later",
        "Requests answered 429 each second, by whose budget was used up: a provider's, a beacon's, or that of an "
        "address whose word nobody believes. Nothing is lost if they come again.",
        "reqps",
        [(rate("qos_requests_limited_total", "limit", OF_INSTANCE) + " > 0", "{{limit}}")],
        empty="Nobody was told to come later: every budget sufficed",
        runbooks=("QosIntakeRefusing",),
    ),
)

_POLLS = (
    Panel(
        "New observations, by kind",
        "Observations stored each second, each once whoever repeats it.",
        "ops",
        [(rate("qos_observations_total", "kind", _OURS), "{{kind}}")],
        empty=UNHEARD,
        runbooks=("QosObservationsUnmapped",),
    ),
    Panel(
        "Observations nobody could place",
        "Seen in the last 7 days in a room, or of a person, that the roster does not know. They count for nobody until "
        "the roster or a mapping tells.",
        "locale",
        [(told(f"qos_observations_unmapped{{{OF}}}", "provider, what"), "{{provider}} {{what}}")],
        steps=((None, GOOD), (1, WARN), (101, BAD)),
        empty=UNHEARD,
        runbooks=("QosObservationsUnmapped",),
    ),
    Panel(
        "Polls, by result",
        "Questions for statistics each second, by what the answer was.",
        "reqps",
        [(rate("qos_polls_total", "provider, result", _OURS) + " > 0", "{{provider}} {{result}}")],
        empty="No provider was asked: polling is not set up, or no class was near",
        runbooks=("QosPollsLost",),
    ),
    Panel(
        "Told by polls alone",
        "Joins and leaves that statistics told and webhooks did not, of all that statistics told, over the range "
        "shown: what webhooks lose.",
        "percentunit",
        [
            (
                (
                    f'sum by (provider) (increase(qos_polled_events_total{{{_OURS}, found="missed"}}[{RANGE}])) / '
                    f"(sum by (provider) (increase(qos_polled_events_total{{{_OURS}}}[{RANGE}])) > 0)"
                ),
                "{{provider}}",
            )
        ],
        shape=Shape.RANKED,
        runbooks=("QosPollsLost",),
        console="",
        empty="No statistics told of joins: polling is not set up, or no class ended",
    ),
    Panel(
        "Lost for ever",
        "Classes whose statistics were asked for too late, over the range shown.",
        "locale",
        [(f"sum by (provider) (increase(qos_polls_lost_total{{{_OURS}}}[{RANGE}]))", "{{provider}}")],
        shape=Shape.RANKED,
        steps=ANY,
        empty="No provider is asked for statistics",
        runbooks=("QosPollsLost",),
        decimals=0,
    ),
    Panel(
        "Looks at status pages",
        "Looks at providers' status pages each second, by what came of them.",
        "reqps",
        [
            (
                rate("qos_status_page_looks_total", "provider, result", _OURS) + " > 0",
                "{{provider}} {{result}}",
            )
        ],
        runbooks=("QosJobFailing",),
        empty="No status page is set up",
    ),
)

_WORK = (
    Panel(
        "From being due to verdict",
        "From when a verdict could be given to the verdict. Hours are normal only after evidence that came late.",
        "s",
        [
            (
                (
                    f"histogram_quantile({q}, "
                    f"sum by (le) (max by (le) (rate(qos_verdict_lag_seconds_bucket[{RATE}])))) >= 0"
                ),
                name,
            )
            for q, name in ((0.5, "median"), (0.95, "95th percentile"))
        ],
        steps=((None, GOOD), (900, BAD)),
        empty="No verdict was given in this range: no class ended",
        runbooks=("QosJudgingBehind",),
    ),
    Panel(
        "Behind",
        "How long the oldest window or learner has been due, and how old what the database told is.",
        "s",
        [(told("qos_judging_lag_seconds"), "judging"), (told("qos_reading_age_seconds"), "reading of the database")],
        steps=((None, GOOD), (900, BAD)),
        empty=UNHEARD,
        runbooks=("QosJudgingBehind",),
    ),
    Panel(
        "Deliveries waiting to be read",
        "Stored and not yet read.",
        "locale",
        [(told("qos_deliveries_waiting"), "waiting")],
        empty=UNHEARD,
        runbooks=("QosJudgingBehind",),
    ),
    Panel(
        "Runs of jobs",
        "Runs of each background job each second, over all processes. Prometheus keeps our label `job` as "
        "`exported_job`.",
        "ops",
        [(rate("qos_job_runs_total", "exported_job", f'{OF_INSTANCE}, result="ok"'), "{{exported_job}}")],
        empty=UNHEARD,
        runbooks=("QosJobFailing",),
    ),
    Panel(
        "Failed runs of jobs",
        "Runs that ended in an error, each second. A job runs again at its next time; one failure is no harm.",
        "ops",
        [(rate("qos_job_runs_total", "exported_job", f'{OF_INSTANCE}, result="failed"'), "{{exported_job}}")],
        empty=UNHEARD,
        runbooks=("QosJobFailing",),
    ),
    Panel(
        "Time of jobs",
        "Seconds of each second that jobs ran, over all processes. Near 1 for each process: it does not keep up.",
        "percentunit",
        [(rate("qos_job_seconds_total", "exported_job", OF_INSTANCE), "{{exported_job}}")],
        empty=UNHEARD,
        runbooks=("QosJudgingBehind",),
    ),
)

_CLAIMS = (
    Panel(
        "Claims in the outbox",
        "Ready, and not yet answered by the refund system.",
        "locale",
        [(told("qos_outbox_claims"), "claims")],
        empty=UNHEARD,
        runbooks=("QosOutboxOld",),
        console="claims",
    ),
    Panel(
        "Age of the outbox",
        "Since its oldest claim was made; 0 where none waits.",
        "s",
        [(told("qos_outbox_oldest_seconds"), "oldest claim")],
        steps=((None, GOOD), (3600, BAD)),
        empty=UNHEARD,
        runbooks=("QosOutboxOld",),
        console="claims",
    ),
    Panel(
        "Answers of the refund system",
        "Answers to claims each second. Unavailable is tried again; refused and given up want a person.",
        "ops",
        [(rate("qos_claims_sent_total", "result", OF_INSTANCE), "{{result}}")],
        empty=UNHEARD,
        runbooks=("QosClaimsRejected", "QosClaimsParked", "QosOutboxOld"),
        console="claims",
    ),
    Panel(
        "Breaker",
        "Open: one claim more would wait for a person's release, for many came at once.",
        "none",
        [(told("qos_breaker_open"), "breaker")],
        steps=ANY,
        words={"0": "closed", "1": "open"},
        empty=UNHEARD,
        runbooks=("QosBreakerOpen",),
        console="cases",
    ),
    Panel(
        "False refunds, simulated school",
        "Of the claims of the simulated school, those that its plan does not owe. Must be 0: money given away.",
        "percentunit",
        [
            (
                (
                    'max(qos_simulation_claims{result="false"}) / '
                    '(sum(max by (result) (qos_simulation_claims{result=~"right|false"})) > 0)'
                ),
                "false ÷ claimed",
            )
        ],
        shape=Shape.NUMBER,
        steps=((None, GOOD), (0.000001, BAD)),
        console="claims",
        empty="Only where `qos-monitor demo` is a target of Prometheus, and a claim was made",
        decimals=2,
    ),
    Panel(
        "Missed refunds, simulated school",
        "Of the claims that the simulated school's plan owes, those that never came; told once the play is over. Must "
        "be 0: learners who were not paid.",
        "percentunit",
        [
            (
                (
                    'max(qos_simulation_claims{result="missed"}) / (max(qos_simulation_claims{result="owed"}) > 0) '
                    "and on () (max(qos_simulation_over) == 1)"
                ),
                "missed ÷ owed",
            )
        ],
        shape=Shape.NUMBER,
        steps=((None, GOOD), (0.000001, BAD)),
        console="claims",
        empty="Only where `qos-monitor demo` is a target of Prometheus, and its play is over",
        decimals=2,
    ),
)

SHEET = Sheet(
    uid="qos-monitor",
    title="The monitor itself",
    says="Whether qos-monitor hears everything, keeps up, and gets its claims to the refund system.",
    since="now-6h",
    rows=(
        ("Now", _NOW),
        ("Intake", _INTAKE),
        ("Observations and polls", _POLLS),
        ("Reading and judging", _WORK),
        ("Claims", _CLAIMS),
        ("Database and processes", MACHINE),
    ),
    values=(("provider", "qos_deliveries_total"), ("instance", "qos_build_info")),
    marks=(upgrades(),),
    refresh="30s",
)

if __name__ == "__main__":
    sheet.write(SHEET)
