"""What all tables share: one metadata, and how rows are numbered."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index, Integer, MetaData, TextClause

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SEQ = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts by itself only in an INTEGER key


def partial_index(name: str, *columns: ColumnElement[Any], where: ColumnElement[bool] | TextClause) -> Index:
    """Make an index of the rows alone for which ``where`` holds, on both databases."""
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)
