"""Open what the settings name: the database at its newest schema, and the store of large bodies."""

import importlib
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from headrace.domain.errors import StorageFailed, Unsupported
from headrace.settings import StorageSettings
from headrace.storage.blobs import BlobStore, FolderBlobs
from headrace.storage.migrations import HEAD
from headrace.storage.secrets import secret
from headrace.storage.sqlite import Sqlite


def open_database(settings: StorageSettings, data: Path) -> Sqlite:
    """Raises StorageFailed for a file that a newer Headrace wrote, Unsupported for another kind of URL."""
    if settings.url and not settings.url.startswith("sqlite:///"):
        raise Unsupported(f"storage.url {settings.url!r} is not understood: leave it empty, or write sqlite:///PATH")
    path = Path(settings.url.removeprefix("sqlite:///")) if settings.url else data / "headrace.db"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Sqlite(path, settings.readers)
    try:
        with database.engine.connect() as connection, connection.begin():
            _bring_up(connection)
    except BaseException:
        database.close()
        raise
    path.chmod(0o600)
    return database


def _bring_up(connection: Connection) -> None:
    known = inspect(connection).has_table("alembic_version")
    revision = connection.scalar(text("select version_num from alembic_version")) if known else None
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise StorageFailed(
            f"this database has schema {revision} and this Headrace knows schemas up to {HEAD}: "
            "it was written by a newer Headrace. Start that one, or restore a backup from before its upgrade"
        )
    importlib.import_module("headrace.storage.migrate").upgrade(connection)  # rarely needed, and slow to load


def open_blobs(settings: StorageSettings, data: Path) -> BlobStore:
    """Raises Unsupported when the object store's library is not installed."""
    key = secret(data / "secrets", "blobs.key")
    if not settings.blobs:
        return FolderBlobs(data / "blobs", key)
    try:
        objects = importlib.import_module("headrace.storage.object_blobs")  # an optional extra
    except ImportError:
        raise Unsupported("storage.blobs names an object store: pip install 'headrace[objects]'") from None
    blobs: BlobStore = objects.ObjectBlobs(objects.open_store(settings.blobs), key, data / "scratch")
    return blobs
