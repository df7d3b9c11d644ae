"""Parts of images in a folder, each a file named by its digest: whole and on disk before it has its name."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from headrace import faults
from headrace.domain.errors import Invalid, StorageFailed
from headrace.images.oci.digest import digest_of, hex_of

STORED = "the image could not be stored"


class Blobs:
    """`root`/sha256/<hex>. `partial` keeps what has come so far of a part that is on its way, also over a restart."""

    def __init__(self, root: Path, partial: Path) -> None:
        self._root, self._partial = root / "sha256", partial
        for folder in (self._root, self._partial):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._coming: dict[str, asyncio.Lock] = {}

    def path(self, digest: str) -> Path:
        """Where it is, or would be. Raises Invalid for what is no digest."""
        return self._root / hex_of(digest)

    def has(self, digest: str, size: int) -> bool:
        """A file of the right name and another size was damaged from outside: it counts as not there."""
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def read(self, digest: str, at_most: int) -> bytes:
        """A small one, checked again. Raises StorageFailed."""
        with stored(), self.path(digest).open("rb") as file:
            content = file.read(at_most + 1)
        if digest_of(content) != digest:
            raise StorageFailed(f"a stored part of an image ({digest}) was changed on disk: bring the image in again")
        return content

    def write(self, content: bytes) -> str:
        """Returns its digest. Raises StorageFailed."""
        digest = digest_of(content)
        if self.has(digest, len(content)):
            return digest
        path = self.path(digest)
        temporary = self._partial / secrets.token_hex(8)
        with stored():
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            faults.point("oci.rename.before")
            temporary.rename(path)
            faults.point("oci.rename.after")
            sync(self._root)
        return digest

    def take(self, file: Path, digest: str) -> None:
        """A file on the same disk, whose digest the caller has counted, becomes ours. Raises StorageFailed."""
        with stored():
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            faults.point("oci.take.rename.before")
            file.rename(self.path(digest))
            faults.point("oci.take.rename.after")
            sync(self._root)

    def coming(self, digest: str) -> asyncio.Lock:
        """One at a time brings it."""
        return self._coming.setdefault(digest, asyncio.Lock())

    def partial(self, digest: str) -> "Partial":
        return Partial(self._partial / f"{hex_of(digest)}.part")

    def all(self) -> Iterator[Path]:
        yield from self._root.iterdir()

    def partials(self) -> Iterator[Path]:
        yield from self._partial.iterdir()


class Partial:
    """What has come of a part so far. Blocking; every call may raise StorageFailed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self.size = 0

    def open(self) -> None:
        """What an earlier try left counts again."""
        with stored():
            self._file = self.path.open("a+b")
            self._file.seek(0)
            while piece := self._file.read(1 << 20):
                self._digest.update(piece)
                self.size += len(piece)

    def append(self, piece: bytes) -> None:
        if self._file is not None:
            with stored():
                self._file.write(piece)
            self._digest.update(piece)
            self.size += len(piece)

    def restart(self) -> None:
        """What came was wrong, or the sender begins at the beginning."""
        if self._file is not None:
            with stored():
                self._file.truncate(0)
        self._digest, self.size = hashlib.sha256(), 0

    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"

    def close(self) -> None:
        if self._file is not None:
            with stored():
                self._file.close()
            self._file = None


def sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def stored(what: str = STORED) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"{what}: {error.strerror or error}", technical=str(error)) from error


def check_size(size: int, announced: int) -> None:
    if size != announced:
        raise Invalid(f"a part of the image has {size} bytes, and {announced} were announced")
