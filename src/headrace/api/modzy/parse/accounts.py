"""What is sent about users and keys (contracts/modzy.md, A.8)."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from headrace.accounts.people import NewUser, UserQuery
from headrace.api.modzy.parse import paging
from headrace.api.modzy.parse.paging import PagingQuery
from headrace.api.modzy.shapes import times
from headrace.domain.account import Role, Status
from headrace.domain.errors import Invalid
from headrace.domain.listing import Filter

Short = Annotated[str, msgspec.Meta(max_length=1_000)]


class UsersQuery(PagingQuery, rename="camel"):
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    search: str = ""
    status: str = ""
    access_key: str = ""
    start_date: str = ""
    end_date: str = ""
    search_date: str = ""
    page: int | None = None
    per_page: int | None = msgspec.field(name="per-page", default=None)
    sort_by: str | None = msgspec.field(name="sort-by", default=None)
    direction: str | None = None


class SearchBody(msgspec.Struct):
    """E-mail addresses."""

    identifiers: Annotated[list[Short], msgspec.Meta(max_length=1_000)]


class NewUserBody(msgspec.Struct, rename="camel"):
    """`roles` of the new user's first key; a developer's when nothing is said."""

    email: Short
    first_name: Short = ""
    last_name: Short = ""
    title: Short = ""
    external_identifier: Short = ""
    roles: tuple[Short, ...] = ("Developer",)


class RolesBody(msgspec.Struct):
    roles: Annotated[list[Short], msgspec.Meta(max_length=100)]


class NewKeyBody(msgspec.Struct):
    """`user`: an e-mail address; `team`: an identifier, the caller's when nothing is said."""

    user: Short
    roles: Annotated[list[Short], msgspec.Meta(max_length=100)]
    name: Short = ""
    team: Short = ""


class KeyPatch(msgspec.Struct):
    status: Short


def user_query(query: UsersQuery) -> UserQuery:
    return UserQuery(
        first_name=Filter(query.first_name),
        last_name=Filter(query.last_name),
        email=Filter(query.email),
        search=Filter(query.search),
        status=status(query.status) if query.status else None,
        access_key=query.access_key or None,
        start=times.parse(query.start_date, "startDate") if query.start_date else None,
        end=times.parse(query.end_date, "endDate") if query.end_date else None,
        page=paging.page_of(query),
    )


def new_user(body: NewUserBody) -> NewUser:
    return NewUser(
        email=body.email,
        first_name=body.first_name,
        last_name=body.last_name,
        title=body.title,
        external_identifier=body.external_identifier,
    )


def roles(names: Iterable[str]) -> frozenset[Role]:
    """Role names are case-sensitive (A.8). Raises Invalid."""
    try:
        return frozenset(Role(name) for name in names)
    except ValueError:
        wrong = next(name for name in names if name not in list(Role))
        raise Invalid(f"`roles` should hold {', '.join(Role)}, but holds {wrong[:60]!r}") from None


def status(text: str) -> Status:
    try:
        return Status(text.strip().lower())
    except ValueError:
        raise Invalid(f"`status` should be active or inactive, but is {text[:60]!r}") from None
