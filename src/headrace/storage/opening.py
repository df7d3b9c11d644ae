"""Open what the settings name: the database at its newest schema, and the store of large bodies."""

import importlib
import logging
from pathlib import Path
from types import ModuleType

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from headrace import faults
from headrace.domain.errors import StorageFailed, Unsupported
from headrace.settings import StorageSettings
from headrace.storage.blobs import BlobStore, FolderBlobs
from headrace.storage.database import OpenDatabase
from headrace.storage.migrations import HEAD, NEWEST
from headrace.storage.schema_revision import check_revision, is_new, revision_of
from headrace.storage.secrets import secret
from headrace.storage.servers import Servers
from headrace.storage.sqlite import Sqlite

logger = logging.getLogger(__name__)

POSTGRESQL = ("postgresql://", "postgres://")
POOLER = (
    "there is a pooler between this server and PostgreSQL: it works without session locks and LISTEN, so a dead server"
    " is known after 30 seconds instead of one, and changes at other servers are seen within a second"
)
MIGRATING = 7_226_120_515_880_601_921  # the advisory lock of whoever changes the schema


def open_database(settings: StorageSettings, data: Path) -> OpenDatabase:
    """Raises StorageFailed for a database that a newer Headrace wrote, Unsupported for another kind of URL."""
    database = connect(settings, data)
    try:
        with database.engine.connect() as connection, connection.begin():
            _bring_up(connection, data)
    except DBAPIError as error:
        database.close()
        raise StorageFailed(f"the database cannot be opened: {error.orig}", technical=str(error.orig)) from error
    except BaseException:
        database.close()
        raise
    faults.point("opening.committed")
    return database


def connect(settings: StorageSettings, data: Path) -> OpenDatabase:
    """The database as it is, whatever its schema. Raises StorageFailed, Unsupported."""
    if settings.url.startswith(POSTGRESQL):
        return _postgres(settings)
    if settings.url and not settings.url.startswith("sqlite:///"):
        raise Unsupported(
            f"storage.url {settings.url.partition(':')[0]}:… is not understood: leave it empty, or write sqlite:///PATH"
            " or postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    path = sqlite_path(settings, data)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    return Sqlite(path, settings.readers)


def servers_of(database: OpenDatabase, settings: StorageSettings) -> Servers:
    """Those who share the database; only a PostgreSQL can be shared."""
    if database.dialect != "postgresql":
        return Servers()
    shared = importlib.import_module("headrace.storage.postgresql.servers")
    connecting = importlib.import_module("headrace.storage.postgresql.connecting")
    servers: Servers = shared.SharedServers(database, connecting.parse(settings.url), sessions=database.sessions)
    return servers


def sqlite_path(settings: StorageSettings, data: Path) -> Path:
    return Path(settings.url.removeprefix("sqlite:///")) if settings.url else data / "headrace.db"


def describe(settings: StorageSettings) -> tuple[bool, str]:
    """Of a PostgreSQL: whether all is well with it, and what it is. Raises StorageFailed, Unsupported."""
    connecting, _ = _postgresql()
    seen = connecting.look(connecting.parse(settings.url), settings.sessions)
    return seen.sessions, f"PostgreSQL {seen.version}" + ("" if seen.sessions else f"; {POOLER}")


def _postgres(settings: StorageSettings) -> OpenDatabase:
    connecting, postgresql = _postgresql()
    url = connecting.parse(settings.url)
    sessions = connecting.look(url, settings.sessions).sessions
    if not sessions:
        logger.info("%s", POOLER)
    database: OpenDatabase = postgresql.Postgres(url, settings.writers, settings.readers, pooler=not sessions)
    return database


def _postgresql() -> tuple[ModuleType, ModuleType]:
    try:
        connecting = importlib.import_module("headrace.storage.postgresql.connecting")  # an optional extra
        return connecting, importlib.import_module("headrace.storage.postgresql.database")
    except ImportError:
        raise Unsupported("storage.url names a PostgreSQL: pip install 'headrace[postgres]'") from None


def _bring_up(connection: Connection, data: Path) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATING})  # one server at a time
    revision = revision_of(connection)
    if revision == HEAD:
        return
    if connection.dialect.name == "sqlite" and is_new(connection):
        _make_newest(connection)
        return
    check_revision(revision)
    if revision is not None:
        kept = importlib.import_module("headrace.storage.backup.make").before_upgrade(connection, data)
        logger.info(
            "the schema is about to change from %s to %s; the rows as they were are in %s", revision, HEAD, kept
        )
    importlib.import_module("headrace.storage.migrate").upgrade(connection)  # rarely needed, and slow to load


def _make_newest(connection: Connection) -> None:
    """A new file needs no history. Alembic and its revisions would take a quarter of the time of the first start."""
    for statement in NEWEST.read_text().split(";\n")[:-1]:
        connection.execute(text(statement))
    connection.execute(text("insert into alembic_version values (:head)"), {"head": HEAD})


def open_blobs(settings: StorageSettings, data: Path, *, beside: bool = False) -> BlobStore:
    """`beside`: a server may be at work there. Raises Unsupported when the object store's library is not installed."""
    key = secret(data / "secrets", "blobs.key")
    if not settings.blobs:
        return FolderBlobs(data / "blobs", key, shared=beside)
    if settings.blobs.startswith("/"):
        return FolderBlobs(Path(settings.blobs), key, shared=True)
    try:
        objects = importlib.import_module("headrace.storage.object_blobs")  # an optional extra
    except ImportError:
        raise Unsupported("storage.blobs names an object store: pip install 'headrace[objects]'") from None
    scratch = data / ("scratch-beside" if beside else "scratch")
    blobs: BlobStore = objects.ObjectBlobs(objects.open_store(settings.blobs), key, scratch)
    return blobs
