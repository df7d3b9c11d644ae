"""SQL <-> Version: the columns that loops ask for, and the whole as one JSON document."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from headrace.catalog import rows, version_documents
from headrace.domain.errors import Conflict, NotFound, TooLarge
from headrace.domain.ids import VersionKey, version_order
from headrace.domain.version import StepState, Version, VersionStatus
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

LARGEST = 8 << 20  # bytes of a version's document

_UNDER_WAY = frozenset({StepState.WAITING, StepState.RUNNING})

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", String, ForeignKey(rows.models.c.id), primary_key=True),
    Column("version", String, primary_key=True),
    Column("status", String, nullable=False, index=True),
    Column("unfinished", Boolean, nullable=False, index=True),  # a step of the deployment waits or runs
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)


def insert_version(tx: Tx, version: Version) -> None:
    """The model's lists of versions are renewed with it. Raises Conflict."""
    key = version.key
    try:
        tx.execute(insert(model_versions).values(model=key.model, version=key.version, **_values(version)))
    except IntegrityError:
        raise Conflict(f"Version {key.version} of model {key.model} already exists") from None
    _renew_lists(tx, key.model)


def save(tx: Tx, version: Version, *, lists: bool) -> None:
    """`lists`: the status has changed, so the model's lists of versions must be renewed."""
    tx.execute(update(model_versions).where(_is(version.key)).values(**_values(version)))
    if lists:
        _renew_lists(tx, version.key.model)


def load(tx: Tx, key: VersionKey, *, lock: bool = False) -> Version:
    query = select(model_versions.c.document).where(_is(key))
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"Version {key.version} of model {key.model} not found")
    return _to_version(row)


def published_beside(tx: Tx, key: VersionKey) -> list[Version]:
    """The active versions of the model but this one. All its versions are locked: nobody publishes now."""
    mine = model_versions.c.model == key.model
    tx.execute(select(model_versions.c.version).where(mine).order_by(model_versions.c.version).with_for_update()).all()
    others = and_(mine, model_versions.c.version != key.version, model_versions.c.status == VersionStatus.ACTIVE.value)
    return [_to_version(row) for row in tx.execute(select(model_versions.c.document).where(others))]


def of_model(tx: Tx, model: str) -> list[Version]:
    found = tx.execute(select(model_versions.c.document).where(model_versions.c.model == model))
    return [_to_version(row) for row in found]


def of_models(tx: Tx, models: Sequence[str]) -> list[Version]:
    found = tx.execute(select(model_versions.c.document).where(model_versions.c.model.in_(models)))
    return [_to_version(row) for row in found]


def every(tx: Tx) -> list[Version]:
    return [_to_version(row) for row in tx.execute(select(model_versions.c.document))]


def active(tx: Tx) -> list[Version]:
    wanted = model_versions.c.status == VersionStatus.ACTIVE.value
    return [_to_version(row) for row in tx.execute(select(model_versions.c.document).where(wanted))]


def unfinished(tx: Tx) -> list[Version]:
    found = tx.execute(
        select(model_versions.c.document).where(model_versions.c.unfinished).order_by(model_versions.c.updated)
    )
    return [_to_version(row) for row in found]


def _renew_lists(tx: Tx, model: str) -> None:
    stored = rows.load(tx, model, lock=True)
    found = tx.execute(
        select(model_versions.c.version, model_versions.c.status).where(model_versions.c.model == model)
    ).all()
    by_order = sorted(found, key=lambda row: version_order(row.version))
    versions = tuple(row.version for row in by_order if row.status != VersionStatus.DELETED.value)
    live = tuple(row.version for row in by_order if row.status == VersionStatus.ACTIVE.value)
    rows.save(tx, replace(stored, versions=versions, active_versions=live))


def _is(key: VersionKey) -> ColumnElement[bool]:
    return and_(model_versions.c.model == key.model, model_versions.c.version == key.version)


def _values(version: Version) -> dict[str, object]:
    document = version_documents.write(version)
    if len(document) > LARGEST:
        raise TooLarge(f"the fields of version {version.key} are larger than {LARGEST} bytes together")
    steps = (version.image_step, version.load, version.run)
    return {
        "status": version.status.value,
        "unfinished": any(step.state in _UNDER_WAY for step in steps),
        "created": version.created,
        "updated": version.updated,
        "document": document,
    }


def _to_version(row: Row[tuple[bytes]]) -> Version:
    return version_documents.read(row.document)
