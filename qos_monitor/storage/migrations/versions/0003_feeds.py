"""When each feed was alive, and what finds the classes that run now and a provider's last delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Spans that overlap or touch are one: a span begins a new one where it begins after all before it have ended.
_UNITED = """
INSERT INTO feed_spans (source, starts_at, ends_at)
SELECT source, MIN(begins), MAX(ends)
FROM (
    SELECT source, begins, ends,
           SUM(is_new) OVER (PARTITION BY source ORDER BY begins, ends ROWS UNBOUNDED PRECEDING) AS part
    FROM (
        SELECT source, "at" AS begins, "until" AS ends,
               CASE WHEN "at" <= MAX("until") OVER (
                   PARTITION BY source ORDER BY "at", "until" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ) THEN 0 ELSE 1 END AS is_new
        FROM observations WHERE kind = 'feed_alive' AND "until" IS NOT NULL
    ) AS told
) AS parted
GROUP BY source, part
"""


def upgrade() -> None:
    """Make the table of spans from what was seen, and the two indexes."""
    op.create_table(
        "feed_spans",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "starts_at", name="pk_feed_spans"),
    )
    op.execute(_UNITED)
    op.create_index("ix_classes_running", "classes", ["ends_at", "starts_at"])
    op.create_index("ix_deliveries_provider_seq", "deliveries", ["provider", "seq"])


def downgrade() -> None:
    """Drop them; what was told of feeds stays among the observations."""
    op.drop_index("ix_deliveries_provider_seq", "deliveries")
    op.drop_index("ix_classes_running", "classes")
    op.drop_table("feed_spans")
