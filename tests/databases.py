"""Both databases for a test: an address that is SQLite's once and once a new database of a real PostgreSQL."""

import itertools
import tempfile
import uuid
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from postgres import DEBIAN, FAST, INSTALL, postgres, wheel

from headrace import assemble
from headrace.settings import StorageSettings
from headrace.storage.opening import open_database
from headrace.storage.postgresql import connecting
from headrace.storage.schema import metadata

assert assemble  # every room's tables are known once it is imported

BOTH = ("sqlite", "postgresql")


class Databases:
    """Databases of one server. Those with our tables are emptied and used again: making one takes long."""

    def __init__(self, server):
        self.server, self._numbers = server, itertools.count()
        self._name = f"t{uuid.uuid4().hex[:8]}"
        self._free = []

    @contextmanager
    def lent(self):
        """A function that gives the URL of a database with the newest schema and nothing in it, any number of times."""
        given = []

        def one():
            given.append(self._free.pop() if self._free else self._made())
            return given[-1]

        yield one
        for url in given:
            self._wipe(url)
            self._free.append(url)

    def empty(self):
        """Of a database without tables."""
        name = f"{self._name}_{next(self._numbers)}"
        self.server.sql(f"create database {name}")
        return self.server.url(name)

    def _made(self):
        url = self.empty()
        open_database(StorageSettings(url=url), None).close()
        return url

    def _wipe(self, url):
        with psycopg.connect(url) as connection:
            connection.execute("set session_replication_role = replica")  # in any order
            for (table,) in connection.execute(
                "select tablename from pg_tables where schemaname = 'public'"
            ).fetchall():
                if table != "alembic_version":
                    connection.execute(f'delete from "{table}"')
            connection.execute("select setval(oid::regclass, 1, false) from pg_class where relkind = 'S'")


@pytest.fixture(scope="session")
def postgresql():
    """One PostgreSQL for the tests of a worker: quick, because it does not wait for the disk."""
    programs = wheel()
    if not (programs / "postgres").exists():
        pytest.skip(f"there is no PostgreSQL: {INSTALL}")
    with postgres(programs, *FAST) as server:
        yield Databases(server)


@pytest.fixture(scope="session")
def debian():
    """Debian's PostgreSQL, which may be older."""
    if not (DEBIAN / "postgres").exists():
        pytest.skip(f"there is no {DEBIAN}: {INSTALL}")
    with postgres(DEBIAN, *FAST) as server:
        yield Databases(server)


@pytest.fixture(params=BOTH)
def storage_url(request):
    """As the setting `storage.url` has it; "" is SQLite in the data folder."""
    if request.param == "sqlite":
        yield ""
    else:
        with request.getfixturevalue("postgresql").lent() as one:
            yield one()


@pytest.fixture
def scratch(storage_url):
    """Gives a connection with all tables, empty; closing it undoes what was done on it. Cheap: for Hypothesis."""
    if storage_url:
        engine = connecting.engine_of(connecting.parse(storage_url))
        yield engine.connect
        engine.dispose()
    else:
        engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.NullPool)  # a memory for each connection

        def connect():
            connection = engine.connect()
            _tables().backup(connection.connection.driver_connection)
            return connection

        yield connect
        engine.dispose()


def with_tables(database):
    """With all tables from now on, if it lies in memory: they are copied, since making them takes long."""
    if database.dialect == "postgresql":
        return database
    with closing(database.engine.raw_connection()) as connection:
        _tables().backup(connection.driver_connection)
    return database


def opened(url, folder):
    """As a server opens it at its next start; SQLite's is there already, with all tables and nothing in them."""
    if not url and not (folder / "headrace.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "headrace.db").write_bytes(_new_file())
    return open_database(StorageSettings(url=url), folder)


@cache
def _tables():
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        return connection.connection.driver_connection


@cache
def _new_file():
    with tempfile.TemporaryDirectory() as folder:
        open_database(StorageSettings(), Path(folder)).close()
        return (Path(folder) / "headrace.db").read_bytes()
