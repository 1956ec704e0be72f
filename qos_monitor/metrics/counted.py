"""Counted by each process for itself: what came in at the door, and what the background jobs did."""

from qos_monitor.metrics.metric import PROCESS, Declared, Metric

_here = Declared(PROCESS)

DELIVERIES = _here.counter(
    "qos_deliveries_total", "requests", "webhooks answered, by what became of them", "provider", "result"
)
REFUSED = _here.counter(
    "qos_deliveries_refused_total", "requests", "senders not believed, and why", "provider", "reason"
)
STRANGERS = _here.counter(
    "qos_deliveries_unknown_provider_total", "requests", "webhooks to a provider that is not configured"
)
LIMITED = _here.counter(
    "qos_requests_limited_total", "requests", "requests told to come later, by whose budget was used up", "limit"
)
INTAKE_SECONDS = _here.histogram(
    "qos_intake_duration_seconds",
    "seconds",
    "from the head of a delivery to its answer: verified, stored, committed",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    "route",
)
INTAKE_QUEUE = _here.gauge("qos_intake_queue_rows", "deliveries", "accepted and waiting for the disk")
INTAKE_QUEUE_MAX = _here.gauge(
    "qos_intake_queue_limit_rows", "deliveries", "so many may wait; the next sender is told to come again"
)
READ = _here.counter(
    "qos_deliveries_read_total",
    "deliveries",
    "deliveries read, each once; accepted less read are repeats or wait",
    "provider",
    "result",
)
UNKNOWN_EVENTS = _here.counter(
    "qos_events_unknown_total", "events", "events a collector does not know yet; they are kept", "provider"
)
OBSERVATIONS = _here.counter(
    "qos_observations_total", "observations", "new observations, by who delivered them and kind", "provider", "kind"
)
JOB_RUNS = _here.counter("qos_job_runs_total", "runs", "runs of each background job", "job", "result")
JOB_SECONDS = _here.counter("qos_job_seconds_total", "seconds", "time each background job took", "job")
CLAIMS_SENT = _here.counter("qos_claims_sent_total", "answers", "answers of the refund system to claims sent", "result")
POLLS = _here.counter(
    "qos_polls_total", "requests", "questions for statistics, by what the answer was", "provider", "result"
)
POLLS_LOST = _here.counter(
    "qos_polls_lost_total", "classes", "classes whose statistics are lost for ever: asked for too late", "provider"
)
POLLED_EVENTS = _here.counter(
    "qos_polled_events_total",
    "events",
    "joins and leaves in statistics, by whether webhooks told them too",
    "provider",
    "found",
)
STATUS_PAGES = _here.counter(
    "qos_status_page_looks_total",
    "requests",
    "looks at providers' status pages, by what came of them",
    "provider",
    "result",
)
STATUS_PAGES = _here.counter(
    "qos_status_page_looks_total",
    "requests",
    "looks at providers' status pages, by what came of them",
    "provider",
    "result",
)
RETAINED = _here.counter(
    "qos_retention_rows_deleted_total", "rows", "deleted because they were past their time", "table"
)
BUILD = Metric("qos_build_info", "info", ("version", "rule_version"), "version of the program and of its rules", "1")

METRICS: tuple[Metric, ...] = (
    DELIVERIES,
    REFUSED,
    STRANGERS,
    LIMITED,
    INTAKE_SECONDS,
    INTAKE_QUEUE,
    INTAKE_QUEUE_MAX,
    READ,
    UNKNOWN_EVENTS,
    OBSERVATIONS,
    JOB_RUNS,
    JOB_SECONDS,
    CLAIMS_SENT,
    POLLS,
    POLLS_LOST,
    POLLED_EVENTS,
    STATUS_PAGES,
    RETAINED,
    BUILD,
)
