"""Files that survive a power cut, and the error of a disk that does not take them."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace import faults
from headrace.domain.errors import StorageFailed

_FULL = ("database or disk is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def is_full(error: StorageFailed) -> bool:
    """Whether it was for want of room: that passes, and nothing is broken."""
    return any(sign in f"{error.message} {error.technical}" for sign in _FULL)


@contextmanager
def disk(what: str) -> Iterator[None]:
    """Around file operations only: a sender who gave up (TimeoutError, ConnectionError) is an OSError too."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"{what}: {error.strerror or error}", technical=str(error)) from error


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write, fsync, rename, fsync the folder: after this the file is there whole, or the call raised OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        faults.point("disk.sync.before")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    faults.point("disk.rename.before")
    temporary.rename(path)
    faults.point("disk.rename.after")
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """With its parents, for us alone; their names are on disk when this returns."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def keep_folders(root: Path) -> None:
    """Of a data folder: its name is on disk, and so are those of all folders in it and in them."""
    for folder in (root.absolute().parent, root, *(path for path in root.iterdir() if path.is_dir())):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
