"""The one MetaData that every room's rows.py hangs its tables on; migrations/ brings a database to it."""

from contextlib import suppress

from sqlalchemy import MetaData, String, Table, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


@event.listens_for(Table, "after_parent_attach")
def _order_bytewise(table: Table, _metadata: SchemaItem) -> None:
    """Text is compared and sorted by its bytes, as SQLite does, whatever language a PostgreSQL was set up for.

    The revisions in migrations/ make their tables by the same class, so they need not say it.
    """
    for column in table.columns:
        kind = column.type
        if isinstance(kind, String) and kind.collation is None:
            bytewise = type(kind)(length=kind.length, collation="C")
            with suppress(ArgumentError):  # it was said before: this table is the copy of another
                column.type = kind.with_variant(bytewise, "postgresql")
