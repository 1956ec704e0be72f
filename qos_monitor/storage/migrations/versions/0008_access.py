"""Keys, visits to the console, the audit trail that nobody can change, and what is this installation's alone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0004"
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSED = "the audit trail is append-only"


def upgrade() -> None:
    """Make the tables, and the triggers that refuse to change or delete what is written in the audit trail."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger()) for name in ("expires_at", "last_used_at", "revoked_at")),
        sa.Column("revoked_why", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "visits",
        *(sa.Column(name, sa.String(64), nullable=False) for name in ("sha256", "key_id", "proof")),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_visits"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(200), nullable=False) for name in ("actor", "via")),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("about", sa.String(300), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("previous_sha256", sa.String(64)),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
        )
    # REPLACE deletes without a word to the trigger above.
    op.execute(
        "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN NEW.seq IN (SELECT seq FROM audit) "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


def downgrade() -> None:
    """Drop them; keys and what was done are forgotten."""
    for name in ("installation", "audit", "visits", "api_keys"):
        op.drop_table(name)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_is_append_only()")
