"""Read from the database, what is so at the moment; alike in every process, take them from one (docs/metrics.md)."""

from qos_monitor.metrics.metric import DATABASE, SIMULATION, Declared, Metric

_here = Declared(DATABASE)

LEARNERS_NOW = _here.gauge(
    "qos_learners_now",
    "learners",
    "learners of the classes that run now; all states together are those owed a class; absent was never seen, "
    "arriving tries since less than 60 s or has missed less than 5 min of the class, shut_out was refused, put out or "
    "not let in, struggling is in with impaired or unusable media, away left by their own act or in the last 5 min",
    "provider",
    "node",
    "state",
)
UNMAPPED = _here.gauge(
    "qos_observations_unmapped",
    "observations",
    "seen in the last 7 days in a room, or of a person, that the roster does not know",
    "provider",
    "what",
)
DECLARED = _here.gauge(
    "qos_declared_incidents",
    "incidents",
    "declared in the last 30 days by status pages or persons, and not cleared; never evidence by themselves",
    "provider",
)
FEED_SILENCE = _here.gauge("qos_feed_silence_seconds", "seconds", "since the last delivery of a provider", "provider")
FEED_SILENCE_IN_CLASS = _here.gauge(
    "qos_feed_silence_in_class_seconds",
    "seconds",
    "since the last delivery of a provider, or the start of the earliest class that runs if that is later; 0 where no "
    "class runs",
    "provider",
)
SCHEDULED_CLASSES = _here.gauge("qos_scheduled_classes", "classes", "classes that run now", "provider")
SCHEDULED_LEARNERS = _here.gauge(
    "qos_scheduled_learners", "learners", "learners who should be in a class that runs now", "provider"
)
SILENT_CLASSES = _here.gauge(
    "qos_silent_classes",
    "classes",
    "of the classes that run now, those that began 5 min ago or earlier and of which their provider told nothing "
    "(where it cannot deliver here: nobody did)",
    "provider",
)
SILENT_LEARNERS = _here.gauge(
    "qos_silent_learners", "learners", "learners who should be in one of the silent classes", "provider"
)
JUDGING_LAG = _here.gauge("qos_judging_lag_seconds", "seconds", "how long the oldest window or learner has been due")
WAITING_DELIVERIES = _here.gauge("qos_deliveries_waiting", "deliveries", "stored and not yet read")
OUTBOX_DEPTH = _here.gauge("qos_outbox_claims", "claims", "claims ready and not yet answered")
OUTBOX_AGE = _here.gauge("qos_outbox_oldest_seconds", "seconds", "since the oldest claim in the outbox was made")
OPEN_OUTAGES = _here.gauge(
    "qos_learners_in_open_outage", "learners", "learners by the age of their oldest open outage", "age"
)
OUTAGE_MONEY = _here.gauge(
    "qos_open_outage_money",
    "currency units",
    "what refunds would be today if these outages came to be owed, by age of the outage",
    "age",
    "currency",
)
LIABILITY = _here.gauge(
    "qos_liability_money",
    "currency units",
    "refunds of open outages that are at least 48 h old so far ahead, if nothing changes, and of those under review",
    "ahead",
    "currency",
)
VERDICTS_NOW = _here.gauge(
    "qos_verdicts", "learner-classes", "verdicts in force, by kind and whether they are firm", "verdict", "firm"
)
CASES = _here.gauge("qos_cases", "cases", "cases by kind and state", "kind", "state")
CASES_DUE = _here.gauge(
    "qos_cases_due",
    "cases",
    "open cases with a limit day: overdue, soon (today or the next working day), or later",
    "kind",
    "due",
)
CLAIMS = _here.gauge(
    "qos_claims", "claims", "claims by kind and state; parked and rejected want a person", "kind", "state"
)
BREAKER = _here.gauge("qos_breaker_open", "1 or 0", "1: one claim more would wait for a person's release")
CALENDAR = _here.gauge(
    "qos_calendar_published_until_timestamp_seconds",
    "seconds since 1970",
    "end of the last year whose working days are known; deadlines beyond are provisional",
)
DATABASE_SIZE = _here.gauge("qos_database_size_bytes", "bytes", "what the database takes on its disk")
DATABASE_LIMIT = _here.gauge(
    "qos_database_limit_bytes",
    "bytes",
    "what it may take: QOS_DATABASE_BYTES_MAX, or what it and the free disk make together; +Inf where neither is known",
)
OLDEST_KEPT = _here.gauge(
    "qos_oldest_kept_timestamp_seconds",
    "seconds since 1970",
    "when the oldest delivery was received, the oldest thing seen, the oldest replaced verdict taken; 0: there is none",
    "table",
)
READING_AGE = _here.gauge("qos_reading_age_seconds", "seconds", "since these were read from the database")
READING_SECONDS = _here.gauge("qos_reading_duration_seconds", "seconds", "how long the last reading took")

METRICS: tuple[Metric, ...] = (
    LEARNERS_NOW,
    UNMAPPED,
    FEED_SILENCE,
    DECLARED,
    FEED_SILENCE_IN_CLASS,
    SCHEDULED_CLASSES,
    SCHEDULED_LEARNERS,
    SILENT_CLASSES,
    SILENT_LEARNERS,
    JUDGING_LAG,
    WAITING_DELIVERIES,
    OUTBOX_DEPTH,
    OUTBOX_AGE,
    OPEN_OUTAGES,
    OUTAGE_MONEY,
    LIABILITY,
    VERDICTS_NOW,
    CASES,
    CASES_DUE,
    CLAIMS,
    BREAKER,
    CALENDAR,
    DATABASE_SIZE,
    DATABASE_LIMIT,
    OLDEST_KEPT,
    READING_AGE,
    READING_SECONDS,
)

_demo = Declared(SIMULATION)

SIMULATED_CLAIMS = _demo.gauge(
    "qos_simulation_claims",
    "claims",
    "owed by the plan; of those asked for right or false; missed once the play is over. The false-refund rate is "
    "false ÷ (right + false), the missed-refund rate missed ÷ owed",
    "result",
)
SIMULATION_OVER = _demo.gauge("qos_simulation_over", "1 or 0", "1: the play is over, and what did not come is missed")

OF_THE_SIMULATION: tuple[Metric, ...] = (SIMULATED_CLAIMS, SIMULATION_OVER)
