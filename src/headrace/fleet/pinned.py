"""Callers who wait for one replica and no other: what a model remembers of a sequence lies there."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

from headrace.domain.errors import ReplicaLost
from headrace.fleet.seat import Replica

_Turn = asyncio.Future[None]


class Pinned:
    """Of one version. Where others wait too, a replica that gets free is given to them and to these in turns."""

    def __init__(self) -> None:
        self._waits: defaultdict[str, deque[_Turn]] = defaultdict(deque)
        self._last = False  # whether it went to one of these last time

    async def wait(self, replica: Replica, patience: float, give_on: Callable[[], None]) -> None:
        """Until the replica is taken for us. Raises ReplicaLost, TimeoutError."""
        if replica.retired or replica.broken.is_set():
            raise _lost(replica)
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._waits[replica.name].append(turn)
        taken = False
        try:
            async with asyncio.timeout(patience):
                await turn
            taken = True
        finally:
            if turn in (waits := self._waits[replica.name]):
                waits.remove(turn)
            if not waits:
                del self._waits[replica.name]
            if not taken and turn.done() and not turn.cancelled() and turn.exception() is None:
                replica.give_back()  # handed over in the very moment in which the caller gave up
                give_on()

    def offer(self, replica: Replica, *, others: bool) -> bool:
        """The replica is free: whether one of these takes it."""
        waits = self._waits.get(replica.name)
        if not waits or (others and self._last):
            self._last = False
            return False
        while waits:
            turn = waits.popleft()
            if not turn.done():
                replica.take()
                turn.set_result(None)
                self._last = True
                return True
        return False

    def gone(self, replica: Replica) -> None:
        """It takes no more questions."""
        for turn in self._waits.get(replica.name, ()):
            if not turn.done():
                turn.set_exception(_lost(replica))


def _lost(replica: Replica) -> ReplicaLost:
    return ReplicaLost(f"replica {replica.name} has ended")
