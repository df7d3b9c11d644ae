"""The gate: who asks, and may they. Every endpoint that is not public passes here, before its body is read."""

from starlette.datastructures import Headers

from headrace.accounts import access
from headrace.accounts.keys import Keys
from headrace.api.endpoint import NOBODY
from headrace.domain.account import Action, Principal
from headrace.domain.errors import Forbidden


class Gate:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def principal(self, headers: Headers, actions: tuple[Action, ...]) -> Principal:
        """One of the actions must be allowed; none means public. Raises Unauthenticated, Forbidden."""
        if not actions:
            return NOBODY
        principal = await self._keys.principal(headers.get("authorization"))
        team = headers.get("modzy-team-id", principal.team)
        if team != principal.team:
            raise Forbidden(f"this key belongs to team {principal.team}, not to the one in Modzy-Team-Id")
        if not any(principal.may(action) for action in actions):
            access.require(principal, actions[0])
        return principal
