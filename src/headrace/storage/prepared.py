"""Statements of the hot path: compiled once for each kind of database, and from then on text for its driver.

SQLAlchemy's way from a statement to the driver (cache key, parameters, result objects, events) takes five times as long
as SQLite takes to run most of ours. Whoever makes one of these gives every value in the mapping, by the names of its
`bindparam`s; errors of the driver become SQLAlchemy's, so that nobody above has to know which way a statement went.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Dialect, Table, bindparam, insert
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from headrace.storage.database import Tx

R = TypeVar("R")
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Text:
    """`order`: what the question marks stand for, one after the other; None where the driver takes names."""

    sql: str
    constants: Values
    order: tuple[str, ...] | None

    def parameters(self, values: Values) -> Any:
        known = {**self.constants, **values}
        return known if self.order is None else [known[name] for name in self.order]


class _Prepared:
    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def _text(self, tx: Tx) -> _Text:
        dialect = tx.dialect
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = _compiled(self._statement, dialect)
        return text


class Command(_Prepared):
    """Changes something."""

    def _execute(self, tx: Tx, values: Values) -> Any:
        text = self._text(tx)
        try:
            return _driver(tx).execute(text.sql, text.parameters(values))
        except tx.dialect.loaded_dbapi.Error as error:
            raise _told(tx, text, error) from error

    def run(self, tx: Tx, values: Values) -> int:
        """Returns how many rows were changed."""
        changed: int = self._execute(tx, values).rowcount
        return changed


class Insertion(Command):
    """Writes rows of a table, whose values are given for all columns; `numbered`: the database gives the first one."""

    def __init__(self, table: Table, *, numbered: bool = False) -> None:
        given = list(table.c)[numbered:]
        statement = insert(table).values({column.name: bindparam(column.name) for column in given})
        super().__init__(statement)
        self._telling = Query(statement.returning(table.c[0]), int)

    def number(self, tx: Tx, values: Values) -> int:
        """One row; returns the number that it got."""
        if tx.dialect.name != "sqlite":  # which has RETURNING only from 3.35 on
            return self._telling.one(tx, values)
        number: int = self._execute(tx, values).lastrowid
        return number

    def rows(self, tx: Tx, rows: Sequence[Values]) -> None:
        if len(rows) == 1:
            self._execute(tx, rows[0])
            return
        text = self._text(tx)
        try:
            _driver(tx).cursor().executemany(text.sql, [text.parameters(values) for values in rows])
        except tx.dialect.loaded_dbapi.Error as error:
            raise _told(tx, text, error) from error


class Query(_Prepared, Generic[R]):
    """Answers with rows; each is made by calling `row` with the values of its columns."""

    def __init__(self, statement: ClauseElement, row: Callable[..., R]) -> None:
        super().__init__(statement)
        self._row = row

    def all(self, tx: Tx, values: Values) -> list[R]:
        text = self._text(tx)
        try:
            found = _driver(tx).execute(text.sql, text.parameters(values)).fetchall()
        except tx.dialect.loaded_dbapi.Error as error:
            raise _told(tx, text, error) from error
        row = self._row
        return [row(*columns) for columns in found]

    def first(self, tx: Tx, values: Values) -> R | None:
        """For what is one row at most."""
        found = self.all(tx, values)
        return found[0] if found else None

    def one(self, tx: Tx, values: Values) -> R:
        """Raises NoResultFound."""
        found = self.all(tx, values)
        if not found:
            raise NoResultFound("a row that must be there is not")
        return found[0]


def _compiled(statement: ClauseElement, dialect: Dialect) -> _Text:
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"this is no statement with values: {statement}")
    constants = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
    order = compiled.positiontup
    return _Text(str(compiled), constants, None if order is None else tuple(order))


def _driver(tx: Connection) -> Any:
    """Both drivers' connections have `execute` and `cursor`."""
    return tx.connection.driver_connection


def _told(tx: Connection, text: _Text, error: Any) -> BaseException:
    """The error as SQLAlchemy raises it. A connection that is gone is thrown away, as SQLAlchemy does."""
    dbapi = tx.dialect.loaded_dbapi
    gone = tx.dialect.is_disconnect(error, _driver(tx), None)
    told: BaseException = DBAPIError.instance(
        text.sql, None, error, dbapi.Error, hide_parameters=True, connection_invalidated=gone, dialect=tx.dialect
    )
    if gone:
        tx.invalidate(error)
    return told
