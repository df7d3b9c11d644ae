"""SQL <-> the servers that share a database."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from headrace.domain.clock import Millis
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

server = Table(
    "server",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("lock", Integer, nullable=False),  # the number of its advisory lock
    Column("session", Boolean, nullable=False),  # whether it holds that lock for as long as it lives
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),  # grows while the server lives
    Column("leads", Boolean, nullable=False),  # heeded by servers without a session
    Column("told", LargeBinary, nullable=False),  # what it lets the others know
)


@dataclass(frozen=True, slots=True)
class ServerRow:
    id: str
    lock: int
    session: bool
    host: str
    pid: int
    started: Millis
    seen: Millis
    beat: int
    leads: bool
    told: bytes


def put(tx: Tx, row: ServerRow) -> None:
    """In place of the one before."""
    values = {name: getattr(row, name) for name in ServerRow.__dataclass_fields__}
    if tx.execute(update(server).where(server.c.id == row.id).values(values)).rowcount == 0:
        tx.execute(insert(server).values(values))


def every(tx: Tx) -> list[ServerRow]:
    return [_to_row(row) for row in tx.execute(select(server).order_by(server.c.id))]


def find(tx: Tx, identifier: str) -> ServerRow | None:
    row = tx.execute(select(server).where(server.c.id == identifier)).one_or_none()
    return None if row is None else _to_row(row)


def remove_unseen(tx: Tx, before: Millis) -> None:
    """Those who were last seen before that time."""
    tx.execute(delete(server).where(server.c.seen < before))


def _to_row(row: Row[tuple[object, ...]]) -> ServerRow:
    return ServerRow(
        id=row.id, lock=row.lock, session=row.session, host=row.host, pid=row.pid, started=row.started,
        seen=row.seen, beat=row.beat, leads=row.leads, told=row.told,
    )  # fmt: skip
