"""A file that is on its way to a room: written to a folder of ours in pieces, removed when its room has it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from headrace.domain.errors import StorageFailed, TooLarge


@asynccontextmanager
async def spooled(folder: Path, pieces: AsyncIterator[bytes], at_most: int) -> AsyncIterator[tuple[Path, int]]:
    """Path and size. The file is gone afterwards, unless it was moved. Raises TooLarge, StorageFailed."""
    path = folder / f"upload-{secrets.token_hex(8)}"
    try:
        yield path, await _write(path, pieces, at_most)
    finally:
        path.unlink(missing_ok=True)


@asynccontextmanager
async def spooled_by(folder: Path, fill: Callable[[IO[bytes]], None], at_most: int) -> AsyncIterator[tuple[Path, int]]:
    """The same for what `fill` writes, in a thread."""
    path = folder / f"made-{secrets.token_hex(8)}"
    try:
        yield path, await asyncio.to_thread(_fill, path, fill, at_most)
    finally:
        path.unlink(missing_ok=True)


def _fill(path: Path, fill: Callable[[IO[bytes]], None], at_most: int) -> int:
    try:
        with _create(path) as file:
            fill(file)
            size = file.tell()
            _sync(file)
    except OSError as error:
        raise _not_stored(error) from error
    if size > at_most:
        raise _too_large(at_most)
    return size


async def _write(path: Path, pieces: AsyncIterator[bytes], at_most: int) -> int:
    size = 0
    try:
        with await asyncio.to_thread(_create, path) as file:
            async for piece in pieces:
                size += len(piece)
                if size > at_most:
                    raise _too_large(at_most)
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_sync, file)
    except OSError as error:
        raise _not_stored(error) from error
    return size


def _too_large(at_most: int) -> TooLarge:
    return TooLarge(f"the file is larger than the {at_most} bytes allowed here")


def _not_stored(error: OSError) -> StorageFailed:
    return StorageFailed(f"the file could not be stored: {error.strerror}", technical=str(error))


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
