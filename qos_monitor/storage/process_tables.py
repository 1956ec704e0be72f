"""Which of several processes does what is to be done by one alone."""

from sqlalchemy import BigInteger, Column, String, Table

from qos_monitor.storage.schema import metadata

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True, doc="of the work: a job, or a job and whom it is about"),
    Column("token", BigInteger, nullable=False, doc="grows whenever the lease changes hands: the fence"),
    Column("until", BigInteger, nullable=False, doc="when it ends unless it is renewed; 0: given back"),
    Column("holder", String(100), nullable=False, doc="the process that took it last; see qos_monitor.leases"),
)
