"""Tags: the predefined ones (seed 3) and those that users make by naming them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.exc import IntegrityError

from headrace.catalog import rows, tag_rows
from headrace.catalog.search import ModelQuery, select_models
from headrace.domain.account import Principal
from headrace.domain.errors import Invalid
from headrace.domain.model import Model, Tag
from headrace.storage.database import Database, Tx

LONGEST = 64
MOST = 64  # on one model
CUSTOM = "Tags"

_BY_KIND: Mapping[str, Sequence[str]] = {
    "Task": ("Label or Classify", "Count", "Enhance or Preprocess", "Forecast or Estimate", "Locate or Detect"),
    "Subject": (
        "Language and Text",
        "Colors, Textures, and Patterns",
        "Computers and Software",
        "Equipment and Machinery",
        "Food",
        "Infrastructure and Buildings",
        "People and Activities",
        "Satellites and Space",
        "Topics, Ideas, and Sentiment",
        "Vehicles and Transportation",
        "Video, Images, and Illustrations",
    ),
    "Input Type": ("Audio", "Binary", "Image", "Signal", "Time Series"),
    CUSTOM: ("Computer Vision",),  # the tests of the SDKs ask for it
}


def identifier_of(name: str) -> str:
    """Lower case, spaces as underscores; without the commas, because a path lists identifiers with commas between."""
    return re.sub(r"\s+", "_", re.sub(r"[,;/]", " ", name.lower()).strip())


PREDEFINED: Mapping[str, Tag] = {
    identifier_of(name): Tag(identifier_of(name), name, kind, kind != CUSTOM)
    for kind, names in _BY_KIND.items()
    for name in names
}


class Tags:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Tag]:
        """The predefined ones, then the others by name."""
        return await self._database.read(_every)

    async def resolve(self, names: Sequence[str]) -> tuple[Tag, ...]:
        """`resolve` below, in a transaction of its own: for `Models.change`, whose function must be pure."""
        return await self._database.write(lambda tx: resolve(tx, names))

    async def with_models(self, identifiers: Sequence[str], viewer: Principal) -> tuple[list[Tag], list[Model]]:
        """The tags that exist, and the models that the viewer sees and that have one of them. Unknown ones: nothing."""
        tags, seen = await self._database.read(lambda tx: (_every(tx), _visible(tx, viewer)))
        wanted = {identifier_of(identifier) for identifier in identifiers}
        found = [model for model in seen if wanted & {tag.identifier for tag in model.tags}]
        return [tag for tag in tags if tag.identifier in wanted], found

    async def counts(self, viewer: Principal) -> list[tuple[Tag, int]]:
        """How many models that the viewer sees have each tag."""
        tags, seen = await self._database.read(lambda tx: (_every(tx), _visible(tx, viewer)))
        count = dict.fromkeys((tag.identifier for tag in tags), 0)
        for identifier in (tag.identifier for model in seen for tag in model.tags):
            count[identifier] = count.get(identifier, 0) + 1
        return [(tag, count[tag.identifier]) for tag in tags]


def resolve(tx: Tx, names: Iterable[str]) -> tuple[Tag, ...]:
    """Each by identifier or name; unknown ones become custom tags. Doubles are dropped. Raises Invalid."""
    wanted: dict[str, str] = {}
    for name in names:
        wanted.setdefault(identifier_of(name), _checked(name))
    if len(wanted) > MOST:
        raise Invalid(f"a model has at most {MOST} tags; these are {len(wanted)}")
    known = {**tag_rows.by_id(tx, sorted(wanted)), **PREDEFINED}
    return tuple(known.get(identifier) or _make(tx, identifier, name) for identifier, name in wanted.items())


def _make(tx: Tx, identifier: str, name: str) -> Tag:
    tag = Tag(identifier, name, CUSTOM, categorical=False)
    try:
        with tx.begin_nested():
            tag_rows.insert_tag(tx, tag)
    except IntegrityError:  # somebody made it just now
        return tag_rows.by_id(tx, [identifier])[identifier]
    return tag


def _checked(name: str) -> str:
    name = name.strip()
    if not identifier_of(name) or len(name) > LONGEST or not name.isprintable():
        raise Invalid(f"a tag has 1 to {LONGEST} printable characters")
    return name


def _every(tx: Tx) -> list[Tag]:
    return [*PREDEFINED.values(), *tag_rows.every(tx)]


def _visible(tx: Tx, viewer: Principal) -> list[Model]:
    query = ModelQuery(viewer=viewer)
    return select_models(rows.candidates(tx, query), query)
