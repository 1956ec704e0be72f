"""Every metric, declared once; labels are closed sets, and no person is ever one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from collectors.polls import POLLED, Said
from qos_monitor.reading import Report
from rules.observation import Fault, Kind, Observation
from rules.span import SECOND

DELIVERY_RESULTS: tuple[str, ...] = (
    "accepted",
    "refused",
    "too_large",
    "invalid",
    "overloaded",
    "failed",
    "broken_off",
)
READ_RESULTS: tuple[str, ...] = ("read", "unreadable")
JOBS: tuple[str, ...] = ("read", "remap", "judge", "review", "relay", "reconcile", "poll", "status")
CLAIM_RESULTS: tuple[str, ...] = ("accepted", "conflict", "stopped", "refused", "unavailable", "given_up")
FOUND: tuple[str, ...] = ("told", "missed")
JOB_RESULTS: tuple[str, ...] = ("ok", "failed")
MEDIA: tuple[str, ...] = ("audio", "video")
AGE_BUCKETS_H: tuple[tuple[str, float], ...] = (
    ("under_6h", 6),
    ("under_24h", 24),
    ("under_36h", 36),
    ("under_48h", 48),
    ("over_48h", float("inf")),
)
"""How long ago a learner's open outage began, in hours, each up to its bound."""

AV_OFFSET_BUCKETS_MS: tuple[float, ...] = (-1000, -500, -185, -125, -45, 0, 45, 90, 185, 500, 1000)
"""The promise's own bounds are among them: -185 and +90 (SPEC 3)."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is documented."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "counter", labels, meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "gauge", labels, meaning)


DELIVERIES = _counter("qos_deliveries_total", "webhooks answered, by provider and result", "provider", "result")
REFUSALS = _counter("qos_deliveries_refused_total", "senders not believed, and why", "provider", "reason")
STRANGERS = _counter("qos_deliveries_unknown_provider_total", "webhooks to a provider that is not configured")
READ = _counter(
    "qos_deliveries_read_total",
    "deliveries read, each once; accepted less read are repeats or wait",
    "provider",
    "result",
)
UNKNOWN_EVENTS = _counter("qos_events_unknown_total", "events a collector does not know yet; they are kept", "provider")
OBSERVATIONS = _counter("qos_observations_total", "new observations, by provider and kind", "provider", "kind")
JOIN_ATTEMPTS = _counter("qos_join_attempts_total", "attempts to enter a class that were seen", "provider")
JOIN_FAILURES = _counter("qos_join_failures_total", "attempts that ended outside, by fault", "provider", "fault")
FROZEN = _counter("qos_frozen_seconds_total", "seconds frozen, as learners received them", "medium")
WATCHED = _counter("qos_watched_seconds_total", "seconds whose freezing was measured", "medium")
AV_OFFSET = Metric("qos_av_offset_milliseconds", "histogram", (), "audio ahead (+) or behind (-) of video, by span")
JOB_RUNS = _counter("qos_job_runs_total", "runs of each background job", "job", "result")
JOB_SECONDS = _counter("qos_job_seconds_total", "seconds each background job took", "job")
CLAIMS_SENT = _counter("qos_claims_sent_total", "answers of the refund system to claims sent", "result")
POLLS = _counter("qos_polls_total", "questions for statistics, by what the answer was", "provider", "result")
POLLS_LOST = _counter(
    "qos_polls_lost_total", "classes whose statistics are lost for ever: asked for too late", "provider"
)
POLLED_EVENTS = _counter(
    "qos_polled_events_total", "joins and leaves in statistics, by whether webhooks told them too", "provider", "found"
)
STATUS_PAGES = _counter(
    "qos_status_page_looks_total", "looks at providers' status pages, by what came of them", "provider", "result"
)
BUILD = Metric("qos_build_info", "info", (), "version of the program and of its rules")

FEED_SILENCE = _gauge("qos_feed_silence_seconds", "since the last delivery of a provider", "provider")
DECLARED = _gauge(
    "qos_declared_incidents",
    "declared in the last 30 days by status pages or persons, and not cleared; never evidence by themselves",
    "provider",
)
JUDGING_LAG = _gauge("qos_judging_lag_seconds", "how long the oldest window or learner has been due")
UNMAPPED = _gauge(
    "qos_observations_unmapped",
    "seen in the last 7 days in a room, or of a person, that the roster does not know",
    "provider",
    "what",
)
WAITING_DELIVERIES = _gauge("qos_deliveries_waiting", "stored and not yet read")
OUTBOX_DEPTH = _gauge("qos_outbox_claims", "claims ready and not yet answered")
OUTBOX_AGE = _gauge("qos_outbox_oldest_seconds", "since the oldest claim in the outbox was made")
OPEN_OUTAGES = _gauge("qos_learners_in_open_outage", "learners inside an open outage, by age", "age")
LIABILITY = _gauge("qos_projected_liability_minor", "what open outages would cost today, minor units", "currency")
VERDICTS = _gauge("qos_verdicts", "verdicts in force, by kind and whether they are firm", "verdict", "firm")
CASES = _gauge("qos_cases", "cases by kind and state", "kind", "state")
CLAIMS = _gauge("qos_claims", "claims by kind and state", "kind", "state")
OWED_MINUTES = _gauge("qos_learner_minutes_owed", "minutes of class promised to learners, of firm verdicts")
DELIVERED_MINUTES = _gauge("qos_learner_minutes_delivered", "of those, minutes the platform did not fail")

METRICS: tuple[Metric, ...] = (
    DELIVERIES,
    REFUSALS,
    STRANGERS,
    READ,
    UNKNOWN_EVENTS,
    OBSERVATIONS,
    JOIN_ATTEMPTS,
    JOIN_FAILURES,
    FROZEN,
    WATCHED,
    AV_OFFSET,
    JOB_RUNS,
    JOB_SECONDS,
    CLAIMS_SENT,
    POLLS,
    POLLS_LOST,
    POLLED_EVENTS,
    STATUS_PAGES,
    BUILD,
    FEED_SILENCE,
    DECLARED,
    JUDGING_LAG,
    UNMAPPED,
    WAITING_DELIVERIES,
    OUTBOX_DEPTH,
    OUTBOX_AGE,
    OPEN_OUTAGES,
    LIABILITY,
    VERDICTS,
    CASES,
    CLAIMS,
    OWED_MINUTES,
    DELIVERED_MINUTES,
)
"""Every metric of ours, for the documentation and for the tests of dashboards and alerts."""


class Telemetry:
    """The counters of one process, each child kept, so that counting costs half a microsecond.

    ``providers`` are those configured: with the closed sets above they are every label there can be.
    """

    def __init__(self, providers: Sequence[str]) -> None:
        # When a counter was made doubles the series and tells nothing.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._refusals = self._declare(REFUSALS)
        self.strangers = self._declare(STRANGERS)
        self.deliveries = self._children(DELIVERIES, providers, DELIVERY_RESULTS)
        self._unknown = self._children(UNKNOWN_EVENTS, providers)
        self.reads = self._children(READ, providers, READ_RESULTS)
        self.observations = self._children(OBSERVATIONS, providers, list(Kind))
        self.attempts = self._children(JOIN_ATTEMPTS, providers)
        self.failures = self._children(JOIN_FAILURES, providers, list(Fault))
        self.frozen = self._children(FROZEN, MEDIA)
        self.watched = self._children(WATCHED, MEDIA)
        self.jobs = self._children(JOB_RUNS, JOBS, JOB_RESULTS)
        self.job_seconds = self._children(JOB_SECONDS, JOBS)
        self.claims_sent = self._children(CLAIMS_SENT, CLAIM_RESULTS)
        self.polls = self._children(POLLS, POLLED, list(Said))
        self.polls_lost = self._children(POLLS_LOST, POLLED)
        self.polled_events = self._children(POLLED_EVENTS, POLLED, FOUND)
        self._pages = self._declare(STATUS_PAGES)
        self.av_offset = Histogram(
            AV_OFFSET.name, AV_OFFSET.meaning, buckets=AV_OFFSET_BUCKETS_MS, registry=self.registry
        )
        self._build = Info(BUILD.name.removesuffix("_info"), BUILD.meaning, registry=self.registry)

    def built(self, version: str, rule_version: str) -> None:
        """Tell the version of the program and of its rules."""
        self._build.info({"version": version, "rule_version": rule_version})

    def refused(self, provider: str, reason: str) -> None:
        """Count a sender who was not believed; the reason is a collector's closed word."""
        self._refusals.labels(provider, reason).inc()

    def read(self, report: Report) -> None:
        """Count what a batch of deliveries gave."""
        for key, count in report.read.items():
            if key in self.reads:
                self.reads[key].inc(count)
        for provider, count in report.unknown.items():
            self._unknown[(provider,)].inc(count)
        for provider, seen in report.observations:
            self._seen(provider, seen)

    def claim_sent(self, result: str) -> None:
        """Count one answer of the refund system."""
        self.claims_sent[(result,)].inc()

    def poll_asked(self, provider: str, said: Said) -> None:
        """Count one question for statistics."""
        self.polls[provider, said].inc()

    def poll_lost(self, provider: str) -> None:
        """Count a class whose statistics nobody can fetch any more."""
        self.polls_lost[(provider,)].inc()

    def page_looked_at(self, provider: str, result: str) -> None:
        """Count one look at a status page; the provider is one of the settings, the result a closed word."""
        self._pages.labels(provider, result).inc()

    def poll_compared(self, provider: str, told: int, missed: int) -> None:
        """Count the joins and leaves in one class's statistics: those webhooks told too, and those they did not."""
        self.polled_events[provider, "told"].inc(told)
        self.polled_events[provider, "missed"].inc(missed)

    def _seen(self, provider: str, seen: Observation) -> None:
        self.observations[provider, seen.kind].inc()
        if seen.kind is Kind.ATTEMPTED:
            self.attempts[(provider,)].inc()
        elif seen.kind is Kind.JOIN_FAILED:
            self.failures[provider, seen.fault].inc()
        elif seen.kind is Kind.QUALITY and seen.until is not None:
            self._watched((seen.until - seen.at) / SECOND, seen.metrics)

    def _watched(self, length_s: float, metrics: Mapping[str, float]) -> None:
        for medium in MEDIA:
            share = metrics.get(f"{medium}_frozen")
            if share is not None:
                self.watched[(medium,)].inc(length_s)
                self.frozen[(medium,)].inc(length_s * share)
        offset_ms = metrics.get("av_offset_ms")
        if offset_ms is not None:
            self.av_offset.observe(offset_ms)

    def _declare(self, metric: Metric) -> Counter:
        name = metric.name.removesuffix("_total")
        return Counter(name, metric.meaning, metric.labels, registry=self.registry)

    def _children(self, metric: Metric, *labels: Sequence[str]) -> Mapping[tuple[str, ...], Counter]:
        declared = self._declare(metric)
        return {values: declared.labels(*values) for values in product(*labels)}
