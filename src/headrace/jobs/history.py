"""Jobs and results, read back: while a job runs, and after. Who may see what is decided here, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

from headrace.accounts import access
from headrace.domain.account import Action, Principal, Role
from headrace.domain.errors import NotFound
from headrace.domain.job import LIVE, Job
from headrace.domain.result import InputResult
from headrace.jobs import history_rows, rows
from headrace.jobs.history_rows import HistoryQuery, KeyStatistics
from headrace.jobs.room import Room
from headrace.storage.database import Tx


class History:
    def __init__(self, room: Room) -> None:
        self._database, self._watch = room.database, room.watch

    async def job(self, principal: Principal, job_id: str) -> Job:
        """Raises NotFound, also for a job that this caller may not know of."""
        return await self._database.read(lambda tx: _visible(tx, principal, job_id))

    async def find(self, principal: Principal, query: HistoryQuery) -> list[Job]:
        query = replace(query, account=principal.account)
        if not principal.may(Action.READ_TEAM_JOBS):
            query = replace(query, users=frozenset({principal.user.identifier}))
        elif Role.SYSTEM_OWNER not in principal.roles:
            query = replace(query, users=frozenset({principal.user.identifier}), team=principal.team)
        return await self._database.read(lambda tx: history_rows.find(tx, query))

    async def names(self, job: Job, limit: int) -> list[str]:
        return await self._database.read(lambda tx: history_rows.names(tx, job.number, limit))

    async def results(self, job: Job) -> AsyncIterator[list[InputResult]]:
        """What has ended so far, in the order of the inputs, a segment at a time: memory stays flat."""
        after = -1
        while True:
            found = await self._database.read(lambda tx, at=after: history_rows.segment_of(tx, job.number, at))  # type: ignore[misc]
            if found is None:
                return
            after, results = found
            yield results

    async def result(self, job: Job, name: str) -> InputResult:
        """Raises NotFound, and says whether the name is unknown or only not finished yet."""

        def transaction(tx: Tx) -> InputResult:
            found = history_rows.result_of(tx, job.number, name)
            if found is None:
                known = history_rows.knows_input(tx, job.number, name)
                raise NotFound(
                    f"Input {name!r} of job {job.id} has no result yet" if known
                    else f"Job {job.id} has no input {name!r}"
                )  # fmt: skip
            return found

        return await self._database.read(transaction)

    async def wait_until_over(self, job_id: str, seconds: float) -> None:
        """Returns when the job has ended, at once if it is not under way, or after `seconds`."""
        over = asyncio.Event()
        with self._watch.listening(job_id, over.set):
            job = await self._database.read(lambda tx: rows.by_id(tx, job_id))
            if job is not None and job.state in LIVE:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await over.wait()

    async def statistics(self, principal: Principal, keys: frozenset[str] | None) -> list[KeyStatistics]:
        return await self._database.read(lambda tx: history_rows.statistics(tx, principal.account, keys))

    async def vote(self, principal: Principal, job: Job, name: str, up: bool | None) -> None:
        """The caller's vote on a result; None takes it back. Raises NotFound."""
        await self.result(job, name)
        user = principal.user.identifier
        await self._database.write(lambda tx: history_rows.set_vote(tx, job.number, name, user, up))

    async def votes(self, job: Job) -> dict[str, tuple[int, int]]:
        return await self._database.read(lambda tx: history_rows.votes(tx, job.number))

    async def vote_of(self, principal: Principal, job: Job, name: str) -> bool | None:
        user = principal.user.identifier
        return await self._database.read(lambda tx: history_rows.vote_of(tx, job.number, name, user))


def _visible(tx: Tx, principal: Principal, job_id: str) -> Job:
    job = rows.by_id(tx, job_id)
    if job is None or not access.sees_job(principal, job):
        raise NotFound(f"Job {job_id} not found")
    return job
