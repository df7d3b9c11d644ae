"""Open what the settings name: the database at its newest schema, and the store of large bodies."""

import importlib
import logging
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from headrace import faults
from headrace.domain.errors import StorageFailed, Unsupported
from headrace.settings import StorageSettings
from headrace.storage.blobs import BlobStore, FolderBlobs
from headrace.storage.database import OpenDatabase
from headrace.storage.migrations import HEAD
from headrace.storage.schema_revision import check_revision, revision_of
from headrace.storage.secrets import secret
from headrace.storage.servers import Servers
from headrace.storage.sqlite import Sqlite

logger = logging.getLogger(__name__)

POSTGRESQL = ("postgresql://", "postgres://")
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


def _postgres(settings: StorageSettings) -> OpenDatabase:
    try:
        connecting = importlib.import_module("headrace.storage.postgresql.connecting")  # an optional extra
        postgresql = importlib.import_module("headrace.storage.postgresql.database")
    except ImportError:
        raise Unsupported("storage.url names a PostgreSQL: pip install 'headrace[postgres]'") from None
    url = connecting.parse(settings.url)
    pooler = connecting.look(url, settings.sessions)
    database: OpenDatabase = postgresql.Postgres(url, settings.writers, settings.readers, pooler=pooler)
    return database


def _bring_up(connection: Connection, data: Path) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATING})  # one server at a time
    revision = revision_of(connection)
    if revision == HEAD:
        return
    check_revision(revision)
    if revision is not None:
        kept = importlib.import_module("headrace.storage.backup.make").before_upgrade(connection, data)
        logger.info(
            "the schema is about to change from %s to %s; the rows as they were are in %s", revision, HEAD, kept
        )
    importlib.import_module("headrace.storage.migrate").upgrade(connection)  # rarely needed, and slow to load


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
