"""Questions that take a seat for themselves: those with any number of answers, and those of sequences.

Answers are read no faster than the caller reads them.

A carrier holds the seat, not the caller: when the caller leaves, the model is told that nobody wants the rest, and the
carrier waits for the end, so that the replica is good for the next question. One that does not end it in time is ended.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from copy import copy
from dataclasses import dataclass, field
from time import monotonic

import msgspec

from headrace.domain.errors import HeadraceError, LimitReached, ModelFailed, ReplicaLost, Unavailable
from headrace.domain.question import Answer, Question
from headrace.fleet.routing import Seat
from headrace.inference.counts import Counts

AT_ONCE = 2  # answers that lie ready for the caller; the others wait in the replica

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line:
    """Between the carrier and the caller."""

    ready: deque[Answer] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)  # for the caller
    room: asyncio.Event = field(default_factory=asyncio.Event)  # for the carrier
    error: HeadraceError | None = None
    over: bool = False
    left: bool = False  # the caller is gone
    seat: Seat | None = None

    async def put(self, answer: Answer) -> None:
        while len(self.ready) >= AT_ONCE and not self.left:
            self.room.clear()
            await self.room.wait()
        if not self.left:
            self.ready.append(answer)
            self.news.set()

    async def next(self) -> Answer | None:
        """None after the last. Raises why there are no more."""
        while not self.ready and not self.over:
            self.news.clear()
            await self.news.wait()
        if self.ready:
            self.room.set()
            return self.ready.popleft()
        if self.error is not None:
            raise copy(self.error)
        return None

    def end(self, error: HeadraceError | None = None) -> None:
        self.error, self.over = self.error or error, True
        self.news.set()


Way = Callable[[], AbstractAsyncContextManager[Seat]]  # to a seat; raises as Routing.seat does


class Streams:
    """Questions that come before `run` has begun, or after it has ended, are refused."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            finally:
                self._group = None

    async def ask(self, way: Way, question: Question, counts: Counts, timeout: float) -> AsyncGenerator[Answer, None]:
        """Raises Unavailable, ModelFailed, LimitReached, StorageFailed; also after some answers."""
        if self._group is None:
            raise _stopped()
        line, begun = _Line(), monotonic()
        carrier = self._group.create_task(self._carry(way, question, counts, line, timeout))
        try:
            while (answer := await line.next()) is not None:
                yield answer
        finally:
            if not line.over:
                line.left = True
                counts.cancel(monotonic() - begun)
                if line.seat is None:
                    carrier.cancel()
                else:
                    line.seat.refuse_rest()
                    line.room.set()

    async def _carry(self, way: Way, question: Question, counts: Counts, line: _Line, timeout: float) -> None:
        arrived = monotonic()
        try:
            async with way() as seat:
                counts.queued += 1
                counts.queue_ns += int(1e9 * (monotonic() - arrived))
                line.seat = seat
                await self._run(seat, question, timeout, line, counts)
        except (LimitReached, ReplicaLost) as error:
            counts.broken += 1
            if not line.left:
                counts.lose(monotonic() - arrived)
            kind = LimitReached if isinstance(error, LimitReached) else ModelFailed
            line.end(kind(error.message, technical=error.technical))
        except HeadraceError as error:
            if line.seat is None:
                counts.turn_away(monotonic() - arrived)
            line.end(error)
        except asyncio.CancelledError:
            line.end(_stopped())
            raise
        except Exception:  # one replica's accident must not stop those who carry for all others
            logger.exception("a question with a seat of its own")
            line.end(Unavailable("the answers of the model could not be read"))
        else:
            line.end()

    async def _run(self, seat: Seat, question: Question, timeout: float, line: _Line, counts: Counts) -> None:
        take = _Tally(counts).take if question.stream else counts.take
        async with aclosing(seat.run([question], timeout)) as answers:
            async for answer in answers:
                if not line.left:
                    take(answer)
                    await line.put(answer)


class _Tally:
    """Counts a stream as one request, and each of its answers by its place."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._begun = monotonic()
        self._latency, self._place = 0.0, 0

    def take(self, answer: Answer) -> None:
        self._latency += answer.latency
        self._counts.respond(self._place, answer)
        self._place += 1
        if not answer.more:
            whole = msgspec.structs.replace(answer, latency=self._latency, meta={})
            self._counts.take_stream(whole, int(1e9 * (monotonic() - self._begun)))


def _stopped() -> Unavailable:
    return Unavailable("the server is stopping")
