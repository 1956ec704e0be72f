"""An index of the deliveries that could not be read, which are tried again every minute."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it. On PostgreSQL writers of deliveries wait meanwhile: about a second a million."""
    is_unreadable = sa.text("state = 2")
    op.create_index(
        "ix_deliveries_unreadable", "deliveries", ["seq"], sqlite_where=is_unreadable, postgresql_where=is_unreadable
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_deliveries_unreadable", "deliveries")
