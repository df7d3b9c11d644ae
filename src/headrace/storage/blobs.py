"""Large bodies in a folder, named by the keyed BLAKE3 of their content: stored once, fsynced before they are named.

The hash is keyed with a secret of the installation, so that nobody can ask whether a known file is here.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import blake3

from headrace.domain.body import PIECE, BlobRef, BodyStore
from headrace.domain.errors import NotFound, StorageFailed, TooLarge
from headrace.storage.disk import disk, sync_folder

STORE = "the body could not be stored"


class BlobStore(BodyStore, Protocol):
    """A BodyStore that can also forget."""

    def names(self, older_than: float) -> AsyncIterator[str]:
        """Digests of the blobs that were stored more than `older_than` seconds ago."""
        ...

    async def delete(self, digest: str) -> None: ...


class FolderBlobs:
    """`root/ab/cd/<digest>`; bodies under way lie in `root/tmp` and are removed at the next start."""

    def __init__(self, root: Path, key: bytes) -> None:
        self._root, self._key = root, key
        self._tmp = root / "tmp"
        self._tmp.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in self._tmp.iterdir():
            left_over.unlink()

    async def put(self, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        path = self._tmp / secrets.token_hex(8)
        try:
            with disk(STORE):
                file = await asyncio.to_thread(path.open, "xb")
            with file:
                digest, size = await self._fill(file, pieces, at_most)
            with disk(STORE):
                await asyncio.to_thread(self._name, path, digest)
        finally:
            with suppress(OSError):
                path.unlink()
        return BlobRef(digest, size)

    async def _fill(self, file: IO[bytes], pieces: AsyncIterator[bytes], at_most: int) -> tuple[str, int]:
        hasher = blake3.blake3(key=self._key)
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size > at_most:
                raise TooLarge(f"the body is larger than the {at_most} bytes allowed here")
            with disk(STORE):
                await asyncio.to_thread(_append, file, hasher, piece)
        with disk(STORE):
            await asyncio.to_thread(_sync, file)
        return hasher.hexdigest(), size

    def _name(self, path: Path, digest: str) -> None:
        target = self._path(digest)
        if target.exists():
            os.utime(target)  # younger than the sweep's grace again
            return
        for folder in (target.parent.parent, target.parent):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(folder.parent)
        path.rename(target)
        sync_folder(target.parent)

    async def pieces(self, ref: BlobRef) -> AsyncIterator[bytes]:
        hasher = blake3.blake3(key=self._key)
        try:
            with await asyncio.to_thread(self._path(ref.digest).open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, PIECE):
                    hasher.update(piece)
                    yield piece
        except FileNotFoundError:
            raise NotFound("this body is no longer stored") from None
        except OSError as error:
            raise StorageFailed(f"a stored body cannot be read: {error.strerror}", technical=str(error)) from error
        if hasher.hexdigest() != ref.digest:
            raise StorageFailed(f"the stored body {ref.digest} was changed on disk: restore it from a backup")

    async def names(self, older_than: float) -> AsyncIterator[str]:
        limit = time.time() - older_than
        for name in await asyncio.to_thread(lambda: list(self._older(limit))):
            yield name

    async def delete(self, digest: str) -> None:
        await asyncio.to_thread(self._path(digest).unlink, missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:4] / digest

    def _older(self, limit: float) -> Iterator[str]:
        for path in self._root.glob("??/??/*"):
            if path.stat().st_mtime < limit:
                yield path.name


def _append(file: IO[bytes], hasher: blake3.blake3, piece: bytes) -> None:
    hasher.update(piece)
    file.write(piece)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fdatasync(file.fileno())
