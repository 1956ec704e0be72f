"""The tables of the roster, of what came in, and of what was made of it, with the meaning and unit of every column.

Those of keys, of processes and of what is no longer kept have files of their own (``*_tables.py``).

Instants are UTC milliseconds since 1970 in a big integer, so that both databases compare them exactly. Ids of
learners, classes and enrolments are the school's own texts. JSON is stored as text in canonical form (sorted
keys, no spaces), because hashes are taken over it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from qos_monitor.storage import (
    access_tables,  # noqa: F401 - so that the metadata is whole wherever it is used
    keeping_tables,  # noqa: F401 - likewise
    process_tables,  # noqa: F401 - likewise
    schema,
)

metadata, _SEQ = schema.metadata, schema.SEQ

# --- what came in -------------------------------------------------------------------------------------------

WAITING, READ, UNREADABLE = 0, 1, 2

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True, doc="order of storing"),
    Column("provider", String(32), nullable=False, doc="a collector's name, observations, or refund-system"),
    Column("minute", BigInteger, nullable=False, doc="the event's own minute since 1970; 0 where it has no time"),
    Column("event_id", String(200), nullable=False, doc="by what a retry is known"),
    Column("received_at", BigInteger, nullable=False, doc="when we received it"),
    Column("headers", Text, nullable=False, doc="JSON object of the headers kept, names in lower case"),
    Column("body", LargeBinary, nullable=False, doc="the raw bytes"),
    Column("state", SmallInteger, nullable=False, default=WAITING, doc="0 waiting, 1 read, 2 unreadable"),
    Column("problem", Text, doc="why it is unreadable, without personal data"),
    UniqueConstraint("minute", "provider", "event_id"),
    Index("ix_deliveries_provider_seq", "provider", "seq"),
)
schema.partial_index("ix_deliveries_waiting", deliveries.c.seq, where=deliveries.c.state == WAITING)
schema.partial_index("ix_deliveries_unreadable", deliveries.c.seq, where=deliveries.c.state == UNREADABLE)

# --- who and when -------------------------------------------------------------------------------------------

courses = Table(
    "courses",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("title", Text),
    Column("visual_essential", Boolean, nullable=False),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("learner_id", String(200), nullable=False, index=True),
    Column("course_id", String(200), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("price_minor", BigInteger, nullable=False, doc="minor units of the currency"),
    Column("paid_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False, doc="ISO 4217"),
    Column("lessons_paid", Integer, nullable=False),
    Column("lessons_gift", Integer, nullable=False),
    Column("lessons_used_before", String(40), nullable=False, doc="an exact fraction such as 20 or 41/2"),
    Column("price_refunded_minor", BigInteger, nullable=False),
    Column("contract_refund_minor", BigInteger, doc="what the contract itself promises, if more"),
)

classes = Table(
    "classes",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("course_id", String(200), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("provider", String(32), nullable=False),
    Column("room_id", String(200), doc="the provider's channel or room name"),
    Column("teacher_id", String(200), nullable=False),
    Column("cancelled_at", BigInteger),
    Column("cancelled_by", String(16), doc="learner, platform, mutual"),
    Column("cancelled_technical", Boolean),
    Column("window", BigInteger, nullable=False, index=True, doc="starts_at in half hours since 1970, cut down"),
    Index("ix_classes_provider_room_id", "provider", "room_id", "starts_at"),
    Index("ix_classes_running", "ends_at", "starts_at"),
)

class_learners = Table(
    "class_learners",
    metadata,
    Column("class_id", String(200), primary_key=True),
    Column("learner_id", String(200), primary_key=True, index=True),
)

identities = Table(
    "identities",
    metadata,
    Column("provider", String(32), primary_key=True, doc="as observations name it in source"),
    Column("name", String(200), primary_key=True, doc="the provider's uid, account, identity or address of a person"),
    Column("person_id", String(200), nullable=False, doc="the learner or teacher it is"),
)

templates = Table(
    "templates",
    metadata,
    Column("what", String(8), primary_key=True, doc="room, person"),
    Column("provider", String(32), primary_key=True, doc="* for every provider that has none of its own"),
    Column("template", String(200), primary_key=True, doc="see qos_monitor.templates; of the last start's settings"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String(200), primary_key=True, doc="by what the school knows it"),
    Column("class_id", String(200), nullable=False, index=True, doc="which the roster may not know yet"),
    Column("at", BigInteger, nullable=False, doc="when it was decided"),
    Column("by", String(16), doc="learner, platform, mutual; null: the class takes place after all"),
    Column("technical", Boolean, nullable=False),
    Column("recorded_at", BigInteger, nullable=False, doc="received_at of its delivery; the last of a class counts"),
)

# --- what was seen ------------------------------------------------------------------------------------------

observations = Table(
    "observations",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("source", String(64), nullable=False),
    Column("id", String(300), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("class_id", String(200), doc="null for a check, a feed, or a room the roster does not know yet"),
    Column("participant_id", String(200)),
    Column("role", String(8)),
    Column("session", String(300)),
    Column("vantage", String(8)),
    Column("fault", String(8), nullable=False),
    Column("blames", String(16)),
    Column("code", Text),
    Column("domains", Text, nullable=False, doc="JSON object, dimension to value"),
    Column("metrics", Text, nullable=False, doc="JSON object, metric to number"),
    Column("recorded_at", BigInteger, nullable=False, doc="received_at of its delivery, or as the sender says"),
    Column("delivery_seq", BigInteger, nullable=False),
    Column("room_id", String(200), doc="the provider's room; null where the source uses our class ids"),
    Column("thread", String(300), doc="see collectors.threads; null where the provider names sessions"),
    Column("thread_order", BigInteger, nullable=False, default=0),
    Column("named", String(200), doc="the provider's name of the participant; null where it is participant_id"),
    Column("unmapped", String(8), doc="room, person: what the roster does not know; null where it knows, or need not"),
    UniqueConstraint("source", "id"),
    Index("ix_observations_class_id_participant_id", "class_id", "participant_id"),
    Index("ix_observations_thread", "source", "thread", "thread_order"),
    Index("ix_observations_kind_at", "kind", "at"),
    Index("ix_observations_room", "source", "room_id", "at"),
    Index("ix_observations_participant_id_kind", "participant_id", "kind"),
)
schema.partial_index(
    "ix_observations_named", observations.c.source, observations.c.named, where=observations.c.named.is_not(None)
)
schema.partial_index("ix_observations_tries", observations.c.seq, where=text("kind = 'attempted'"))
schema.partial_index(
    "ix_observations_unmapped",
    observations.c.at,
    observations.c.source,
    observations.c.unmapped,
    where=observations.c.unmapped.is_not(None),
)

feed_spans = Table(
    "feed_spans",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("starts_at", BigInteger, primary_key=True, doc="of a source no two spans overlap or touch"),
    Column("ends_at", BigInteger, nullable=False, doc="all its feed_alive observations, united"),
)

polls = Table(
    "polls",
    metadata,
    Column("provider", String(32), primary_key=True, doc="as classes name it; its answers are deliveries"),
    Column("class_id", String(200), primary_key=True),
    Column("state", String(8), nullable=False, doc="waiting, fetched (to be compared), done, lost"),
    Column("due_at", BigInteger, nullable=False, doc="when to go on; whoever takes it up puts it off first"),
    Column("attempts", Integer, nullable=False, doc="failures since the last good answer"),
    Column("progress", Text, nullable=False, doc="what was answered; see collectors.polls"),
    Index("ix_polls_due", "provider", "state", "due_at"),
)

# --- what was judged ----------------------------------------------------------------------------------------

windows = Table(
    "windows",
    metadata,
    Column("window", BigInteger, primary_key=True, doc="half hours since 1970"),
    Column("due_at", BigInteger, index=True, doc="when to judge it next; null: nothing to wait for"),
    Column("judged_at", BigInteger, doc="the instant it was last judged as of"),
    Column("lease_until", BigInteger, nullable=False, default=0, doc="a worker holds it until then"),
    Column("lease_token", BigInteger, nullable=False, default=0, doc="grows with every claim: the fence"),
)

window_domains = Table(
    "window_domains",
    metadata,
    Column("window", BigInteger, primary_key=True),
    Column("domain", String(250), primary_key=True, doc="dimension:value; `login`; `expected` for the deficit"),
    Column("voters", Integer, nullable=False, doc="n"),
    Column("lost", Integer, nullable=False, doc="k"),
    Column("state", String(8), nullable=False, doc="faulty, healthy, silent; every voter counted"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("learner_id", String(200), nullable=False),
    Column("class_id", String(200), nullable=False),
    Column("window", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("firm", Boolean, nullable=False),
    Column("body", Text, nullable=False, doc="JSON: the rules' record of this learner in this class"),
    Column("rule_version", String(64), nullable=False),
    Column("surroundings", Text, nullable=False, doc="JSON: what was counted over others, nobody named"),
    Column("inputs_sha256", String(64), nullable=False, doc="hash of the observations and counts it was taken from"),
    Column("valid_from", BigInteger, nullable=False, doc="the instant judged as of"),
    Column("recorded_at", BigInteger, nullable=False),
    Column("supersedes", BigInteger, doc="seq of the verdict before"),
    Column("current", Boolean, nullable=False, doc="false once superseded"),
)
Index(
    "uq_verdicts_current",
    verdicts.c.learner_id,
    verdicts.c.class_id,
    unique=True,
    sqlite_where=text("current = 1"),  # as SQLAlchemy asks: SQLite knows an index by the very words
    postgresql_where=verdicts.c.current,
)
Index(
    "ix_verdicts_superseded",
    verdicts.c.recorded_at,
    sqlite_where=text("current = 0"),
    postgresql_where=~verdicts.c.current,
)
Index("ix_verdicts_window", verdicts.c.window)
Index("ix_verdicts_class_id", verdicts.c.class_id)

learners = Table(
    "learners",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("look_again_at", BigInteger, index=True, doc="when to fold this learner's outages next; null: never"),
    Column("settled_sha256", String(64), doc="hash of the cases and outages last handed to filing"),
    Column("lease_until", BigInteger, nullable=False, default=0, doc="when it ends; in hand where look_again_at is it"),
    Column("lease_token", BigInteger, nullable=False, default=0, doc="grows with every claim: the fence"),
)

outages = Table(
    "outages",
    metadata,
    Column("learner_id", String(200), primary_key=True),
    Column("starts_at", BigInteger, primary_key=True),
    Column("ends_at", BigInteger, nullable=False),
    Column("answer", String(8), nullable=False, doc="owed, not_yet, review, clear"),
    Column("domains", Text, nullable=False, doc="|domain|domain|: those whose windows this learner's outages look at"),
    Column("body", Text, nullable=False, doc="JSON as in SPEC 10"),
    Column("projected_minor", BigInteger, nullable=False, default=0, doc="a refund today, in the first currency"),
    Column("projected_currency", String(3)),
    Index("ix_outages_answer", "answer"),
)

# --- what is owed -------------------------------------------------------------------------------------------

cases = Table(
    "cases",
    metadata,
    Column("case_key", String(64), primary_key=True),
    Column("kind", String(16), nullable=False, doc="refund, compensation, review"),
    Column("tier", String(4), doc="T1, T2, T3 of a compensation"),
    Column("learner_id", String(200), nullable=False, index=True),
    Column("enrolment_id", String(200), nullable=False),
    Column("lineage", String(300), nullable=False),
    Column("state", String(16), nullable=False, index=True, doc="see qos_monitor.claims.lifecycle"),
    Column("amount_minor", BigInteger, doc="null: lessons, not money"),
    Column("currency", String(3)),
    Column("body", Text, nullable=False, doc="JSON as in SPEC 10, of the last judgement"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("filed_at", BigInteger),
    Column("due_target", String(10), doc="ISO date in the zone of the policy"),
    Column("due_limit", String(10)),
    Column("due_provisional", Boolean, nullable=False, default=False),
    Index("ix_cases_listed", "created_at", "case_key"),
    Index("ix_cases_counted", "kind", "state", "due_limit"),
)

case_transitions = Table(
    "case_transitions",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("case_key", String(64), nullable=False, index=True),
    Column("from_state", String(16), doc="null: the case was made"),
    Column("to_state", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(100), nullable=False, doc="judge, relay, refund-system, or the person's name"),
    Column("reason", Text, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("claim_key", String(100), primary_key=True, doc="case key, or case key and the supplement's number"),
    Column("case_key", String(64), nullable=False, index=True),
    Column(
        "version",
        Integer,
        nullable=False,
        doc="1, then one more for each supplement or withdrawal of the case",
    ),
    Column("kind", String(16), nullable=False, doc="refund, compensation, review, supplement, withdrawal"),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("terms", Text, nullable=False, doc="JSON of what it asks for, whole; the body may hold it cut to fit"),
    Column("body", Text, nullable=False, doc="the exact JSON that is sent, and sent again"),
    Column(
        "state",
        String(16),
        nullable=False,
        index=True,
        doc="waiting, ready, accepted, parked, stopped, paid, rejected, failed, superseded, withdrawn",
    ),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("ready_at", BigInteger, index=True, doc="when it was last let go: filed; null while it waits"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", BigInteger, index=True, doc="null unless ready"),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("lease_token", BigInteger, nullable=False, default=0),
    Column("answered_at", BigInteger),
    Column("answer", Text, doc="status and the beginning of the last answer, or the last error's class"),
    Index("ix_claims_counted", "kind", "state", "currency", "ready_at", "amount_minor"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("sha256", String(64), nullable=False, unique=True, doc="of the body's bytes"),
    Column("previous_sha256", String(64), doc="the bundle before; null for the first"),
    Column("case_key", String(64), nullable=False, index=True),
    Column("body", Text, nullable=False, doc="canonical JSON, self-contained"),
    Column("created_at", BigInteger, nullable=False),
)

# --- what was counted ---------------------------------------------------------------------------------------

tallies = Table(
    "tallies",
    metadata,
    Column("name", String(80), primary_key=True, doc="of the series, see qos_monitor.metrics.tallied"),
    Column("labels", String(500), primary_key=True, doc="JSON array of the labels' values, in the metric's order"),
    Column("value", BigInteger, nullable=False, doc="whole number of the metric's smallest parts"),
)

label_values = Table(
    "label_values",
    metadata,
    Column("label", String(16), primary_key=True, doc="node, release, … : labels whose values the world names"),
    Column("scope", String(64), primary_key=True, doc="the provider a node is of; else empty"),
    Column("value", String(200), primary_key=True),
    Column("used_at", BigInteger, nullable=False, doc="when something was last counted under it, to the day"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
