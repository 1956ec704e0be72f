"""The tables of what is no longer kept; instants are UTC milliseconds since 1970."""

from sqlalchemy import BigInteger, Column, String, Table

from qos_monitor.storage import schema
from qos_monitor.storage.schema import metadata

sealed_windows = Table(
    "sealed_windows",
    metadata,
    Column("window", BigInteger, primary_key=True, doc="half hours since 1970; never judged again"),
    Column("sealed_at", BigInteger, nullable=False),
    Column("emptied_at", BigInteger, doc="when what was seen in its classes was deleted; null: it is still there"),
)
schema.partial_index("ix_sealed_windows_full", sealed_windows.c.window, where=sealed_windows.c.emptied_at.is_(None))

forgotten = Table(
    "forgotten",
    metadata,
    Column("pseudonym", String(64), primary_key=True, doc="HMAC of the name under the installation's key"),
    Column("person", String(64), nullable=False, index=True, doc="HMAC of the learner's own id: whose name it was"),
    Column("at", BigInteger, nullable=False),
)
