"""Models of the library: made, found, changed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from headrace.accounts import access
from headrace.accounts.once import Mark, unmarked
from headrace.catalog import rows, version_rows
from headrace.catalog.search import ModelQuery, select_models
from headrace.catalog.versions import new_version
from headrace.domain.account import Principal
from headrace.domain.clock import Millis
from headrace.domain.errors import Conflict, Invalid, NotFound
from headrace.domain.ids import VersionKey, new_model_id
from headrace.domain.listing import Filter
from headrace.domain.model import Model, Visibility
from headrace.storage.database import Database, Tx

LONGEST_NAME = 128
LONGEST_DESCRIPTION = 20_000
CHANGED = "catalog.models"  # the event
NAMES = "catalog.names"  # the lane: between looking for a name and making a model of it nobody else makes one
RELATED = 12  # the most models that `related` names

_TOUCH: Millis = 60_000  # last_used is written at most this often


class Models:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched: dict[str, Millis] = {}
        self.turn = 0  # grows with every change: what was read before it may be old
        self._events = database.events
        self._events.listen(CHANGED, lambda _: self._turn_over())

    async def create(self, name: str, version: str, principal: Principal, now: Millis, mark: Mark = unmarked) -> Model:
        """A model and its first version, both empty. Names need not be unique. Raises Invalid."""
        return await self._write(_creation(name, version, principal, now, mark), NAMES)

    async def create_unique(
        self, name: str, version: str, principal: Principal, now: Millis, mark: Mark = unmarked
    ) -> Model:
        """The same for a name by which the caller sees no model yet, whoever else makes one at the same moment.

        Raises Invalid, Conflict.
        """
        create = _creation(name, version, principal, now, mark)

        def transaction(tx: Tx) -> Model:
            _check_unique(tx, name.strip(), principal)
            return create(tx)

        return await self._write(transaction, NAMES)

    async def get(self, identifier: str) -> Model:
        """Raises NotFound. Whether the caller may see it is `access.sees_model`'s question."""
        return await self._database.read(lambda tx: rows.load(tx, identifier))

    async def visible(self, identifier: str, viewer: Principal) -> Model:
        """Raises NotFound, in the same words for a model that is not there and one that may not be seen."""
        model = await self.get(identifier)
        if not access.sees_model(viewer, model):
            raise NotFound(f"Model {identifier} not found")
        return model

    async def find(self, query: ModelQuery) -> list[Model]:
        """One page of what the viewer sees. Raises Invalid for an unknown sort-by."""
        return select_models(await self._database.read(lambda tx: rows.candidates(tx, query)), query)

    async def change(self, identifier: str, fn: Callable[[Model], Model], now: Millis) -> Model:
        """Read, `fn`, write in one transaction. Identity and versions stay as they are, whatever `fn` says.

        Raises NotFound, Invalid, TooLarge, and what `fn` raises: then nothing is changed.
        """

        def transaction(tx: Tx) -> Model:
            old = rows.load(tx, identifier, lock=True)
            new = fn(old)
            changed = replace(
                new,
                identifier=old.identifier,
                account=old.account,
                name=check_name(new.name),
                description=_check_description(new.description),
                versions=old.versions,
                active_versions=old.active_versions,
                created=old.created,
                updated=now,
            )
            rows.save(tx, changed)
            return changed

        return await self._write(transaction)

    async def related(self, identifier: str, viewer: Principal) -> list[Model]:
        """Models with a tag in common, most of them first; else of the same author; else any that the viewer sees."""
        model = await self.visible(identifier, viewer)
        query = ModelQuery(viewer=viewer)
        seen = select_models(await self._database.read(lambda tx: rows.candidates(tx, query)), query)
        return _related(model, [other for other in seen if other.identifier != identifier])

    async def touch(self, identifier: str, now: Millis) -> None:
        """Remembers that the model was used; most calls write nothing."""
        if now - self._touched.get(identifier, 0) < _TOUCH:
            return
        self._touched[identifier] = now
        await self._database.write(lambda tx: rows.touch(tx, identifier, now))

    async def _write(self, transaction: Callable[[Tx], Model], lane: str = "") -> Model:
        try:
            return await self._database.write(transaction, lane)
        finally:
            self._events.tell(CHANGED)

    def _turn_over(self) -> None:
        self.turn += 1


def _creation(name: str, version: str, principal: Principal, now: Millis, mark: Mark) -> Callable[[Tx], Model]:
    """Raises Invalid."""
    user = principal.user
    model = Model(
        identifier=new_model_id(),
        account=principal.account,
        team=principal.team,
        author=principal.account,
        name=check_name(name),
        description="",
        recommended=False,
        commercial=False,
        features=(),
        tags=(),
        pictures=(),
        visibility=Visibility(),
        versions=(),
        active_versions=(),
        owner=user.identifier,
        owner_email=user.email,
        owner_name=f"{user.first_name} {user.last_name}".strip(),
        created=now,
        updated=now,
        last_used=None,
        expires=None,
    )
    first = new_version(VersionKey(model.identifier, version), user.email, now)

    def transaction(tx: Tx) -> Model:
        rows.insert_model(tx, model)
        version_rows.insert_version(tx, first)
        mark(tx, model.identifier)
        return rows.load(tx, model.identifier)

    return transaction


def _check_unique(tx: Tx, name: str, principal: Principal) -> None:
    """Raises Conflict. What has no version left is deleted."""
    for one in rows.candidates(tx, ModelQuery(viewer=principal, name=Filter(name))):
        if one.name == name and one.versions and access.sees_model(principal, one):
            raise Conflict(f"there is a model called '{name}' already: {one.identifier}")


def check_name(name: str) -> str:
    """The documentation allows letters, digits, dash and underscore; the real platform's own models have spaces."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"name must have 1 to {LONGEST_NAME} printable characters")
    return name


def _check_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise Invalid(f"description has {len(text)} characters and may have {LONGEST_DESCRIPTION}")
    return text


def _related(model: Model, others: Sequence[Model]) -> list[Model]:
    tags = {tag.identifier for tag in model.tags}
    in_common = {other.identifier: len(tags & {tag.identifier for tag in other.tags}) for other in others}
    nearest = [other for other in others if in_common[other.identifier]]
    nearest.sort(key=lambda other: -in_common[other.identifier])
    same_author = [other for other in others if other.author == model.author]
    return list(nearest or same_author or others)[:RELATED]
