"""The first tables: the whole way from a delivery to a claim."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _what_came_in()
    _who_and_when()
    _what_was_seen()
    _what_was_judged()
    _whose_outages()
    _what_is_owed()
    _what_was_sent()


def downgrade() -> None:
    """Drop every table, and with them all that was stored."""
    for name in _TABLES:
        op.drop_table(name)


_TABLES = (
    "cursors",
    "bundles",
    "claims",
    "case_transitions",
    "cases",
    "outages",
    "learners",
    "verdicts",
    "window_domains",
    "windows",
    "observations",
    "class_learners",
    "classes",
    "enrolments",
    "courses",
    "deliveries",
)


def _what_came_in() -> None:
    op.create_table(
        "deliveries",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_deliveries"),
        sa.UniqueConstraint("minute", "provider", "event_id", name="uq_deliveries_minute_provider_event_id"),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["seq"],
        sqlite_where=sa.text("state = 0"),
        postgresql_where=sa.text("state = 0"),
    )


def _who_and_when() -> None:
    op.create_table(
        "courses",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("visual_essential", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_courses"),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("learner_id", sa.String(200), nullable=False),
        sa.Column("course_id", sa.String(200), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("lessons_paid", sa.Integer(), nullable=False),
        sa.Column("lessons_gift", sa.Integer(), nullable=False),
        sa.Column("lessons_used_before", sa.String(40), nullable=False),
        sa.Column("price_refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("contract_refund_minor", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
    )
    op.create_index("ix_enrolments_learner_id", "enrolments", ["learner_id"])
    op.create_table(
        "classes",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("course_id", sa.String(200), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("room_id", sa.String(200)),
        sa.Column("teacher_id", sa.String(200), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger()),
        sa.Column("cancelled_by", sa.String(16)),
        sa.Column("cancelled_technical", sa.Boolean()),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
    )
    op.create_index("ix_classes_provider_room_id", "classes", ["provider", "room_id", "starts_at"])
    op.create_index("ix_classes_window", "classes", ["window"])
    op.create_table(
        "class_learners",
        sa.Column("class_id", sa.String(200), nullable=False),
        sa.Column("learner_id", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("class_id", "learner_id", name="pk_class_learners"),
    )
    op.create_index("ix_class_learners_learner_id", "class_learners", ["learner_id"])


def _what_was_seen() -> None:
    op.create_table(
        "observations",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("id", sa.String(300), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("class_id", sa.String(200)),
        sa.Column("participant_id", sa.String(200)),
        sa.Column("role", sa.String(8)),
        sa.Column("session", sa.String(300)),
        sa.Column("vantage", sa.String(8)),
        sa.Column("fault", sa.String(8), nullable=False),
        sa.Column("blames", sa.String(16)),
        sa.Column("code", sa.Text()),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("delivery_seq", sa.BigInteger(), nullable=False),
        sa.Column("room_id", sa.String(200)),
        sa.Column("thread", sa.String(300)),
        sa.Column("thread_order", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_observations"),
        sa.UniqueConstraint("source", "id", name="uq_observations_source_id"),
    )
    op.create_index("ix_observations_class_id_participant_id", "observations", ["class_id", "participant_id"])
    op.create_index("ix_observations_kind_at", "observations", ["kind", "at"])
    op.create_index("ix_observations_room", "observations", ["source", "room_id", "at"])
    op.create_index("ix_observations_participant_id_kind", "observations", ["participant_id", "kind"])
    op.create_index("ix_observations_thread", "observations", ["source", "thread", "thread_order"])


def _what_was_judged() -> None:
    op.create_table(
        "windows",
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("judged_at", sa.BigInteger()),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("window", name="pk_windows"),
    )
    op.create_index("ix_windows_due_at", "windows", ["due_at"])
    op.create_table(
        "window_domains",
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.String(250), nullable=False),
        sa.Column("voters", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("window", "domain", name="pk_window_domains"),
    )
    op.create_table(
        "verdicts",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("learner_id", sa.String(200), nullable=False),
        sa.Column("class_id", sa.String(200), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("firm", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.String(64), nullable=False),
        sa.Column("surroundings", sa.Text(), nullable=False),
        sa.Column("inputs_sha256", sa.String(64), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("supersedes", sa.BigInteger()),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_window", "verdicts", ["window"])
    op.create_index("ix_verdicts_class_id", "verdicts", ["class_id"])
    op.create_index(
        "uq_verdicts_current",
        "verdicts",
        ["learner_id", "class_id"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    )


def _whose_outages() -> None:
    op.create_table(
        "learners",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("look_again_at", sa.BigInteger()),
        sa.Column("settled_sha256", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_learners"),
    )
    op.create_index("ix_learners_look_again_at", "learners", ["look_again_at"])
    op.create_table(
        "outages",
        sa.Column("learner_id", sa.String(200), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(8), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("projected_minor", sa.BigInteger(), nullable=False),
        sa.Column("projected_currency", sa.String(3)),
        sa.PrimaryKeyConstraint("learner_id", "starts_at", name="pk_outages"),
    )
    op.create_index("ix_outages_answer", "outages", ["answer"])


def _what_is_owed() -> None:
    op.create_table(
        "cases",
        sa.Column("case_key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("tier", sa.String(4)),
        sa.Column("learner_id", sa.String(200), nullable=False),
        sa.Column("enrolment_id", sa.String(200), nullable=False),
        sa.Column("lineage", sa.String(300), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("filed_at", sa.BigInteger()),
        sa.Column("due_target", sa.String(10)),
        sa.Column("due_limit", sa.String(10)),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("case_key", name="pk_cases"),
    )
    op.create_index("ix_cases_learner_id", "cases", ["learner_id"])
    op.create_index("ix_cases_state", "cases", ["state"])
    op.create_table(
        "case_transitions",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("case_key", sa.String(64), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_case_transitions"),
    )
    op.create_index("ix_case_transitions_case_key", "case_transitions", ["case_key"])


def _what_was_sent() -> None:
    op.create_table(
        "claims",
        sa.Column("claim_key", sa.String(100), nullable=False),
        sa.Column("case_key", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger()),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("answer", sa.Text()),
        sa.PrimaryKeyConstraint("claim_key", name="pk_claims"),
    )
    op.create_index("ix_claims_case_key", "claims", ["case_key"])
    op.create_index("ix_claims_created_at", "claims", ["created_at"])
    op.create_index("ix_claims_next_attempt_at", "claims", ["next_attempt_at"])
    op.create_index("ix_claims_ready_at", "claims", ["ready_at"])
    op.create_index("ix_claims_state", "claims", ["state"])
    op.create_table(
        "bundles",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("previous_sha256", sa.String(64)),
        sa.Column("case_key", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_bundles"),
        sa.UniqueConstraint("sha256", name="uq_bundles_sha256"),
    )
    op.create_index("ix_bundles_case_key", "bundles", ["case_key"])
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cursors"),
    )
