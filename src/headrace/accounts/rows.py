"""SQL <-> User, Team. Plain functions of a transaction."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Row, String, Table, UniqueConstraint, insert, select
from sqlalchemy.exc import IntegrityError

from headrace.domain.account import Status, Team, User
from headrace.domain.errors import Conflict, NotFound
from headrace.storage.database import Tx
from headrace.storage.schema import metadata

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("external_identifier", String, nullable=False),
    Column("email", String, nullable=False),
    Column("email_folded", String, nullable=False),  # no two users whose addresses differ in letter case only
    Column("first_name", String, nullable=False),
    Column("last_name", String, nullable=False),
    Column("title", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("account", "email_folded"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("name", String, nullable=False),
    UniqueConstraint("account", "name"),
)


def insert_user(tx: Tx, account: str, user: User) -> None:
    try:
        tx.execute(
            insert(users).values(
                id=user.identifier,
                account=account,
                external_identifier=user.external_identifier,
                email=user.email,
                email_folded=user.email.casefold(),
                first_name=user.first_name,
                last_name=user.last_name,
                title=user.title,
                status=user.status.value,
                created=user.created,
            )
        )
    except IntegrityError:
        raise Conflict(f"there is already a user with the e-mail address {user.email}") from None


def user(tx: Tx, account: str, identifier: str) -> User:
    row = tx.execute(select(users).where(users.c.account == account, users.c.id == identifier)).one_or_none()
    if row is None:
        raise NotFound(f"User {identifier} not found")
    return to_user(row)


def find_by_email(tx: Tx, account: str, email: str) -> User | None:
    found = tx.execute(
        select(users).where(users.c.account == account, users.c.email_folded == email.casefold())
    ).one_or_none()
    return to_user(found) if found is not None else None


def all_users(tx: Tx, account: str) -> list[User]:
    found = tx.execute(select(users).where(users.c.account == account).order_by(users.c.email_folded, users.c.id))
    return [to_user(row) for row in found]


def to_user(row: Row[tuple[object, ...]]) -> User:
    """From any row that has the columns of `users`."""
    return User(
        identifier=row.id,
        external_identifier=row.external_identifier,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        title=row.title,
        status=Status(row.status),
        created=row.created,
    )


def insert_team(tx: Tx, team: Team) -> None:
    try:
        tx.execute(insert(teams).values(id=team.identifier, account=team.account, name=team.name))
    except IntegrityError:
        raise Conflict(f"there is already a team named {team.name!r}") from None


def team(tx: Tx, account: str, identifier: str) -> Team:
    found = tx.execute(select(teams).where(teams.c.account == account, teams.c.id == identifier)).one_or_none()
    if found is None:
        raise NotFound(f"Team {identifier} not found")
    return _to_team(found)


def find_team_by_name(tx: Tx, account: str, name: str) -> Team | None:
    found = tx.execute(select(teams).where(teams.c.account == account, teams.c.name == name)).one_or_none()
    return _to_team(found) if found is not None else None


def all_teams(tx: Tx, account: str) -> list[Team]:
    found = tx.execute(select(teams).where(teams.c.account == account).order_by(teams.c.name))
    return [_to_team(row) for row in found]


def teams_by_id(tx: Tx, account: str, identifiers: Sequence[str]) -> list[Team]:
    found = tx.execute(
        select(teams).where(teams.c.account == account, teams.c.id.in_(identifiers)).order_by(teams.c.name)
    )
    return [_to_team(row) for row in found]


def _to_team(row: Row[tuple[object, ...]]) -> Team:
    return Team(row.id, row.name, row.account)
