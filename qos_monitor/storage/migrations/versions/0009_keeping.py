"""What is no longer judged because its evidence is past its time, who was forgotten, and an index of old verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables and the index; nothing is sealed or forgotten by it."""
    op.create_table(
        "sealed_windows",
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("emptied_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("window", name="pk_sealed_windows"),
    )
    is_full = sa.text("emptied_at IS NULL")
    op.create_index(
        "ix_sealed_windows_full", "sealed_windows", ["window"], sqlite_where=is_full, postgresql_where=is_full
    )
    op.create_table(
        "forgotten",
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pseudonym", name="pk_forgotten"),
    )
    op.create_index("ix_forgotten_person", "forgotten", ["person"])
    is_try = sa.text("kind = 'attempted'")
    op.create_index("ix_observations_tries", "observations", ["seq"], sqlite_where=is_try, postgresql_where=is_try)
    op.create_index("ix_cases_listed", "cases", ["created_at", "case_key"])
    op.create_index(
        "ix_verdicts_superseded",
        "verdicts",
        ["recorded_at"],
        sqlite_where=sa.text("current = 0"),
        postgresql_where=sa.text("NOT current"),
    )


def downgrade() -> None:
    """Drop them. What was sealed would be judged again, without its evidence: do so only before anything was."""
    op.execute("DELETE FROM cursors WHERE name = 'sealed_before'")
    op.drop_index("ix_verdicts_superseded", "verdicts")
    op.drop_index("ix_cases_listed", "cases")
    op.drop_index("ix_observations_tries", "observations")
    op.drop_table("forgotten")
    op.drop_table("sealed_windows")
