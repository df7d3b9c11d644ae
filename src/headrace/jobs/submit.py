"""A job goes in: checked, its large bodies stored, its quota charged and its inputs written in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace

from headrace import faults
from headrace.accounts import quotas
from headrace.accounts.once import Mark, unmarked
from headrace.catalog.directory import Directory
from headrace.catalog.versions import Versions
from headrace.domain.account import Principal
from headrace.domain.body import INLINE, Body, size_of
from headrace.domain.clock import Millis, now
from headrace.domain.errors import Invalid, TooLarge
from headrace.domain.ids import VersionKey, new_job_id
from headrace.domain.job import Job, JobInput, JobState, NewJob
from headrace.domain.result import InputResult
from headrace.domain.source import SourceKind
from headrace.domain.version import Version
from headrace.inference.validate import refusal
from headrace.jobs import fair, load_rows, rows
from headrace.jobs.quota_owner import owner_of
from headrace.jobs.room import Room
from headrace.jobs.stock import Stock
from headrace.settings import JobSettings
from headrace.storage.blobs import BlobStore
from headrace.storage.database import Tx


class Submit:
    def __init__(self, room: Room, directory: Directory, versions: Versions, blobs: BlobStore) -> None:
        self._room, self._directory, self._versions, self._blobs = room, directory, versions, blobs

    async def submit(self, principal: Principal, new: NewJob, mark: Mark = unmarked) -> Job:
        """Returns when the job is on disk, and what `mark` writes with it.

        Raises NotFound, Invalid, TooLarge, QuotaExceeded, TooMuchWaiting, StorageFailed.
        """
        self._room.space.check()
        version = await self.runnable_version(principal, new.version)
        stock = await self.stocked(version, new.inputs or ())
        blank = _new_job(principal, new, self._room.settings.keep_inputs)
        faults.point("submit.shelved")
        job = await self._room.database.write(lambda tx: self._store(tx, blank, stock, mark))
        faults.point("submit.stored")
        self._room.stored(job, deadline=bool(job.timeout) or new.inputs is None)
        return job

    async def runnable_version(self, principal: Principal, key: VersionKey) -> Version:
        """Raises NotFound for what the caller cannot see, Invalid when the version is not active."""
        model = await self._directory.identified(principal, key.model)
        version = await self._versions.get(key)
        if not version.active:
            active = ", ".join(model.active_versions) or "none"
            raise Invalid(f"Version {key.version} of model {key.model} is not active. Active versions: {active}")
        return version

    async def stocked(self, version: Version, inputs: Collection[JobInput]) -> Stock:
        """The inputs as they will be stored; those that can never run with the sentence with which they fail.

        Others are answered meanwhile, however many there are. Raises TooLarge, Invalid, StorageFailed.
        """
        most = self._room.settings.inputs
        if len(inputs) > most:
            raise TooLarge(f"A job may have {most} inputs and this one has {len(inputs)}: split it into several jobs")
        stock = Stock()
        for given in inputs:
            one = _checked(version, given)
            if one.refusal is None and any(size_of(body) > INLINE for body in one.bodies.values()):
                one = replace(one, bodies={name: await self._shelf(body) for name, body in one.bodies.items()})
            if stock.add(one):
                await asyncio.sleep(0)
        return stock

    async def _shelf(self, body: Body) -> Body:
        """A body too large for a chunk's row becomes a blob, on disk before the row that names it."""
        if isinstance(body, bytes) and len(body) > INLINE:
            return await self._blobs.put(_once(body), len(body))
        return body

    def _store(self, tx: Tx, blank: Job, stock: Stock, mark: Mark) -> Job:
        mark(tx, blank.id)
        if blank.state is JobState.OPEN:
            return rows.insert_job(tx, blank, blank.submitted + self._room.settings.open_for)
        deadline = blank.submitted + blank.timeout if blank.timeout else None
        stored = rows.insert_job(tx, replace(blank, total=stock.total, input_bytes=stock.size), deadline)
        return enqueue(tx, stored, stock, blank.submitted, self._room.settings)


def enqueue(tx: Tx, stored: Job, stock: Stock, at: Millis, limits: JobSettings) -> Job:
    """Charge the quota, write the chunks, wake the queue. What was refused ends here and costs nothing."""
    if stock.runnable:
        quotas.charge(tx, owner_of(stored), stock.runnable, at)
        load_rows.take(tx, stored, limits)
    faults.point("submit.tx.charged")
    rows.store_inputs(tx, stored, stock)
    if stock.refused:
        rows.store_results(tx, stored.number, stock.runnable, [_refused(one, at) for one in stock.refused])
    if stock.runnable:
        fair.add(tx, stored, stock.runnable)
    faults.point("submit.tx.queued")
    return rows.count_refused(tx, stored, len(stock.refused), at)


def _checked(version: Version, one: JobInput) -> JobInput:
    sentence = one.refusal or refusal(version, one.bodies)
    return replace(one, refusal=sentence) if sentence else one


def _refused(one: JobInput, at: Millis) -> InputResult:
    return InputResult(one.name, engine="", queued=0, started=at, ended=at, latency=0.0, error=one.refusal)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _new_job(principal: Principal, new: NewJob, keep_inputs: int) -> Job:
    at = now()
    is_open = new.inputs is None
    return Job(
        id=new_job_id(), number=0, account=principal.account, team=principal.team, user=principal.user.identifier,
        key=principal.key, version=new.version, kind=SourceKind.FILE if is_open else new.kind,
        state=JobState.OPEN if is_open else JobState.SUBMITTED, explain=new.explain, timeout=new.timeout,
        total=0, completed=0, failed=0, canceled=0, input_bytes=0, created=at, updated=at, submitted=at,
        started=None, ended=None, queue_total=0, latency_total=0.0, hours_delete_input=keep_inputs,
        priority=new.priority,
    )  # fmt: skip
