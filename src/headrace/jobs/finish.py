"""The end of inputs: results, counts and the quota that failures give back, in one transaction under the token."""

import asyncio
import logging
from collections.abc import Sequence

from headrace import faults
from headrace.accounts import quotas
from headrace.domain.clock import Millis, now, steady
from headrace.domain.errors import StorageFailed
from headrace.domain.job import Job
from headrace.jobs import claim_rows
from headrace.jobs.claim_rows import Claimed, Done
from headrace.jobs.quota_owner import owner_of
from headrace.jobs.recovery import LONGEST_PAUSE
from headrace.jobs.room import Room
from headrace.storage.database import Tx

logger = logging.getLogger(__name__)

TROUBLE = 1.0  # seconds until the next try while the database takes nothing


class Finish:
    def __init__(self, room: Room) -> None:
        self._room = room

    async def __call__(self, work: Sequence[tuple[Claimed, Done]]) -> list[bool]:
        """All in one transaction. False for a claim that was lost meanwhile: of that nothing was stored.

        While the disk takes nothing, what a model has answered is kept and offered again: nothing is asked twice.
        """
        while True:
            try:
                jobs = await self._room.database.write(lambda tx: _store_all(tx, work))
                break
            except StorageFailed as error:
                logger.warning("results of job %s wait for the disk: %s", work[0][0].job.id, error)
                await asyncio.sleep(TROUBLE)
        faults.point("finish.committed")
        for job, (_, done) in zip(jobs, work, strict=True):
            if job is not None:
                self._tell(job, done)
        return [job is not None for job in jobs]

    def pause(self, tries: int) -> Millis:
        """When an input is to be asked again that has met `tries` faults of ours."""
        return steady() + min(LONGEST_PAUSE, self._room.settings.retry_after << min(tries - 1, 16))

    def _tell(self, job: Job, done: Done) -> None:
        tally = self._room.tally
        tally.results += len(done.results)
        tally.errors += sum(not one.ok for one in done.results)
        tally.dead += len(done.dead)
        tally.retries += sum(one.count for one in done.back if one.strikes or one.tries)
        if job.over:
            self._room.watch.ended(job.id)
        if done.back:
            self._room.work.ring_all()
            if any(one.due is not None for one in done.back):
                self._room.pauses.ring()


def _store_all(tx: Tx, work: Sequence[tuple[Claimed, Done]]) -> list[Job | None]:
    at = now()
    return [store_done(tx, claimed, done, at) for claimed, done in work]


def store_done(tx: Tx, claimed: Claimed, done: Done, at: Millis) -> Job | None:
    """The job afterwards; None when the claim was lost and nothing was stored."""
    job = claim_rows.finish(tx, claimed, done, at)
    failed = sum(not one.ok for one in done.results)
    faults.point("finish.tx.stored")
    if job is not None and failed:
        quotas.credit(tx, owner_of(job), failed, job.submitted, at)
    return job
