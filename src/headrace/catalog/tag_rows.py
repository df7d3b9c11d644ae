"""SQL <-> the tags that users made. The predefined ones are in the code."""

from collections.abc import Sequence

from sqlalchemy import Column, String, Table, insert, select

from headrace.domain.model import Tag
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

custom_tags = Table(
    "custom_tags",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
)


def insert_tag(tx: Tx, tag: Tag) -> None:
    tx.execute(insert(custom_tags).values(id=tag.identifier, name=tag.name, kind=tag.kind))


def by_id(tx: Tx, identifiers: Sequence[str]) -> dict[str, Tag]:
    found = tx.execute(select(custom_tags).where(custom_tags.c.id.in_(identifiers)))
    return {row.id: Tag(row.id, row.name, row.kind, categorical=False) for row in found}


def every(tx: Tx) -> list[Tag]:
    found = tx.execute(select(custom_tags).order_by(custom_tags.c.name, custom_tags.c.id))
    return [Tag(row.id, row.name, row.kind, categorical=False) for row in found]
