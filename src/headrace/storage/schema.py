"""The one MetaData that every room's rows.py hangs its tables on; migrations/ brings a database to it."""

from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, Index, MetaData, String, Table, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import SchemaItem

_WHERE = "where"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def partial_index(name: str, *columns: ColumnElement[Any], where: ColumnElement[bool]) -> Index:
    """Of the rows for which `where` holds."""
    return Index(name, *columns, info={_WHERE: where})


@event.listens_for(metadata, "before_create")
def tell_conditions(told: MetaData, *_connection: object, **_more: object) -> None:
    """Only now: to name an option of a dialect is to load that dialect, and PostgreSQL's is a tenth of a start."""
    for table in told.tables.values():
        for index in table.indexes:
            if _WHERE in index.info:
                index.dialect_kwargs.update(sqlite_where=index.info[_WHERE], postgresql_where=index.info[_WHERE])


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
