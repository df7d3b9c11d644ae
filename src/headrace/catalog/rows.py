"""SQL <-> Model. What lists are filtered by stands in columns, the rest in one JSON document."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    and_,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from headrace.accounts import access
from headrace.catalog.search import ModelQuery
from headrace.domain.account import Principal
from headrace.domain.clock import Millis
from headrace.domain.errors import NotFound, TooLarge
from headrace.domain.listing import Filter
from headrace.domain.model import Feature, Model, Picture, Scope, Tag, Visibility
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

LARGEST = 1 << 20  # bytes of a model's document

models = Table(
    "models",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("team", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("author", String, nullable=False),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("last_used", BigInteger, nullable=True),
    Column("document", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class _Rest:
    """`versions` and `active_versions` are a copy of what model_versions says, renewed in the same transaction."""

    description: str
    owner_email: str
    owner_name: str
    recommended: bool
    commercial: bool
    expires: Millis | None
    features: tuple[Feature, ...]
    tags: tuple[Tag, ...]
    pictures: tuple[Picture, ...]
    teams: tuple[str, ...]
    versions: tuple[str, ...]
    active_versions: tuple[str, ...]


_rest = msgspec.json.Decoder(_Rest)  # learned here: msgspec ends the process when two threads learn a type at once


def insert_model(tx: Tx, model: Model) -> None:
    tx.execute(insert(models).values(id=model.identifier, **_values(model)))


def save(tx: Tx, model: Model) -> None:
    tx.execute(update(models).where(models.c.id == model.identifier).values(**_values(model)))


def load(tx: Tx, identifier: str, *, lock: bool = False) -> Model:
    query = select(models).where(models.c.id == identifier)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"Model {identifier} not found")
    return _to_model(row)


def candidates(tx: Tx, query: ModelQuery) -> list[Model]:
    """All that the query may hold and some that it does not: `search.select_models` decides."""
    narrowed: Select[tuple[object, ...]] = select(models).where(
        _perhaps_visible(query.viewer), _perhaps(models.c.name, query.name), _perhaps(models.c.id, query.identifier)
    )
    if query.active is not None:
        narrowed = narrowed.where(models.c.active == query.active)
    return [_to_model(row) for row in tx.execute(narrowed)]


def touch(tx: Tx, identifier: str, now: Millis) -> None:
    tx.execute(
        update(models)
        .where(models.c.id == identifier, func.coalesce(models.c.last_used, 0) < now)
        .values(last_used=now)
    )


def picture_blobs(tx: Tx) -> set[str]:
    found = tx.execute(select(models.c.document))
    return {picture.digest for row in found for picture in _rest.decode(row.document).pictures}


def _perhaps_visible(viewer: Principal | None) -> ColumnElement[bool]:
    """A little more than `access.sees_model`: which teams see a model stands in its document."""
    if viewer is None:
        return true()
    reach = or_(models.c.owner == viewer.user.identifier, models.c.scope != Scope.PRIVATE.value)
    mine = and_(models.c.account == viewer.account, true() if access.rules_account(viewer) else reach)
    return or_(models.c.scope == Scope.ALL.value, mine)


def _perhaps(column: Column[str], wanted: Filter) -> ColumnElement[bool]:
    """Only what both databases understand in the same way as Python: plain ASCII, without the filter's own signs."""
    text = wanted.text
    if not text or not text.isascii() or "," in text or ";" in text:
        return true()
    return func.lower(column).contains(text.lower(), autoescape=True)


def _values(model: Model) -> dict[str, object]:
    rest = _Rest(
        description=model.description,
        owner_email=model.owner_email,
        owner_name=model.owner_name,
        recommended=model.recommended,
        commercial=model.commercial,
        expires=model.expires,
        features=model.features,
        tags=model.tags,
        pictures=model.pictures,
        teams=model.visibility.teams,
        versions=model.versions,
        active_versions=model.active_versions,
    )
    document = msgspec.json.encode(rest)
    if len(document) > LARGEST:
        raise TooLarge(f"the fields of model {model.identifier} are larger than {LARGEST} bytes together")
    return {
        "account": model.account,
        "team": model.team,
        "owner": model.owner,
        "author": model.author,
        "name": model.name,
        "scope": model.visibility.scope.value,
        "active": model.active,
        "created": model.created,
        "updated": model.updated,
        "last_used": model.last_used,
        "document": document,
    }


def _to_model(row: Row[tuple[object, ...]]) -> Model:
    rest = _rest.decode(row.document)
    return Model(
        identifier=row.id,
        account=row.account,
        team=row.team,
        author=row.author,
        name=row.name,
        description=rest.description,
        recommended=rest.recommended,
        commercial=rest.commercial,
        features=rest.features,
        tags=rest.tags,
        pictures=rest.pictures,
        visibility=Visibility(Scope(row.scope), rest.teams),
        versions=rest.versions,
        active_versions=rest.active_versions,
        owner=row.owner,
        owner_email=rest.owner_email,
        owner_name=rest.owner_name,
        created=row.created,
        updated=row.updated,
        last_used=row.last_used,
        expires=rest.expires,
    )
