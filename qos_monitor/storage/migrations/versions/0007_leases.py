"""Leases of work that one process does at a time, and of learners in hand."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the columns; what runs on the tables before knows neither, and goes on."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    for name in ("lease_until", "lease_token"):
        op.add_column("learners", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    for name in ("lease_token", "lease_until"):
        op.drop_column("learners", name)
    op.drop_table("leases")
