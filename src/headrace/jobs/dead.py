"""Dead letters: inputs that failed without an answer of their model. Listed, and tried again in a new job.

A new job, because a job that has ended stays as its readers saw it: its state, its counts and its results. The new one
belongs to the same user, is charged to the same quotas (the failures were given back) and takes the names along.
"""

from collections.abc import Collection
from dataclasses import replace

from headrace.accounts import access
from headrace.accounts.once import Mark, unmarked
from headrace.domain.account import Principal
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, Forbidden, NotFound
from headrace.domain.ids import new_job_id
from headrace.domain.job import Job, JobState
from headrace.domain.listing import Page
from headrace.jobs import dead_rows, rows
from headrace.jobs.dead_rows import DeadLetter
from headrace.jobs.room import Room
from headrace.jobs.stock import stock_of
from headrace.jobs.submit import Submit, enqueue
from headrace.settings import JobSettings
from headrace.storage.database import Tx


class Dead:
    def __init__(self, room: Room, submit: Submit) -> None:
        self._room, self._submit = room, submit

    async def letters(self, job: Job, page: Page) -> list[DeadLetter]:
        """In the order of the inputs."""
        return await self._room.database.read(lambda tx: dead_rows.letters(tx, job.number, page))

    async def redrive(
        self, principal: Principal, job_id: str, names: Collection[str] | None, mark: Mark = unmarked
    ) -> Job:
        """The new job, with all dead letters that were not tried again yet, or with those named.

        Raises NotFound, Forbidden, Invalid when the version is no longer active, Conflict when there is nothing to
        try again or the inputs are deleted, QuotaExceeded, TooMuchWaiting, StorageFailed.
        """
        old = await self._room.database.read(lambda tx: _redrivable(tx, principal, job_id))
        await self._submit.runnable_version(principal, old.version)
        self._room.space.check()

        def transaction(tx: Tx) -> Job:
            fresh = store_again(tx, rows.by_number(tx, old.number), names, self._room.settings)
            mark(tx, fresh.id)
            return fresh

        fresh = await self._room.database.write(transaction)
        self._room.stored(fresh, deadline=bool(fresh.timeout))
        return fresh


def store_again(tx: Tx, old: Job, names: Collection[str] | None, limits: JobSettings) -> Job:
    chosen = dead_rows.open_ordinals(tx, old.number, names)
    if names is not None and (unknown := set(names) - set(chosen.values())):
        some = ", ".join(repr(name) for name in sorted(unknown)[:5])
        raise Conflict(f"job {old.id} has no dead letter that is still to be tried again and is called {some}")
    if not chosen:
        raise Conflict(f"job {old.id} has no dead letters, or all of them were tried again")
    if not dead_rows.inputs_kept(tx, old):
        raise Conflict(
            f"the inputs of job {old.id} were deleted {old.hours_delete_input} hours after its end"
            " (hoursDeleteInput): submit them again"
        )
    stock, at = stock_of(dead_rows.inputs_at(tx, old.number, chosen)), now()
    blank = replace(
        old, id=new_job_id(), number=0, state=JobState.SUBMITTED, total=stock.total, completed=0, failed=0,
        canceled=0, dead=0, input_bytes=stock.size, created=at, updated=at, submitted=at, started=None,
        ended=None, queue_total=0, latency_total=0.0,
    )  # fmt: skip
    stored = rows.insert_job(tx, blank, at + old.timeout if old.timeout else None)
    fresh = enqueue(tx, stored, stock, at, limits)
    dead_rows.mark_redriven(tx, old.number, chosen, fresh.id)
    return fresh


def _redrivable(tx: Tx, principal: Principal, job_id: str) -> Job:
    job = rows.by_id(tx, job_id)
    if job is None or not access.sees_job(principal, job):
        raise NotFound(f"Job {job_id} not found")
    if not access.cancels_job(principal, job):
        raise Forbidden(f"this key may see job {job_id} but neither cancel it nor try its inputs again")
    return job
