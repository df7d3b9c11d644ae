"""The administrator's key of the first start: made once, or given by the operator. One transaction."""

import hmac
from dataclasses import dataclass, field

from headrace.accounts import key_rows, rows
from headrace.domain.account import ApiKey, Role, Status, Team, User
from headrace.domain.clock import Millis
from headrace.domain.errors import Conflict, NotFound
from headrace.domain.ids import new_id
from headrace.storage.database import Tx

TEAM = "admin"  # the team that exists from installation
ROLES = frozenset({Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN, Role.DATA_SCIENTIST, Role.TEAM_ROLE})


@dataclass(frozen=True, slots=True)
class FirstKey:
    """`given`: by the operator, so it replaces what is stored; otherwise made up, for the case that nothing is."""

    email: str
    prefix: str
    digest: bytes = field(repr=False)
    given: bool


def ensure(tx: Tx, account: str, first: FirstKey, now: Millis) -> bool:
    """True when `first` is the administrator's key from now on and was not before. Raises Conflict."""
    stored = key_rows.find_first(tx, account)
    if stored is None:
        user = rows.find_by_email(tx, account, first.email) or _administrator(tx, account, first.email, now)
        _put(tx, account, first, user.identifier, now)
        return True
    key, digest = stored
    if not first.given:
        return False
    if key.prefix != first.prefix:
        key_rows.no_longer_first(tx, key.prefix)
        _put(tx, account, first, key.user, now)
        return True
    if hmac.compare_digest(digest, first.digest):
        return False
    key_rows.make_first(tx, key.prefix, first.digest)
    return True


def _put(tx: Tx, account: str, first: FirstKey, user: str, now: Millis) -> None:
    try:
        known = key_rows.key(tx, account, first.prefix)
    except NotFound:
        team = rows.find_team_by_name(tx, account, TEAM) or _team(tx, account)
        key = ApiKey(
            prefix=first.prefix,
            name="Administrator",
            user=user,
            team=team.identifier,
            roles=ROLES,
            is_default=not key_rows.keys_of_user(tx, account, user),
            status=Status.ACTIVE,
            created=now,
            last_used=None,
        )
        key_rows.insert_key(tx, account, key, first.digest, is_first=True)
        return
    if known.user != user:
        raise Conflict("the prefix of the given administrator's key belongs to somebody else's key: choose another one")
    key_rows.make_first(tx, first.prefix, first.digest)
    key_rows.set_roles(tx, first.prefix, ROLES)


def _administrator(tx: Tx, account: str, email: str, now: Millis) -> User:
    user = User(
        identifier=new_id(),
        external_identifier="admin",
        email=email,
        first_name="Administrator",
        last_name="",
        title="",
        status=Status.ACTIVE,
        created=now,
    )
    rows.insert_user(tx, account, user)
    return user


def _team(tx: Tx, account: str) -> Team:
    team = Team(new_id(), TEAM, account)
    rows.insert_team(tx, team)
    return team
