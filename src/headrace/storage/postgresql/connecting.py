"""Connections to PostgreSQL: how they are made, what they must find, and what they ask of the network.

A host that has gone silent is noticed within about ten seconds on both ends (keep-alives and tcp_user_timeout), and a
session that stops in the middle of a transaction loses it, so that nobody waits for a frozen server's locks.
"""

from dataclasses import dataclass

import sqlalchemy
from psycopg import AsyncConnection
from psycopg import Connection as Raw
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from headrace.domain.errors import StorageFailed, Unsupported

OLDEST = 150_000  # as server_version_num tells it
CONNECT = 5  # seconds
ALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
UNACKNOWLEDGED = 10_000  # milliseconds
IDLE_IN_TRANSACTION = 30_000  # milliseconds that a transaction may stand still: a frozen server must not hold its locks

NO_SESSIONS = (
    "storage.sessions is on, but the pooler before this PostgreSQL gives a session for one transaction only: set"
    " storage.sessions=auto, connect directly, or let the pooler pool sessions (pool_mode = session)"
)

_SESSION = {
    "tcp_keepalives_idle": ALIVE["keepalives_idle"],
    "tcp_keepalives_interval": ALIVE["keepalives_interval"],
    "tcp_keepalives_count": ALIVE["keepalives_count"],
    "tcp_user_timeout": UNACKNOWLEDGED,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
}
_DURABLE = """case when current_setting('synchronous_commit') = 'off'
    then set_config('synchronous_commit', 'on', false) end"""  # a commit waits for the disk, whatever the server says
_SETTINGS = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
_SET_UP = f"select {_SETTINGS}, {_DURABLE}".encode()
WITHOUT_SESSION = f"""set_config('idle_in_transaction_session_timeout', '{IDLE_IN_TRANSACTION}', true),
    {_DURABLE.replace("false", "true")}"""  # the same of one transaction, where the next may run in another session


def parse(text: str) -> URL:
    """Raises Unsupported for what is no URL of a database. Nothing of it is told: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise Unsupported(
            "storage.url is not understood: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    if not url.database:
        raise Unsupported("storage.url names no database: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return url.set(drivername="postgresql+psycopg")


def engine_of(url: URL, *, pooler: bool = False) -> Engine:
    """Each connection is its user's own for as long as it lives; nothing is pooled here."""
    arguments = dict(ALIVE, tcp_user_timeout=UNACKNOWLEDGED, connect_timeout=CONNECT, application_name="headrace")
    if pooler:
        arguments["prepare_threshold"] = None  # the next transaction may run in another session
    engine = sqlalchemy.create_engine(
        url,
        poolclass=NullPool,
        connect_args={name: value for name, value in arguments.items() if name not in url.query},
        hide_parameters=True,  # an error that is logged must not show what a row holds
        use_native_hstore=False,
        isolation_level="READ COMMITTED",
    )
    if not pooler:
        event.listen(engine, "connect", lambda raw, _record: _set_up(raw))
    return engine


def conninfo(url: URL) -> str:
    """For psycopg itself."""
    arguments: dict[str, str | int] = {**ALIVE, "tcp_user_timeout": UNACKNOWLEDGED, "connect_timeout": CONNECT,
                                       "application_name": "headrace"}  # fmt: skip
    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    parts: dict[str, str | int | None] = {
        "host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database,
    }  # fmt: skip
    chosen: dict[str, str | int | None] = {**arguments, **parts, **query}
    return make_conninfo("", **{name: value for name, value in chosen.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a first look at a database has shown."""

    version: str
    sessions: bool  # whether locks and LISTEN may be held beyond a transaction


def look(url: URL, sessions: str) -> Seen:
    """A first look at the database and at what stands before it.

    `sessions`: "auto", or "on" and "off" from whoever knows better. Raises StorageFailed: no connection, too old a
    server, text in another form than UTF-8; Unsupported: sessions are asked for where a pooler has none.
    """
    engine = engine_of(url, pooler=True)
    try:
        with engine.connect() as one, engine.connect() as two:
            version = _check(one)
            pooled = _goes_through_pooler(one)
            if sessions == "on" and pooled and _share_a_session(one, two):
                raise Unsupported(NO_SESSIONS)
            return Seen(version, sessions=not pooled if sessions == "auto" else sessions == "on")
    except DBAPIError as error:
        raise StorageFailed(
            f"the database cannot be opened: {str(error.orig).strip()}", technical=str(error.orig)
        ) from error
    finally:
        engine.dispose()


def _check(connection: sqlalchemy.Connection) -> str:
    """The version of the server."""
    number = int(connection.scalar(sqlalchemy.text("show server_version_num")) or 0)
    version = str(connection.scalar(sqlalchemy.text("show server_version")))
    if number < OLDEST:
        raise StorageFailed(f"this PostgreSQL is version {version}; Headrace needs 15 or newer")
    encoding = connection.scalar(sqlalchemy.text("show server_encoding"))
    if encoding != "UTF8":
        raise StorageFailed(
            f"this database keeps its text as {encoding}; Headrace needs UTF8: make it with"
            " createdb --encoding=UTF8 --template=template0"
        )
    return version


def _goes_through_pooler(connection: sqlalchemy.Connection) -> bool:
    """A pooler gives its clients a number of its own for the process that serves them."""
    raw = connection.connection.driver_connection
    told = raw.info.backend_pid if isinstance(raw, Raw) else 0
    return bool(told != connection.scalar(sqlalchemy.text("select pg_backend_pid()")))


def _share_a_session(*connections: sqlalchemy.Connection) -> bool:
    """Two that are open at the same time and meet in one process are given it for a transaction each."""
    processes = []
    for connection in connections:
        connection.rollback()
        processes.append(connection.scalar(sqlalchemy.text("select pg_backend_pid()")))
        connection.rollback()
    return len(set(processes)) < len(processes)


def _set_up(raw: Raw) -> None:
    raw.execute(_SET_UP)
    raw.commit()


async def set_up_session(raw: AsyncConnection) -> None:
    await raw.execute(_SET_UP)
