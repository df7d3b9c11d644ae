"""Users and teams of the account, and what a key is entitled to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.accounts import key_rows, rows
from headrace.accounts.once import Mark, unmarked
from headrace.domain.account import Action, Principal, Role, Status, Team, User
from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.ids import new_id
from headrace.domain.listing import Filter, Page
from headrace.storage.database import Database, Tx

LONGEST_EMAIL = 254
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class NewUser:
    email: str
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    external_identifier: str = ""


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Everything that is set must hold. `search` looks at names and e-mail; `start` and `end` at the last activity."""

    first_name: Filter = field(default_factory=Filter)
    last_name: Filter = field(default_factory=Filter)
    email: Filter = field(default_factory=Filter)
    search: Filter = field(default_factory=Filter)
    status: Status | None = None
    access_key: str | None = None  # prefix, exactly
    start: Millis | None = None
    end: Millis | None = None
    page: Page = field(default_factory=Page)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the list shows it. `last_active`: when one of the user's keys was last used."""

    user: User
    last_active: Millis | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    identifier: str
    description: str
    long_description: str
    weight: int


# The Go SDK asks for this one and then PATCHes …/processing instead of the version (contracts/modzy.md, A.4).
_PATCH_PROCESSING = "CAN_PATCH_PROCESSING_MODEL_VERSION"

_ENTITLEMENTS: Mapping[str, frozenset[Action]] = {
    "CAN_GET_MODELS": frozenset({Action.READ_LIBRARY}),
    "CAN_POST_MODELS": frozenset({Action.DEPLOY_MODELS}),
    "CAN_PATCH_MODEL_VERSION": frozenset({Action.DEPLOY_MODELS, Action.APPROVE_MODELS}),
    _PATCH_PROCESSING: frozenset({Action.SCALE_ENGINES, Action.DEPLOY_MODELS}),
    "CAN_POST_JOBS": frozenset({Action.SUBMIT_JOBS}),
    "CAN_GET_RESULTS": frozenset({Action.READ_OWN_JOBS, Action.READ_TEAM_JOBS}),
    "CAN_DELETE_JOBS": frozenset({Action.CANCEL_OWN_JOBS, Action.CANCEL_TEAM_JOBS}),
    "CAN_MANAGE_USERS": frozenset({Action.MANAGE_KEYS}),
    "CAN_GET_QUOTAS": frozenset({Action.READ_QUOTAS}),
    "CAN_POST_QUOTAS": frozenset({Action.CHANGE_QUOTAS}),
}


class People:
    def __init__(self, database: Database, account: str) -> None:
        self._database, self._account = database, account

    async def create_user(self, new: NewUser, now: Millis, mark: Mark = unmarked) -> User:
        """Raises Invalid, and Conflict when the e-mail address is taken."""
        user = User(
            identifier=new_id(),
            external_identifier=_text("externalIdentifier", new.external_identifier),
            email=_email(new.email),
            first_name=_text("firstName", new.first_name),
            last_name=_text("lastName", new.last_name),
            title=_text("title", new.title),
            status=Status.ACTIVE,
            created=now,
        )

        def transaction(tx: Tx) -> None:
            rows.insert_user(tx, self._account, user)
            mark(tx, f"user {user.email}")

        await self._database.write(transaction)
        return user

    async def user(self, identifier: str) -> User:
        """Raises NotFound."""
        return await self._database.read(lambda tx: rows.user(tx, self._account, identifier))

    async def by_email(self, email: str) -> User:
        """In any letter case. Raises NotFound."""
        found = await self._database.read(lambda tx: rows.find_by_email(tx, self._account, email))
        if found is None:
            raise NotFound(f"User {email} not found")
        return found

    async def users(self, query: UserQuery) -> list[Person]:
        """By e-mail address."""
        people, owner = await self._database.read(lambda tx: self._everybody(tx, query.access_key))
        found = [person for person in people if _wanted(person, query)]
        if query.access_key is not None:
            found = [person for person in found if person.user.identifier == owner]
        return query.page.of(found)

    async def create_team(self, name: str) -> Team:
        """Raises Invalid, and Conflict when the name is taken."""
        team = Team(new_id(), _text("name", name), self._account)
        if not team.name:
            raise Invalid("a team needs a name")
        await self._database.write(lambda tx: rows.insert_team(tx, team))
        return team

    async def team(self, identifier: str) -> Team:
        """Raises NotFound."""
        return await self._database.read(lambda tx: rows.team(tx, self._account, identifier))

    async def teams(self, principal: Principal) -> list[Team]:
        """Those in which the user has an active key, and the key's own; for a platform administrator all."""

        def transaction(tx: Tx) -> list[Team]:
            if Role.SYSTEM_OWNER in principal.roles:
                return rows.all_teams(tx, self._account)
            held = key_rows.keys_of_user(tx, self._account, principal.user.identifier)
            mine = {key.team for key in held if key.status is Status.ACTIVE} | {principal.team}
            return rows.teams_by_id(tx, self._account, sorted(mine))

        return await self._database.read(transaction)

    def _everybody(self, tx: Tx, access_key: str | None) -> tuple[list[Person], str | None]:
        last: dict[str, Millis] = {}
        owner = None
        for key in key_rows.keys_of_account(tx, self._account):
            last[key.user] = max(last.get(key.user, 0), key.last_used or 0)
            if key.prefix == access_key:
                owner = key.user
        users = rows.all_users(tx, self._account)
        return [Person(user, last.get(user.identifier) or None) for user in users], owner


def entitlements(principal: Principal) -> list[Entitlement]:
    """What the key's roles allow, in the words that the Go SDK and the CLI ask for."""
    found = []
    for weight, (identifier, actions) in enumerate(_ENTITLEMENTS.items(), start=1):
        able = sorted(action.value for action in actions if principal.may(action))
        if able:
            found.append(Entitlement(identifier, able[0], "; ".join(able), weight))
    return found


def _wanted(person: Person, query: UserQuery) -> bool:
    user = person.user
    takes = (
        query.first_name.takes(user.first_name)
        and query.last_name.takes(user.last_name)
        and query.email.takes(user.email)
        and query.search.takes(f"{user.first_name} {user.last_name} {user.email}")
    )
    return takes and query.status in (None, user.status) and _within(person.last_active, query.start, query.end)


def _within(at: Millis | None, start: Millis | None, end: Millis | None) -> bool:
    if start is None and end is None:
        return True
    return at is not None and (start is None or at >= start) and (end is None or at <= end)


def _email(text: str) -> str:
    text = text.strip()
    name, _, host = text.rpartition("@")
    if not name or not host or len(text) > LONGEST_EMAIL or not text.isprintable() or " " in text:
        raise Invalid("email must be an address like ann@example.com")
    return text


def _text(field_name: str, text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise Invalid(f"{field_name} must be at most {LONGEST_NAME} printable characters")
    return text
