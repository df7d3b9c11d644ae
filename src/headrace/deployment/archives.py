"""Uploaded archives until they are brought in: in a folder, or as bodies where servers share nothing but a bucket."""

import asyncio
import math
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from headrace import faults
from headrace.deployment.rows import ImageSource, SourceForm
from headrace.domain.body import PIECE, BlobRef, BodyStore
from headrace.domain.errors import NotFound, NotReady
from headrace.domain.ids import VersionKey
from headrace.storage.blobs import LEFT_OVER
from headrace.storage.disk import disk, make_folder, sync_folder

STORE = "the archive could not be stored"
GONE = "what was uploaded is no longer here: send it again"


class Archives(Protocol):
    async def keep(self, key: VersionKey, spool: Path, filename: str, size: int) -> ImageSource:
        """The uploaded file, durably, before this returns. Raises StorageFailed."""
        ...

    def here(self, source: ImageSource) -> AbstractAsyncContextManager[ImageSource]:
        """The source, with a path on this machine for as long as the context lasts. Raises NotReady, StorageFailed."""
        ...

    async def drop(self, source: ImageSource) -> None:
        """It was brought in, or another one came in its place."""
        ...

    async def sweep(self, wanted: set[str]) -> None:
        """At the start: remove all but the wanted paths."""
        ...


class FolderArchives:
    """In a folder that all servers see; in that of the only server."""

    def __init__(self, folder: Path, *, alone: bool = True) -> None:
        """`alone`: what is young and wanted by no row is not another server's, which is about to write that row."""
        self._folder, self._left_over = folder.absolute(), 0.0 if alone else LEFT_OVER

    async def keep(self, key: VersionKey, spool: Path, filename: str, size: int) -> ImageSource:
        kept = self._folder / secrets.token_hex(8)
        with disk(STORE):
            await asyncio.to_thread(_keep, spool, kept)
        faults.point("import.kept")
        return ImageSource(key, SourceForm.ARCHIVE, str(kept), filename, size)

    @asynccontextmanager
    async def here(self, source: ImageSource) -> AsyncIterator[ImageSource]:
        path = self._path(source)
        if not await asyncio.to_thread(path.is_file):
            raise NotReady(GONE)
        yield replace(source, path=str(path))

    async def drop(self, source: ImageSource) -> None:
        await asyncio.to_thread(self._path(source).unlink, missing_ok=True)

    async def sweep(self, wanted: set[str]) -> None:
        names = {Path(path).name for path in wanted}
        await asyncio.to_thread(_remove_all_but, self._folder, names, self._left_over)

    def _path(self, source: ImageSource) -> Path:
        """By its name, not by where the folder once was: data folders move, and are restored elsewhere."""
        return self._folder / Path(source.path).name


class StoredArchives:
    """In the store of bodies; fetched by the server whose turn the import is. The sweep of bodies removes them."""

    def __init__(self, bodies: BodyStore, scratch: Path) -> None:
        self._bodies, self._scratch = bodies, scratch.absolute()

    async def keep(self, key: VersionKey, spool: Path, filename: str, size: int) -> ImageSource:
        body = await self._bodies.put(_pieces(spool), size)
        faults.point("import.put")
        return ImageSource(key, SourceForm.BODY, body.digest, filename, body.size)

    @asynccontextmanager
    async def here(self, source: ImageSource) -> AsyncIterator[ImageSource]:
        path = self._scratch / secrets.token_hex(8)
        try:
            await self._fetch(BlobRef(source.path, source.size), path)
            yield replace(source, form=SourceForm.ARCHIVE, path=str(path))
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _fetch(self, body: BlobRef, path: Path) -> None:
        with disk(STORE):
            await asyncio.to_thread(make_folder, path.parent)
            with await asyncio.to_thread(path.open, "xb") as file:
                try:
                    async for piece in self._bodies.pieces(body):
                        await asyncio.to_thread(file.write, piece)
                except NotFound:
                    raise NotReady(GONE) from None

    async def drop(self, source: ImageSource) -> None:
        """Its row goes."""

    async def sweep(self, wanted: set[str]) -> None:  # noqa: ARG002 - nothing here is older than this server
        await asyncio.to_thread(_remove_all_but, self._scratch, set(), 0.0)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def _keep(spool: Path, kept: Path) -> None:
    make_folder(kept.parent)
    descriptor = os.open(spool, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    faults.point("import.keep.synced")
    spool.rename(kept)
    faults.point("import.keep.renamed")
    sync_folder(kept.parent)


def _remove_all_but(folder: Path, wanted: set[str], left_over: float) -> None:
    """Files that are at least `left_over` seconds old."""
    young = time.time() - left_over if left_over else math.inf
    for path in folder.glob("*"):
        if path.name not in wanted and path.stat().st_mtime < young:
            path.unlink(missing_ok=True)
