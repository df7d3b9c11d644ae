"""A job ends before its inputs do: cancelled by its user, or because its time is over. Exact to the input."""

import logging
from contextlib import suppress

from headrace import faults
from headrace.accounts import access, quotas
from headrace.domain.account import Principal
from headrace.domain.clock import Millis, Steps, now
from headrace.domain.errors import Forbidden, NotFound, StorageFailed
from headrace.domain.job import ENDED, Job, JobState
from headrace.jobs import rows, upload_rows
from headrace.jobs.quota_owner import owner_of
from headrace.jobs.room import Room
from headrace.storage.database import Tx

logger = logging.getLogger(__name__)

LOOK = 60.0  # seconds between looks when no job has a deadline
CLOCK_LOOK = 2.0  # seconds between looks whether somebody set the clock, while there is a deadline


class Cancel:
    def __init__(self, room: Room) -> None:
        self._database, self._watch = room.database, room.watch

    async def cancel(self, principal: Principal, job_id: str) -> Job:
        """The job afterwards; one that had already ended is returned unchanged. Raises NotFound, Forbidden."""

        def transaction(tx: Tx) -> Job:
            job = rows.by_id(tx, job_id)
            if job is None or not access.sees_job(principal, job):
                raise NotFound(f"Job {job_id} not found")
            if not access.cancels_job(principal, job):
                raise Forbidden(f"this key may see job {job_id} but not cancel it")
            return end(tx, job, JobState.CANCELED)

        job = await self._database.write(transaction)
        faults.point("cancel.committed")
        self._watch.ended(job.id)
        return job

    async def cancel_all(self, principal: Principal) -> list[Job]:
        """Every unfinished job that this caller may cancel."""

        def transaction(tx: Tx) -> list[Job]:
            mine = [job for job in rows.unfinished(tx, principal.account) if access.cancels_job(principal, job)]
            return [end(tx, job, JobState.CANCELED) for job in mine]

        jobs = await self._database.write(transaction)
        faults.point("cancel.all.committed")
        for job in jobs:
            self._watch.ended(job.id)
        return jobs


class Deadlines:
    """The loop that ends jobs whose timeout is over."""

    def __init__(self, room: Room) -> None:
        self._database, self._watch, self._bell = room.database, room.watch, room.deadlines
        self.steps, self._newest = Steps(), 0

    async def run(self) -> None:
        while True:
            with suppress(StorageFailed):
                await self.look()
            await self._bell.wait(await self._pause())

    async def look(self) -> None:
        at = now()  # before it is asked whether the clock was set: a jump from here on ends nobody's job
        if step := self.steps.step():  # the jobs that were there before get the time that they were promised
            newest = self._newest
            await self._database.write(lambda tx: rows.move_deadlines(tx, newest, step))
            self.steps.taken(step)
            logger.warning("the clock was set by %.0f s; deadlines were moved with it", step / 1000)
        self._newest = await self._database.read(rows.newest)
        for job in await self._database.read(lambda tx: rows.due(tx, at)):
            ended = await self._database.write(lambda tx, job=job: self._time_out(tx, job.id))  # type: ignore[misc]
            faults.point("timeout.committed")
            self._watch.ended(ended.id)
            logger.info("job %s timed out", ended.id)

    async def _pause(self) -> float:
        try:
            due: Millis | None = await self._database.read(rows.next_deadline)
        except StorageFailed:
            return 1.0
        return LOOK if due is None else min(CLOCK_LOOK, max(0.0, (due - now()) / 1000))

    def _time_out(self, tx: Tx, job_id: str) -> Job:
        job = rows.by_id(tx, job_id)
        if job is None:
            raise NotFound(f"Job {job_id} not found")
        return end(tx, job, JobState.TIMEDOUT)


def end(tx: Tx, job: Job, state: JobState) -> Job:
    if job.state in ENDED:
        return job
    at = now()
    if job.pending:
        quotas.credit(tx, owner_of(job), job.pending, job.submitted, at)
    faults.point("end.tx.credited")
    if job.state is JobState.OPEN:
        upload_rows.forget(tx, job.number)
    faults.point("end.tx.before")
    return rows.end_job(tx, job, state, at)
