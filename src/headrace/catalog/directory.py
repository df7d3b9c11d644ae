"""Which model and version a name means (Open Inference addresses models by name). From memory: every request asks.

A model answers to its identifier and to its exact name. Names need not be unique: among the models that the caller
sees, the one with an active version is meant, and two of them are an error that lists their identifiers. A version is
the exact semantic version, or a number N for the highest active version N.x.y, both also with a v before them; without
one, the highest active version.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from headrace.accounts import access
from headrace.catalog.models import Models
from headrace.catalog.search import ModelQuery
from headrace.catalog.versions import Versions
from headrace.domain.account import Principal
from headrace.domain.errors import Invalid, NotFound, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.listing import CAP, Filter, Page
from headrace.domain.model import Model
from headrace.domain.version import Version
from headrace.storage.shared import Shared

CACHED = 10_000  # names
MAX_AGE = 2.0  # seconds that a change by another process may stay unseen; a change by this one is seen at once
LONGEST_NAME = 256  # characters
_TAKEN = frozenset({"stats", ".", ".."})  # a path of the statistics, and what clients take out of paths

Turn = int


@dataclass(slots=True)
class _Entry:
    """All models that a name may mean, whoever asks, and the versions asked for so far."""

    turn: Turn
    read_at: float
    models: tuple[Model, ...]
    versions: dict[tuple[str, str | None], Version]


def has_address(name: str) -> bool:
    """Whether /v2/models/{name} can mean this model: another one goes there by its identifier only."""
    return name not in _TAKEN


class Directory:
    def __init__(self, models: Models, versions: Versions, clock: Callable[[], float] = time.monotonic) -> None:
        self._models, self._versions, self._clock = models, versions, clock
        self._entries: dict[str, _Entry] = {}
        self._reading: Shared[tuple[str, Turn], _Entry] = Shared()

    async def resolve(self, principal: Principal, name: str, version: str | None = None) -> tuple[Model, Version]:
        """What may be asked now. Raises NotFound, NotReady for what is known but not active, Invalid when ambiguous."""
        entry = await self._entry(name)
        model = _meant(entry.models, principal, name)
        found = entry.versions.get((model.identifier, version))
        if found is None:
            found = await self._versions.get(VersionKey(model.identifier, active_version(model, name, version)))
            entry.versions[model.identifier, version] = found
        if not found.active:  # switched off between the two reads
            raise NotReady(_not_ready(name, version))
        return model, found

    async def known(self, principal: Principal, name: str, version: str | None = None) -> tuple[Model, Version]:
        """The same, but a version that is not active will do when no active one is meant. Raises NotFound, Invalid."""
        entry = await self._entry(name)
        model = _meant(entry.models, principal, name)
        try:
            text = active_version(model, name, version)
        except NotReady:
            text = _highest(model.versions, version) or model.versions[-1]
        return model, await self._versions.get(VersionKey(model.identifier, text))

    async def model(self, principal: Principal, name: str) -> Model:
        """Raises NotFound, Invalid."""
        return _meant((await self._entry(name)).models, principal, name)

    async def identified(self, principal: Principal, identifier: str) -> Model:
        """By its identifier alone. Raises NotFound, in the same words for what is not there and what is hidden."""
        for model in (await self._entry(identifier)).models:
            if model.identifier == identifier and access.sees_model(principal, model):
                return model
        raise NotFound(f"Model {identifier} not found")

    async def all(self, principal: Principal) -> list[Model]:
        """Every model that the caller sees, by name. Not from memory."""
        found: list[Model] = []
        while len(page := await self._models.find(_every(principal, len(found) // CAP + 1))) == CAP:
            found += page
        return found + page

    async def _entry(self, name: str) -> _Entry:
        return self._kept(name) or await self._reading.of((name, self.turn), lambda: self._read(name))

    def _kept(self, name: str) -> _Entry | None:
        entry = self._entries.get(name)
        if entry is None or entry.turn != self.turn or self._clock() - entry.read_at > MAX_AGE:
            return None
        return entry

    async def _read(self, name: str) -> _Entry:
        """Unknown names are not kept: whoever makes names up must not push out the real ones."""
        turn, read_at = self.turn, self._clock()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise NotFound(_unknown(name))
        entry = _Entry(turn, read_at, await self._candidates(name), {})
        if entry.models:
            if len(self._entries) >= CACHED:
                self._entries.clear()
            self._entries[name] = entry
        return entry

    async def _candidates(self, name: str) -> tuple[Model, ...]:
        """The model with this identifier, else all with this very name."""
        try:
            return (await self._models.get(name),)
        except NotFound:
            query = ModelQuery(name=Filter(name))
            return tuple(model for model in await self._models.find(query) if model.name == name)

    @property
    def turn(self) -> Turn:
        """Grows with every change: what was found out before it may be old."""
        return self._models.turn + self._versions.turn


def active_version(model: Model, name: str, version: str | None) -> str:
    """Raises NotReady when the version, or every version, is not active; NotFound when there is no such version."""
    if version is None:
        if model.active_versions:
            return model.active_versions[-1]
        raise NotReady(f"Request for unknown model: '{name}' has no available versions")
    if (text := _highest(model.active_versions, version)) is not None:
        return text
    if _highest(model.versions, version) is not None:
        raise NotReady(_not_ready(name, version))
    raise NotFound(f"Request for unknown model: '{name}' version {version} is not found")


def _highest(versions: Sequence[str], wanted: str | None) -> str | None:
    """`versions` are in order, the lowest first."""
    if wanted is None or wanted in versions:
        return wanted
    if wanted[:1] == "v" and wanted[1:2].isdigit():
        return _highest(versions, wanted[1:])
    if not (wanted.isascii() and wanted.isdigit()):
        return None
    major = f"{int(wanted[:20])}."
    return next((text for text in reversed(versions) if text.startswith(major)), None)


def _meant(models: Iterable[Model], principal: Principal, name: str) -> Model:
    seen = [model for model in models if model.versions and access.sees_model(principal, model)]
    if len(seen) > 1:
        seen = [model for model in seen if model.active_versions] or seen
    if not seen:
        raise NotFound(_unknown(name))
    if len(seen) > 1:
        identifiers = ", ".join(model.identifier for model in seen)
        raise Invalid(f"more than one model is called '{name}': ask by identifier, one of {identifiers}")
    return seen[0]


def _unknown(name: str) -> str:
    return f"Request for unknown model: '{name[:LONGEST_NAME]}' is not found"


def _not_ready(name: str, version: str | None) -> str:
    of_version = "" if version is None else f" version {version}"
    return f"model '{name}'{of_version} is not ready: it is not active"


def _every(principal: Principal, page: int) -> ModelQuery:
    return ModelQuery(viewer=principal, page=Page(page))
