"""Users, teams, keys, entitlements, the licence (contracts/modzy.md, A.8)."""

from collections.abc import Sequence

import msgspec

from headrace.accounts.people import Entitlement, Person
from headrace.api.modzy.shapes import times
from headrace.domain.account import ApiKey, Role, Status, Team, User


class EntitlementShape(msgspec.Struct, rename="camel"):
    identifier: str
    description: str
    long_description: str
    weight: int


class PersonShape(msgspec.Struct, rename="camel"):
    identifier: str
    external_identifier: str
    first_name: str
    last_name: str
    email: str
    title: str
    status: str
    last_active_date_time: str | None
    visited: bool
    onboarded: bool


class NewUserKey(msgspec.Struct, rename="camel"):
    prefix: str
    is_default: bool


class CreatedUser(PersonShape, kw_only=True):
    """`accessKeys` holds the new key's prefix; POST …/access-keys/{prefix}/hash brings its body, once."""

    access_keys: list[NewUserKey]


class TeamShape(msgspec.Struct, rename="camel"):
    identifier: str
    name: str
    account_identifier: str


class AccountShape(msgspec.Struct, rename="camel"):
    identifier: str
    name: str
    company_name: str
    status: str


class ProjectShape(msgspec.Struct):
    """There are no projects yet: the list is empty."""

    identifier: str
    name: str


class KeyUser(msgspec.Struct, rename="camel"):
    identifier: str
    first_name: str
    last_name: str
    email: str
    status: str


class KeyTeam(msgspec.Struct):
    identifier: str


class KeyShape(msgspec.Struct, rename="camel"):
    prefix: str
    name: str
    description: str
    is_default: bool
    is_high_priority: bool
    status: str
    created_at: str
    last_active_date_time: str | None
    retrieved: bool
    roles: list[str]
    labels: list[str]
    key_type: str
    account: str
    team: KeyTeam
    user: KeyUser


class HashShape(msgspec.Struct):
    """The body of a key: shown now and never again."""

    prefix: str
    hash: str


class LicenseShape(msgspec.Struct, rename="camel"):
    """`processingEngines` is a text in the contract."""

    company_name: str
    processing_engines: str


_STATUS = {Status.ACTIVE: "Active", Status.INACTIVE: "Inactive"}


def entitlement(one: Entitlement) -> EntitlementShape:
    return EntitlementShape(one.identifier, one.description, one.long_description, one.weight)


def person(one: Person) -> PersonShape:
    user = one.user
    return PersonShape(
        identifier=user.identifier,
        external_identifier=user.external_identifier,
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        title=user.title,
        status=user.status,
        last_active_date_time=times.text_or_none(one.last_active),
        visited=one.last_active is not None,
        onboarded=True,
    )


def created_user(user: User, key: ApiKey) -> CreatedUser:
    fields = msgspec.structs.asdict(person(Person(user, None)))
    return CreatedUser(**fields, access_keys=[NewUserKey(key.prefix, key.is_default)])


def team(one: Team) -> TeamShape:
    return TeamShape(one.identifier, one.name, one.account)


def key(one: ApiKey, user: User, account: str) -> KeyShape:
    return KeyShape(
        prefix=one.prefix,
        name=one.name,
        description="",
        is_default=one.is_default,
        is_high_priority=False,
        status=_STATUS[one.status],
        created_at=times.text(one.created),
        last_active_date_time=times.text_or_none(one.last_used),
        retrieved=True,
        roles=_roles(one.roles),
        labels=[],
        key_type="user",
        account=account,
        team=KeyTeam(one.team),
        user=KeyUser(user.identifier, user.first_name, user.last_name, user.email, user.status),
    )


def _roles(roles: Sequence[Role] | frozenset[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]
