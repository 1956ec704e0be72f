"""What is asked of providers' statistics, class by class."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of polls."""
    op.create_table(
        "polls",
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("class_id", sa.String(200), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "class_id", name="pk_polls"),
    )
    op.create_index("ix_polls_due", "polls", ["provider", "state", "due_at"])


def downgrade() -> None:
    """Drop it; what was fetched stays among the deliveries."""
    op.drop_table("polls")
