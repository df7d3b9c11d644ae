"""One claim on one seat: its inputs are asked, and what becomes of them is kept until it is stored.

A model's error is a result. A replica that dies takes nobody with it: the input that it worked on is tried once more,
alone, and fails if that replica dies too; its neighbours go back into the queue unharmed. A fault of ours (a body that
the disk does not give) is met with pauses that grow, and fails only the input that it concerns.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from headrace import faults
from headrace.domain.clock import Millis, now, steady
from headrace.domain.errors import HeadraceError, LimitReached, NotFound, ReplicaLost, StorageFailed
from headrace.domain.job import JobInput
from headrace.domain.question import Answer, Question
from headrace.domain.result import InputResult
from headrace.fleet.routing import Seat
from headrace.inference.pace import Pace
from headrace.jobs.claim_rows import Back, Claimed, Done
from headrace.storage.disk import is_full

logger = logging.getLogger(__name__)

HANDED = 0.1  # seconds of work handed to a replica at once
FULL: Millis = 3_000  # until an input is tried again whose outputs had no room on the disk


@dataclass(frozen=True, slots=True)
class Limits:
    timeout: float  # seconds for one input (timeout.run)
    strikes: int  # replicas that may die at one input
    tries: int  # faults of ours that one input may meet
    batch: int  # the most inputs handed over at once


class Run:
    """`pause`: when an input is to be asked again that has met so many faults of ours."""

    def __init__(
        self, seat: Seat, claimed: Claimed, inputs: Sequence[JobInput], limits: Limits, pace: Pace,
        pause: Callable[[int], Millis],
    ) -> None:  # fmt: skip
        self.claimed, self.lost = claimed, False
        self._seat, self._inputs, self._limits, self._pace, self._pause = seat, inputs, limits, pace, pause
        self._taken = 0  # inputs of this claim that were answered
        self._handed = 0  # inputs that were handed to the replica, answered or not
        self._ready: list[InputResult] = []  # answered, not yet stored
        self._dead: list[int] = []  # of these, by their places among the inputs: without an answer of the model
        self._back: Sequence[Back] = ()

    async def all(self) -> None:
        """Raises nothing: what breaks is told to the queue."""
        while not self.lost and self._taken < len(self._inputs):
            if self._seat.broken:  # it was no fault of these
                self._return(0, Back(0, 0))
                return
            size = min(self._limits.batch, self._pace.inputs(HANDED, len(self._inputs)))
            try:
                await self._seat.let_pass()  # single requests do not wait for the end of a claim
                await self._hand_over(self._inputs[self._taken : self._taken + size])
            except (LimitReached, ReplicaLost) as error:
                self._broken(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the inputs go back and are not lost
                self._faulty(error)
                return

    def taken_off(self) -> Done | None:
        """What is to be stored since the last time, if there is anything."""
        if self.lost or not (self._ready or self._back):
            return None
        results, self._ready = self._ready, []
        dead, self._dead = self._dead, []
        back, self._back = self._back, ()
        first = self._taken - len(results)
        return Done(self.claimed.first + first, results, back, frozenset(place - first for place in dead))

    async def _hand_over(self, batch: Sequence[JobInput]) -> None:
        begun = time.perf_counter()
        self._handed = self._taken + len(batch)
        faults.point("worker.sending")
        questions = [Question(one.bodies, explain=self.claimed.job.explain) for one in batch]
        async with aclosing(self._seat.run(questions, self._limits.timeout)) as answers:
            async for answer in answers:
                faults.point("worker.answered")
                self._take(answer)
        faults.point("worker.batch.answered")
        self._pace.measured(len(batch), time.perf_counter() - begun)

    def _take(self, answer: Answer) -> None:
        name, engine = self._inputs[self._taken].name, self._seat.engine
        queued = max(0, answer.started - self.claimed.job.submitted)
        self._ready.append(
            InputResult(
                name, engine, queued, answer.started, answer.ended, answer.latency, answer.outputs, answer.error
            )
        )
        self._taken += 1

    def _broken(self, error: LimitReached | ReplicaLost) -> None:
        """The replica is gone at the first input without an answer, or at one of the batch that begins there.

        One input alone over a limit, or at which too many replicas died, fails. Other suspects are tried alone.
        """
        faults.point("worker.broken")
        suspects = 0 if error.suspect is None else min(len(self._inputs) - self._taken, error.together)
        strikes = self.claimed.strikes + 1
        if suspects == 1 and (isinstance(error, LimitReached) or strikes >= self._limits.strikes):
            self._bury(error.message)
            suspects = 0
        self._return(suspects, Back(0, 0, strikes, self.claimed.tries))

    def _faulty(self, error: Exception) -> None:
        """A fault of ours, at one of the inputs that were handed over: they are tried again, alone and later."""
        full = isinstance(error, StorageFailed) and is_full(error)  # of an output: it passes, so it does not count
        tries = self.claimed.tries + (not full)
        suspects = max(0, self._handed - self._taken)
        message = error.message if isinstance(error, HeadraceError) else "something went wrong in the server"
        logger.warning("job %s: %s", self.claimed.job.id, message, exc_info=not isinstance(error, HeadraceError))
        if suspects == 1 and (isinstance(error, NotFound) or tries >= self._limits.tries):
            self._bury(message)
            suspects = 0
        pause = steady() + FULL if full else self._pause(tries)
        self._return(suspects, Back(0, 0, self.claimed.strikes, tries, pause))

    def _bury(self, message: str) -> None:
        """The next input fails without an answer of the model."""
        self._ready.append(failed(self._inputs[self._taken].name, self._seat.engine, self.claimed, message))
        self._dead.append(self._taken)
        self._taken += 1

    def _return(self, suspects: int, how: Back) -> None:
        """So many go back as `how` says; those behind them were not concerned."""
        first, left = self.claimed.first + self._taken, len(self._inputs) - self._taken
        back = [replace(how, first=first, count=suspects)] if suspects else []
        if left > suspects:
            rest = Back(first + suspects, left - suspects, self.claimed.strikes, self.claimed.tries)
            back.append(rest)
        self._back = back


def failed(name: str, engine: str, claimed: Claimed, reason: str) -> InputResult:
    at: Millis = now()
    return InputResult(name, engine, max(0, at - claimed.job.submitted), at, at, 0.0, error=reason)
