"""What is sent to create and change models, and how they are searched (contracts/modzy.md, A.4)."""

from typing import Annotated

import msgspec

from headrace.api.modzy.parse import paging
from headrace.api.modzy.parse.paging import PagingQuery
from headrace.catalog.search import ModelQuery, VersionQuery
from headrace.domain.account import Principal
from headrace.domain.errors import Invalid
from headrace.domain.listing import Filter
from headrace.domain.model import Scope, Visibility
from headrace.domain.version import VersionStatus

Text = Annotated[str, msgspec.Meta(max_length=100_000)]


class NewModel(msgspec.Struct):
    """`unique`: only if the caller sees no model of this name."""

    name: str
    version: str
    unique: bool = False


class NewVersion(msgspec.Struct, rename="camel"):
    version: str
    long_description: Text | None = None


class TagBody(msgspec.Struct):
    identifier: str = ""
    name: str = ""


class VisibilityBody(msgspec.Struct):
    scope: str
    teams: list[str] = []


class ModelPatch(msgspec.Struct):
    """null and what is absent stay as they are; `tags` are names or objects, and replace the old ones (M20)."""

    name: str | None = None
    description: Text | None = None
    tags: list[str | TagBody | None] | None = None
    visibility: VisibilityBody | None = None


class ModelsQuery(PagingQuery, rename="camel"):
    model_id: str = ""
    author: str = ""
    created_by_email: str = ""
    name: str = ""
    description: str = ""
    is_active: bool | None = None
    is_expired: bool | None = None
    is_recommended: bool | None = None
    is_commercial: bool | None = None
    last_active_date_time: str = ""
    expiration_date_time: str = ""
    page: int | None = None
    per_page: int | None = msgspec.field(name="per-page", default=None)
    sort_by: str | None = msgspec.field(name="sort-by", default=None)
    direction: str | None = None


class VersionsQuery(PagingQuery, rename="camel"):
    version: str = ""
    created_at: str = ""
    created_by: str = ""
    status: str = ""
    is_available: bool | None = None
    updated_at: str = ""
    is_active: bool | None = None
    is_experimental: bool | None = None
    page: int | None = None
    per_page: int | None = msgspec.field(name="per-page", default=None)
    sort_by: str | None = msgspec.field(name="sort-by", default=None)
    direction: str | None = None


class PictureQuery(msgspec.Struct):
    description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


def model_query(query: ModelsQuery, viewer: Principal) -> ModelQuery:
    return ModelQuery(
        viewer=viewer,
        identifier=Filter(query.model_id),
        author=Filter(query.author),
        created_by_email=Filter(query.created_by_email),
        name=Filter(query.name),
        description=Filter(query.description),
        last_active=Filter(query.last_active_date_time),
        expiration=Filter(query.expiration_date_time),
        active=query.is_active,
        expired=query.is_expired,
        recommended=query.is_recommended,
        commercial=query.is_commercial,
        sort=paging.words(query.sort_by),
        descending=paging.is_descending(query),
        page=paging.page_of(query),
    )


def version_query(query: VersionsQuery, viewer: Principal) -> VersionQuery:
    return VersionQuery(
        viewer=viewer,
        version=Filter(query.version),
        created_by=Filter(query.created_by),
        created=Filter(query.created_at),
        updated=Filter(query.updated_at),
        status=version_status(query.status) if query.status else None,
        active=query.is_active,
        available=query.is_available,
        experimental=query.is_experimental,
        sort=paging.words(query.sort_by),
        descending=paging.is_descending(query),
        page=paging.page_of(query),
    )


def version_status(text: str) -> VersionStatus:
    try:
        return VersionStatus(text.strip().lower())
    except ValueError:
        known = ", ".join(VersionStatus)
        raise Invalid(f"`status` should be one of {known}, but is {text[:60]!r}") from None


def visibility(body: VisibilityBody) -> Visibility:
    try:
        return Visibility(Scope(body.scope.strip().upper()), tuple(body.teams))
    except ValueError:
        raise Invalid(f"`scope` should be one of {', '.join(Scope)}, but is {body.scope[:60]!r}") from None


def tag_names(tags: list[str | TagBody | None]) -> list[str]:
    return [name for tag in tags if (name := tag if isinstance(tag, str) else _name(tag))]


def _name(tag: TagBody | None) -> str:
    return "" if tag is None else tag.name or tag.identifier
