"""What the school said about whole classes: called off, or on again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of notices."""
    op.create_table(
        "notices",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("class_id", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(16)),
        sa.Column("technical", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_class_id", "notices", ["class_id"])


def downgrade() -> None:
    """Drop it; the notices themselves stay among the deliveries, and what they said in the roster."""
    op.drop_table("notices")
