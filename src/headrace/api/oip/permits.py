"""Who may ask which version, remembered for a moment: most requests say the same as the one before them.

What keys and directory have found out is good for MAX_AGE seconds, and void with any change that this server makes to
keys, models or versions: a key that is switched off opens nothing from the next request on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from headrace.accounts.keys import Keys
from headrace.api.callers import Caller, Callers
from headrace.catalog.directory import Directory
from headrace.domain.account import Action
from headrace.domain.version import Version
from headrace.storage.shared import Shared

MAX_AGE = 1.0  # seconds
KEPT = 4_096
LONGEST = 2_048  # characters of what is remembered about one caller
ASK = (Action.SUBMIT_JOBS,)


@dataclass(frozen=True, slots=True)
class Permit:
    version: Version
    team: str
    run: float  # seconds for its answer
    until: float
    turn: int  # of keys and directory together: it grows with every change


class Permits:
    def __init__(
        self, keys: Keys, callers: Callers, directory: Directory, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._callers, self._directory, self._clock = keys, callers, directory, clock
        self._kept: dict[tuple[Caller, str, str | None], Permit] = {}
        self._finding: Shared[tuple[Caller, str, str | None, int], Permit] = Shared()

    def known(self, caller: Caller, name: str, version: str | None) -> Permit | None:
        """What was found out a moment ago. None: ask `find`."""
        permit = self._kept.get((caller, name, version))
        return permit if permit is not None and self.good(permit) else None

    def good(self, permit: Permit) -> bool:
        """Whether what was found out then still holds."""
        return permit.until >= self._clock() and permit.turn == self._keys.turn + self._directory.turn

    async def find(self, caller: Caller, name: str, version: str | None) -> Permit:
        """The same, found out if need be: callers go on in the order in which they came.

        Raises Unauthenticated, Forbidden, and as Directory.resolve does: errors are not remembered.
        """
        asked = (caller, name, version, self._keys.turn + self._directory.turn)
        return await self._finding.of(asked, lambda: self._find(caller, name, version))

    async def _find(self, caller: Caller, name: str, version: str | None) -> Permit:
        if (permit := self.known(caller, name, version)) is not None:
            return permit
        until, turn = self._clock() + MAX_AGE, self._keys.turn + self._directory.turn
        principal = await self._callers.allowed(ASK, *caller)
        _, found = await self._directory.resolve(principal, name, version)
        permit = Permit(found, principal.team, found.timeout.run / 1000, until, turn)
        if len(caller.authorization or "") + len(caller.origin or "") + len(caller.team or "") <= LONGEST:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[caller, name, version] = permit
        return permit
