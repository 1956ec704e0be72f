"""Tallied in the database, in the transaction that writes what is counted: a restart resets nothing.

Alike in every process; take them from one (docs/metrics.md). ``provider`` is that of the class, whoever told.
"""

from qos_monitor.metrics.metric import DATABASE, Declared, Metric

_here = Declared(DATABASE)

JOIN_ATTEMPTS = _here.counter(
    "qos_join_attempts_total", "attempts", "attempts to enter that were seen, as soon as they are read", "provider"
)
JOIN_FAILURES = _here.counter(
    "qos_join_failures_total",
    "attempts",
    "attempts that were seen to end outside, as soon as read",
    "provider",
    "fault",
)
JOINS = _here.counter(
    "qos_joins_total",
    "attempts",
    "goes of learners at a class, settled 3 min after they began: in within 60 s, or not; clicks in a row are one go",
    "provider",
    "result",
)
JOIN_SECONDS = _here.histogram(
    "qos_join_duration_seconds",
    "seconds",
    "of the goes that ended inside, how long each took; join success within 5 s is le=5.0 over all qos_joins_total",
    (0.5, 1, 2, 3, 5, 10, 20, 30, 60),
    "provider",
)
WATCHED = _here.counter(
    "qos_watched_seconds_total",
    "seconds",
    "media time of learners whose freezing was measured",
    "provider",
    "node",
    "medium",
)
FROZEN = _here.counter(
    "qos_frozen_seconds_total", "seconds", "of that, frozen: the stalls, as received", "provider", "node", "medium"
)
AV_MEASURED = _here.counter(
    "qos_av_measured_seconds_total", "seconds", "media time of learners with a measured A/V offset", "provider", "node"
)
AV_DESYNC = _here.counter(
    "qos_av_desync_seconds_total", "seconds", "of that, out of sync: outside -185 ms to +90 ms", "provider", "node"
)
AV_OFFSET = _here.histogram(
    "qos_av_offset_seconds",
    "seconds",
    "audio ahead (+) or behind (-) of video, one for each span measured",
    (-1, -0.5, -0.185, -0.125, -0.045, 0, 0.045, 0.09, 0.185, 0.5, 1),
    "provider",
)
FREEZE = _here.histogram(
    "qos_freeze_ratio",
    "ratio",
    "share of a learner's measured time in a class that was frozen, one for each learner-class with a firm verdict",
    (0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 1),
    "provider",
    "medium",
)
OWED = _here.counter(
    "qos_owed_learner_seconds_total", "learner-seconds", "class time promised, of firm verdicts", "provider", "node"
)
DELIVERED = _here.counter(
    "qos_delivered_learner_seconds_total",
    "learner-seconds",
    "of that, not lost to the platform or to a cause nobody knows",
    "provider",
    "node",
)
LOST = _here.counter(
    "qos_lost_learner_seconds_total",
    "learner-seconds",
    "class time shut out or unusable, of firm verdicts, by whose fault",
    "provider",
    "fault",
)
LEARNER_CLASSES = _here.counter(
    "qos_learner_classes_total",
    "learner-classes",
    "firm verdicts: failed is unable or degraded by the platform; what the learner or both cancelled is left out",
    "provider",
    "node",
    "outcome",
)
FIRM_VERDICTS = _here.counter(
    "qos_firm_verdicts_total", "learner-classes", "verdicts that became firm, by what they say", "provider", "verdict"
)
RELEASE_OWED = _here.counter(
    "qos_release_owed_learner_seconds_total", "learner-seconds", "owed, by the learner's client release", "release"
)
RELEASE_DELIVERED = _here.counter(
    "qos_release_delivered_learner_seconds_total", "learner-seconds", "delivered, by client release", "release"
)
RELEASE_CLASSES = _here.counter(
    "qos_release_learner_classes_total", "learner-classes", "firm verdicts by client release", "release", "outcome"
)
NETWORK_OWED = _here.counter(
    "qos_network_owed_learner_seconds_total", "learner-seconds", "owed, by the learner's access network", "network"
)
NETWORK_DELIVERED = _here.counter(
    "qos_network_delivered_learner_seconds_total", "learner-seconds", "delivered, by access network", "network"
)
NETWORK_CLASSES = _here.counter(
    "qos_network_learner_classes_total", "learner-classes", "firm verdicts by access network", "network", "outcome"
)
CORRECTED = _here.counter(
    "qos_corrected_learner_seconds_total",
    "learner-seconds",
    "what firm verdicts that were superseded later added to owed and delivered (up) or took from them (down)",
    "provider",
    "of",
    "direction",
)
VERDICT_LAG = _here.histogram(
    "qos_verdict_lag_seconds",
    "seconds",
    "from when a verdict could be given (its time come, its last evidence stored) to the verdict",
    (1, 5, 15, 60, 300, 900, 3600, 21600, 86400),
)
FILED = _here.counter("qos_claims_filed_total", "claims", "claims let go to the refund system, each once", "kind")
FILED_MONEY = _here.counter(
    "qos_filed_money_total",
    "currency units",
    "money of those claims: what outages cost; withdrawals and reviews ask for none",
    "kind",
    "currency",
)
FOLDED = _here.counter(
    "qos_labels_folded_total", "samples", "counted under `other`, for the label had no room for one more value", "label"
)

METRICS: tuple[Metric, ...] = (
    JOIN_ATTEMPTS,
    JOIN_FAILURES,
    JOINS,
    JOIN_SECONDS,
    WATCHED,
    FROZEN,
    AV_MEASURED,
    AV_DESYNC,
    AV_OFFSET,
    FREEZE,
    OWED,
    DELIVERED,
    LOST,
    LEARNER_CLASSES,
    FIRM_VERDICTS,
    RELEASE_OWED,
    RELEASE_DELIVERED,
    RELEASE_CLASSES,
    NETWORK_OWED,
    NETWORK_DELIVERED,
    NETWORK_CLASSES,
    CORRECTED,
    VERDICT_LAG,
    FILED,
    FILED_MONEY,
    FOLDED,
)
