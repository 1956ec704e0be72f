"""The part of the monitor's dashboard that is about its database and its processes."""

from look import GOOD, WARN, Steps
from panel import Panel, Shape
from queries import OF, OF_INSTANCE, RANGE, RATE, UNHEARD, rate, told

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
        width=12,
        empty=UNHEARD,
        runbooks=("QosDown",),
    ),
    Panel(
        "Looks at status pages",
        "Looks at providers' status pages each second, by what came of them.",
        "reqps",
        [
            (
                rate("qos_status_page_looks_total", "provider, result", f"{OF}, {OF_INSTANCE}") + " > 0",
                "{{provider}} {{result}}",
            )
        ],
        width=12,
        runbooks=("QosJobFailing",),
        empty="No status page is set up",
    ),
)
