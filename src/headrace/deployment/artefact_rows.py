"""SQL <-> what was brought in, packed and kept as a body, so that every server can have it."""

from sqlalchemy import BigInteger, Column, String, Table, delete, insert, select

from headrace.domain.body import BlobRef
from headrace.domain.clock import Millis
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

artefact = Table(
    "artefact",
    metadata,
    Column("name", String, primary_key=True),  # as the recipe has it: the folder, or the image's digest
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
)


def put(tx: Tx, name: str, body: BlobRef, now: Millis) -> None:
    tx.execute(delete(artefact).where(artefact.c.name == name))
    tx.execute(insert(artefact).values(name=name, digest=body.digest, size=body.size, created=now))


def find(tx: Tx, name: str) -> BlobRef | None:
    row = tx.execute(select(artefact).where(artefact.c.name == name)).one_or_none()
    return None if row is None else BlobRef(row.digest, row.size)


def remove_all_but(tx: Tx, names: set[str], before: Millis) -> None:
    """Of those that were packed before that time: a younger one may belong to an import that is not over yet."""
    for name in set(tx.scalars(select(artefact.c.name).where(artefact.c.created < before))) - names:
        tx.execute(delete(artefact).where(artefact.c.name == name))


def kept_artefacts(tx: Tx) -> set[str]:
    """Digests that the sweep of unused bodies must leave."""
    return set(tx.scalars(select(artefact.c.digest)))
