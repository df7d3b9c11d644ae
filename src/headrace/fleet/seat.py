"""One replica as its callers see it, and the seat on it that one caller holds."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from headrace.dialects.dialect import Dialect, ReplicaInfo, Stoppable, Straight, Taker
from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.question import Answer, Question

FATE = 3.0  # seconds until the runner says why a replica is gone: a moment, but for a machine that stands still


class Replica:
    """A running replica. Two one-way doors: `retired` takes no new questions, `broken` is killed as well."""

    def __init__(self, name: str, dialect: Dialect, info: ReplicaInfo | None = None) -> None:
        self.name, self.dialect, self.info = name, dialect, info or ReplicaInfo()
        self.straight = dialect if isinstance(dialect, Straight) else None
        self.retired = False
        self.broken = asyncio.Event()
        self.trouble = ""  # why it broke
        self.blame = False  # it broke by its own doing, not because a caller left or ran out of time
        self.taken = 0  # seats in use
        self.answered = 0
        self.last_work = now()
        self._free = asyncio.Event()  # looked at when somebody waits for it
        self._gone = asyncio.Event()
        self._fate = ""

    def break_(self, why: str, *, blame: bool) -> None:
        if not self.broken.is_set():
            self.trouble, self.blame = why, blame
            self.broken.set()

    def gone(self, fate: str) -> None:
        """Told by the lifecycle: the process has ended, for this reason."""
        self._fate = fate
        self._gone.set()
        self.break_(fate, blame=True)

    async def fate(self) -> str:
        """Why the process ended; "" when it has not, or nobody knows."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FATE):
                await self._gone.wait()
        return self._fate

    def take(self) -> None:
        self.taken += 1

    def give_back(self) -> None:
        self.taken -= 1
        self.last_work = now()
        if not self.taken:
            self._free.set()

    async def free(self) -> None:
        """Returns when nobody has a seat."""
        while self.taken:
            self._free.clear()
            await self._free.wait()


@dataclass(frozen=True, slots=True)
class Ways:
    """What a seat's holder can ask of the routing that gave it."""

    leave: Callable[["Seat"], None]
    let_pass: Callable[["Seat"], Awaitable[None]]


class Seat:
    """The right to ask one replica. Many questions, one stream of answers after the other.

    A context manager: on leaving it, the replica goes to the next caller, or is killed when it broke.
    """

    def __init__(self, replica: Replica, ways: Ways) -> None:
        self._replica, self._ways = replica, ways
        self.unfinished = False  # a stream of answers was begun and not read to its end
        self.used = False  # since it was given, or since others were let pass
        self.away = False  # given away to somebody who passes, and not back yet
        self.watch: Callable[[Answer], None] | None = None  # sees every answer as it passes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        """As on leaving the context."""
        self._ways.leave(self)

    @property
    def replica(self) -> Replica:
        return self._replica

    @property
    def info(self) -> ReplicaInfo:
        return self._replica.info

    async def let_pass(self) -> None:
        """Between two runs: who waits with something brief goes first, once; then the seat is back.

        It may be on another replica then. Raises ReplicaLost, with no suspect, when none came back in time.
        """
        if self.used and not self.broken:
            await self._ways.let_pass(self)

    def back(self, replica: Replica) -> None:
        """Told by the routing, after `away`."""
        self._replica, self.away, self.used = replica, False, False

    @property
    def engine(self) -> str:
        return self._replica.name

    @property
    def broken(self) -> bool:
        """No more questions here: take another seat."""
        return self.unfinished or self.away or self._replica.broken.is_set()

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncGenerator[Answer, None]:
        """One answer for each question, in order; each next one within `timeout` seconds. A stream has any number.

        Raises LimitReached (too slow) and ReplicaLost; after either, or when the caller stops early, the replica is
        killed. Answers that were yielded before stay good.
        """
        self.unfinished = self.used = True
        count = 0
        stream = self._replica.dialect.run(questions, timeout)
        try:
            async for answer in stream:
                count += not answer.more
                if count > len(questions):
                    break
                self._replica.answered += not answer.more
                if self.watch is not None:
                    self.watch(answer)
                yield answer
        except (LimitReached, ReplicaLost) as error:
            raise await self.lost(error) from None
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        if count != len(questions):
            sentence = f"the replica gave {count} answers to {len(questions)} questions"
            raise await self.lost(ReplicaLost(sentence, suspect=min(count, len(questions) - 1)))
        self.unfinished = False

    def refuse_rest(self) -> None:
        """Nobody wants the rest of the stream that is running: what still comes is to be read and thrown away."""
        if isinstance(self._replica.dialect, Stoppable):
            self._replica.dialect.refuse()

    def ask(self, questions: Sequence[Question], timeout: float, taker: Taker) -> bool:
        """The same without a coroutine, where replica and questions allow it. False: they do not, and nothing was sent.

        The taker sees to it that the seat hears how it ended: by `through` or by `lost`. Raises ReplicaLost.
        """
        straight = self._replica.straight
        if straight is None or self.watch is not None or not straight.straight(questions, timeout, taker):
            return False
        self.unfinished = self.used = True
        return True

    def through(self, count: int) -> None:
        """All that were asked by `ask` have their answers."""
        self._replica.answered += count
        self.unfinished = False

    async def lost(self, error: LimitReached | ReplicaLost) -> LimitReached | ReplicaLost:
        """The same error with the reason that the runner knows: a closed connection alone says nothing."""
        if isinstance(error, LimitReached):
            self._replica.break_(error.message, blame=False)
            return error
        if fate := await self._replica.fate():
            error.message, error.technical = fate, self.engine
            error.args = (error.message,)
        self._replica.break_(error.message, blame=True)
        return error
