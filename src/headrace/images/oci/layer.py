"""A layer of an image, read forwards: what is in it, checked member by member, held to its size and to its digest."""

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import IO

from headrace.domain.errors import Invalid, TooLarge
from headrace.images.archive import Stop, Stopped
from headrace.images.decompress import Forward
from headrace.images.tree import shown

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
PIECE = 256 * 1024
FREE = 64 << 20  # bytes that a layer may have unpacked before its ratio is looked at
RATIO = 500  # times; compressors that are made to do so reach a thousand and far more
LONGEST_NAME = 255  # bytes
DEEPEST = 100  # folders in each other
LONGEST_TARGET = 4_096  # bytes of a symbolic link
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


class Kind(Enum):
    FILE = auto()
    FOLDER = auto()
    SYMLINK = auto()
    HARD_LINK = auto()
    WHITEOUT = auto()  # the name in `path` is gone
    OPAQUE = auto()  # all that lower layers put into the folder `path` is gone
    SKIPPED = auto()  # a device or a pipe: what a container needs of these its engine makes


@dataclass(frozen=True, slots=True)
class Entry:
    kind: Kind
    path: tuple[str, ...]
    mode: int
    mtime: int
    size: int = 0
    target: str = ""  # of a symbolic link, as it stands; of a hard link, a path from the root
    member: tarfile.TarInfo | None = None


@dataclass(slots=True)
class Budget:
    """What one image may unpack to, all its layers together."""

    size: int  # bytes
    entries: int

    def take_entry(self, name: str) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise TooLarge(f"there are too many files in the image (at {shown(name)}); see images.entries")

    def take(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise TooLarge("unpacked, the image is larger than it may be here; see images.unpacked")


class Unpacking(Forward):
    """The layer's tar, with its digest counted along. It may not grow beyond the budget, nor beyond all reason."""

    def __init__(self, source: IO[bytes], kind: str, budget: Budget) -> None:
        super().__init__(source, kind)
        self._packed, self._compressed, self._budget = source, bool(kind), budget
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = super().read(size)
        self._digest.update(data)
        self.size += len(data)
        self._budget.take(len(data))
        if self._compressed and self.size > max(FREE, RATIO * self._packed.tell()):
            raise TooLarge(f"a layer of the image unpacks to more than {RATIO} times its size: a bomb")
        return data

    def finish(self, stop: Stop) -> str:
        """Read what follows the archive's end, and return the digest of all."""
        while self.read(PIECE):
            if stop.is_set():
                raise Stopped
        return f"sha256:{self._digest.hexdigest()}"


class Layer:
    """Use `opened`. Iterate `entries` to their end, then ask for the digest of the unpacked tar."""

    def __init__(self, source: IO[bytes], kind: str, budget: Budget, stop: Stop) -> None:
        self._source = Unpacking(source, kind, budget)
        self._budget, self._stop = budget, stop
        self._archive: tarfile.TarFile | None = None
        self.count = 0

    @property
    def size(self) -> int:
        return self._source.size

    def entries(self) -> Iterator[Entry]:
        """Raises Invalid, TooLarge, Stopped."""
        try:
            with tarfile.open(fileobj=self._source, mode="r:", errorlevel=2) as archive:
                self._archive = archive
                while (member := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # it would keep every member that it has seen
                    if self._stop.is_set():
                        raise Stopped
                    self.count += 1
                    self._budget.take_entry(member.name)
                    if (entry := _entry(member)) is not None:
                        yield entry
        except tarfile.ReadError as error:
            if self.count or self._source.size > tarfile.BLOCKSIZE or "empty file" not in str(error):
                raise Invalid(f"a layer of the image is damaged: {error}") from None
        except (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError) as error:
            raise Invalid(f"a layer of the image is damaged: {error}") from None

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file, while its entry is the latest one."""
        content = self._archive.extractfile(entry.member) if self._archive and entry.member else None
        if content is None:
            raise Invalid(f"{shown('/'.join(entry.path))} has no content")
        try:
            with content:
                while piece := content.read(PIECE):
                    if self._stop.is_set():
                        raise Stopped
                    yield piece
        except tarfile.TarError as error:
            raise Invalid(f"a layer of the image is damaged: {error}") from None

    def diff_id(self) -> str:
        return self._source.finish(self._stop)


@contextmanager
def opened(path: Path, budget: Budget, stop: Stop) -> Iterator[Layer]:
    """How it is packed shows in its first bytes; the manifest's word for it is not needed."""
    with path.open("rb") as file:
        yield Layer(file, packing(file), budget, stop)


def packing(file: IO[bytes]) -> str:
    begin = file.read(6)
    file.seek(0)
    return next((kind for magic, kind in MAGIC.items() if begin.startswith(magic)), "")


def _entry(member: tarfile.TarInfo) -> Entry | None:
    path = _path(member.name)
    kind = _kind(member)
    if not path:
        if kind is not Kind.FOLDER:
            raise Invalid("a layer of the image replaces the root folder by something else")
        return None
    if path[-1].startswith(WHITEOUT):
        return _whiteout(path, member)
    target = ""
    if kind is Kind.HARD_LINK:
        target = "/".join(_path(member.linkname))
    elif kind is Kind.SYMLINK:
        target = member.linkname
        if not target or "\0" in target or len(target.encode(errors="surrogateescape")) > LONGEST_TARGET:
            raise Invalid(f"{shown(member.name)} is a symbolic link to nothing that can be")
    return Entry(kind, path, member.mode, int(member.mtime), member.size, target, member)


def _whiteout(path: tuple[str, ...], member: tarfile.TarInfo) -> Entry | None:
    if path[-1] == OPAQUE:
        return Entry(Kind.OPAQUE, path[:-1], member.mode, 0)
    name = path[-1][len(WHITEOUT) :]
    if name.startswith(WHITEOUT):  # aufs kept its own books in such names
        return None
    if name in ("", ".", ".."):
        raise Invalid(f"{shown(member.name)} marks nothing that could be gone")
    return Entry(Kind.WHITEOUT, (*path[:-1], name), member.mode, 0)


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.size < 0:
        raise Invalid(f"a layer of the image is damaged: {shown(member.name)} has a size below zero")
    if member.issparse():
        raise Invalid(f"{shown(member.name)} is a sparse file, which layers do not have: not taken")
    if member.isreg():
        return Kind.FILE
    if member.isdir():
        return Kind.FOLDER
    if member.issym():
        return Kind.SYMLINK
    if member.islnk():
        return Kind.HARD_LINK
    if member.ischr() or member.isblk() or member.isfifo():
        return Kind.SKIPPED
    raise Invalid(f"{shown(member.name)} is neither a file nor a folder nor a link: not taken")


def _path(name: str) -> tuple[str, ...]:
    """From the image's root, whatever the name begins with. Raises Invalid."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Invalid(f"{shown(name)} leads out (..)")
    if "\0" in name:
        raise Invalid(f"{shown(name)} has a zero byte in its name")
    if len(parts) > DEEPEST:
        raise Invalid(f"{shown(name)} lies in more than {DEEPEST} folders")
    if any(len(part.encode(errors="surrogateescape")) > LONGEST_NAME for part in parts):
        raise Invalid(f"{shown(name)} has a name longer than {LONGEST_NAME} bytes")
    return parts
