"""What is no longer needed goes: inputs some hours after their job, bodies that nobody names, files of gone uploads.

Rows go first and bodies later, after a day of grace: a crash in between leaves garbage, never a hole.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from headrace import faults
from headrace.accounts.once import Once
from headrace.domain.clock import now
from headrace.domain.errors import StorageFailed
from headrace.jobs import history_rows, upload_rows
from headrace.jobs.spool import UploadStore
from headrace.storage.blobs import BlobStore
from headrace.storage.database import Database, Tx

logger = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two rounds
SWEEP_EVERY = 60  # rounds between two sweeps of the bodies
GRACE = 24 * 3600.0  # seconds that a body may be unnamed: longer than any upload takes until its row is written
AT_ONCE = 50  # jobs in one round


class Retention:
    """`uses` are the rooms' functions that say which bodies their rows name."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        spool: UploadStore,
        uses: Sequence[Callable[[Tx], set[str]]],
        once: Once | None = None,
    ) -> None:
        self._database, self._blobs, self._spool, self._uses, self._once = database, blobs, spool, uses, once

    async def run(self) -> None:
        turn = 0
        while True:
            with suppress(StorageFailed):
                await self.drop_inputs()
                await self.drop_uploads()
                if turn % SWEEP_EVERY == 0:
                    await self.forget_answers()
                    await self.sweep(GRACE)
            turn += 1
            await asyncio.sleep(EVERY)

    async def drop_inputs(self) -> None:
        at = now()
        for number in await self._database.read(lambda tx: history_rows.inputs_to_drop(tx, at, AT_ONCE)):
            await self._database.write(lambda tx, number=number: history_rows.drop_inputs(tx, number))  # type: ignore[misc]
            faults.point("retention.inputs.dropped")

    async def drop_uploads(self) -> None:
        lying = self._spool.numbers()
        if lying:
            for number in lying - await self._database.read(upload_rows.known):
                faults.point("retention.upload")
                self._spool.drop(number)

    async def forget_answers(self) -> None:
        if self._once is not None:
            await self._once.forget()

    async def sweep(self, grace: float) -> int:
        """Bodies that were deleted: older than `grace` seconds and named by no row of any room."""
        old = {digest async for digest in self._blobs.names(older_than=grace)}
        for use in self._uses:
            if not old:
                return 0
            old -= await self._database.read(use)
        for digest in old:
            faults.point("retention.sweep")
            await self._blobs.delete(digest, grace)
        if old:
            logger.info("%d bodies that nothing names any more were deleted", len(old))
        return len(old)
