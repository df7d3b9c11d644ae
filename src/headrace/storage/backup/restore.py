"""Bring a backup to a place where nothing is yet. Every byte is compared with the manifest on its way."""

import importlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import blake3

from headrace.domain.errors import Conflict, Invalid
from headrace.settings import Settings
from headrace.storage.backup import manifest, rows
from headrace.storage.backup.make import BODIES, DATA, ROWS, places
from headrace.storage.backup.manifest import PIECE, File, Manifest
from headrace.storage.blobs import BlobStore
from headrace.storage.disk import disk, write_durably
from headrace.storage.opening import connect, open_blobs, sqlite_path
from headrace.storage.schema_revision import check_revision


async def restore(folder: Path, settings: Settings) -> Manifest:
    """Raises NotFound, Invalid for a backup that is not whole, Conflict for a place not empty, StorageFailed."""
    found = manifest.read(folder)
    check_revision(found.revision)
    _check_place(found, settings)
    with disk("the backup could not be restored"):
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, place in places(settings).items():
            for file in _below(found, f"{DATA}/{name}/"):
                _copy(folder, file, place / Path(file.path).relative_to(f"{DATA}/{name}"))
        if found.bodies:
            bodies = open_blobs(settings.storage, settings.data)
            for file in _below(found, f"{BODIES}/"):
                await _put(folder, file, bodies)
    for file in _below(found, f"{ROWS}/"):
        _check(folder, file)
    _load(folder, found, settings)
    return found


def _below(found: Manifest, start: str) -> list[File]:
    return [file for file in found.files if file.path.startswith(start)]


def _check_place(found: Manifest, settings: Settings) -> None:
    data = settings.data
    if any(file.path.startswith(f"{DATA}/") for file in found.files) and data.is_dir():
        there = [name for name, place in places(settings).items() if place.exists() and any(place.iterdir())]
        if there:
            raise Conflict(f"{data} is not empty ({', '.join(there)}): restore into a folder that is not there yet")
    if not settings.storage.url and sqlite_path(settings.storage, data).exists():
        raise Conflict(f"{sqlite_path(settings.storage, data)} is there already: move it away, or name another folder")


def _copy(folder: Path, file: File, target: Path) -> None:
    _check(folder, file)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if target.parent.name == "secrets":
        write_durably(target, (folder / file.path).read_bytes(), mode=file.mode)
    else:
        shutil.copyfile(folder / file.path, target)
        target.chmod(file.mode)


def _check(folder: Path, file: File) -> None:
    path = folder / file.path
    if not path.is_file() or manifest.digest_of(path) != (file.size, file.digest):
        raise Invalid(f"{file.path} of this backup is missing or was changed: nothing can be restored from it")


async def _put(folder: Path, file: File, bodies: BlobStore) -> None:
    ref = await bodies.put(_pieces(folder / file.path, file), file.size)
    if ref.digest != Path(file.path).name:
        raise Invalid(f"{file.path} of this backup does not fit its name under the secret blobs.key that came with it")


async def _pieces(path: Path, expected: File) -> AsyncIterator[bytes]:
    hasher = blake3.blake3()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            yield piece
    if hasher.hexdigest() != expected.digest:
        raise Invalid(f"{expected.path} of this backup was changed: nothing can be restored from it")


def _load(folder: Path, found: Manifest, settings: Settings) -> None:
    """All rows in one transaction. The schema is that of the backup; the next start brings it to the newest."""
    database = connect(settings.storage, settings.data)
    try:
        with database.engine.connect() as connection, connection.begin():
            if not rows.is_empty(connection):
                raise Conflict("the database that storage.url names is not empty: restore into a new one")
            importlib.import_module("headrace.storage.migrate").upgrade(connection, found.revision)
            tables = rows.tables(connection)
            for table in tables:
                count = rows.load(connection, table, folder / ROWS / table.name)
                if count != found.tables.get(table.name):
                    raise Invalid(f"{table.name} of this backup has {count} rows, not {found.tables.get(table.name)}")
            rows.count_on(connection, tables)
    finally:
        database.close()
