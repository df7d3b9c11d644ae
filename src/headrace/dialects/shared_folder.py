"""The folder that we share with a model of the first contract: inputs are put there, outputs are taken from there.

The model may do what it likes in it, at any time: everything is done by descriptors of folders that were made by us, no
link is ever followed, nothing but a plain file is read, and never more bytes than are allowed.
"""

import asyncio
import os
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from headrace.dialects.media import media_type
from headrace.domain.body import INLINE, PIECE, BlobRef, BodyStore, Given, Slot, size_of
from headrace.domain.errors import StorageFailed
from headrace.domain.question import Output
from headrace.domain.reach import Shared

MOST_OUTPUTS = 1_000
LONGEST_NAME = 255  # bytes
BLOCK = 4096  # bytes of a disk: a file takes whole ones
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unreadable(Exception):
    """What the model left there is not what it may leave: the sentence says what."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Two folders for one input: their paths as the model sees them, and our descriptors."""

    name: str
    input: str
    output: str
    folders: tuple[int, int]
    size: int = 0  # bytes that the inputs take on the disk


class SharedFolder:
    def __init__(self, shared: Shared, store: BodyStore, most: int) -> None:
        self._shared, self._store, self._most = shared, store, most
        self._folder = os.open(shared.folder, FOLDER)

    def close(self) -> None:
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    async def put(self, inputs: Mapping[str, Given]) -> Turn:
        """Raises Unreadable for names that no file can have, StorageFailed."""
        for name in inputs:
            if "/" in name or "\0" in name or name in {"", ".", ".."} or len(name.encode()) > LONGEST_NAME:
                raise Unreadable(f"the input {name[:80]!r} cannot be given to the model as a file of that name")
        size = sum(-(-size_of(body) // BLOCK) * BLOCK for body in inputs.values())
        self._shared.ours += size  # before they are there, lest the model be blamed for them
        try:
            turn = await asyncio.to_thread(self._made, secrets.token_hex(8), inputs, size)
        except StorageFailed:
            self._shared.ours -= size
            raise
        try:
            for name, body in inputs.items():
                if isinstance(body, BlobRef):
                    await self._stream(turn.folders[0], name, body)
        except OSError as error:
            await self.clear(turn)
            raise StorageFailed(f"the inputs cannot be put into the model's folder: {error.strerror}") from error
        except BaseException:
            await self.clear(turn)
            raise
        return turn

    def _made(self, name: str, inputs: Mapping[str, Given], size: int) -> Turn:
        """Each folder is made and opened in the one above it: what the model puts in its place is not followed.

        In a thread: a disk that is busy takes milliseconds for each of these.
        """
        opened = []
        try:
            os.mkdir(name, 0o755, dir_fd=self._folder)
            place = os.open(name, FOLDER, dir_fd=self._folder)
            try:
                for part, mode in (("input", 0o755), ("output", 0o777)):
                    os.mkdir(part, mode, dir_fd=place)
                    opened.append(os.open(part, FOLDER, dir_fd=place))
                    os.fchmod(opened[-1], mode)
            finally:
                os.close(place)
            for one, body in inputs.items():
                if not isinstance(body, BlobRef):
                    with _new_file(opened[0], one) as file:
                        file.write(body.view if isinstance(body, Slot) else body)
        except OSError as error:
            self._clear(name, opened)
            sentence = f"no folder can be made for the model: {error.strerror}"
            raise StorageFailed(sentence, technical=str(error)) from error
        inside = f"{self._shared.inside}/{name}"
        return Turn(name, f"{inside}/input", f"{inside}/output", (opened[0], opened[1]), size)

    async def _stream(self, folder: int, name: str, ref: BlobRef) -> None:
        with _new_file(folder, name) as file:
            async for piece in self._store.pieces(ref):
                await asyncio.to_thread(file.write, piece)

    async def take(self, turn: Turn) -> dict[str, Output]:
        """Every file in the output folder. Raises Unreadable, StorageFailed."""
        try:
            found, large = await asyncio.to_thread(self._look, turn.folders[1])
            for name, size in large.items():
                found[name] = await self._stored(turn.folders[1], name, size)
        except OSError as error:
            raise Unreadable(f"what the model wrote cannot be read: {error.strerror or error}") from None
        return found

    def _look(self, folder: int) -> tuple[dict[str, Output], dict[str, int]]:
        """The small outputs, and the sizes of the large ones: together they are within the limit."""
        sizes = self._sizes(folder)
        if (size := sum(sizes.values())) > self._most:
            raise Unreadable(f"its outputs are {size} bytes together, the limit is {self._most} bytes")
        found: dict[str, Output] = {}
        for name, size in sizes.items():
            if size <= INLINE:
                with _old_file(folder, name) as file:
                    body = file.read(size + 1)
                if len(body) != size:
                    raise _changed(name)
                found[name] = Output(body, media_type(name, body))
        return found, {name: size for name, size in sizes.items() if name not in found}

    def _sizes(self, folder: int) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    kind = "a link" if entry.is_symlink() else "a folder" if entry.is_dir() else "no file"
                    raise Unreadable(f"its output {entry.name[:80]!r} is {kind}: only plain files are taken")
                if len(sizes) == MOST_OUTPUTS:
                    raise Unreadable(f"it wrote more than {MOST_OUTPUTS} outputs")
                sizes[_text(entry.name)] = entry.stat(follow_symlinks=False).st_size
        return sizes

    async def _stored(self, folder: int, name: str, size: int) -> Output:
        with _old_file(folder, name) as file:
            head = os.pread(file.fileno(), INLINE, 0)
            ref = await self._store.put(_pieces(file.fileno(), size), self._most)
            if ref.size != size or os.fstat(file.fileno()).st_size != size:
                raise _changed(name)
            return Output(ref, media_type(name, head, whole=False))

    async def clear(self, turn: Turn) -> None:
        """Also what the model put there; what cannot be removed goes with the replica."""
        try:
            await asyncio.to_thread(self._clear, turn.name, turn.folders)
        finally:
            self._shared.ours -= turn.size

    def _clear(self, name: str, opened: Iterable[int]) -> None:
        for descriptor in opened:
            os.close(descriptor)
        shutil.rmtree(name, ignore_errors=True, dir_fd=self._folder)


def _new_file(folder: int, name: str) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o644, dir_fd=folder)
    os.fchmod(descriptor, 0o644)
    return os.fdopen(descriptor, "wb")


def _old_file(folder: int, name: str) -> BinaryIO:
    """A pipe is not waited for, and nothing but a file is read."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"its output {name[:80]!r} is no file any more")
    return os.fdopen(descriptor, "rb")


async def _pieces(descriptor: int, size: int) -> AsyncIterator[bytes]:
    """At most `size` bytes, however long the file has become since."""
    start = 0
    while start < size:
        piece = await asyncio.to_thread(os.pread, descriptor, min(PIECE, size - start), start)
        if not piece:
            return
        start += len(piece)
        yield piece


def _changed(name: str) -> Unreadable:
    return Unreadable(f"its output {name[:80]!r} changed while it was read: an answer is given when all is written")


def _text(name: str) -> str:
    with suppress(UnicodeEncodeError):
        name.encode()
        return name
    raise Unreadable("the name of one of its outputs is not UTF-8")
