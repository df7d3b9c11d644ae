"""Sequences: requests with the same `sequence_id` reach the same replica, one after the other, in the order they came.

A model that remembers does so in its process. So when that ends, the sequence is lost, and its next request is told so;
it begins anew with `sequence_start`. What was not used for a while is forgotten.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

from headrace.domain.errors import Conflict, Invalid, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.fleet.routing import Replica, Routing, Seat
from headrace.settings import InferenceSettings


@dataclass(frozen=True, slots=True)
class Step:
    """What one request says of its sequence. `owner`: nobody else may use the same name at the same time."""

    sequence: int | str
    owner: str
    start: bool = False
    end: bool = False


@dataclass(slots=True)
class _Sequence:
    owner: str
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    replica: Replica | None = None
    lost: bool = False  # its replica ended
    used: float = 0.0
    waiting: int = 0  # requests that have come and are not answered


class Sequences:
    def __init__(self, routing: Routing, settings: InferenceSettings) -> None:
        self._routing, self._settings = routing, settings
        self._live: dict[tuple[VersionKey, int | str], _Sequence] = {}
        self._idle: OrderedDict[tuple[VersionKey, int | str], _Sequence] = OrderedDict()  # of those, last used last
        self._held: Counter[str] = Counter()  # sequences of each replica

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def seat(self, key: VersionKey, step: Step, patience: float) -> AsyncIterator[Seat]:
        """When its turn has come. Raises Unavailable, ModelFailed, Conflict, and Invalid when the sequence is lost."""
        name = (key, step.sequence)
        one = self._find(name, step)
        one.waiting += 1
        try:
            async with asyncio.timeout(patience):
                await one.turn.acquire()
        except TimeoutError:
            self._leave(name, one)
            raise Unavailable(f"the requests of sequence {step.sequence} before this one took {patience:g} s") from None
        except BaseException:
            self._leave(name, one)
            raise
        ended = False
        try:
            with await self._seat(key, one, step, patience) as seat:
                if one.replica is not seat.replica:
                    self._bind(one, seat.replica)
                yield seat
            ended = step.end
        finally:
            one.lost = one.lost or (one.replica is not None and one.replica.broken.is_set())
            one.turn.release()
            self._leave(name, one, ended=ended and not one.lost)

    async def _seat(self, key: VersionKey, one: _Sequence, step: Step, patience: float) -> Seat:
        if step.start or (one.replica is None and not one.lost):
            self._bind(one, None)
            one.lost = False
            free = self._routing.free_replicas(key)
            if not free:
                return await self._routing.any_seat(key, patience)
            return await self._routing.seat_on(key, min(free, key=lambda replica: self._held[replica.name]), patience)
        if one.replica is not None and not one.lost:
            with suppress(ReplicaLost):
                return await self._routing.seat_on(key, one.replica, patience)
        one.lost = True
        raise Invalid(
            f"sequence {step.sequence} is lost: the replica that held it has ended. Begin it again with sequence_start"
        )

    def _bind(self, one: _Sequence, replica: Replica | None) -> None:
        if one.replica is not None:
            self._held[one.replica.name] -= 1
            if not self._held[one.replica.name]:
                del self._held[one.replica.name]
        one.replica = replica
        if replica is not None:
            self._held[replica.name] += 1

    def _find(self, name: tuple[VersionKey, int | str], step: Step) -> _Sequence:
        self._forget_idle()
        one = self._live.get(name)
        if one is None:
            if len(self._live) >= self._settings.sequences:
                raise Unavailable(f"{len(self._live)} sequences are under way already: try again later")
            one = self._live[name] = _Sequence(step.owner)
        elif one.owner != step.owner:
            raise Conflict(f"sequence {step.sequence} is in use by others: choose another sequence_id")
        self._idle.pop(name, None)
        return one

    def _leave(self, name: tuple[VersionKey, int | str], one: _Sequence, *, ended: bool = False) -> None:
        one.waiting -= 1
        one.used = monotonic()
        if one.waiting:
            return
        if ended or (one.replica is None and not one.lost):
            self._forget(name, one)
        else:
            self._idle[name] = one

    def _forget_idle(self) -> None:
        before = monotonic() - self._settings.sequence_idle
        while self._idle:
            name, one = next(iter(self._idle.items()))
            if one.used > before:
                return
            del self._idle[name]
            self._forget(name, one)

    def _forget(self, name: tuple[VersionKey, int | str], one: _Sequence) -> None:
        self._bind(one, None)
        self._live.pop(name, None)
