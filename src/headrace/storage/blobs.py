"""Large bodies in a folder, named by the keyed BLAKE3 of their content: stored once, fsynced before they are named.

The hash is keyed with a secret of the installation, so that nobody can ask whether a known file is here.
"""

import asyncio
import math
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import blake3

from headrace import faults
from headrace.domain.body import PIECE, BlobRef, BodyStore
from headrace.domain.errors import NotFound, StorageFailed, TooLarge
from headrace.storage.disk import disk, sync_folder

STORE = "the body could not be stored"
LEFT_OVER = 24 * 3600.0  # seconds after which nobody writes any more to a file in a shared tmp


class BlobStore(BodyStore, Protocol):
    """A BodyStore that can also forget."""

    def names(self, older_than: float) -> AsyncIterator[str]:
        """Digests of the blobs that were stored more than `older_than` seconds ago."""
        ...

    async def delete(self, digest: str, older_than: float = 0.0) -> None:
        """Nothing happens to a blob that was stored again within the last `older_than` seconds."""
        ...


class FolderBlobs:
    """`root/ab/cd/<digest>`; bodies under way lie in `root/tmp` and are removed at the next start."""

    def __init__(self, root: Path, key: bytes, *, shared: bool = False) -> None:
        """`shared`: other servers work here too, and what is young in `root/tmp` may be theirs."""
        self._root, self._key = root, key
        self._tmp = root / "tmp"
        self._kept: set[Path] = set()  # folders whose names are on disk for sure; at most 65,792
        self._naming = threading.Lock()  # between looking at a blob and naming or deleting it
        self._tmp.mkdir(parents=True, exist_ok=True, mode=0o700)
        young = time.time() - LEFT_OVER if shared else math.inf
        for left_over in self._tmp.iterdir():
            if left_over.stat().st_mtime < young:
                left_over.unlink(missing_ok=True)
        sync_folder(root.parent)

    async def put(self, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        path = self._tmp / secrets.token_hex(8)
        try:
            with disk(STORE):
                file = await asyncio.to_thread(path.open, "xb", buffering=0)  # closing it writes nothing any more
            with file:
                digest, size = await self._fill(file, pieces, at_most)
                faults.point("blobs.put.synced")
            with disk(STORE):
                await asyncio.to_thread(self._name, path, digest)
        finally:
            with suppress(OSError):
                path.unlink()
        faults.point("blobs.put.after")
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
        """On disk under its name when this returns, also when somebody else is just giving it that name."""
        target = self._path(digest)
        for folder in (target.parent.parent, target.parent):
            if folder not in self._kept:
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(folder.parent)
                self._kept.add(folder)
        faults.point("blobs.rename.before")
        with self._naming:
            if target.exists():
                os.utime(target)  # younger than the sweep's grace again
            else:
                path.rename(target)
        faults.point("blobs.rename.after")
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

    async def delete(self, digest: str, older_than: float = 0.0) -> None:
        faults.point("blobs.delete.before")
        await asyncio.to_thread(self._delete, self._path(digest), time.time() - older_than)

    def _delete(self, path: Path, limit: float) -> None:
        with self._naming, suppress(FileNotFoundError):
            if path.stat().st_mtime <= limit:
                path.unlink()

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:4] / digest

    def _older(self, limit: float) -> Iterator[str]:
        for path in self._root.glob("??/??/*"):
            if path.stat().st_mtime < limit:
                yield path.name


def _append(file: IO[bytes], hasher: blake3.blake3, piece: bytes) -> None:
    hasher.update(piece)
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _sync(file: IO[bytes]) -> None:
    faults.point("blobs.sync.before")
    os.fdatasync(file.fileno())
