"""Single questions wait in a queue per version; a replica that is free takes all that wait, and each gets its answer.

Porters carry them: one starts at once when a replica is free; otherwise one stands in the fleet's line, and more when
more wait than one replica takes. No timer waits for a batch to fill: it fills while the replica works on the last.

Whoever has a deadline of his own cancels: a question whose caller is gone, or whose patience is over, is not sent.
A lost replica fails only what it was working on: whoever may or may not be to blame is asked once more, alone.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from copy import copy
from time import monotonic

from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError, LimitReached, ModelFailed, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.fleet.routing import Routing, Seat
from headrace.inference.counts import Counts
from headrace.inference.queue import Queue, Ticket
from headrace.settings import InferenceSettings

MOST_PORTERS = 64  # in the line for one version
TRIES = 2  # replicas that may be lost around a question before it fails

logger = logging.getLogger(__name__)


class Batching:
    """Questions that come before `run` has begun wait for it; once it has ended they are refused."""

    def __init__(self, routing: Routing, settings: InferenceSettings, counts: defaultdict[VersionKey, Counts]) -> None:
        self._routing, self._settings, self._counts = routing, settings, counts
        self._queues: dict[VersionKey, Queue] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopped = False

    async def run(self) -> None:
        self._stopped = False
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for queue in self._queues.values():
                    self._send_porters(queue)
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            finally:
                self._group, self._stopped = None, True
                for queue in self._queues.values():
                    queue.clear(_stopped())

    async def ask(self, key: VersionKey, question: Question, patience: float, timeout: float) -> Answer:
        """Raises Unavailable, ModelFailed, LimitReached, StorageFailed."""
        if self._stopped:
            raise _stopped()
        queue = self._queues.get(key) or self._open(key)
        ticket = Ticket(question, asyncio.get_running_loop().create_future(), patience, timeout)
        try:
            queue.check_room(ticket.size, self._routing.seats(key))
        except Unavailable:
            queue.counts.turned_away += 1
            raise
        queue.add(ticket)
        self._send_porters(queue, ticket.arrived)
        try:
            answer = await ticket.answer
        except asyncio.CancelledError:
            queue.leave(ticket)
            queue.counts.canceled += ticket.answer.cancelled()  # otherwise it had its answer in this very moment
            raise
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
        return queue

    def _late(self, queue: Queue, ticket: Ticket) -> None:
        if ticket.fail(self._routing.no_replica(queue.key, ticket.patience)):
            queue.counts.turned_away += 1

    def _send_porters(self, queue: Queue, at: float = 0.0) -> None:
        """As many as it takes to carry what waits; one that is about to start will see for itself."""
        if self._group is None or queue.starting:
            return
        while queue.live > len(queue.standing) * queue.most:
            seat = self._routing.free_seat(queue.key)
            if seat is not None:
                queue.starting += 1
                self._group.create_task(self._start(queue, seat, at))
                return
            if len(queue.standing) >= MOST_PORTERS:
                return
            queue.standing.add(self._group.create_task(self._stand(queue)))

    async def _start(self, queue: Queue, seat: Seat, at: float) -> None:
        queue.starting -= 1
        await self._carry(queue, seat, at)

    async def _stand(self, queue: Queue) -> None:
        try:
            seat = await self._routing.brief_seat(queue.key)
        except HeadraceError as error:
            queue.counts.turned_away += queue.live
            queue.clear(error)
            return
        finally:
            if task := asyncio.current_task():
                queue.standing.discard(task)
        await self._carry(queue, seat, monotonic())

    async def _carry(self, queue: Queue, seat: Seat, at: float) -> None:
        """Batch after batch, while nobody else stands in the line. `at`: when the seat was given."""
        with seat:
            while batch := queue.take(seat.info, self._routing.free(queue.key), at):
                self._send_porters(queue, at)
                await self._run(queue, seat, batch)
                if seat.broken or self._routing.waiting(queue.key):
                    break
                at = monotonic()
        self._send_porters(queue, at)

    async def _run(self, queue: Queue, seat: Seat, batch: Sequence[Ticket]) -> None:
        run = _Run(queue.counts, batch, batches=_batches(seat))
        try:
            async with aclosing(seat.run(run.questions, max(ticket.timeout for ticket in batch))) as answers:
                async for answer in answers:
                    run.take(answer)
        except (LimitReached, ReplicaLost) as error:
            queue.counts.broken += 1
            self._broken(queue, run.left, error)
        except HeadraceError as error:  # the store's: the answers cannot be kept
            run.fail(error)
        except asyncio.CancelledError:
            run.fail(_stopped())
            raise
        except Exception:  # one replica's accident must not stop those who carry for all others
            logger.exception("a batch of %d questions to %s", len(batch), queue.key)
            run.fail(Unavailable(f"the answer of {queue.key} could not be read"))
        else:
            queue.pace.measured(len(batch), run.end())

    def _broken(self, queue: Queue, left: Sequence[Ticket], error: LimitReached | ReplicaLost) -> None:
        """The only suspect fails. All others are asked once more, each alone: none dies with a neighbour again."""
        together = error.together if error.suspect is not None else int(isinstance(error, LimitReached))
        if together == 1 and left:
            self._lose(queue, left[0], error)
        for ticket in reversed(left):
            ticket.tries, ticket.alone = ticket.tries + 1, True
            if ticket.answer.done():
                continue
            if ticket.tries >= TRIES:
                self._lose(queue, ticket, error)
            else:
                ticket.until = monotonic() + ticket.patience
                queue.add(ticket, first=True)

    def _lose(self, queue: Queue, ticket: Ticket, error: LimitReached | ReplicaLost) -> None:
        kind = LimitReached if isinstance(error, LimitReached) else ModelFailed
        queue.counts.lost += ticket.fail(kind(error.message, technical=error.technical))


class _Run:
    """One batch on one replica: whose answer comes next, and the times."""

    def __init__(self, counts: Counts, batch: Sequence[Ticket], *, batches: bool) -> None:
        self._counts, self._batch, self._batches = counts, batch, batches
        self._handed = monotonic()
        self._answered = 0
        self._infer = 0.0
        self.questions = [ticket.question for ticket in batch]
        counts.queued += len(batch)
        counts.queue_ns += int(1e9 * sum([self._handed - ticket.arrived for ticket in batch]))

    @property
    def left(self) -> Sequence[Ticket]:
        return self._batch[self._answered :]

    def take(self, answer: Answer) -> None:
        ticket = self._batch[self._answered]
        first = not self._answered or not self._batches
        self._answered += 1
        self._infer = max(self._infer, answer.latency) if self._batches else self._infer + answer.latency
        if ticket.answer.done():  # its caller is gone
            return
        ticket.answer.set_result(answer)
        self._counts.record(answer, int(1e9 * (monotonic() - self._handed)), int(first))

    def fail(self, error: HeadraceError) -> None:
        for ticket in self.left:
            self._counts.lost += ticket.fail(error)

    def end(self) -> float:
        """Seconds that it took."""
        seconds = monotonic() - self._handed
        self._counts.last = now()
        self._counts.run(len(self._batch), int(1e9 * seconds), int(1e6 * self._infer))
        return seconds


def _batches(seat: Seat) -> bool:
    info = seat.info
    return info.batch_size > 1 or (info.tensors is not None and info.tensors.max_batch_size > 1)


def _stopped() -> Unavailable:
    return Unavailable("the server is stopping")
