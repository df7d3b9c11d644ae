"""Which free replica takes this question. A seat is a context manager: it always comes back.

Callers stand in one line per version, first come first served, bounded in length and in patience. A replica that
broke (over a limit, lost, or left in the middle of an answer) is never handed out again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.clock import Millis, now
from headrace.domain.errors import HeadraceError, ModelFailed, NotStarted, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.fleet.demand import Demand
from headrace.fleet.pinned import Pinned
from headrace.fleet.seat import Replica, Seat, Ways

__all__ = ["Replica", "Routing", "Seat", "Trouble"]

LONGEST_LINE = 10_000  # callers of one version
AWAY = 15.0  # seconds that the holder of a seat waits for its return from those whom it let pass

_Turn = asyncio.Future[Replica | HeadraceError]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a version has no replica. `refuse_until`: callers are turned away at once until then (0: they may wait)."""

    error: HeadraceError
    refuse_until: Millis = 0


@dataclass(slots=True)
class _Line:
    """One version: all its replicas, the free places among them (most recently used last), and the callers."""

    ways: Ways
    replicas: dict[str, Replica] = field(default_factory=dict)
    free: list[Replica] = field(default_factory=list)
    callers: "OrderedDict[_Turn, bool]" = field(default_factory=OrderedDict)  # whether what it wants is brief
    trouble: Trouble | None = None
    last_work: Millis = 0
    info: ReplicaInfo | None = None  # what its newest replica said of itself
    turn: int = 0  # replicas so far
    pinned: Pinned = field(default_factory=Pinned)  # callers who want one replica and no other

    @property
    def empty(self) -> bool:
        return not (self.replicas or self.callers or self.trouble)


class Routing:
    def __init__(self, demand: Demand, longest_line: int = LONGEST_LINE) -> None:
        self._demand, self._longest_line = demand, longest_line
        self._lines: dict[VersionKey, _Line] = {}

    def add(self, key: VersionKey, replica: Replica, seats: int = 1) -> None:
        """A replica is ready: it takes questions from now on."""
        line = self._line(key)
        line.replicas[replica.name] = replica
        line.info, line.turn, line.trouble = replica.info, line.turn + 1, None
        for _ in range(seats):
            self._offer(line, replica)

    def remove(self, key: VersionKey, replica: Replica) -> None:
        """No new questions for this replica; the one it has is finished by its holder. Idempotent."""
        replica.retired = True
        line = self._line(key)
        line.replicas.pop(replica.name, None)
        line.free = [other for other in line.free if other is not replica]
        line.pinned.gone(replica)
        self._forget_empty(key)

    @asynccontextmanager
    async def seat(self, key: VersionKey, patience: float) -> AsyncIterator[Seat]:
        """Wait at most `patience` seconds. Raises Unavailable; NotStarted when the version does not start."""
        with await self.any_seat(key, patience) as seat:
            yield seat

    async def any_seat(self, key: VersionKey, patience: float) -> Seat:
        """As `seat`; whoever is given it puts it back by leaving it."""
        seat = self.free_seat(key)
        return self._seat(key, await self._wait(key, patience, brief=False)) if seat is None else seat

    def free_seat(self, key: VersionKey) -> Seat | None:
        """One that can be had this very moment, without passing anybody who waits."""
        line = self._lines.get(key)
        while line is not None and line.free and not line.callers:
            if not (replica := line.free.pop()).broken.is_set():
                replica.take()
                return Seat(replica, line.ways)
        return None

    async def brief_seat(self, key: VersionKey) -> Seat:
        """For one short run, waiting as long as it takes: holders of longer seats let such callers pass.

        Raises as `seat` does, but never for want of patience.
        """
        return self.free_seat(key) or self._seat(key, await self._wait(key, None, brief=True))

    async def seat_on(self, key: VersionKey, replica: Replica, patience: float) -> Seat:
        """On this replica and no other. Raises ReplicaLost when it is no more, Unavailable after `patience` seconds."""
        line = self._line(key)
        if replica in line.free and not replica.broken.is_set():
            line.free.remove(replica)
            replica.take()
        else:
            try:
                await line.pinned.wait(replica, patience, lambda: self._offer(line, replica))
            except TimeoutError:
                raise Unavailable(f"the replica of this sequence did not become free in {patience:g} s") from None
        return Seat(replica, line.ways)

    def refusal(self, key: VersionKey) -> HeadraceError | None:
        """Why callers of this version are turned away at once, if they are."""
        line = self._lines.get(key)
        if line is None or line.trouble is None or now() >= line.trouble.refuse_until:
            return None
        return again(line.trouble.error, line.trouble.refuse_until)

    def no_replica(self, key: VersionKey, patience: float) -> Unavailable:
        """What to tell a caller whose patience is over."""
        line = self._lines.get(key)
        return Unavailable(_no_replica(patience, None if line is None else line.trouble))

    def free_replicas(self, key: VersionKey) -> list[Replica]:
        """Those that can be had at once, without passing anybody who waits."""
        line = self._lines.get(key)
        return [] if line is None or line.callers else [one for one in line.free if not one.broken.is_set()]

    def free(self, key: VersionKey) -> int:
        """Seats that can be had at once."""
        line = self._lines.get(key)
        return 0 if line is None else len(line.free)

    def cached(self, key: VersionKey) -> bool:
        """Whether answers of this version may be given again, as far as is known."""
        line = self._lines.get(key)
        return line is not None and line.info is not None and line.info.cached

    def turn(self, key: VersionKey) -> int:
        """How many replicas it has had: with each of them it may have become another program."""
        line = self._lines.get(key)
        return 0 if line is None else line.turn

    def seats(self, key: VersionKey) -> int:
        line = self._lines.get(key)
        return 0 if line is None else len(line.replicas)

    def busy(self, key: VersionKey) -> int:
        return sum(1 for replica in self._lines[key].replicas.values() if replica.taken) if key in self._lines else 0

    def waiting(self, key: VersionKey) -> int:
        line = self._lines.get(key)
        return 0 if line is None else len(line.callers)

    def keys_waiting(self) -> list[VersionKey]:
        return [key for key, line in self._lines.items() if line.callers]

    def last_work(self, key: VersionKey) -> Millis:
        """When the last question ended; 0 when there was none."""
        return self._lines[key].last_work if key in self._lines else 0

    def tell(self, key: VersionKey, trouble: Trouble | None) -> None:
        """Why there is no replica. Callers hear it when their patience ends, or at once when it refuses."""
        line = self._line(key)
        line.trouble = trouble
        if trouble is not None and trouble.refuse_until:
            for turn in line.callers:
                if not turn.done():
                    turn.set_result(again(trouble.error, trouble.refuse_until))
        self._forget_empty(key)

    def _seat(self, key: VersionKey, replica: Replica) -> Seat:
        return Seat(replica, self._line(key).ways)

    def _leave(self, key: VersionKey, seat: Seat) -> None:
        if seat.away:
            return
        replica = seat.replica
        if seat.unfinished:
            replica.break_("its caller left in the middle of an answer", blame=False)
        replica.give_back()
        line = self._line(key)
        line.last_work = replica.last_work  # so it is never forgotten as one that did not run
        self._offer(line, replica)

    async def _let_pass(self, key: VersionKey, seat: Seat) -> None:
        """The replica changes hands; its holder stands at the very front of the line until one is free again."""
        line = self._line(key)
        brief = next((turn for turn, is_brief in line.callers.items() if is_brief and not turn.done()), None)
        if brief is None or seat.replica.retired:
            return
        del line.callers[brief]
        seat.away = True
        brief.set_result(seat.replica)
        try:
            seat.back(await self._wait(key, AWAY, brief=False, first=True))
        except (Unavailable, NotStarted) as error:
            raise ReplicaLost(f"the seat on {seat.engine} was given to others and none came back: {error}") from None

    async def _wait(self, key: VersionKey, patience: float | None, *, brief: bool, first: bool = False) -> Replica:
        line = self._line(key)
        if (refusal := self.refusal(key)) is not None:
            raise refusal
        if len(line.callers) >= self._longest_line:
            raise Unavailable(f"{len(line.callers)} requests wait for this model already: try again later")
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.callers[turn] = brief
        if first:
            line.callers.move_to_end(turn, last=False)
        self._demand.ring()
        taken = False
        try:
            async with asyncio.timeout(patience):
                given = await turn
            taken = True
        except TimeoutError:
            raise self.no_replica(key, patience or 0) from None
        finally:
            line.callers.pop(turn, None)
            left = None if taken or turn.cancelled() or not turn.done() else turn.result()
            if isinstance(left, Replica):  # handed over in the very moment in which the caller gave up
                left.give_back()
                self._offer(line, left)
            self._forget_empty(key)
        if isinstance(given, HeadraceError):
            raise given
        return given

    def _offer(self, line: _Line, replica: Replica) -> None:
        """To the caller who waits longest, or back among the free ones."""
        if replica.retired or replica.broken.is_set():
            return
        if line.pinned.offer(replica, others=bool(line.callers)):
            return
        while line.callers:
            turn, _ = line.callers.popitem(last=False)
            if not turn.done():
                replica.take()  # now, not when the caller wakes up: nobody may stop it in between
                turn.set_result(replica)
                return
        line.free.append(replica)

    def _line(self, key: VersionKey) -> _Line:
        line = self._lines.get(key)
        if line is None:
            ways = Ways(lambda seat: self._leave(key, seat), lambda seat: self._let_pass(key, seat))
            line = self._lines[key] = _Line(ways)
        return line

    def _forget_empty(self, key: VersionKey) -> None:
        """So that asking for versions that never ran does not fill the memory."""
        line = self._lines.get(key)
        if line is not None and line.empty and not line.last_work:
            del self._lines[key]


def _no_replica(patience: float, trouble: Trouble | None) -> str:
    """Whoever hears it knows whom he asked, and by which name."""
    sentence = f"no replica of this model became free in {patience:g} s"
    return sentence if trouble is None else f"{sentence}: {trouble.error.message}"


def again(error: HeadraceError, refuse_until: Millis = 0) -> HeadraceError:
    """Each caller raises an error of its own: one object raised by many would collect all their tracebacks."""
    soon = (refuse_until - now()) / 1000 if refuse_until else getattr(error, "retry_after", None)
    if isinstance(error, ModelFailed):
        sentence = f"no replica of this model starts: {error.message}"
        return NotStarted(sentence, technical=error.technical, retry_after=soon)
    return Unavailable(error.message, technical=error.technical, retry_after=soon)
