"""Is everything there, and as it was written? A backup is held to its manifest, a living database to what it says."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, and_, exists, func, select, text

from headrace.domain.body import BlobRef, BodyStore
from headrace.domain.errors import HeadraceError, Invalid
from headrace.storage.backup import manifest, rows
from headrace.storage.backup.make import BODIES, ROWS, Named
from headrace.storage.database import OpenDatabase

SHOWN = 5  # broken references of one kind that are named


def of_backup(folder: Path) -> Iterator[str]:
    """A sentence for each fault. Raises NotFound for what is no backup, Invalid for a manifest that was changed."""
    found = manifest.read(folder)
    yield from manifest.faults(folder, found)
    for table, expected in found.tables.items():
        try:
            count = sum(len(frame) for frame in rows.read(folder / ROWS / table)) - _columns(folder / ROWS / table)
        except (Invalid, OSError, ValueError) as error:
            yield f"{ROWS}/{table} cannot be read: {error}"
            continue
        if count != expected:
            yield f"{ROWS}/{table} has {count} rows, not {expected}"


def _columns(path: Path) -> int:
    return len(next(rows.read(path), ()))


async def of_database(database: OpenDatabase, bodies: BodyStore, named: Sequence[Named]) -> AsyncIterator[str]:
    """Structure, references, and every large body by its content."""
    for sentence in await database.read(lambda tx: [*_structure(tx), *_references(tx)]):
        yield sentence
    for digest in sorted(await database.read(lambda tx: {one for name in named for one in name(tx)})):
        try:
            async for _ in bodies.pieces(BlobRef(digest, 0)):
                pass
        except HeadraceError as error:
            yield f"{BODIES}/{digest}: {error.message}"


def _structure(tx: Connection) -> Iterator[str]:
    if tx.dialect.name == "sqlite":
        for line in tx.scalars(text("pragma integrity_check")):
            if line != "ok":
                yield f"integrity_check: {line}"
    else:
        for table in rows.tables(tx):  # every page is read, and checked where the server keeps checksums
            tx.execute(
                select(func.count(), func.sum(func.pg_column_size(text(f'"{table.name}".*')))).select_from(table)
            )


def _references(tx: Connection) -> Iterator[str]:
    """Rows that point to rows that are not there."""
    for table in rows.tables(tx):
        for key in table.foreign_key_constraints:
            pairs = [(element.parent, element.column) for element in key.elements]
            other = key.referred_table
            lost = (
                select(*(column for column, _ in pairs))
                .where(and_(*(column.is_not(None) for column, _ in pairs)))
                .where(~exists().where(and_(*(column == there for column, there in pairs))).correlate(table))
                .limit(SHOWN)
            )
            for row in tx.execute(lost):
                yield f"a row of {table.name} names {other.name} {tuple(row)}, which is not there"
