"""Whose name is whose, how names are written, and what the roster does not know."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and columns; the service fills them for what was seen before (see qos_monitor.remapping)."""
    op.create_table(
        "identities",
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("person_id", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("provider", "name", name="pk_identities"),
    )
    op.create_table(
        "templates",
        sa.Column("what", sa.String(8), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("template", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("what", "provider", "template", name="pk_templates"),
    )
    for name, length in (("named", 200), ("unmapped", 8)):
        op.add_column("observations", sa.Column(name, sa.String(length)))
    for name, columns in (("named", ["source", "named"]), ("unmapped", ["at", "source", "unmapped"])):
        is_there = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_observations_{name}", "observations", columns, sqlite_where=is_there, postgresql_where=is_there
        )


def downgrade() -> None:
    """Drop them; participants get their provider's names again, as they had before."""
    op.execute("DELETE FROM cursors WHERE name = 'remap'")
    op.execute("UPDATE observations SET participant_id = named WHERE named IS NOT NULL")
    for name in ("unmapped", "named"):
        op.drop_index(f"ix_observations_{name}", "observations")
        op.drop_column("observations", name)
    op.drop_table("templates")
    op.drop_table("identities")
