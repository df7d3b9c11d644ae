"""Single questions wait in a queue per version; a replica that is free takes all that wait, and each gets its answer.

Couriers carry them (courier.py). What comes in one turn of the loop leaves together at its end, or some turns
later while those who were just answered come back (gathering.py). No timer waits for a batch to fill: it fills while
the replica works on the last. When no seat is free, porters stand in the fleet's line, as many as it takes to carry
what waits: so the fleet knows that more replicas would be of use.

Whoever has a deadline of his own withdraws: a question whose caller is gone, or whose patience is over, is not sent.
A lost replica fails only what it was working on: whoever may or may not be to blame is asked once more, alone. One that
is stuck holds up only that, too: what it was handed beside it goes to others as well, and the first answer counts.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from copy import copy
from time import monotonic
from typing import Any

from headrace.domain.errors import HeadraceError, LimitReached, ModelFailed, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.fleet.routing import Routing, Seat
from headrace.inference.cache import Cache
from headrace.inference.counts import Counts
from headrace.inference.courier import Courier
from headrace.inference.queue import HANDED, Queue, Tell, Ticket
from headrace.settings import InferenceSettings

MOST_PORTERS = 64  # in the line for one version
TRIES = 2  # replicas that may be lost around a question before it fails
PATROL = 0.5  # seconds between two looks for replicas that are stuck, while any is at work


class Batching:
    """Questions that come before `run` has begun wait for it; once it has ended they are refused."""

    def __init__(self, routing: Routing, settings: InferenceSettings, counts: defaultdict[VersionKey, Counts]) -> None:
        self._routing, self._settings, self._counts = routing, settings, counts
        self._queues: dict[VersionKey, Queue] = {}
        self._cache = Cache(settings.cache)
        self._couriers: set[Courier] = set()
        self._resting: defaultdict[Queue, list[Courier]] = defaultdict(list)  # until the end of this turn
        self._last: tuple[VersionKey | None, Queue | None] = (None, None)  # what was asked last
        self._group: asyncio.TaskGroup | None = None
        self._stopped = self._patrolled = False

    async def run(self) -> None:
        self._stopped = False
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for queue in self._queues.values():
                    self._rouse(queue, monotonic())
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            finally:
                self._group, self._stopped = None, True
                for courier in list(self._couriers):
                    courier.stop(_stopped())
                self._couriers.clear()
                self._resting.clear()
                for queue in self._queues.values():
                    queue.clear(_stopped())

    def put(self, key: VersionKey, question: Question, patience: float, timeout: float, tell: Tell) -> Ticket:
        """`tell` gets the answer, or why there is none: later, never from here. Raises Unavailable."""
        if self._stopped:
            raise _stopped()
        last, queue = self._last
        if last is not key or queue is None:
            queue = self._queues.get(key) or self._open(key)
            self._last = (key, queue)
        ticket = Ticket(queue, question, tell, patience, timeout)
        if queue.cached and (kept := self._cache.answer(ticket, self._routing.turn(key))) is not None:
            asyncio.get_running_loop().call_soon(ticket.end, kept)
            return ticket
        if not queue.add(ticket):
            queue.counts.turn_away(0)
            raise queue.full(self._routing.seats(key))
        if not queue.roused:
            if queue.alone and self._group is not None and (seat := self._routing.free_seat(key)) is not None:
                self._send_with(queue, seat, ticket.arrived)  # most likely nobody else comes in this turn
            else:
                self._rouse(queue, ticket.arrived)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Its caller is gone: nothing is told any more. A replica that has it goes on, for nobody."""
        if not ticket.over:
            ticket.over = True
            ticket.queue.leave(ticket)
            ticket.queue.counts.cancel(monotonic() - ticket.arrived)

    async def ask(self, key: VersionKey, question: Question, patience: float, timeout: float) -> Answer:
        """Raises Unavailable, ModelFailed, LimitReached, StorageFailed."""
        told: asyncio.Future[Answer | HeadraceError] = asyncio.get_running_loop().create_future()
        ticket = self.put(key, question, patience, timeout, lambda said: None if told.done() else told.set_result(said))
        try:
            answer = await told
        finally:
            self.withdraw(ticket)
        if isinstance(answer, Answer):
            return answer
        raise copy(answer)  # one object raised by many callers would collect all their tracebacks

    def waiting(self) -> dict[VersionKey, int]:
        """Questions that no replica has taken yet."""
        return {key: queue.live for key, queue in self._queues.items()}

    def oldest(self) -> float:
        """Seconds since the question that has waited longest was asked."""
        return max((queue.age(monotonic()) for queue in self._queues.values()), default=0.0)

    def _open(self, key: VersionKey) -> Queue:
        queue = self._queues[key] = Queue(key, self._counts[key], self._settings, self._late)
        queue.cached = self._routing.cached(key)
        return queue

    def _late(self, queue: Queue, ticket: Ticket) -> None:
        if ticket.fail(self._routing.no_replica(queue.key, ticket.patience)):
            queue.counts.turn_away(monotonic() - ticket.arrived)

    # who carries

    def _rouse(self, queue: Queue, at: float) -> None:
        """It is looked after at the end of this turn. `at`: patience that ends later has not ended then."""
        if not queue.roused and self._group is not None:
            queue.roused = at
            asyncio.get_running_loop().call_soon(self._look_after, queue)

    def _look_after(self, queue: Queue) -> None:
        if queue.gathers():
            asyncio.get_running_loop().call_soon(self._look_after, queue)
            return
        at, queue.roused = queue.roused, 0.0
        if self._group is None:
            return
        resting = self._resting[queue]
        while resting:
            self._next(resting.pop(), at)
        while queue.live and (seat := self._routing.free_seat(queue.key)) is not None:
            self._send_with(queue, seat, at)
        if not queue.live:
            return
        self._stand(queue, queue.carried)
        if not queue.nudged:
            queue.nudged = True
            asyncio.get_running_loop().call_later(HANDED, self._nudge, queue)

    def _send_with(self, queue: Queue, seat: Seat, at: float) -> None:
        courier = Courier(self, queue, seat)
        self._couriers.add(courier)
        if not self._patrolled:
            self._patrolled = True
            asyncio.get_running_loop().call_later(PATROL, self._patrol)
        self._send(courier, at)

    def _next(self, courier: Courier, at: float) -> None:
        """After one batch the next; but others who stand in the line come first."""
        if courier.seat.broken or self._routing.waiting(courier.queue.key):
            self._leave(courier)
        else:
            self._send(courier, at)

    def _send(self, courier: Courier, at: float) -> None:
        queue = courier.queue
        helpers = self._routing.free(queue.key) if queue.live > 1 else 0
        batch = queue.take(courier.seat.info, helpers, at)
        if batch:
            queue.carried += 1
            courier.carry(batch)
        else:
            self._leave(courier)

    def _leave(self, courier: Courier) -> None:
        self._couriers.discard(courier)
        courier.seat.leave()

    def back(self, courier: Courier) -> None:
        queue = courier.queue
        queue.carried -= 1
        if queue.live:
            self._resting[queue].append(courier)
            self._rouse(queue, monotonic())
        else:
            self._leave(courier)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            work.close()
        else:
            self._group.create_task(work)

    def _nudge(self, queue: Queue) -> None:
        """Couriers at work come back for what waits; if they are not back in a moment, it takes more of them."""
        queue.nudged = False
        if not queue.live or self._group is None:
            return
        if queue.age(monotonic()) >= HANDED:
            self._stand(queue, 0)
        queue.nudged = True
        asyncio.get_running_loop().call_later(HANDED, self._nudge, queue)

    def _patrol(self) -> None:
        at, self._patrolled = monotonic(), bool(self._couriers)
        for courier in list(self._couriers):
            if spared := courier.spare():
                self._again(courier.queue, spared, at)
        if self._patrolled:
            asyncio.get_running_loop().call_later(PATROL, self._patrol)

    def _again(self, queue: Queue, tickets: Sequence[Ticket], at: float) -> None:
        """They come before all others, in their order."""
        for ticket in reversed(tickets):
            ticket.until = at + ticket.patience
            queue.add_again(ticket)
        self._rouse(queue, at)

    def _stand(self, queue: Queue, others: int) -> None:
        """As many porters in the line as it takes to carry what waits beside the `others`."""
        while queue.live > (others + len(queue.standing)) * queue.most and len(queue.standing) < MOST_PORTERS:
            if self._group is None:
                return
            queue.standing.add(self._group.create_task(self._porter(queue)))

    async def _porter(self, queue: Queue) -> None:
        try:
            seat = await self._routing.brief_seat(queue.key)
        except HeadraceError as error:
            queue.turn_away(error)
            return
        finally:
            if task := asyncio.current_task():
                queue.standing.discard(task)
        self._send_with(queue, seat, monotonic())

    # what becomes of questions whose replica is lost

    def broken(self, queue: Queue, left: Sequence[Ticket], error: LimitReached | ReplicaLost) -> None:
        """The only suspect fails. All others are asked once more, each alone: none dies with a neighbour again."""
        together = error.together if error.suspect is not None else int(isinstance(error, LimitReached))
        if together == 1 and left:
            self._lose(queue, left[0], error)
        again = []
        for ticket in left:
            ticket.tries, ticket.alone = ticket.tries + 1, True
            if ticket.over:
                continue
            if ticket.tries >= TRIES:
                self._lose(queue, ticket, error)
            else:
                again.append(ticket)
        self._again(queue, again, monotonic())

    def _lose(self, queue: Queue, ticket: Ticket, error: LimitReached | ReplicaLost) -> None:
        kind = LimitReached if isinstance(error, LimitReached) else ModelFailed
        if ticket.fail(kind(error.message, technical=error.technical)):
            queue.counts.lose(monotonic() - ticket.arrived)


def _stopped() -> Unavailable:
    return Unavailable("the server is stopping")
