"""A disk with a cache that a power cut empties: what was not fsynced is gone, names that no folder fsync kept are too.

A folder's changes are kept by an fsync of that folder; what one change did to two folders (a rename) is kept as a
whole. After `cut` only what is safe is there. A share of the rest may have reached the disk by itself, in any order.
Faults: a full disk, a disk that takes nothing or breaks at random. A failed fsync loses what it should have written,
as on Linux: the next fsync succeeds and writes nothing of it.
"""

import errno
import os
import random
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK = 4096
SECTOR = 512
ROOT = 1


@dataclass(slots=True, eq=False)
class Node:
    """A file, a folder or a link: what programs see, and what is safe on disk."""

    number: int
    mode: int
    link: str = ""
    data: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)  # blocks of `data` that are not in `safe`
    entries: dict[str, "Node"] = field(default_factory=dict)
    safe_entries: dict[str, "Node"] = field(default_factory=dict)
    modified: int = field(default_factory=time.time_ns)

    @property
    def folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True, slots=True)
class Change:
    """Names that were set (or, with None, taken away) by one call."""

    names: tuple[tuple[Node, str, Node | None], ...]

    @property
    def folders(self) -> set[int]:
        return {folder.number for folder, _, _ in self.names}

    def keep(self) -> None:
        for folder, name, node in self.names:
            if node is None:
                folder.safe_entries.pop(name, None)
            else:
                folder.safe_entries[name] = node


@dataclass(slots=True)
class Weather:
    """What goes wrong just now. Shares are of calls."""

    room: int = 1 << 40  # bytes that all files together may have
    failing_writes: float = 0.0
    failing_syncs: float = 0.0
    failing_reads: float = 0.0
    read_only: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chance, not a secret


class VolatileDisk:
    """Calls by path or by node, as a file system gets them. They raise OSError."""

    def __init__(self) -> None:
        self._numbers = ROOT
        self.root = Node(ROOT, stat.S_IFDIR | 0o700)
        self.weather = Weather()
        self.counts = {"syncs": 0, "folder syncs": 0, "cuts": 0, "failed calls": 0}
        self._pending: list[Change] = []
        self._used = 0

    @property
    def used(self) -> int:
        return self._used

    def find(self, path: str) -> Node:
        node = self.root
        for part in path.split("/"):
            if part:
                if not node.folder:
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                found = node.entries.get(part)
                if found is None:
                    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
                node = found
        return node

    def make(self, path: str, mode: int, link: str = "") -> Node:
        """A new file, folder or link."""
        self._check_writable()
        folder, name = self._place(path)
        if name in folder.entries:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        if self._used >= self.weather.room:
            raise self._fault(errno.ENOSPC)
        self._numbers += 1
        node = Node(self._numbers, mode, link)
        self._change((folder, name, node))
        return node

    def add_name(self, path: str, node: Node) -> None:
        self._check_writable()
        folder, name = self._place(path)
        if name in folder.entries:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._change((folder, name, node))

    def remove(self, path: str) -> None:
        self._check_writable()
        folder, name = self._place(path)
        node = self.find(path)
        if node.folder and node.entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self._change((folder, name, None))
        self._used -= len(node.data)

    def rename(self, old: str, new: str) -> None:
        self._check_writable()
        node = self.find(old)
        (source, old_name), (target, new_name) = self._place(old), self._place(new)
        replaced = target.entries.get(new_name)
        if replaced is node:
            return
        if replaced is not None:
            if replaced.folder and replaced.entries:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            self._used -= len(replaced.data)
        self._change((source, old_name, None), (target, new_name, node))

    def read(self, node: Node, size: int, offset: int) -> bytes:
        if self._hit(self.weather.failing_reads):
            raise self._fault(errno.EIO)
        return bytes(node.data[offset : offset + size])

    def write(self, node: Node, data: bytes, offset: int) -> int:
        self._check_writable()
        if self._hit(self.weather.failing_writes):
            raise self._fault(errno.EIO)
        end = offset + len(data)
        growth = max(0, end - len(node.data))
        if growth and self._used + growth > self.weather.room:
            data = data[: max(0, len(data) - (self._used + growth - self.weather.room))]
            if not data:
                raise self._fault(errno.ENOSPC)
            end = offset + len(data)
        self._grow(node, end)
        node.data[offset:end] = data
        node.dirty.update(range(offset // BLOCK, (end - 1) // BLOCK + 1))
        node.modified = time.time_ns()
        return len(data)

    def truncate(self, node: Node, size: int) -> None:
        self._check_writable()
        if size > len(node.data):
            if self._used + size - len(node.data) > self.weather.room:
                raise self._fault(errno.ENOSPC)
            self._grow(node, size)
        else:
            self._used -= len(node.data) - size
            del node.data[size:]
            node.dirty = {block for block in node.dirty if block * BLOCK < size}
        node.modified = time.time_ns()

    def sync(self, node: Node) -> None:
        """An fsync of a file or of a folder."""
        self.counts["folder syncs" if node.folder else "syncs"] += 1
        if self._hit(self.weather.failing_syncs):
            node.dirty.clear()  # lost, although programs still read it
            raise self._fault(errno.EIO)
        if node.folder:
            self._keep_folder(node)
        else:
            _settle(node, node.dirty, len(node.data))
            node.dirty.clear()

    def sync_all(self) -> None:
        for node in self._everything():
            _settle(node, node.dirty, len(node.data))
            node.dirty.clear()
        for change in self._pending:
            change.keep()
        self._pending.clear()

    def cut(self, share: float, seed: int) -> None:
        """The power is gone and comes back.

        `share` of what was not safe had reached the disk: blocks in any order, some torn, names in their order.
        """
        dice = random.Random(seed)  # noqa: S311 - chance, not a secret
        self.counts["cuts"] += 1
        if share:
            for change in self._pending[: dice.randint(0, len(self._pending))]:
                change.keep()
            for node in self._everything():
                _survive(node, share, dice)
        self._pending.clear()
        for node in self._everything():
            node.entries = dict(node.safe_entries)
        for node in self._everything():
            node.data, node.dirty = bytearray(node.safe), set()
        self._used = sum(len(node.data) for node in self._everything())

    def _everything(self) -> list[Node]:
        """All nodes that have a name, now or on disk."""
        found, left = {ROOT: self.root}, [self.root]
        while left:
            node = left.pop()
            for one in (*node.entries.values(), *node.safe_entries.values()):
                if one.number not in found:
                    found[one.number] = one
                    left.append(one)
        return list(found.values())

    def _keep_folder(self, folder: Node) -> None:
        """Its changes, and whatever came before them in folders that they touch as well."""
        touched, kept = {folder.number}, []
        for change in reversed(self._pending):
            if change.folders & touched:
                touched |= change.folders
                kept.append(change)
        for change in reversed(kept):
            change.keep()
        self._pending = [change for change in self._pending if change not in kept]

    def _change(self, *names: tuple[Node, str, Node | None]) -> None:
        for folder, name, node in names:
            if node is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = node
            folder.modified = time.time_ns()
        self._pending.append(Change(names))

    def _place(self, path: str) -> tuple[Node, str]:
        above, _, name = path.rstrip("/").rpartition("/")
        folder = self.find(above)
        if not folder.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return folder, name

    def _grow(self, node: Node, size: int) -> None:
        if size > len(node.data):
            self._used += size - len(node.data)
            node.data.extend(bytes(size - len(node.data)))

    def _check_writable(self) -> None:
        if self.weather.read_only:
            raise self._fault(errno.EROFS)

    def _hit(self, share: float) -> bool:
        return share > 0 and self.weather.dice.random() < share

    def _fault(self, number: int) -> OSError:
        self.counts["failed calls"] += 1
        return OSError(number, os.strerror(number))


def _settle(node: Node, blocks: set[int] | Iterator[int], size: int) -> None:
    if len(node.safe) < size:
        node.safe.extend(bytes(size - len(node.safe)))
    del node.safe[size:]
    for block in blocks:
        begin = block * BLOCK
        end = min(begin + BLOCK, size)
        node.safe[begin:end] = node.data[begin:end]


def _survive(node: Node, share: float, dice: random.Random) -> None:
    """Part of what was not fsynced is on disk all the same; the last block of it perhaps only in part."""
    lucky = [block for block in sorted(node.dirty) if dice.random() < share]
    if len(node.data) < len(node.safe) and dice.random() < share:
        del node.safe[len(node.data) :]
    if not lucky:
        return
    torn = dice.choice(lucky) if dice.random() < share else -1
    size = max(len(node.safe), min(len(node.data), (lucky[-1] + 1) * BLOCK))
    before = bytes(node.safe[torn * BLOCK : (torn + 1) * BLOCK]) if torn >= 0 else b""
    _settle(node, iter(lucky), size)
    if torn >= 0:
        sectors = dice.randrange(BLOCK // SECTOR) * SECTOR
        begin, end = torn * BLOCK + sectors, min((torn + 1) * BLOCK, size)
        if begin < end:
            old = before[sectors:].ljust(end - begin, b"\0")[: end - begin]
            node.safe[begin:end] = old
