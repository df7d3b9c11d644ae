"""Users, teams, keys, entitlements, the licence."""

from headrace.accounts import access
from headrace.accounts.keys import NewKey
from headrace.accounts.people import UserQuery, entitlements
from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy.parse import accounts as parse
from headrace.api.modzy.shapes import accounts as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.domain.clock import now
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.listing import Filter

NoBody = Call[NoQuery, None]


class Accounts:
    def __init__(self, rooms: Rooms) -> None:
        self._people, self._keys, self._fleet = rooms.people, rooms.keys, rooms.fleet

    def rows(self) -> list[Row]:
        own, rule, root = Action.READ_OWN_ACCOUNT, Action.MANAGE_KEYS, "/api/accounting"
        return [
            Endpoint("GET", f"{root}/entitlements", "What this key may do", own, self.entitlements,
                     answer=list[shapes.EntitlementShape]),
            Endpoint("GET", f"{root}/users", "Users; without the right to manage keys only oneself", own, self.users,
                     query=parse.UsersQuery, answer=list[shapes.PersonShape]),
            Endpoint("POST", f"{root}/users/search", "Users by their e-mail addresses", rule, self.search,
                     body=parse.SearchBody, answer=list[shapes.PersonShape]),
            Endpoint("GET", f"{root}/accounts", "The account", own, self.accounts,
                     answer=list[shapes.AccountShape]),
            Endpoint("GET", f"{root}/accounts/{{account}}", "The account", own, self.account,
                     answer=shapes.AccountShape),
            Endpoint("POST", f"{root}/accounts/{{account}}/users", "Create a user with a first key", rule,
                     self.create_user, body=parse.NewUserBody, answer=shapes.CreatedUser, success=201, errors=(409,),
                     repeat=Repeatable()),
            Endpoint("GET", f"{root}/teams", "The caller's teams", own, self.teams,
                     answer=list[shapes.TeamShape]),
            Endpoint("GET", f"{root}/projects", "Projects: there are none yet", own, self.projects,
                     answer=list[shapes.ProjectShape]),
            Endpoint("GET", f"{root}/projects/{{project}}", "A project: there are none yet", own, self.project,
                     answer=shapes.ProjectShape),
            Endpoint("GET", "/api/license", "The account's name, and how many engines may run", own, self.license,
                     answer=shapes.LicenseShape),
        ]  # fmt: skip

    async def entitlements(self, call: NoBody) -> list[shapes.EntitlementShape]:
        return [shapes.entitlement(one) for one in entitlements(call.principal)]

    async def users(self, call: Call[parse.UsersQuery, None]) -> list[shapes.PersonShape]:
        found = await self._people.users(parse.user_query(call.query))
        everybody = call.principal.may(Action.MANAGE_KEYS)
        return [shapes.person(one) for one in found if everybody or one.user == call.principal.user]

    async def search(self, call: Call[NoQuery, parse.SearchBody]) -> list[shapes.PersonShape]:
        wanted = {email.casefold() for email in call.body.identifiers}
        found = await self._people.users(UserQuery(email=Filter()))
        return [shapes.person(one) for one in found if one.user.email.casefold() in wanted]

    async def accounts(self, call: NoBody) -> list[shapes.AccountShape]:
        return [_account(call.principal.account)]

    async def account(self, call: NoBody) -> shapes.AccountShape:
        _check_account(call)
        return _account(call.principal.account)

    async def create_user(self, call: Call[NoQuery, parse.NewUserBody]) -> shapes.CreatedUser:
        _check_account(call)
        roles = parse.roles(call.body.roles)
        access.check_grant(call.principal, roles)
        if not roles:
            raise Invalid("`roles` should hold at least one role for the new user's key")
        user = await self._people.create_user(parse.new_user(call.body), now(), call.mark)
        key, _ = await self._keys.create(NewKey(user.identifier, call.principal.team, "first key", roles), now())
        return shapes.created_user(user, key)

    async def teams(self, call: NoBody) -> list[shapes.TeamShape]:
        return [shapes.team(one) for one in await self._people.teams(call.principal)]

    async def projects(self, _call: NoBody) -> list[shapes.ProjectShape]:
        return []

    async def project(self, call: NoBody) -> shapes.ProjectShape:
        raise NotFound(f"Project {call.params['project']} not found")

    async def license(self, call: NoBody) -> shapes.LicenseShape:
        return shapes.LicenseShape(call.principal.account, str(self._fleet.limit))


def _account(name: str) -> shapes.AccountShape:
    return shapes.AccountShape(name, name, name, "active")


def _check_account(call: Call[NoQuery, object]) -> None:
    if call.params["account"] != call.principal.account:
        raise NotFound(f"Account {call.params['account']} not found")
