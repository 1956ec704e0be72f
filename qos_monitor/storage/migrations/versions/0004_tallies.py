"""What is counted where it is written, so that nobody counts all of it again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0005"
branch_labels = None
depends_on = None

_IN_FORCE = """
INSERT INTO tallies (name, labels, value)
SELECT 'qos_verdicts',
       '["' || verdict || '","' || CASE WHEN firm THEN 'yes' ELSE 'no' END || '"]',
       count(*)
FROM verdicts WHERE current GROUP BY verdict, firm
"""


def upgrade() -> None:
    """Make the tables; count the verdicts in force once. What only grows is counted from now on."""
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("labels", sa.String(500), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name="pk_tallies"),
    )
    op.create_table(
        "label_values",
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("label", "scope", "value", name="pk_label_values"),
    )
    op.create_index("ix_cases_counted", "cases", ["kind", "state", "due_limit"])
    op.create_index("ix_claims_counted", "claims", ["kind", "state", "currency", "ready_at", "amount_minor"])
    op.execute(_IN_FORCE)


def downgrade() -> None:
    """Drop what was counted."""
    op.execute("DELETE FROM cursors WHERE name = 'joins'")
    op.drop_index("ix_claims_counted", "claims")
    op.drop_index("ix_cases_counted", "cases")
    op.drop_table("label_values")
    op.drop_table("tallies")
