"""What servers that are gone had under way goes back into the queue; what is under way here is kept.

First the liveness that the database or the file lock tells, which no clock can bend. Only then the leases: each is
renewed by its server, and one that shows no change for `jobs.lease` by this server's own steady clock is taken back,
from a server that hangs as well. The times in the rows are never compared with a clock.
"""

import logging
from collections.abc import Collection
from contextlib import suppress

from headrace import faults
from headrace.domain.clock import Millis, steady
from headrace.domain.errors import StorageFailed
from headrace.jobs import lease_rows
from headrace.jobs.lease_rows import Held
from headrace.jobs.room import Room
from headrace.storage.database import Tx

logger = logging.getLogger(__name__)

LONGEST_PAUSE: Millis = 60_000  # of an input that met a fault of ours
SOON = 0.05  # seconds: the shortest time between two looks


class Recovery:
    """`start` before anything is claimed, then `run`."""

    def __init__(self, room: Room) -> None:
        self._room, self._database, self._servers = room, room.database, room.servers
        self._seen: dict[str, tuple[Millis, Millis]] = {}  # token → (until, since when we have known this value)
        self._renewed: Millis = steady()
        self._known: int | None = None  # how many commits there were before a look that found nothing held or due

    async def start(self) -> int:
        """Returns how many inputs dead servers left; at the start of the only server that is all that was held."""
        return await self._database.write(self._bury)

    async def run(self) -> None:
        while True:
            with suppress(StorageFailed):
                if await self.look():
                    self._room.work.ring_all()
            await self._room.pauses.wait(await self._pause())

    async def look(self) -> int:
        """Returns how many inputs can be claimed again."""
        if self._at_rest:
            return 0
        commits = self._database.commits
        held, dead, first = await self._database.read(self._read)
        self._known = None if held or first is not None else commits
        lost = self._lost(held, dead)
        back = await self._database.write(lambda tx: lease_rows.take_back(tx, lost)) if lost else 0
        faults.point("recovery.taken.back")
        if back:
            names = ", ".join(sorted({one.server for one in lost}))
            logger.warning("%d inputs that were under way (%s) are in the queue again", back, names)
        await self._renew(held)
        at = steady()
        if first is not None and (first <= at or first > at + LONGEST_PAUSE):
            back += await self._database.write(lambda tx: lease_rows.due(tx, at, LONGEST_PAUSE))
        return back

    @property
    def _at_rest(self) -> bool:
        """Nothing was held or due at the last look, and nothing has been stored since."""
        return self._known is not None and self._known == self._database.commits

    def _read(self, tx: Tx) -> tuple[list[Held], Collection[str], Millis | None]:
        return lease_rows.held(tx), self._servers.dead(tx), lease_rows.next_due(tx)

    def _lost(self, held: Collection[Held], dead: Collection[str]) -> list[Held]:
        at, seen = steady(), {}
        lost = []
        for one in held:
            before = self._seen.get(one.token)
            since = before[1] if before is not None and before[0] == one.until else at
            seen[one.token] = (one.until, since)
            if one.server in dead or self._forsaken(one, at - since, known=before is not None):
                lost.append(one)
        self._seen = seen
        return lost

    def _forsaken(self, one: Held, unchanged: Millis, *, known: bool) -> bool:
        """Of a server that seems alive. Our own: no worker has it in hand, and it is no claim just being made."""
        if one.server == self._servers.me:
            return known and one.token not in self._room.tokens
        return unchanged >= self._room.settings.lease

    async def _renew(self, held: Collection[Held]) -> None:
        lease, at = self._room.settings.lease, steady()
        if at - self._renewed < lease // 4 or not any(one.server == self._servers.me for one in held):
            return
        await self._database.write(lambda tx: lease_rows.renew(tx, self._servers.me, at + lease))
        self._renewed = at

    async def _pause(self) -> float:
        longest = min(self._servers.look, self._room.settings.lease / 4000)
        if self._at_rest:
            return longest
        try:
            due = await self._database.read(lease_rows.next_due)
        except StorageFailed:
            return 1.0
        return longest if due is None else min(longest, max(SOON, (due - steady()) / 1000))

    def _bury(self, tx: Tx) -> int:
        dead = self._servers.dead(tx)
        return lease_rows.take_back(tx, [one for one in lease_rows.held(tx) if one.server in dead])
