"""Make a backup while the server runs: the rows as they are at one moment, and every body that they name.

Bodies never change and are deleted only a day after nobody names them, so they may be copied after the rows. Files of
open jobs and uploaded archives go with their rows: see passing.py.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from headrace.domain.body import BlobRef, BodyStore
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, NotFound, StorageFailed
from headrace.settings import Settings
from headrace.storage.backup import manifest, rows
from headrace.storage.backup.manifest import File, Manifest
from headrace.storage.backup.passing import NamedFiles, Passing
from headrace.storage.database import OpenDatabase, Tx
from headrace.storage.disk import disk, sync_folder
from headrace.storage.migrations import HEAD
from headrace.storage.schema_revision import revision_of

FAILED = "the backup could not be written"
ROWS, BODIES, DATA = "rows", "bodies", "data"
LEFT_OUT = ("tmp", "partial", "archives", "roots")  # of images: under way, or made again when it is missing
Named = Callable[[Tx], set[str]]
Dumped = tuple[str, dict[str, int], set[str]]  # revision, rows of each table, digests of bodies


@dataclass(frozen=True, slots=True)
class Names:
    """What the rows of all rooms name outside the database.

    `files`: by the places of those that go with their rows (see passing.py).
    """

    bodies: Sequence[Named] = ()
    files: Mapping[str, NamedFiles] = field(default_factory=dict)


def places(settings: Settings) -> dict[str, Path]:
    """What is kept of files, by its name below data/ in a backup. All else is in the rows, or can be made again."""
    data, blobs = settings.data, settings.storage.blobs
    shared = Path(blobs) if blobs.startswith("/") else data
    kept = {name: data / name for name in ("secrets", "models", "images")}
    return kept | {"imports": shared / "imports", "spool/jobs": shared / "spool" / "jobs"}


async def backup(
    database: OpenDatabase, bodies: BodyStore | None, settings: Settings, target: Path, names: Names
) -> Manifest:
    """`bodies` None leaves the large bodies where they are. Raises Conflict when `target` is there, StorageFailed."""
    with disk(FAILED):
        _begin(target)
        revision, counts, digests = await _rows_and_files(database, settings, target, names)
        if bodies is not None:
            for digest in sorted(digests):
                await _copy_body(bodies, digest, target / BODIES / digest[:2] / digest[2:4] / digest)
        for name in places(settings).keys() - names.files.keys():
            _copy_folder(places(settings)[name], target / DATA / name)
        return _sealed(target, database.dialect, revision, counts, bodies=bodies is not None)


def before_upgrade(tx: Tx, data: Path) -> Path:
    """The rows alone, of a database whose schema is about to change. Raises StorageFailed."""
    target = data / "backups" / f"before-{HEAD}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with disk(FAILED):
        _begin(target)
        revision, counts, _ = _dump(tx, target / ROWS, Names())
        _sealed(target, tx.dialect.name, revision, counts, bodies=False)
    return target


def _begin(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"{target} is there already: name a folder that is not")
    (target / ROWS).mkdir(parents=True, mode=0o700)
    target.chmod(0o700)


def _sealed(target: Path, dialect: str, revision: str, counts: dict[str, int], *, bodies: bool) -> Manifest:
    files = tuple(_described(path, target) for path in sorted(target.rglob("*")) if path.is_file())
    os.sync()
    made = Manifest(manifest.FORMAT, now(), version("headrace"), dialect, revision, counts, bodies, files)
    manifest.write(target, made)
    sync_folder(target.parent)
    return made


async def _rows_and_files(database: OpenDatabase, settings: Settings, target: Path, names: Names) -> Dumped:
    """At one moment, which is a later one as long as files go before they are copied."""
    folders = places(settings)
    passing = [Passing(folders[name], target / DATA / name, named) for name, named in names.files.items()]

    def moment(tx: Tx) -> Dumped | None:
        if revision_of(tx) is not None and not all(one.copy(tx) for one in passing):
            return None
        return _dump(tx, target / ROWS, names)

    dumped: Dumped | None = None
    while dumped is None:
        dumped = await database.read(moment)
    return dumped


def _dump(tx: Tx, folder: Path, names: Names) -> Dumped:
    """May be run again when the connection broke: then it begins from nothing."""
    revision = revision_of(tx)
    if revision is None:
        raise NotFound("there is nothing to back up: this database has no tables of ours")
    for left_over in folder.iterdir():
        left_over.unlink()
    counts = {table.name: rows.dump(tx, table, folder / table.name) for table in rows.tables(tx)}
    return revision, counts, {digest for name in names.bodies for digest in name(tx)}


async def _copy_body(bodies: BodyStore, digest: str, target: Path) -> None:
    """What is read is compared with its name on the way. Raises StorageFailed."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with target.open("xb") as file:
        try:
            async for piece in bodies.pieces(BlobRef(digest, 0)):
                file.write(piece)
        except NotFound:
            raise StorageFailed(f"the body {digest} is named by a row and is not there") from None


def _copy_folder(source: Path, target: Path) -> None:
    if source.is_dir():
        hidden = shutil.ignore_patterns(".*", *(LEFT_OUT if source.name == "images" else ()))
        shutil.copytree(source, target, symlinks=True, ignore=hidden)


def _described(path: Path, folder: Path) -> File:
    size, digest = manifest.digest_of(path)
    return File(str(path.relative_to(folder)), size, digest, path.stat().st_mode & 0o777)
