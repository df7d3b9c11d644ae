"""Files of an open job arrive in pieces; when it is closed, it goes into the queue like any other."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from weakref import WeakValueDictionary

from headrace import faults
from headrace.accounts import access
from headrace.accounts.once import Mark, unmarked
from headrace.domain.account import Principal
from headrace.domain.body import Body
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, NotFound, TooLarge
from headrace.domain.job import Job, JobInput, JobState
from headrace.jobs import rows, upload_rows
from headrace.jobs.room import Room
from headrace.jobs.spool import Grown, UploadStore
from headrace.jobs.stock import Stock
from headrace.jobs.submit import Submit, enqueue
from headrace.settings import JobSettings
from headrace.storage.blobs import BlobStore
from headrace.storage.database import Tx

Place = tuple[str, str]  # input name, model key


class Uploads:
    def __init__(self, room: Room, submit: Submit, blobs: BlobStore, spool: UploadStore) -> None:
        self._room, self._submit, self._blobs, self._spool = room, submit, blobs, spool
        self._appending: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def append(
        self, principal: Principal, job_id: str, place: Place, pieces: AsyncIterator[bytes], mark: Mark = unmarked
    ) -> None:
        """A piece of the file at `place` (input name, model key); returns when it is on disk.

        Raises NotFound, Conflict when the job is no longer open, TooLarge, StorageFailed.
        """
        self._room.space.check()
        job = await self._own_job(principal, job_id)
        database, settings = self._room.database, self._room.settings
        number, _ = await database.write(lambda tx: upload_rows.file_of(tx, job, *place))
        async with self._appending.setdefault(number, asyncio.Lock()):  # two pieces of one file never interleave
            _, size = await database.write(lambda tx: upload_rows.file_of(tx, job, *place))
            grown = await self._spool.append(number, size, pieces, settings.piece)
            faults.point("upload.spooled")
            if grown.size > settings.input_size:
                raise TooLarge(f"A file may have {settings.input_size} bytes and {place[0]!r} has more")

            def transaction(tx: Tx) -> None:
                _acknowledge(tx, job, (number, size), grown)
                mark(tx, job.id)

            await database.write(transaction)
            faults.point("upload.acknowledged")

    async def close(self, principal: Principal, job_id: str, mark: Mark = unmarked) -> Job:
        """Returns when the job is in the queue.

        Raises NotFound, Conflict, Invalid, QuotaExceeded, TooMuchWaiting, StorageFailed.
        """
        job = await self._own_job(principal, job_id)
        if job.state is not JobState.OPEN:
            raise Conflict(f"Job {job.id} is {job.state}: only an OPEN job can be closed")
        version = await self._submit.runnable_version(principal, job.version)
        files = await self._room.database.read(lambda tx: upload_rows.files(tx, job.number))
        stock = await self._submit.stocked(version, await self._gathered(files))
        faults.point("close.gathered")

        def transaction(tx: Tx) -> Job:
            mark(tx, job.id)
            return _close(tx, job, stock, self._room.settings)

        closed = await self._room.database.write(transaction)
        faults.point("close.committed")
        for number, *_ in files:
            self._spool.drop(number)
        faults.point("close.dropped")
        self._room.stored(closed, deadline=bool(closed.timeout))
        if closed.over:
            self._room.watch.ended(closed.id)
        return closed

    async def _gathered(self, files: Sequence[tuple[int, str, str, int]]) -> list[JobInput]:
        bodies: defaultdict[str, dict[str, Body]] = defaultdict(dict)
        for number, input_name, model_key, size in files:
            bodies[input_name][model_key] = await self._spool.body(number, size, self._blobs)
        return [JobInput(name, found) for name, found in bodies.items()]

    async def _own_job(self, principal: Principal, job_id: str) -> Job:
        job = await self._room.database.read(lambda tx: rows.by_id(tx, job_id))
        if job is None or not access.sees_job(principal, job):
            raise NotFound(f"Job {job_id} not found")
        return job


def _acknowledge(tx: Tx, job: Job, file: tuple[int, int], grown: Grown) -> None:
    """`file`: its number, and the bytes to which the piece was added."""
    number, before = file
    upload_rows.acknowledge(tx, job, number, before, grown.size)
    if grown.piece is not None and grown.size > before:
        upload_rows.add_piece(tx, number, before, grown.piece)


def _close(tx: Tx, job: Job, stock: Stock, limits: JobSettings) -> Job:
    upload_rows.check_open(tx, job)
    upload_rows.forget(tx, job.number)
    faults.point("close.tx.forgotten")
    at = now()
    deadline = at + job.timeout if job.timeout else None
    return enqueue(tx, rows.set_submitted(tx, job, stock.total, stock.size, at, deadline), stock, at, limits)
