"""Which models and versions a list holds, and in which order (contracts/modzy.md, A.2, M1, M8, M11). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from headrace.accounts import access
from headrace.domain import clock
from headrace.domain.account import Principal
from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid
from headrace.domain.ids import version_order
from headrace.domain.listing import Filter, Page
from headrace.domain.model import Model
from headrace.domain.version import Version, VersionStatus

T = TypeVar("T")
Key = tuple[object, ...]

_ANY = Filter()


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """`viewer` None sees everything: for our own loops. The last two filters look at ISO 8601 text."""

    viewer: Principal | None = None
    identifier: Filter = _ANY
    author: Filter = _ANY
    created_by_email: Filter = _ANY
    name: Filter = _ANY
    description: Filter = _ANY
    last_active: Filter = _ANY
    expiration: Filter = _ANY
    active: bool | None = None
    expired: bool | None = None
    recommended: bool | None = None
    commercial: bool | None = None
    sort: tuple[str, ...] = ()
    descending: bool = False
    page: Page = field(default_factory=Page)
    at: Millis = field(default_factory=clock.now)


@dataclass(frozen=True, slots=True)
class VersionQuery:
    """`status` None leaves deleted versions out; to see them, ask for them."""

    viewer: Principal | None = None
    version: Filter = _ANY
    created_by: Filter = _ANY
    created: Filter = _ANY
    updated: Filter = _ANY
    status: VersionStatus | None = None
    active: bool | None = None
    available: bool | None = None
    experimental: bool | None = None
    sort: tuple[str, ...] = ()
    descending: bool = False
    page: Page = field(default_factory=Page)


def is_expired(model: Model, at: Millis) -> bool:
    return model.expires is not None and model.expires <= at


def is_available(version: Version) -> bool:
    """Not "coming soon" (seed 5): it has been published at least once and was not taken back."""
    return version.status in (VersionStatus.ACTIVE, VersionStatus.INACTIVE)


def select_models(models: Sequence[Model], query: ModelQuery) -> list[Model]:
    """One page. Exact matches of the name come first: clients that look one up take the first. Raises Invalid."""
    found = [model for model in models if _sees(query.viewer, model) and _takes_model(model, query)]
    found.sort(key=lambda model: (model.name.casefold(), not model.active, model.identifier))
    found = _sorted(found, _MODEL_KEYS, query.sort, descending=query.descending)
    if query.name.text:
        found.sort(key=lambda model: _nearness(model.name, query.name.text))
    return query.page.of(found)


def select_versions(versions: Sequence[Version], query: VersionQuery) -> list[Version]:
    """One page; without `sort` by model and then in semantic order, lowest first. Raises Invalid."""
    found = [version for version in versions if _takes_version(version, query)]
    found.sort(key=lambda version: (version.key.model, version_order(version.key.version)))
    return query.page.of(_sorted(found, _VERSION_KEYS, query.sort, descending=query.descending))


def _sees(viewer: Principal | None, model: Model) -> bool:
    return viewer is None or access.sees_model(viewer, model)


def _takes_model(model: Model, query: ModelQuery) -> bool:
    texts = (
        (query.identifier, model.identifier),
        (query.author, model.author),
        (query.created_by_email, model.owner_email),
        (query.name, model.name),
        (query.description, model.description),
        (query.last_active, _iso(model.last_used)),
        (query.expiration, _iso(model.expires)),
    )
    flags = (
        (query.active, model.active),
        (query.expired, is_expired(model, query.at)),
        (query.recommended, model.recommended),
        (query.commercial, model.commercial),
    )
    return all(filter_.takes(text) for filter_, text in texts) and _agree(flags)


def _takes_version(version: Version, query: VersionQuery) -> bool:
    if query.status is None and version.status is VersionStatus.DELETED:
        return False
    texts = (
        (query.version, version.key.version),
        (query.created_by, version.created_by),
        (query.created, _iso(version.created)),
        (query.updated, _iso(version.updated)),
    )
    flags = ((query.active, version.active), (query.available, is_available(version)), (query.experimental, False))
    wanted = query.status in (None, version.status)
    return wanted and all(filter_.takes(text) for filter_, text in texts) and _agree(flags)


def _agree(flags: Sequence[tuple[bool | None, bool]]) -> bool:
    return all(wanted is None or wanted == flag for wanted, flag in flags)


def _nearness(name: str, wanted: str) -> int:
    if name == wanted:
        return 0
    return 1 if name.casefold() == wanted.casefold() else 2


def _sorted(
    found: list[T], keys: Mapping[str, Callable[[T], Key]], names: Sequence[str], *, descending: bool
) -> list[T]:
    for name in reversed(names):
        if name not in keys:
            raise Invalid(f"sort-by {name[:80]!r} is not known here; choose from {', '.join(keys)}")
        found.sort(key=keys[name], reverse=descending)
    return found


def _iso(at: Millis | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _optional(at: Millis | None) -> Key:
    return at is not None, at or 0


def _latest(model: Model) -> Key:
    return (bool(model.versions), version_order(model.versions[-1])) if model.versions else (False,)


_MODEL_KEYS: Mapping[str, Callable[[Model], Key]] = {
    "modelId": lambda model: (model.identifier,),
    "author": lambda model: (model.author.casefold(),),
    "submittedByEmail": lambda model: (model.owner_email.casefold(),),
    "createdByEmail": lambda model: (model.owner_email.casefold(),),
    "name": lambda model: (model.name.casefold(),),
    "description": lambda model: (model.description.casefold(),),
    "isExpired": lambda model: _optional(model.expires),
    "isActive": lambda model: (model.active,),
    "latestVersion": _latest,
    "isRecommended": lambda model: (model.recommended,),
    "isCommercial": lambda model: (model.commercial,),
    "lastActiveDateTime": lambda model: _optional(model.last_used),
    "expirationDateTime": lambda model: _optional(model.expires),
}

_VERSION_KEYS: Mapping[str, Callable[[Version], Key]] = {
    "version": lambda version: version_order(version.key.version),
    "createdAt": lambda version: (version.created,),
    "createdBy": lambda version: (version.created_by.casefold(),),
    "updatedAt": lambda version: (version.updated,),
    "status": lambda version: (version.status.value,),
    "isActive": lambda version: (version.active,),
    "isAvailable": lambda version: (is_available(version),),
    "isExperimental": lambda _version: (False,),
    "processing.minimumParallelCapacity": lambda version: (version.processing.minimum,),
    "processing.maximumParallelCapacity": lambda version: (version.processing.maximum,),
}
