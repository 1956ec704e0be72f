"""The tables of keys, visits and the audit trail; instants are UTC milliseconds since 1970."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from qos_monitor.storage.schema import SEQ, metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True, doc="written in the key itself"),
    Column("name", String(100), nullable=False, doc="whose it is"),
    Column("scopes", String(200), nullable=False, doc="see qos_monitor.access.scopes, with spaces between"),
    Column("sha256", String(64), nullable=False, doc="of the secret"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, doc="null: never"),
    Column("last_used_at", BigInteger, doc="to the minute"),
    Column("revoked_at", BigInteger),
    Column("revoked_why", Text),
)

visits = Table(
    "visits",
    metadata,
    Column("sha256", String(64), primary_key=True, doc="of the cookie"),
    Column("key_id", String(64), nullable=False, doc="of the key that was shown; empty: a token of the settings"),
    Column("proof", String(64), nullable=False, doc="HMAC of that token under the cookie; empty: a key"),
    Column("name", String(100), nullable=False, doc="as the person called themselves"),
    Column("until", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True, doc="triggers refuse every UPDATE and DELETE"),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False, doc="a person, a key, a system"),
    Column("via", String(200), nullable=False, doc="api, console, command, signature"),
    Column("action", String(64), nullable=False),
    Column("about", String(300), nullable=False, doc="a case, a key, a claim; never a learner"),
    Column("reason", Text, nullable=False, doc="the person's, or what was changed, in numbers"),
    Column("previous_sha256", String(64), doc="of the row before; null for the first"),
    Column("sha256", String(64), nullable=False, doc="of previous_sha256 and the columns from at to reason"),
)

installation = Table(
    "installation",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(200), nullable=False, doc="made at random, for this installation alone"),
)
