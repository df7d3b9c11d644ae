"""SQL <-> test inputs: small bodies in the row, large ones by the name of their blob."""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from headrace.catalog.version_rows import model_versions
from headrace.domain.body import BlobRef, Body
from headrace.domain.ids import VersionKey
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

test_inputs = Table(
    "test_inputs",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("filename", String, nullable=False),
    Column("inline", LargeBinary, nullable=True),
    Column("digest", String, nullable=True),
    Column("size", BigInteger, nullable=False),
    ForeignKeyConstraint(["model", "version"], [model_versions.c.model, model_versions.c.version]),
)


def put(tx: Tx, key: VersionKey, name: str, filename: str, body: Body) -> int:
    """How many the version has now."""
    values = {"filename": filename, **_values(body)}
    changed = tx.execute(update(test_inputs).where(_is(key), test_inputs.c.name == name).values(**values))
    if changed.rowcount == 0:
        tx.execute(insert(test_inputs).values(model=key.model, version=key.version, name=name, **values))
    return tx.execute(select(func.count()).select_from(test_inputs).where(_is(key))).scalar_one()


def bodies(tx: Tx, key: VersionKey) -> dict[str, Body]:
    found = tx.execute(select(test_inputs).where(_is(key)).order_by(test_inputs.c.name))
    return {row.name: _to_body(row) for row in found}


def filenames(tx: Tx, key: VersionKey) -> dict[str, str]:
    found = tx.execute(select(test_inputs.c.name, test_inputs.c.filename).where(_is(key)).order_by(test_inputs.c.name))
    return {row.name: row.filename for row in found}


def remove(tx: Tx, key: VersionKey, name: str) -> bool:
    return tx.execute(delete(test_inputs).where(_is(key), test_inputs.c.name == name)).rowcount == 1


def blobs_in_use(tx: Tx) -> set[str]:
    found = tx.execute(select(test_inputs.c.digest).where(test_inputs.c.digest.is_not(None)))
    return {row.digest for row in found}


def _is(key: VersionKey) -> ColumnElement[bool]:
    return and_(test_inputs.c.model == key.model, test_inputs.c.version == key.version)


def _values(body: Body) -> dict[str, object]:
    if isinstance(body, BlobRef):
        return {"inline": None, "digest": body.digest, "size": body.size}
    return {"inline": body, "digest": None, "size": len(body)}


def _to_body(row: Row[tuple[object, ...]]) -> Body:
    return BlobRef(row.digest, row.size) if row.digest is not None else bytes(row.inline)
