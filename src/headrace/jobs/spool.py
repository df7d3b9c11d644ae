"""Files that arrive in pieces: each piece is appended and fsynced before it is acknowledged.

The row in `upload` says how many bytes of a file were acknowledged; what lies behind that is cut off before the next
piece, so a piece that was lost half-way may simply be sent again.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace import faults
from headrace.domain.body import PIECE, Body, BodyStore, keep
from headrace.domain.errors import StorageFailed, TooLarge
from headrace.storage.disk import disk, sync_folder

STORE = "the piece could not be stored"
READ = "an uploaded file cannot be read"


@dataclass(frozen=True, slots=True)
class Grown:
    """A file with one more piece, before that is acknowledged."""

    size: int  # of the file
    piece: Body | None = None  # to be noted beside the size; None: it lies in the file


class UploadStore(Protocol):
    """Where the pieces of files lie until their job is closed."""

    async def append(self, number: int, size: int, pieces: AsyncIterator[bytes], limit: int) -> Grown:
        """To a file of `size` bytes. Raises TooLarge beyond `limit` bytes in the piece, StorageFailed."""
        ...

    async def body(self, number: int, size: int, store: BodyStore) -> Body:
        """The acknowledged bytes, inline or as a blob. Raises StorageFailed."""
        ...

    def drop(self, number: int) -> None: ...

    def numbers(self) -> set[int]:
        """Of all files that have to be dropped by somebody."""
        ...


class Spool:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def append(self, number: int, size: int, pieces: AsyncIterator[bytes], limit: int) -> Grown:
        with disk(STORE):
            descriptor = await asyncio.to_thread(_open, self._path(number), size)
        try:
            added = 0
            async for piece in pieces:
                added += len(piece)
                if added > limit:
                    raise too_large(limit)
                with disk(STORE):
                    await asyncio.to_thread(_write, descriptor, piece)
            with disk(STORE):
                faults.point("spool.sync.before")
                await asyncio.to_thread(os.fdatasync, descriptor)
                if size == 0:  # the first piece made the file: its name has to be on disk too
                    await asyncio.to_thread(sync_folder, self._folder)
        finally:
            os.close(descriptor)
        faults.point("spool.synced")
        return Grown(size + added)

    async def body(self, number: int, size: int, store: BodyStore) -> Body:
        return await keep(self._pieces(number, size), store, size)

    async def _pieces(self, number: int, size: int) -> AsyncIterator[bytes]:
        left = size
        if left == 0:
            return
        with disk(READ):
            file = await asyncio.to_thread(self._path(number).open, "rb")
        with file:
            while left:
                with disk(READ):
                    piece = await asyncio.to_thread(file.read, min(PIECE, left))
                if not piece:
                    raise StorageFailed(f"{READ}: it is shorter than what was acknowledged")
                left -= len(piece)
                yield piece

    def drop(self, number: int) -> None:
        faults.point("spool.drop.before")
        self._path(number).unlink(missing_ok=True)

    def numbers(self) -> set[int]:
        return {int(path.name) for path in self._folder.iterdir() if path.name.isdigit()}

    def _path(self, number: int) -> Path:
        return self._folder / str(number)  # a number of ours: a user's name never becomes a path


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"a piece of a file may have {limit} bytes: send it in more, smaller pieces")


def _open(path: Path, size: int) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    if os.fstat(descriptor).st_size < size:  # never filled up with zeros: what was acknowledged is lost
        os.close(descriptor)
        raise OSError(errno.EIO, "the pieces before this one are gone")
    os.ftruncate(descriptor, size)
    os.lseek(descriptor, size, os.SEEK_SET)
    return descriptor


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:  # a nearly full disk takes a part and says so only with the next write
        rest = rest[os.write(descriptor, rest) :]
