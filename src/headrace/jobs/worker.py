"""One claim on one seat: ask, store results as they come, and decide what becomes of the rest when something breaks.

Results are stored every 200 ms while a run is under way, so that progress shows and little is asked twice after a
crash. A model's error is a result. A replica that dies takes nobody with it: the input that it worked on is tried
once more, alone, and fails if that replica dies too; its neighbours go back into the queue unharmed.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from headrace.domain.clock import Millis, now
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.job import JobInput
from headrace.domain.question import Answer, Question
from headrace.domain.result import InputResult
from headrace.fleet.routing import Seat
from headrace.inference.pace import Pace
from headrace.jobs.claim_rows import Back, Claimed
from headrace.jobs.finish import Finish
from headrace.jobs.watch import Watch

FLUSH = 0.2  # seconds between two stores of a run's results
HANDED = 0.1  # seconds of work handed to a replica at once
CANCEL_GRACE = 1.5  # seconds that a replica gets to end an input of a cancelled job before it is killed


@dataclass(frozen=True, slots=True)
class Limits:
    timeout: float  # seconds for one input (timeout.run)
    strikes: int  # replicas that may die at one input
    batch: int  # the most inputs handed over at once


class Worker:
    """Works off claims of one version with whatever seat it is given."""

    def __init__(self, finish: Finish, watch: Watch, pace: Pace) -> None:
        self._finish, self._watch, self._pace = finish, watch, pace

    async def work(self, seat: Seat, claimed: Claimed, inputs: Sequence[JobInput], limits: Limits) -> None:
        """Raises nothing that the claim caused; whoever loses the claim stops and drops what it has."""
        run = _Run(seat, claimed, inputs, limits, self._finish, self._pace)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:
                stop = lambda: patience.reschedule(loop.time() + CANCEL_GRACE)  # noqa: E731 - closes over patience
                with self._watch.listening(claimed.job.id, stop):
                    async with asyncio.TaskGroup() as group:
                        flushing = group.create_task(run.flush_often())
                        await run.all()
                        flushing.cancel()
        except (
            TimeoutError
        ):  # the job was cancelled and its input did not end: leaving the seat early kills the replica
            return


class _Run:
    def __init__(
        self, seat: Seat, claimed: Claimed, inputs: Sequence[JobInput], limits: Limits, finish: Finish, pace: Pace
    ) -> None:
        self._seat, self._claimed, self._inputs, self._limits = seat, claimed, inputs, limits
        self._finish, self._pace = finish, pace
        self._taken = 0  # inputs of this claim that were answered
        self._ready: list[InputResult] = []  # answered, not yet stored
        self._storing = asyncio.Lock()
        self._held = True

    async def all(self) -> None:
        """Raises nothing: what breaks is told to the queue."""
        while self._held and self._taken < len(self._inputs):
            size = min(self._limits.batch, self._pace.inputs(HANDED, len(self._inputs)))
            try:
                await self._seat.let_pass()  # single requests do not wait for the end of a claim
                await self._hand_over(self._inputs[self._taken : self._taken + size])
            except (LimitReached, ReplicaLost) as error:
                await self._broken(error)
                return
        await self._flush()

    async def flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            if self._ready:
                await self._flush()

    async def _hand_over(self, batch: Sequence[JobInput]) -> None:
        begun = time.perf_counter()
        questions = [Question(one.bodies, explain=self._claimed.job.explain) for one in batch]
        async with aclosing(self._seat.run(questions, self._limits.timeout)) as answers:
            async for answer in answers:
                self._take(answer)
        self._pace.measured(len(batch), time.perf_counter() - begun)

    def _take(self, answer: Answer) -> None:
        name, engine = self._inputs[self._taken].name, self._seat.engine
        queued = max(0, answer.started - self._claimed.job.submitted)
        self._ready.append(
            InputResult(
                name, engine, queued, answer.started, answer.ended, answer.latency, answer.outputs, answer.error
            )
        )
        self._taken += 1

    async def _flush(self, back: Sequence[Back] = ()) -> None:
        """Stores are in the order of the inputs: one at a time."""
        async with self._storing:
            if not self._held or not (self._ready or back):
                return
            results, self._ready = self._ready, []
            first = self._claimed.first + self._taken - len(results)
            self._held = await self._finish(self._claimed, first, results, back)

    async def _broken(self, error: LimitReached | ReplicaLost) -> None:
        """The replica is gone at the first input without an answer, or at one of the batch that begins there.

        One input alone over a limit, or at which too many replicas died, fails. Other suspects are tried alone.
        """
        left = len(self._inputs) - self._taken
        suspects = 0 if error.suspect is None else min(left, error.together)
        strikes = self._claimed.strikes + 1
        final = suspects == 1 and (isinstance(error, LimitReached) or strikes >= self._limits.strikes)
        if final:
            self._ready.append(failed(self._inputs[self._taken].name, self._seat.engine, self._claimed, error.message))
            self._taken, left, suspects = self._taken + 1, left - 1, 0
        first = self._claimed.first + self._taken
        back = [Back(first, suspects, strikes)] if suspects else []
        if left > suspects:
            back.append(Back(first + suspects, left - suspects))
        await self._flush(back)


def failed(name: str, engine: str, claimed: Claimed, reason: str) -> InputResult:
    at: Millis = now()
    return InputResult(name, engine, max(0, at - claimed.job.submitted), at, at, 0.0, error=reason)
