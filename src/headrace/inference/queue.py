"""The single questions that wait for one version, and the rules by which a batch of them is taken out."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.body import size_of
from headrace.domain.errors import HeadraceError, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.inference.counts import Counts
from headrace.inference.pace import Pace
from headrace.settings import InferenceSettings

HANDED = 0.05  # seconds of work handed to a replica at once, where its model does not say how much it takes
TICK = 0.001  # seconds; a porter that is about to start comes before the end of a patience of 0
SOONEST, LATEST = 1.0, 60.0  # seconds after which somebody who found the queue full may come back


class Ticket:
    """One question on its way. Times are monotonic seconds."""

    __slots__ = ("alone", "answer", "arrived", "patience", "question", "size", "timeout", "tries", "until")

    def __init__(
        self,
        question: Question,
        answer: "asyncio.Future[Answer | HeadraceError]",
        patience: float,
        timeout: float,
    ) -> None:
        self.question, self.answer, self.patience, self.timeout = question, answer, patience, timeout
        self.arrived = monotonic()
        self.until = self.arrived + patience
        self.tries = 0  # replicas that were lost around it
        self.alone = False  # it may have been the cause: asked once more, by itself
        self.size = 0
        for body in question.inputs.values():
            self.size += size_of(body)

    def fail(self, error: HeadraceError) -> bool:
        """False when it has its answer already, or its caller is gone."""
        if self.answer.done():
            return False
        self.answer.set_result(error)
        return True


class Queue:
    """Bounded. `live` and `size` count what waits; `late` is called with a ticket whose patience is over."""

    def __init__(
        self, key: VersionKey, counts: Counts, settings: InferenceSettings, late: Callable[["Queue", Ticket], None]
    ) -> None:
        self.key, self.counts, self.pace = key, counts, Pace()
        self._settings, self._late = settings, late
        self._tickets: deque[Ticket] = deque()
        self.live = self.size = 0
        self.starting = 0  # porters that have a seat and did not take tickets yet
        self.standing: set[asyncio.Task[None]] = set()  # porters in the fleet's line
        self.most = 1  # questions that a replica takes at once, as far as is known
        self._rings_at = math.inf

    def add(self, ticket: Ticket, *, first: bool = False) -> None:
        if first:
            self._tickets.appendleft(ticket)
        else:
            self._tickets.append(ticket)
        self.live += 1
        self.size += ticket.size
        if ticket.until < self._rings_at:
            self._set_clock(ticket.until)

    def check_room(self, size: int, seats: int) -> None:
        """Raises Unavailable when the queue is full; a single question always has room in an empty one."""
        full = self.live >= self._settings.queue or self.size + size > self._settings.queue_bytes
        if full and self.live:
            soon = None
            if self.pace.mean:
                soon = min(LATEST, max(SOONEST, self.live * self.pace.mean / max(1, seats)))
            raise Unavailable(
                f"{self.live} requests with {self.size} bytes wait for {self.key} already: try again later",
                retry_after=soon,
            )

    def age(self, at: float) -> float:
        """Seconds that the first one has waited; 0 when nobody waits."""
        return at - self._tickets[0].arrived if self._tickets else 0.0

    def leave(self, ticket: Ticket) -> None:
        """Its caller is gone. It may be on a replica already: then its answer will be dropped."""
        try:
            self._tickets.remove(ticket)
        except ValueError:
            return
        self._out(ticket)

    def take(self, info: ReplicaInfo, helpers: int, at: float) -> list[Ticket]:
        """The next batch for a replica, when `helpers` others are free. `at`: whose patience ended before is late."""
        self.most = self._most(info)
        most = min(self.most, math.ceil(self.live / (1 + helpers)))
        batch: list[Ticket] = []
        size = 0
        while self._tickets and len(batch) < most:
            ticket = self._tickets[0]
            if batch and (ticket.alone or size + ticket.size > self._settings.batch_bytes):
                break
            self._tickets.popleft()
            self._out(ticket)
            if ticket.answer.done():
                continue
            if ticket.until < at:
                self._late(self, ticket)
                continue
            batch.append(ticket)
            size += ticket.size
            if ticket.alone:
                break
        return batch

    def clear(self, error: HeadraceError) -> None:
        while self._tickets:
            ticket = self._tickets.popleft()
            self._out(ticket)
            ticket.fail(error)

    def _most(self, info: ReplicaInfo) -> int:
        """What its model takes as one batch. One that says nothing gets what takes it HANDED seconds."""
        batch = self._settings.batch
        if info.tensors is not None and info.tensors.max_batch_size > 0:
            return min(batch, info.tensors.max_batch_size)
        return min(batch, max(info.batch_size, self.pace.inputs(HANDED, batch)))

    def _out(self, ticket: Ticket) -> None:
        self.live -= 1
        self.size -= ticket.size
        if not self.live and self.standing:  # nothing left to carry: out of the line
            for task in self.standing:
                task.cancel()
            self.standing.clear()

    def _set_clock(self, until: float) -> None:
        """One timer for all: it rings for the least patient, and finds most of the time that nobody is left."""
        self._rings_at = until
        asyncio.get_running_loop().call_later(max(TICK, until - monotonic()), self._ring, until)

    def _ring(self, until: float) -> None:
        if until != self._rings_at:  # another was set meanwhile that rings earlier
            return
        at = max(until, monotonic())
        for ticket in [ticket for ticket in self._tickets if ticket.until <= at]:
            self.leave(ticket)
            self._late(self, ticket)
        self._rings_at = math.inf
        if self._tickets:
            self._set_clock(min(ticket.until for ticket in self._tickets))
