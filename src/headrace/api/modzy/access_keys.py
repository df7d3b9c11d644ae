"""Access keys: look at, create, change, renew. A body is shown once, in the answer that made it."""

from headrace.accounts import access
from headrace.accounts.keys import NewKey
from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy.parse import accounts as parse
from headrace.api.modzy.shapes import accounts as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action, ApiKey
from headrace.domain.clock import now
from headrace.domain.errors import Forbidden, NotFound

NoBody = Call[NoQuery, None]


class AccessKeys:
    def __init__(self, rooms: Rooms) -> None:
        self._people, self._keys = rooms.people, rooms.keys

    def rows(self) -> list[Row]:
        own, rule, keys = Action.READ_OWN_ACCOUNT, Action.MANAGE_KEYS, "/api/accounting/access-keys"
        one, once = f"{keys}/{{prefix}}", Repeatable(secret=True)
        return [
            Endpoint("GET", one, "A key's details", own, self.key, answer=shapes.KeyShape),
            Endpoint("GET", f"{keys}/user/{{email}}", "The keys of a user", own, self.of_user,
                     answer=list[shapes.KeyShape]),
            Endpoint("POST", keys, "Create a key for a user", rule, self.create,
                     body=parse.NewKeyBody, answer=shapes.HashShape, success=201, errors=(404,), repeat=once),
            Endpoint("POST", f"{one}/hash", "Renew a key: its new body, shown once", own, self.renew,
                     answer=shapes.HashShape, repeat=once),
            Endpoint("PUT", f"{one}/roles", "Set a key's roles", rule, self.set_roles,
                     body=parse.RolesBody, answer=shapes.KeyShape, errors=(409,)),
            Endpoint("PATCH", one, "Switch a key on or off", rule, self.set_status,
                     body=parse.KeyPatch, answer=shapes.KeyShape, errors=(409,)),
        ]  # fmt: skip

    async def key(self, call: NoBody) -> shapes.KeyShape:
        return await self._shape(call, await self._seen(call))

    async def of_user(self, call: NoBody) -> list[shapes.KeyShape]:
        email = call.params["email"]
        user = await self._people.by_email(email)
        found = await self._keys.of_user(user.identifier)
        seen = [key for key in found if access.sees_key(call.principal, key)]
        if not seen and user != call.principal.user:
            raise NotFound(f"User {email} not found")
        return [shapes.key(key, user, call.principal.account) for key in seen]

    async def create(self, call: Call[NoQuery, parse.NewKeyBody]) -> shapes.HashShape:
        roles = parse.roles(call.body.roles)
        access.require(call.principal, Action.MANAGE_KEYS)
        team = call.body.team or call.principal.team
        if team not in {one.identifier for one in await self._people.teams(call.principal)}:
            raise NotFound(f"Team {team} not found")
        user = await self._people.by_email(call.body.user)
        access.check_new_key(call.principal, team, roles, await self._keys.of_user(user.identifier))
        key, text = await self._keys.create(NewKey(user.identifier, team, call.body.name, roles), now(), call.mark)
        return shapes.HashShape(key.prefix, text.partition(".")[2])

    async def renew(self, call: NoBody) -> shapes.HashShape:
        key = await self._seen(call)
        if not access.renews_key(call.principal, key):
            raise Forbidden(f"this key may not be shown a new body for access key {key.prefix}: it would gain roles")
        return shapes.HashShape(key.prefix, await self._keys.renew(key.prefix, call.mark))

    async def set_roles(self, call: Call[NoQuery, parse.RolesBody]) -> shapes.KeyShape:
        key, roles = await self._managed(call), parse.roles(call.body.roles)
        access.check_grant(call.principal, roles)
        return await self._shape(call, await self._keys.set_roles(key.prefix, roles))

    async def set_status(self, call: Call[NoQuery, parse.KeyPatch]) -> shapes.KeyShape:
        key = await self._managed(call)
        return await self._shape(call, await self._keys.set_status(key.prefix, parse.status(call.body.status)))

    async def _seen(self, call: Call[NoQuery, object]) -> ApiKey:
        key = await self._keys.details(call.params["prefix"])
        if not access.sees_key(call.principal, key):
            raise NotFound(f"Access key {key.prefix} not found")
        return key

    async def _managed(self, call: Call[NoQuery, object]) -> ApiKey:
        key = await self._seen(call)
        self._check_managed(call, key)
        return key

    def _check_managed(self, call: Call[NoQuery, object], key: ApiKey) -> None:
        if not access.manages_key(call.principal, key):
            raise Forbidden(f"this key may not change access key {key.prefix}")

    async def _shape(self, call: Call[NoQuery, object], key: ApiKey) -> shapes.KeyShape:
        return shapes.key(key, await self._people.user(key.user), call.principal.account)
