"""Version <-> JSON document, as it is stored: the recipe carries the form that it has."""

from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any

import msgspec

from headrace.domain.image import Contract, FolderRecipe, ImageRecipe
from headrace.domain.version import Version


class _Folder(msgspec.Struct, tag_field="form", tag="folder"):
    folder: str
    environment: str
    entry: str
    variables: tuple[tuple[str, str], ...] = ()
    tensors: str = ""


class _Image(msgspec.Struct, tag_field="form", tag="image"):
    digest: str
    reference: str
    contract: Contract | None = None
    port: int = 0


def _like(one: "Field[Any]") -> tuple[str, Any, Any]:
    """The field of a version, with a type for the recipe that JSON can tell apart."""
    kind: Any = _Folder | _Image | None if one.name == "recipe" else one.type
    if one.default_factory is not MISSING:
        return one.name, kind, field(default_factory=one.default_factory)
    return one.name, kind, field() if one.default is MISSING else field(default=one.default)


_Stored: Any = make_dataclass("_Stored", [_like(one) for one in fields(Version)], frozen=True, slots=True)
# learned here: msgspec ends the process when two threads learn a type at once
_stored: Any = msgspec.json.Decoder(_Stored)
_NAMES = tuple(one.name for one in fields(Version))


def write(version: Version) -> bytes:
    return msgspec.json.encode(_Stored(**_values(version) | {"recipe": _outside(version.recipe)}))


def read(document: bytes) -> Version:
    stored = _stored.decode(document)
    return Version(**_values(stored) | {"recipe": _inside(stored.recipe)})


def _values(one: object) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _NAMES}


def _outside(recipe: FolderRecipe | ImageRecipe | None) -> _Folder | _Image | None:
    match recipe:
        case FolderRecipe():
            return _Folder(recipe.folder, recipe.environment, recipe.entry, recipe.variables, recipe.tensors)
        case ImageRecipe():
            return _Image(recipe.digest, recipe.reference, recipe.contract, recipe.port)
        case _:
            return None


def _inside(recipe: _Folder | _Image | None) -> FolderRecipe | ImageRecipe | None:
    match recipe:
        case _Folder():
            return FolderRecipe(recipe.folder, recipe.environment, recipe.entry, recipe.variables, recipe.tensors)
        case _Image():
            return ImageRecipe(recipe.digest, recipe.reference, recipe.contract, recipe.port)
        case _:
            return None
