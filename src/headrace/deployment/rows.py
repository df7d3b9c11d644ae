"""What is being brought in and from where: kept until it is in, so that a restart can go on."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, Column, String, Table, delete, insert, select

from headrace.domain.ids import VersionKey
from headrace.storage.database import Tx
from headrace.storage.schema import metadata


class SourceForm(StrEnum):
    ARCHIVE = "archive"  # a file of ours, removed when it is unpacked
    BODY = "body"  # the same as a body, where servers share nothing but a bucket; `path` is its digest
    FOLDER = "folder"  # a folder of the operator's, only read
    REGISTRY = "registry"  # a container image; `path` is its reference


@dataclass(frozen=True, slots=True)
class ImageSource:
    key: VersionKey
    form: SourceForm
    path: str
    filename: str  # what the caller called it
    size: int
    sealed: str = ""  # the registry's credentials, under a key that is not in the database; gone when the image is in

    @property
    def uploaded(self) -> bool:
        """Whether it is an archive that we keep until it is brought in."""
        return self.form in {SourceForm.ARCHIVE, SourceForm.BODY}


image_sources = Table(
    "image_sources",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("form", String, nullable=False),
    Column("path", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sealed", String, nullable=False),
)


def put(tx: Tx, source: ImageSource) -> ImageSource | None:
    """In place of the one before, which is returned."""
    before = get(tx, source.key)
    remove(tx, source.key)
    tx.execute(
        insert(image_sources).values(
            model=source.key.model,
            version=source.key.version,
            form=source.form.value,
            path=source.path,
            filename=source.filename,
            size=source.size,
            sealed=source.sealed,
        )
    )
    return before


def get(tx: Tx, key: VersionKey) -> ImageSource | None:
    row = tx.execute(
        select(image_sources).where(image_sources.c.model == key.model, image_sources.c.version == key.version)
    ).one_or_none()
    if row is None:
        return None
    return ImageSource(key, SourceForm(row.form), row.path, row.filename, row.size, row.sealed)


def remove(tx: Tx, key: VersionKey) -> None:
    tx.execute(delete(image_sources).where(image_sources.c.model == key.model, image_sources.c.version == key.version))


def remove_all_but(tx: Tx, kept: set[VersionKey]) -> None:
    for row in tx.execute(select(image_sources.c.model, image_sources.c.version)).all():
        if (key := VersionKey(row.model, row.version)) not in kept:
            remove(tx, key)


def kept_archives(tx: Tx) -> set[str]:
    """Digests that the sweep of unused bodies must leave."""
    wanted = image_sources.c.form == SourceForm.BODY.value
    return set(tx.scalars(select(image_sources.c.path).where(wanted)))


def kept_files(tx: Tx) -> dict[str, None]:
    """The archives that lie in a folder, by their names there: all of each."""
    return {path.rpartition("/")[2]: None for path in paths(tx)}


def paths(tx: Tx) -> set[str]:
    """Of the archives that are still needed."""
    wanted = image_sources.c.form == SourceForm.ARCHIVE.value
    return set(tx.scalars(select(image_sources.c.path).where(wanted)))
