"""A few claims on one seat: ask, store results as they come, and decide what becomes of the rest when one breaks.

Results are stored every 200 ms while claims are under way and once at their end, of all of them in one transaction, so
that progress shows, little is asked twice after a crash, and many small jobs cost few commits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.domain.job import JobInput
from headrace.fleet.routing import Seat
from headrace.inference.pace import Pace
from headrace.jobs.claim_rows import Claimed, Done
from headrace.jobs.finish import Finish
from headrace.jobs.run import Limits, Run
from headrace.jobs.watch import Watch

FLUSH = 0.2  # seconds between two stores of results
CANCEL_GRACE = 1.5  # seconds that a replica gets to end an input of a cancelled job before it is killed


@dataclass(frozen=True, slots=True)
class Work:
    """A claim, and the inputs that it holds."""

    claimed: Claimed
    inputs: Sequence[JobInput]


class Worker:
    """Works off claims of one version with whatever seat it is given."""

    def __init__(self, finish: Finish, watch: Watch, pace: Pace) -> None:
        self._finish, self._watch, self._pace = finish, watch, pace

    async def work(self, seat: Seat, claims: Sequence[Work], limits: Limits) -> None:
        """One claim after the other. Raises nothing that they caused; of a claim that is lost, the rest is dropped."""
        batch = _Batch(self._finish)
        async with asyncio.TaskGroup() as group:
            flushing = group.create_task(batch.store_often())
            for one in claims:
                run = Run(seat, one.claimed, one.inputs, limits, self._pace, self._finish.pause)
                batch.runs.append(run)
                await self._run(run)
            await batch.store()
            flushing.cancel()

    async def _run(self, run: Run) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:
                stop = lambda: patience.reschedule(loop.time() + CANCEL_GRACE)  # noqa: E731 - closes over patience
                with self._watch.listening(run.claimed.job.id, stop):
                    await run.all()
        except (
            TimeoutError
        ):  # the job was cancelled and its input did not end: leaving the seat early kills the replica
            run.lost = True


class _Batch:
    """Claims that are stored together."""

    def __init__(self, finish: Finish) -> None:
        self.runs: list[Run] = []
        self._finish = finish
        self._storing = asyncio.Lock()

    async def store_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            await self.store()

    async def store(self) -> None:
        """Stores are in the order of the inputs: one at a time."""
        async with self._storing:
            found = [(run, done) for run in self.runs if (done := run.taken_off()) is not None]
            if not found:
                return
            pairs: list[tuple[Claimed, Done]] = [(run.claimed, done) for run, done in found]
            for (run, _), held in zip(found, await self._finish(pairs), strict=True):
                run.lost = run.lost or not held
