"""SQL <-> which server works on which step of a deployment."""

from sqlalchemy import Column, ColumnElement, String, Table, delete, insert, select

from headrace.domain.ids import VersionKey
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

step_turn = Table(
    "step_turn",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("server", String(64), nullable=False),
)


def holder(tx: Tx, kind: str, key: VersionKey) -> str | None:
    found: str | None = tx.scalar(select(step_turn.c.server).where(*_is(kind, key)))
    return found


def put(tx: Tx, kind: str, key: VersionKey, server: str) -> None:
    remove(tx, kind, key)
    tx.execute(insert(step_turn).values(model=key.model, version=key.version, kind=kind, server=server))


def remove(tx: Tx, kind: str, key: VersionKey, server: str | None = None) -> None:
    mine = _is(kind, key) if server is None else [*_is(kind, key), step_turn.c.server == server]
    tx.execute(delete(step_turn).where(*mine))


def _is(kind: str, key: VersionKey) -> list[ColumnElement[bool]]:
    return [step_turn.c.model == key.model, step_turn.c.version == key.version, step_turn.c.kind == kind]
