"""Counts in this process, under the metrics of the catalogue: labels are closed sets, and no person is ever one."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from collectors.contract import REFUSALS
from collectors.polls import POLLED, Said
from qos_monitor.metrics import counted, labels, standing, tallied
from qos_monitor.metrics.metric import Metric
from qos_monitor.reading import Report
from rules.observation import Kind

METRICS: tuple[Metric, ...] = (*counted.METRICS, *tallied.METRICS, *standing.METRICS)
"""Every metric the service serves, for the documentation and for the tests of dashboards and alerts."""

EVERY_METRIC: tuple[Metric, ...] = (*METRICS, *standing.OF_THE_SIMULATION)
"""With those the demo tells of its own play."""


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
        self._refusals = self._children(counted.REFUSED, providers, sorted(REFUSALS))
        self.strangers = self._declare(counted.STRANGERS)
        self.deliveries = self._children(counted.DELIVERIES, providers, labels.DELIVERY_RESULTS)
        self._limited = self._children(counted.LIMITED, labels.LIMITS)
        self._unknown = self._children(counted.UNKNOWN_EVENTS, providers)
        self.reads = self._children(counted.READ, providers, labels.READ_RESULTS)
        self.observations = self._children(counted.OBSERVATIONS, providers, list(Kind))
        self.jobs = self._children(counted.JOB_RUNS, labels.JOBS, labels.JOB_RESULTS)
        self.job_seconds = self._children(counted.JOB_SECONDS, labels.JOBS)
        self.claims_sent = self._children(counted.CLAIMS_SENT, labels.CLAIM_RESULTS)
        self.polls = self._children(counted.POLLS, POLLED, list(Said))
        self.polls_lost = self._children(counted.POLLS_LOST, POLLED)
        self.polled_events = self._children(counted.POLLED_EVENTS, POLLED, labels.FOUND)
        self._retained = self._children(counted.RETAINED, labels.TABLES)
        self._pages = self._declare(counted.STATUS_PAGES)
        seconds = counted.INTAKE_SECONDS
        durations = Histogram(
            seconds.name, seconds.meaning, seconds.labels, buckets=seconds.buckets, registry=self.registry
        )
        self.intake = {route: durations.labels(route) for route in labels.ROUTES}
        self._build = Info(counted.BUILD.name.removesuffix("_info"), counted.BUILD.meaning, registry=self.registry)

    def built(self, version: str, rule_version: str) -> None:
        """Tell the version of the program and of its rules."""
        self._build.info({"version": version, "rule_version": rule_version})

    def refused(self, provider: str, reason: str) -> None:
        """Count a sender who was not believed; the reason is a collector's closed word."""
        self._refusals[provider, reason].inc()

    def limited(self, limit: str) -> None:
        """Count a request that was told to come later."""
        self._limited[(limit,)].inc()

    def read(self, report: Report) -> None:
        """Count what a batch of deliveries gave."""
        for key, count in report.read.items():
            if key in self.reads:
                self.reads[key].inc(count)
        for provider, count in report.unknown.items():
            self._unknown[(provider,)].inc(count)
        for provider, seen in report.observations:
            self.observations[provider, seen.kind].inc()

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

    def retained(self, table: str, rows: int) -> None:
        """Count rows that were deleted because they were past their time."""
        self._retained[(table,)].inc(rows)

    def queue(self, depth: Callable[[], int], rows_max: int) -> None:
        """Show what waits for the disk, asked anew at each scrape."""
        waiting = Gauge(counted.INTAKE_QUEUE.name, counted.INTAKE_QUEUE.meaning, registry=self.registry)
        waiting.set_function(depth)
        most = Gauge(counted.INTAKE_QUEUE_MAX.name, counted.INTAKE_QUEUE_MAX.meaning, registry=self.registry)
        most.set(rows_max)

    def _declare(self, metric: Metric) -> Counter:
        name = metric.name.removesuffix("_total")
        return Counter(name, metric.meaning, metric.labels, registry=self.registry)

    def _children(self, metric: Metric, *values: Sequence[str]) -> Mapping[tuple[str, ...], Counter]:
        declared = self._declare(metric)
        return {chosen: declared.labels(*chosen) for chosen in product(*values)}
