"""A job goes in: checked, its large bodies stored, its quota charged and its inputs written in one transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

from headrace import faults
from headrace.accounts import quotas
from headrace.accounts.once import Mark, unmarked
from headrace.catalog.models import Models
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
from headrace.settings import JobSettings
from headrace.storage.blobs import BlobStore
from headrace.storage.database import Tx


class Submit:
    def __init__(self, room: Room, models: Models, versions: Versions, blobs: BlobStore) -> None:
        self._room, self._models, self._versions, self._blobs = room, models, versions, blobs

    async def submit(self, principal: Principal, new: NewJob, mark: Mark = unmarked) -> Job:
        """Returns when the job is on disk, and what `mark` writes with it.

        Raises NotFound, Invalid, TooLarge, QuotaExceeded, TooMuchWaiting, StorageFailed.
        """
        self._room.space.check()
        version = await self.runnable_version(principal, new.version)
        inputs = await self._shelved(self.checked(version, new.inputs or ()))
        blank = _new_job(principal, new, self._room.settings.keep_inputs)
        faults.point("submit.shelved")
        job = await self._room.database.write(lambda tx: self._store(tx, blank, inputs, mark))
        faults.point("submit.stored")
        self._room.stored(job, deadline=bool(job.timeout) or new.inputs is None)
        return job

    async def runnable_version(self, principal: Principal, key: VersionKey) -> Version:
        """Raises NotFound for what the caller cannot see, Invalid when the version is not active."""
        model = await self._models.visible(key.model, principal)
        version = await self._versions.get(key)
        if not version.active:
            active = ", ".join(model.active_versions) or "none"
            raise Invalid(f"Version {key.version} of model {key.model} is not active. Active versions: {active}")
        return version

    def checked(self, version: Version, inputs: Sequence[JobInput]) -> list[JobInput]:
        """The same inputs; those that can never run carry the sentence with which they fail. Raises TooLarge."""
        most = self._room.settings.inputs
        if len(inputs) > most:
            raise TooLarge(f"A job may have {most} inputs and this one has {len(inputs)}: split it into several jobs")
        return [one if one.refusal else replace(one, refusal=refusal(version, one.bodies)) for one in inputs]

    async def _shelved(self, inputs: Sequence[JobInput]) -> list[JobInput]:
        """Bodies too large for a chunk's row become blobs, on disk before the row that names them."""
        shelved = []
        for one in inputs:
            if one.refusal:
                shelved.append(replace(one, bodies={}))
            elif any(size_of(body) > INLINE for body in one.bodies.values()):
                shelved.append(
                    replace(one, bodies={name: await self._shelf(body) for name, body in one.bodies.items()})
                )
            else:
                shelved.append(one)
        return shelved

    async def _shelf(self, body: Body) -> Body:
        if isinstance(body, bytes) and len(body) > INLINE:
            return await self._blobs.put(_once(body), len(body))
        return body

    def _store(self, tx: Tx, blank: Job, inputs: Sequence[JobInput], mark: Mark) -> Job:
        mark(tx, blank.id)
        if blank.state is JobState.OPEN:
            return rows.insert_job(tx, blank, blank.submitted + self._room.settings.open_for)
        deadline = blank.submitted + blank.timeout if blank.timeout else None
        stored = rows.insert_job(tx, replace(blank, total=len(inputs), input_bytes=bytes_of(inputs)), deadline)
        return enqueue(tx, stored, inputs, blank.submitted, self._room.settings)


def enqueue(tx: Tx, stored: Job, inputs: Sequence[JobInput], at: Millis, limits: JobSettings) -> Job:
    """Charge the quota, write the chunks, wake the queue. What was refused ends here and costs nothing."""
    runnable = [one for one in inputs if one.refusal is None]
    refused = [one for one in inputs if one.refusal is not None]
    if runnable:
        quotas.charge(tx, owner_of(stored), len(runnable), at)
        load_rows.take(tx, stored, limits)
    faults.point("submit.tx.charged")
    rows.store_inputs(tx, stored, runnable, refused)
    if refused:
        rows.store_results(tx, stored.number, len(runnable), [_refused(one, at) for one in refused])
    if runnable:
        fair.add(tx, stored, len(runnable))
    faults.point("submit.tx.queued")
    return rows.count_refused(tx, stored, len(refused), at)


def bytes_of(inputs: Iterable[JobInput]) -> int:
    return sum(size_of(body) for one in inputs for body in one.bodies.values())


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
