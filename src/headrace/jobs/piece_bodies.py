"""Files that arrive in pieces at any of several servers: each piece is a body of its own until the job is closed.

This is the Spool of an installation whose bodies are in a bucket. A piece is in the store before its row names it, and
the row is written only where the file still has the size that the piece was added to: two servers that take the same
piece, because its sender lost patience with the first, never mix their bytes.
"""

from collections.abc import AsyncIterator

from headrace import faults
from headrace.domain.body import Body, BodyStore, keep, size_of
from headrace.domain.errors import StorageFailed, TooLarge
from headrace.jobs import upload_rows
from headrace.jobs.spool import READ, Grown, too_large
from headrace.storage.database import Database


class PieceBodies:
    def __init__(self, database: Database, bodies: BodyStore) -> None:
        self._database, self._bodies = database, bodies

    async def append(self, number: int, size: int, pieces: AsyncIterator[bytes], limit: int) -> Grown:  # noqa: ARG002
        try:
            piece = await keep(pieces, self._bodies, limit)
        except TooLarge:
            raise too_large(limit) from None
        if size_of(piece) > limit:
            raise too_large(limit)
        faults.point("pieces.kept")
        return Grown(size + size_of(piece), piece)

    async def body(self, number: int, size: int, store: BodyStore) -> Body:
        """A file of one piece is that piece."""
        whole = await self._piece(number, 0) if size else b""
        return whole if size_of(whole) == size else await keep(self._pieces(number, size), store, size)

    async def _pieces(self, number: int, size: int) -> AsyncIterator[bytes]:
        place = 0
        while place < size:
            piece = await self._piece(number, place)
            place += size_of(piece)
            if isinstance(piece, bytes):
                yield piece
            else:
                async for part in self._bodies.pieces(piece):
                    yield part

    async def _piece(self, number: int, first: int) -> Body:
        found = await self._database.read(lambda tx: upload_rows.piece(tx, number, first))
        if found is None or not size_of(found):
            raise StorageFailed(f"{READ}: it is shorter than what was acknowledged")
        return found

    def drop(self, number: int) -> None:
        """Its rows go with those of its job, and the sweep takes bodies that no row names."""

    def numbers(self) -> set[int]:
        """Of files that lie in a folder."""
        return set()
