"""Prepared statements give what SQLAlchemy's way gives, on both databases: values, numbers of rows, errors."""

from typing import NamedTuple

import pytest
from sqlalchemy import Boolean, Column, LargeBinary, MetaData, String, Table, bindparam, select, text, update
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError, ProgrammingError

from headrace.jobs.tables import BIG
from headrace.settings import StorageSettings
from headrace.storage.opening import open_database
from headrace.storage.prepared import Command, Insertion, Query

things = Table(
    "things",
    MetaData(),
    Column("number", BIG, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False, unique=True),
    Column("body", LargeBinary),
    Column("good", Boolean, nullable=False),
)


class Thing(NamedTuple):
    name: str
    body: bytes | None
    good: bool


INSERT = Insertion(things, numbered=True)
BY_NAME = Query(select(things.c.name, things.c.body, things.c.good).where(things.c.name == bindparam("p_name")), Thing)
NAMES = Query(select(things.c.name).where(things.c.good).order_by(things.c.number), str)
RENAME = Command(update(things).where(things.c.name == bindparam("p_old")).values(name=bindparam("p_new")))


@pytest.fixture
def tx(storage_url, tmp_path):
    database = open_database(StorageSettings(url=storage_url), tmp_path)
    with database.engine.connect() as connection:
        transaction = connection.begin()
        things.create(connection)
        yield connection
        transaction.rollback()
    database.close()


def thing(name, body=None, good=True):
    return {"name": name, "body": body, "good": good}


def test_rows_go_in_and_come_back(tx):
    assert INSERT.number(tx, thing("ü %s ? :x", b"\0\xff")) < INSERT.number(tx, thing("b", good=False))
    INSERT.rows(tx, [thing(f"n{n}") for n in range(3)])
    INSERT.run(tx, thing("last"))

    found = BY_NAME.one(tx, {"p_name": "ü %s ? :x"})
    assert Thing("ü %s ? :x", b"\0\xff", good=True) == found
    assert ["ü %s ? :x", "n0", "n1", "n2", "last"] == NAMES.all(tx, {})
    assert BY_NAME.first(tx, {"p_name": "nobody"}) is None
    with pytest.raises(NoResultFound):
        BY_NAME.one(tx, {"p_name": "nobody"})


def test_it_is_told_how_many_rows_were_changed(tx):
    INSERT.number(tx, thing("a"))
    assert [1, 0] == [RENAME.run(tx, {"p_old": "a", "p_new": "b"}) for _ in range(2)]


def test_a_statement_sees_what_sqlalchemy_did_in_the_same_transaction(tx):
    tx.execute(things.insert(), thing("a"))
    assert ["a"] == NAMES.all(tx, {})
    INSERT.run(tx, thing("b"))
    assert ["a", "b"] == list(tx.scalars(select(things.c.name).order_by(things.c.number)))


@pytest.mark.parametrize("many", [False, True])
def test_errors_of_the_driver_are_those_of_sqlalchemy(tx, many):
    INSERT.number(tx, thing("a"))
    with pytest.raises(IntegrityError) as told, tx.begin_nested():
        INSERT.rows(tx, [thing("a"), thing("b")] if many else [thing("a")])
    assert "things" in str(told.value.orig)
    assert not told.value.connection_invalidated
    with pytest.raises((OperationalError, ProgrammingError)), tx.begin_nested():
        Query(text("select nothing from nowhere"), str).all(tx, {})
    assert ["a"] == NAMES.all(tx, {})


def test_a_value_that_is_missing_is_told(tx):
    with pytest.raises((KeyError, ProgrammingError)):
        BY_NAME.all(tx, {})


def test_a_connection_that_is_gone_is_thrown_away(postgresql, tmp_path):
    with postgresql.lent() as one:
        database = open_database(StorageSettings(url=one()), tmp_path)
        with database.engine.connect() as other, database.engine.connect() as connection:
            connection.begin()
            pid = connection.scalar(text("select pg_backend_pid()"))
            other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
            with pytest.raises(OperationalError) as told:
                Query(text("select 1"), int).all(connection, {})
            assert told.value.connection_invalidated
            assert connection.invalidated
        database.close()
