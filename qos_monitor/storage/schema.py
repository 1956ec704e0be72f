"""What all tables share: one metadata, and how rows are numbered."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SEQ = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts by itself only in an INTEGER key
