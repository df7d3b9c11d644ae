"""SQL <-> ApiKey and the keyed hash of its body. The body itself never comes here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from headrace.accounts import rows
from headrace.domain.account import ApiKey, Role, Status, User
from headrace.domain.clock import Millis
from headrace.domain.errors import NotFound
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("prefix", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("account", String, nullable=False),
    Column("user", String, ForeignKey(rows.users.c.id), nullable=False, index=True),
    Column("team", String, ForeignKey(rows.teams.c.id), nullable=False),
    Column("name", String, nullable=False),
    Column("roles", String, nullable=False),  # separated by commas
    Column("is_default", Boolean, nullable=False),
    Column("is_first", Boolean, nullable=False),  # the administrator's key of the first start
    Column("key_status", String, nullable=False),
    Column("key_created", BigInteger, nullable=False),
    Column("last_used", BigInteger, nullable=True),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A key, whom it belongs to, and what its body is compared with."""

    key: ApiKey
    user: User
    digest: bytes = field(repr=False)


def insert_key(tx: Tx, account: str, key: ApiKey, digest: bytes, *, is_first: bool = False) -> None:
    tx.execute(
        insert(api_keys).values(
            prefix=key.prefix,
            digest=digest,
            account=account,
            user=key.user,
            team=key.team,
            name=key.name,
            roles=_pack(key.roles),
            is_default=key.is_default,
            is_first=is_first,
            key_status=key.status.value,
            key_created=key.created,
            last_used=key.last_used,
        )
    )


def holder(tx: Tx, account: str, prefix: str) -> Holder:
    row = tx.execute(
        select(api_keys, rows.users)
        .join(rows.users, rows.users.c.id == api_keys.c.user)
        .where(api_keys.c.prefix == prefix, api_keys.c.account == account)
    ).one_or_none()
    if row is None:
        raise NotFound("Access key not found")
    return Holder(_to_key(row), rows.to_user(row), row.digest)


def key(tx: Tx, account: str, prefix: str) -> ApiKey:
    found = tx.execute(select(api_keys).where(api_keys.c.prefix == prefix, api_keys.c.account == account)).one_or_none()
    if found is None:
        raise NotFound(f"Access key {prefix} not found")
    return _to_key(found)


def find_first(tx: Tx, account: str) -> tuple[ApiKey, bytes] | None:
    row = tx.execute(select(api_keys).where(api_keys.c.account == account, api_keys.c.is_first)).one_or_none()
    return (_to_key(row), row.digest) if row is not None else None


def keys_of_user(tx: Tx, account: str, user: str) -> list[ApiKey]:
    found = tx.execute(
        select(api_keys)
        .where(api_keys.c.user == user, api_keys.c.account == account)
        .order_by(api_keys.c.key_created, api_keys.c.prefix)
    )
    return [_to_key(row) for row in found]


def keys_of_account(tx: Tx, account: str) -> list[ApiKey]:
    found = tx.execute(select(api_keys).where(api_keys.c.account == account))
    return [_to_key(row) for row in found]


def set_roles(tx: Tx, prefix: str, roles: frozenset[Role]) -> None:
    tx.execute(update(api_keys).where(api_keys.c.prefix == prefix).values(roles=_pack(roles)))


def set_status(tx: Tx, prefix: str, status: Status) -> None:
    tx.execute(update(api_keys).where(api_keys.c.prefix == prefix).values(key_status=status.value))


def set_digest(tx: Tx, prefix: str, digest: bytes) -> None:
    tx.execute(update(api_keys).where(api_keys.c.prefix == prefix).values(digest=digest))


def make_first(tx: Tx, prefix: str, digest: bytes) -> None:
    tx.execute(
        update(api_keys)
        .where(api_keys.c.prefix == prefix)
        .values(is_first=True, digest=digest, key_status=Status.ACTIVE.value)
    )


def no_longer_first(tx: Tx, prefix: str) -> None:
    """The old administrator's key stays as a row, because jobs name it, but it opens nothing any more."""
    tx.execute(
        update(api_keys)
        .where(api_keys.c.prefix == prefix)
        .values(is_first=False, is_default=False, key_status=Status.INACTIVE.value)
    )


def set_used(tx: Tx, used: Mapping[str, Millis]) -> None:
    tx.execute(
        update(api_keys)
        .where(api_keys.c.prefix == bindparam("key_prefix"))
        .where(func.coalesce(api_keys.c.last_used, 0) < bindparam("at"))
        .values(last_used=bindparam("at")),
        [{"key_prefix": prefix, "at": at} for prefix, at in sorted(used.items())],
    )


def _pack(roles: frozenset[Role]) -> str:
    return ",".join(sorted(roles))


def _to_key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        prefix=row.prefix,
        name=row.name,
        user=row.user,
        team=row.team,
        roles=frozenset(Role(name) for name in row.roles.split(",") if name),
        is_default=row.is_default,
        status=Status(row.key_status),
        created=row.key_created,
        last_used=row.last_used,
    )
