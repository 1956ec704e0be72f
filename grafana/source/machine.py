"""The part of the monitor's dashboard that is about its database and its processes."""

from look import GOOD, WARN, Steps
from panel import Panel, Shape
from queries import OF_INSTANCE, RANGE, RATE, UNHEARD, told

_MINE = f"and on (job, instance) qos_build_info{{{OF_INSTANCE}}}"
ANY: Steps = ((None, GOOD), (1, WARN))

MACHINE = (
    Panel(
        "Database and its limit",
        "What the database takes, and what it may take. No limit is drawn where none is known.",
        "bytes",
        [
            (told("qos_database_size_bytes"), "size"),
            (f"{told('qos_database_limit_bytes')} < Inf", "limit"),
            (f"{told('qos_database_limit_bytes')} - {told('qos_database_size_bytes')} < Inf", "free"),
        ],
        empty=UNHEARD,
        runbooks=("QosDatabaseNearFull",),
    ),
    Panel(
        "Oldest that is kept",
        "Age of the oldest delivery, the oldest thing seen and the oldest replaced verdict. It grows up to the time "
        "that retention allows, and stays there; a line that goes on growing is not cleared away.",
        "s",
        [("time() - (max by (table) (qos_oldest_kept_timestamp_seconds) > 0)", "{{table}}")],
        empty="Nothing is kept yet",
        runbooks=("QosJobFailing", "QosDatabaseNearFull"),
    ),
    Panel(
        "Rows cleared away in a day",
        "Deleted in the 24 hours before each bar, for they were past their time.",
        "locale",
        [("sum by (table) (increase(qos_retention_rows_deleted_total[1d]))", "{{table}}")],
        shape=Shape.BARS,
        empty=UNHEARD,
        runbooks=("QosJobFailing",),
        step="1h",
        decimals=0,
    ),
    Panel(
        "Reading of the database",
        "How long the last reading of what is told from the database took.",
        "s",
        [(told("qos_reading_duration_seconds"), "last reading")],
        runbooks=("QosJudgingBehind",),
        empty=UNHEARD,
    ),
    Panel(
        "CPU",
        "Processor time of each process: 1 is one core.",
        "none",
        [(f"sum by (instance) (rate(process_cpu_seconds_total[{RATE}]) {_MINE})", "{{instance}}")],
        runbooks=("QosJudgingBehind", "QosDown"),
        empty=UNHEARD,
        decimals=2,
    ),
    Panel(
        "Memory",
        "Resident memory of each process.",
        "bytes",
        [(f"sum by (instance) (process_resident_memory_bytes {_MINE})", "{{instance}}")],
        runbooks=("QosJudgingBehind", "QosDown"),
        empty="Not told on this system: Linux only",
    ),
    Panel(
        "Garbage collections",
        "Collections of Python each second, by generation; the oldest generation holds the process up.",
        "ops",
        [(f"sum by (generation) (rate(python_gc_collections_total[{RATE}]) {_MINE})", "generation {{generation}}")],
        runbooks=("QosJudgingBehind", "QosDown"),
        empty=UNHEARD,
    ),
    Panel(
        "Counted under other",
        "Samples over the range shown whose label had no room for one more value. Above 0: too many nodes, releases "
        "or networks to name each.",
        "locale",
        [(f"max by (label) (increase(qos_labels_folded_total[{RANGE}]))", "{{label}}")],
        shape=Shape.RANKED,
        steps=ANY,
        runbooks=("QosNodeBurnSlow",),
        empty="Every value had room: nothing was folded",
        decimals=0,
    ),
    Panel(
        "Versions",
        "Processes by version of the program and of its rules. Two versions at once: an upgrade is half done.",
        "none",
        [("count by (version, rule_version) (qos_build_info)", "Processes")],
        shape=Shape.TABLE,
        width=8,
        empty=UNHEARD,
        runbooks=("QosDown",),
    ),
)
