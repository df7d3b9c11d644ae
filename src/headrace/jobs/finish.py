"""The end of inputs: results, counts and the quota that failures give back, in one transaction under the token."""

import asyncio
import logging
from collections.abc import Sequence

from headrace.accounts import quotas
from headrace.domain.clock import now
from headrace.domain.errors import StorageFailed
from headrace.domain.job import Job
from headrace.domain.result import InputResult
from headrace.jobs import claim_rows
from headrace.jobs.claim_rows import Back, Claimed
from headrace.jobs.quota_owner import owner_of
from headrace.jobs.room import Room
from headrace.storage.database import Tx

logger = logging.getLogger(__name__)

TROUBLE = 1.0  # seconds until the next try while the database takes nothing


class Finish:
    def __init__(self, room: Room) -> None:
        self._room = room

    async def __call__(
        self, claimed: Claimed, first: int, results: Sequence[InputResult], back: Sequence[Back] = ()
    ) -> bool:
        """False when the claim was lost meanwhile: then nothing was stored.

        While the disk takes nothing, what a model has answered is kept and offered again: nothing is asked twice.
        """
        while True:
            try:
                job = await self._room.database.write(lambda tx: self._store(tx, claimed, first, results, back))
                break
            except StorageFailed as error:
                logger.warning("results of job %s wait for the disk: %s", claimed.job.id, error)
                await asyncio.sleep(TROUBLE)
        if job is None:
            return False
        self._room.tally.results += len(results)
        self._room.tally.errors += sum(not one.ok for one in results)
        if job.over:
            self._room.watch.ended(job.id)
        if back:
            self._room.work.ring()
        return True

    def _store(
        self, tx: Tx, claimed: Claimed, first: int, results: Sequence[InputResult], back: Sequence[Back]
    ) -> Job | None:
        at = now()
        job = claim_rows.finish(tx, claimed, first, results, back, at)
        failed = sum(not one.ok for one in results)
        if job is not None and failed:
            quotas.credit(tx, owner_of(job), failed, job.submitted, at)
        return job
