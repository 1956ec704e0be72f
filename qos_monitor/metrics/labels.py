"""The closed set of values of every label, and how many there may be of those that the outside world names."""

from collections.abc import Mapping

from collectors import polls
from collectors.contract import REFUSALS
from collectors.polls import Said
from qos_monitor.claims.lifecycle import CaseState, ClaimKind, ClaimState
from rules.observation import Fault, Kind
from rules.remedy import COMPENSATION, REFUND, REVIEW
from rules.verdict import Verdict

OTHER, NONE = "other", "none"
"""The values for what is beyond the limit of a label, and for what nobody told."""

DELIVERY_RESULTS = ("accepted", "refused", "too_large", "invalid", "overloaded", "failed", "broken_off")
READ_RESULTS = ("read", "unreadable")
JOBS = (
    *("read", "reread", "remap", "measure", "judge", "review", "relay", "reconcile"),
    *("poll", "status", "retain", "analyze"),
)
JOB_RESULTS = ("ok", "failed")
ROUTES = ("webhooks", "observations")
LIMITS = ("provider", "beacon", "key", "address")
CLAIM_RESULTS = ("accepted", "conflict", "stopped", "refused", "unavailable", "given_up")
POLLED = polls.POLLED
"""Providers whose statistics can be polled."""
LOOKS = ("changed", "unchanged", "moved", "refused", "broken", "unavailable")
FOUND = ("told", "missed")
MEDIA = ("audio", "video")
FAULTS = tuple(map(str, Fault))
KINDS = tuple(map(str, Kind))
JOINS = ("joined", "failed")
OUTCOMES = ("served", "failed", "unknown")
STATES_NOW = ("absent", "arriving", "in", "struggling", "shut_out", "away")
VERDICTS = tuple(map(str, Verdict))
FIRM = ("yes", "no")
CASE_KINDS = (REFUND, COMPENSATION, REVIEW)
CASE_STATES = tuple(map(str, CaseState))
CLAIM_KINDS = tuple(map(str, ClaimKind))
CLAIM_STATES = tuple(map(str, ClaimState))
DUE = ("overdue", "soon", "later")
AGE_BUCKETS_H: tuple[tuple[str, float], ...] = (
    ("under_6h", 6),
    ("under_24h", 24),
    ("under_36h", 36),
    ("under_44h", 44),
    ("under_48h", 48),
    ("over_48h", float("inf")),
)
"""How long ago a learner's open outage began, in hours, each up to its bound."""
AGES = tuple(name for name, _ in AGE_BUCKETS_H)
AHEAD_H = {"0h": 0, "6h": 6, "12h": 12, "24h": 24}
TABLES = ("deliveries", "observations", "verdicts", "polls", "feed_spans", "notices")
"""Where rows are deleted from when they are past their time."""
OLDEST = ("deliveries", "observations", "verdicts")
UNMAPPED_WHAT = ("room", "person")
SIMULATION_RESULTS = ("owed", "right", "missed", "false")

CLOSED: Mapping[str, tuple[str, ...]] = {
    "age": AGES,
    "ahead": tuple(AHEAD_H),
    "direction": ("up", "down"),
    "due": DUE,
    "fault": FAULTS,
    "firm": FIRM,
    "found": FOUND,
    "job": JOBS,
    "limit": LIMITS,
    "label": ("provider", "node", "release", "network"),
    "medium": MEDIA,
    "of": ("owed", "delivered"),
    "outcome": OUTCOMES,
    "reason": tuple(sorted(REFUSALS)),
    "route": ROUTES,
    "verdict": VERDICTS,
    "what": UNMAPPED_WHAT,
}
"""Labels that mean the same in every metric."""

PER_METRIC: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("qos_deliveries_total", "result"): DELIVERY_RESULTS,
    ("qos_deliveries_read_total", "result"): READ_RESULTS,
    ("qos_job_runs_total", "result"): JOB_RESULTS,
    ("qos_claims_sent_total", "result"): CLAIM_RESULTS,
    ("qos_polls_total", "result"): tuple(map(str, Said)),
    ("qos_status_page_looks_total", "result"): LOOKS,
    ("qos_joins_total", "result"): JOINS,
    ("qos_simulation_claims", "result"): SIMULATION_RESULTS,
    ("qos_observations_total", "kind"): KINDS,
    ("qos_cases", "kind"): CASE_KINDS,
    ("qos_cases", "state"): CASE_STATES,
    ("qos_cases_due", "kind"): CASE_KINDS,
    ("qos_claims", "kind"): CLAIM_KINDS,
    ("qos_claims", "state"): CLAIM_STATES,
    ("qos_claims_filed_total", "kind"): CLAIM_KINDS,
    ("qos_filed_money_total", "kind"): CLAIM_KINDS,
    ("qos_learners_now", "state"): STATES_NOW,
    ("qos_retention_rows_deleted_total", "table"): TABLES,
    ("qos_oldest_kept_timestamp_seconds", "table"): OLDEST,
}
"""Values of labels that mean something else in each metric."""

PROVIDER, NODE, RELEASE, NETWORK = "provider", "node", "release", "network"

OPEN_MAX: Mapping[str, int] = {PROVIDER: 8, NODE: 64, RELEASE: 16, NETWORK: 32}
"""Labels whose values the world names: so many at most, first come, then `other` (of a node, for each provider).

A value that nobody used for FORGOTTEN_AFTER makes room for a new one.
"""

CURRENCIES_MAX: int = 12
"""So many currencies are told, the first by name: money of different ones has no sum."""
