"""Holds a seat on a replica, and carries batch after batch to it: without a coroutine where the replica allows it.

Then the answers come back in the call in which they arrive, and the next batch leaves at the end of that turn of the
loop, with all that have come meanwhile.
"""

import logging
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from time import monotonic
from typing import Any, Protocol

from headrace.domain.errors import HeadraceError, LimitReached, ReplicaLost, Unavailable
from headrace.domain.question import Answer
from headrace.fleet.routing import Seat
from headrace.inference.carrying import Carrying
from headrace.inference.queue import Queue, Ticket

STALLED = 1.0  # seconds without an answer, where a question of this version takes far less
USUAL = 20  # times of a question that are far more

logger = logging.getLogger(__name__)


class Office(Protocol):
    """Where couriers come from."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """In a task of its own."""
        ...

    def back(self, courier: "Courier") -> None:
        """A courier has nothing to carry."""
        ...

    def broken(self, queue: Queue, left: Sequence[Ticket], error: LimitReached | ReplicaLost) -> None:
        """A replica is gone with these questions."""
        ...


class Courier:
    def __init__(self, office: Office, queue: Queue, seat: Seat) -> None:
        self.queue, self.seat = queue, seat
        self._office = office
        self._carrying: Carrying | None = None

    def carry(self, batch: Sequence[Ticket]) -> None:
        carrying = self._carrying = Carrying(self.queue.counts, batch, self.seat)
        try:
            straight = self.seat.ask(carrying.questions, carrying.timeout, self)
        except ReplicaLost as error:
            self.ended(error)
            return
        if not straight:
            self._office.start(self._run(carrying))

    def took(self, answers: Sequence[Answer]) -> None:
        if self._carrying is not None:
            self._carrying.take(answers)

    def ended(self, error: LimitReached | ReplicaLost | None) -> None:
        carrying = self._carrying
        if carrying is None:  # stopped meanwhile
            return
        if error is not None:
            self._office.start(self._lost(carrying, error))
            return
        self.seat.through(len(carrying))
        self._over(carrying)

    def spare(self) -> Sequence[Ticket]:
        """Questions that stand behind one that takes unusually long: whoever else is free may answer them first."""
        carrying = self._carrying
        if carrying is None or self.seat.info.batches or len(carrying) == 1:
            return ()
        long = max(STALLED, USUAL * self.queue.pace.mean)
        return carrying.spare() if monotonic() - carrying.moved > long else ()

    def stop(self, error: HeadraceError) -> None:
        """Nobody waits any more; a replica in the middle of its work is not handed out again."""
        carrying, self._carrying = self._carrying, None
        if carrying is not None:
            carrying.fail(error)
        self.seat.leave()

    def _over(self, carrying: Carrying) -> None:
        self._carrying = None
        self.queue.pace.measured(len(carrying), carrying.end())
        self.queue.answered(len(carrying))
        self._office.back(self)

    async def _lost(self, carrying: Carrying, error: LimitReached | ReplicaLost) -> None:
        self._break(carrying, await self.seat.lost(error))

    def _break(self, carrying: Carrying, error: LimitReached | ReplicaLost) -> None:
        if self._carrying is None:
            return
        self._carrying = None
        carrying.end()
        self.queue.counts.broken += 1
        self._office.broken(self.queue, carrying.left, error)
        self._office.back(self)

    async def _run(self, carrying: Carrying) -> None:
        """By a coroutine, for replicas and questions that know no other way."""
        try:
            async with aclosing(self.seat.run(carrying.questions, carrying.timeout)) as answers:
                async for answer in answers:
                    carrying.take((answer,))
        except (LimitReached, ReplicaLost) as error:
            self._break(carrying, error)
        except HeadraceError as error:  # the store's: the answers cannot be kept
            self._fail(carrying, error)
        except Exception:  # one replica's accident must not stop those who carry for all others
            logger.exception("a batch of %d questions to %s", len(carrying), self.queue.key)
            self._fail(carrying, Unavailable("the answer of the model could not be read"))
        else:
            if self._carrying is not None:
                self._over(carrying)

    def _fail(self, carrying: Carrying, error: HeadraceError) -> None:
        if self._carrying is not None:
            self._carrying = None
            carrying.fail(error)
            self._office.back(self)
