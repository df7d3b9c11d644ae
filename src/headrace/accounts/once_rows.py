"""SQL <-> requests with an Idempotency-Key: who is at one, what it made, and what it was answered."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    select,
    text,
    update,
)

from headrace.domain.clock import Millis
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

once = Table(
    "once",
    metadata,
    Column("id", String(64), primary_key=True),  # hash of caller and key: a key is nobody else's business
    Column("route", Text, nullable=False),
    Column("print", String(64), nullable=False),  # hash of path and body; "" while a large body is still on its way
    Column("server", String(64), nullable=False),  # who is at it
    Column("made", Text),  # written together with what the request made
    Column("status", Integer),  # of the answer
    Column("media_type", Text),
    Column("body", LargeBinary),  # deflated
    Column("created", BigInteger, nullable=False),
)
Index("ix_once_created", once.c.created)

_BEGIN = text(
    "insert into once (id, route, print, server, created) values (:id, :route, :print, :server, :created)"
    " on conflict do nothing"
)


@dataclass(frozen=True, slots=True)
class Entry:
    route: str
    print: str
    server: str
    made: str | None
    status: int | None
    media_type: str | None
    body: bytes | None
    created: Millis


def begin(tx: Tx, identifier: str, new: Entry) -> bool:
    """False when there is an entry already."""
    values = {"id": identifier, "route": new.route, "print": new.print, "server": new.server, "created": new.created}
    return tx.execute(_BEGIN, values).rowcount == 1


def find(tx: Tx, identifier: str) -> Entry | None:
    row = tx.execute(select(once).where(once.c.id == identifier)).one_or_none()
    if row is None:
        return None
    return Entry(row.route, row.print, row.server, row.made, row.status, row.media_type, row.body, row.created)


def made(tx: Tx, identifier: str, what: str) -> None:
    tx.execute(update(once).where(once.c.id == identifier).values(made=what))


def answered(tx: Tx, identifier: str, entry: Entry) -> None:
    values = {"print": entry.print, "status": entry.status, "media_type": entry.media_type, "body": entry.body}
    tx.execute(update(once).where(once.c.id == identifier).values(values))


def give_up(tx: Tx, identifier: str) -> None:
    """The request made nothing: whoever sends it again begins anew."""
    tx.execute(delete(once).where(once.c.id == identifier, once.c.made.is_(None), once.c.status.is_(None)))


def remove(tx: Tx, identifier: str) -> None:
    tx.execute(delete(once).where(once.c.id == identifier))


def forget(tx: Tx, before: Millis) -> None:
    tx.execute(delete(once).where(once.c.created < before))
