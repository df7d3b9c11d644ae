"""Who asks at the doors of inference, REST and gRPC: the same keys as everywhere, or nobody where the door is open."""

import time
from collections.abc import Callable
from typing import NamedTuple

from headrace.accounts import access
from headrace.accounts.keys import Keys
from headrace.api.hosts import is_loopback
from headrace.domain.account import Action, Principal, Role
from headrace.domain.errors import Forbidden, Invalid
from headrace.settings import Settings
from headrace.storage.recent import Recent

TOKEN = "triton-access-token"  # noqa: S105 - the name of a header
GRPC_TOKEN = f"triton-grpc-protocol-{TOKEN}"
OPEN_ROLES = frozenset({Role.DEVELOPER})
MAX_AGE = 10.0  # seconds


def authorization(given: str | None, token: str | None) -> str | None:
    """`token`: the key as pytriton's clients send it, in a header of its own."""
    return given or (f"ApiKey {token}" if token else None)


class Caller(NamedTuple):
    """What a request says about who sends it. A tuple: it is looked up for every request."""

    authorization: str | None = None
    origin: str | None = None
    team: str | None = None


class Callers:
    """`open_here`: whether this door needs no key; else accounts.open says so.

    Raises Invalid when accounts.open is set for a server that other machines can reach.
    """

    def __init__(
        self,
        keys: Keys,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        *,
        open_here: bool | None = None,
    ) -> None:
        self._keys = keys
        self._open = settings.accounts.open if open_here is None else open_here
        self._origins = frozenset(settings.server.origins)
        self._somebody: Recent[frozenset[Role], Principal] = Recent(1, MAX_AGE, clock)
        if settings.oip.shared_memory and not is_loopback(settings.server.host):
            raise Invalid(
                f"oip.shared_memory is for clients on this machine, and others can reach {settings.server.host}: it is "
                "only for loopback addresses"
            )
        if settings.accounts.open and not is_loopback(settings.server.host):
            raise Invalid(
                f"accounts.open lets everybody in who reaches {settings.server.host}: it is only for loopback addresses"
            )

    async def principal(self, authorization: str | None, origin: str | None = None) -> Principal:
        """`origin`: the header of that name, which browsers send. Raises Unauthenticated, Forbidden."""
        if authorization or not self._open:
            return await self._keys.principal(authorization)
        if origin is not None and origin not in self._origins:
            raise Forbidden(f"web pages of {origin[:100]} may not call this server: see the setting server.origins")
        return await self._anybody()

    async def allowed(
        self, actions: tuple[Action, ...], authorization: str | None, origin: str | None = None, team: str | None = None
    ) -> Principal:
        """One of the actions must be. Raises Unauthenticated, Forbidden."""
        principal = await self.principal(authorization, origin)
        if not any(principal.may(action) for action in actions):
            access.require(principal, actions[0])
        if team is not None and team != principal.team:
            raise Forbidden(f"this key belongs to team {principal.team}, not to the one in Modzy-Team-Id")
        return principal

    async def _anybody(self) -> Principal:
        return await self._somebody.of(OPEN_ROLES, lambda: self._keys.administrator(OPEN_ROLES))
