"""The single questions that wait for one version, and the rules by which a batch of them is taken out."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from time import monotonic

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.body import size_of
from headrace.domain.errors import HeadraceError, TooMuchWaiting, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.inference.counts import Counts
from headrace.inference.gathering import Gathering
from headrace.inference.pace import Pace
from headrace.settings import InferenceSettings

HANDED = 0.05  # seconds of work handed to a replica at once, where its model does not say how much it takes
TICK = 0.001  # seconds; a courier that is about to start comes before the end of a patience of 0
SOONEST, LATEST = 1.0, 60.0  # seconds after which somebody who found the queue full may come back

logger = logging.getLogger(__name__)

Tell = Callable[[Answer | HeadraceError], None]


class Ticket:
    """One question on its way. Times are monotonic seconds.

    `tell` is called once, with the answer or the reason why there is none; never when the caller has gone.
    """

    # so it is with most, from beginning to end
    tries = 0  # replicas that were lost around it
    alone = False  # it may have been the cause: asked once more, by itself
    over = False  # it was told how it ended, or its caller is gone

    def __init__(self, queue: "Queue", question: Question, tell: Tell, patience: float, timeout: float) -> None:
        self.queue, self.question, self.tell = queue, question, tell
        self.patience, self.timeout = patience, timeout
        self.arrived = arrived = monotonic()
        self.until = arrived + patience
        body = question.inputs.get("")
        self.size = len(body) if type(body) is bytes else sum(map(size_of, question.inputs.values()))

    def end(self, said: Answer | HeadraceError) -> bool:
        """False when it has its answer already, or its caller is gone."""
        if self.over:
            return False
        self.over = True
        try:
            self.tell(said)
        except Exception:  # one caller's accident must not cost the others their answers
            logger.exception("an answer of %s could not be handed on", self.queue.key)
        return True

    def fail(self, error: HeadraceError) -> bool:
        """The same with the reason why there is none."""
        return self.end(error)


class Queue:
    """Bounded. `live` and `size` count what waits; `late` is called with a ticket whose patience is over."""

    def __init__(
        self, key: VersionKey, counts: Counts, settings: InferenceSettings, late: Callable[["Queue", Ticket], None]
    ) -> None:
        self.key, self.counts, self.pace = key, counts, Pace()
        self._settings, self._late = settings, late
        self._tickets: deque[Ticket] = deque()
        self._most_live, self._most_bytes = settings.queue, settings.queue_bytes
        self._mixed = False  # perhaps some that wait were on a replica before
        self.live = self.size = 0
        self._usual = self._before = 1  # questions of the last batch, and of the one before
        self.cached = False  # the model allows that its answers are given again
        self._together = True  # the model runs questions together, as far as is known
        self._gathering = Gathering()
        self.roused = 0.0  # since when it waits to be looked after, at the end of this turn of the loop
        self.nudged = False  # it is looked at again in a moment
        self.carried = 0  # batches on replicas
        self.standing: set[asyncio.Task[None]] = set()  # porters in the fleet's line
        self.most = 1  # questions that a replica takes at once, as far as is known
        self._rings_at = math.inf

    def add(self, ticket: Ticket) -> bool:
        """False when there is no room. A single question always has room in an empty queue."""
        size = self.size + ticket.size
        if self.live and (self.live >= self._most_live or size > self._most_bytes):
            return False
        self._tickets.append(ticket)
        self.live += 1
        self.size = size
        if ticket.until < self._rings_at:
            self._set_clock(ticket.until)
        return True

    def add_again(self, ticket: Ticket) -> None:
        """Before all others, whether there is room or not: it had its place."""
        self._mixed = True
        self._tickets.appendleft(ticket)
        self.live += 1
        self.size += ticket.size
        if ticket.until < self._rings_at:
            self._set_clock(ticket.until)

    def full(self, seats: int) -> Unavailable:
        """What those are told for whom there is no room."""
        soon = None
        if self.pace.mean:
            soon = min(LATEST, max(SOONEST, self.live * self.pace.mean / max(1, seats)))
        kind = TooMuchWaiting if self._settings.too_many else Unavailable
        return kind(
            f"{self.live} requests with {self.size} bytes wait for this model already: try again later",
            retry_after=soon,
        )

    def answered(self, callers: int) -> None:
        """A batch came back: they may come back too."""
        self._gathering.answered(callers, self.live)

    def gathers(self) -> bool:
        """Asked once in a turn of the loop: whether it is of use to wait for another one before a batch leaves."""
        return self._gathering.goes_on(self.live, self.most)

    @property
    def alone(self) -> bool:
        """Whether what waits is one question that needs no company: others came one by one before it.

        Where the model runs questions together each of them may be worth the wait.
        """
        return self.live == self._usual == self._before == 1 and not self._together

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
        self.most, self._together, self.cached = self._most(info), info.batches, info.cached
        live = self.live
        room = min(self.most, math.ceil(live / (1 + helpers)) if helpers else live)
        if live == room and not self._mixed and self.size <= self._settings.batch_bytes and at <= self._rings_at:
            batch = self._take_all()
        else:
            batch = self._take_some(room, at)
        if self.standing and not self.live:
            self._empty()
        if batch:
            self._before, self._usual = self._usual, len(batch)
        return batch

    def _take_all(self) -> list[Ticket]:
        """What waits goes together: none was on a replica before, and nobody's patience is over."""
        batch = list(self._tickets)
        self._tickets.clear()
        self.live = self.size = 0
        return batch

    def _take_some(self, room: int, at: float) -> list[Ticket]:
        tickets, largest = self._tickets, self._settings.batch_bytes
        batch: list[Ticket] = []
        size = 0
        while tickets and room:
            ticket = tickets[0]
            if batch and (ticket.alone or size + ticket.size > largest):
                break
            tickets.popleft()
            self.live -= 1
            self.size -= ticket.size
            if ticket.over:
                continue
            if ticket.until < at:
                self._late(self, ticket)
                continue
            batch.append(ticket)
            size += ticket.size
            room -= 1
            if ticket.alone:
                break
        self._mixed = self._mixed and bool(tickets)
        return batch

    def clear(self, error: HeadraceError) -> None:
        while self._tickets:
            ticket = self._tickets.popleft()
            self._out(ticket)
            ticket.fail(error)

    def turn_away(self, error: HeadraceError) -> None:
        """All: there is no replica for them."""
        at = monotonic()
        for ticket in self._tickets:
            self.counts.turn_away(at - ticket.arrived)
        self.clear(error)

    def _most(self, info: ReplicaInfo) -> int:
        """What its model takes as one batch. One that says nothing gets what takes it HANDED seconds."""
        batch = self._settings.batch
        if info.tensors is not None and info.tensors.max_batch_size > 0:
            return min(batch, info.tensors.max_batch_size)
        return min(batch, max(info.batch_size, self.pace.inputs(HANDED, batch)))

    def _out(self, ticket: Ticket) -> None:
        self.live -= 1
        self.size -= ticket.size
        if not self.live:
            self._empty()

    def _empty(self) -> None:
        """Nothing left to carry: out of the line."""
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
