"""Files that survive a power cut, and the error of a disk that does not take them."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.domain.errors import StorageFailed


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
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
