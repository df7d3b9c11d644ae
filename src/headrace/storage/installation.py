"""What all servers of a database must have in common: the secrets, and the place of large bodies.

The database keeps fingerprints of the secrets and names one small body. A server that has others, or does not see that
body, would write what nobody else can read; so it does not start.
"""

from collections.abc import AsyncIterator, Mapping

import blake3
from sqlalchemy import Column, String, Table, insert, select

from headrace.domain.body import BlobRef, BodyStore, whole
from headrace.domain.errors import Conflict, NotFound
from headrace.storage.database import Database, Tx
from headrace.storage.schema import metadata

BODY = "body"
PREFIX = "secret "
CONTEXT = "headrace installation: the fingerprint of a secret"

installation = Table(
    "installation",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String, nullable=False),
)


async def join(database: Database, secrets: Mapping[str, bytes], bodies: BodyStore) -> None:
    """The first server says how it is, the others compare. Raises Conflict."""
    prints = {PREFIX + name: fingerprint(value) for name, value in secrets.items()}
    known = await database.write(lambda tx: _said_first(tx, prints))
    wrong = sorted(name.removeprefix(PREFIX) for name, value in prints.items() if known[name] != value)
    if wrong:
        raise Conflict(
            f"this database belongs to an installation with other secrets ({', '.join(wrong)}): copy the folder"
            " secrets/ of its first server, or of its backup, into the data folder of this one"
        )
    if BODY not in known:
        ref = await bodies.put(
            _once(f"The bodies of a Headrace installation, whose secrets have the fingerprints {prints}.\n".encode()),
            1 << 16,
        )
        known = await database.write(lambda tx: _said_first(tx, {BODY: f"{ref.digest}:{ref.size}"}))
    digest, _, size = known[BODY].partition(":")
    try:
        await whole(BlobRef(digest, int(size)), bodies)
    except NotFound:
        raise Conflict(
            "this server does not see the bodies that the other servers of this database store: let storage.blobs name"
            " the same bucket, or a folder that all of them share"
        ) from None


def fingerprint(value: bytes) -> str:
    return blake3.blake3(value, derive_key_context=CONTEXT).hexdigest()[:32]


def kept_body(tx: Tx) -> set[str]:
    """The sweep of unused bodies must leave it."""
    return {
        value.partition(":")[0] for value in tx.scalars(select(installation.c.value).where(installation.c.name == BODY))
    }


def _said_first(tx: Tx, values: Mapping[str, str]) -> dict[str, str]:
    """Everything that is known, after `values` were added where nothing was."""
    known = _all(tx)
    fresh = [{"name": name, "value": value} for name, value in values.items() if name not in known]
    if fresh:
        tx.execute(insert(installation), fresh)
    return _all(tx)


def _all(tx: Tx) -> dict[str, str]:
    return {row.name: row.value for row in tx.execute(select(installation))}


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
