"""All rows of a database as files and back, in a form that is neither database's own.

A file is a sequence of frames, each a length and a MessagePack array: first the names of the columns, then rows.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text

from headrace.domain.errors import Invalid

AT_ONCE = 64  # rows in one frame: a row may have a megabyte
LENGTH = struct.Struct("<I")
VERSION_TABLE = "alembic_version"


def tables(connection: Connection) -> list[Table]:
    """As they are in this database, whatever its schema; those that others point to come first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def dump(connection: Connection, table: Table, path: Path) -> int:
    """How many rows were written. The caller's transaction is the view that is written down."""
    count = 0
    with path.open("xb") as file:
        _frame(file, _names(table))
        query = select(table).order_by(*table.primary_key).execution_options(yield_per=AT_ONCE)
        found = connection.execute(query)
        for rows in found.partitions():
            count += len(rows)
            _frame(file, [tuple(row) for row in rows])
    return count


def load(connection: Connection, table: Table, path: Path) -> int:
    """How many rows were read. Raises Invalid for a file that is cut off or has other columns."""
    frames = read(path)
    names = next(frames, None)
    if names != _names(table):
        raise Invalid(f"{path} does not fit the table {table.name}: it has the columns {names}")
    count = 0
    for rows in frames:
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        count += len(rows)
    return count


def read(path: Path) -> Iterator[Sequence[Any]]:
    """The frames of a file, one at a time."""
    with path.open("rb") as file:
        while head := file.read(LENGTH.size):
            length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else -1
            content = file.read(max(0, length))
            if len(content) != length:
                raise Invalid(f"{path} is cut off")
            yield msgspec.msgpack.decode(content)


def count_on(connection: Connection, found: Sequence[Table]) -> None:
    """Numbers that the database gives itself go on after the largest that is there."""
    if connection.dialect.name != "postgresql":
        return
    for table in found:
        for column in table.primary_key:
            name = connection.scalar(
                text("select pg_get_serial_sequence(:table, :column)"),
                {"table": f'"{table.name}"', "column": column.name},
            )
            if name is not None:
                largest = connection.scalar(select(func.max(column))) or 0
                connection.execute(text("select setval(cast(:name as text)::regclass, :next, false)"),
                                   {"name": name, "next": largest + 1})  # fmt: skip


def is_empty(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


def _names(table: Table) -> list[str]:
    return [str(column.name) for column in table.columns]  # str: SQLAlchemy has a kind of its own


def _frame(file: Any, value: object) -> None:
    content = msgspec.msgpack.encode(value)
    file.write(LENGTH.pack(len(content)) + content)
