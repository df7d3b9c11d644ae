"""Both databases for a test: an address that is SQLite's once and once a new database of a real PostgreSQL."""

import itertools
import uuid
from contextlib import contextmanager

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
        yield _in_memory


def _in_memory():
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    connection = engine.connect()
    metadata.create_all(connection)
    return connection
