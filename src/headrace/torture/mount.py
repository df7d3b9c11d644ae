"""A volatile disk as a mounted folder, in a process of its own: `python -m headrace.torture.mount FOLDER`.

Orders come as lines of JSON on standard input and are answered on standard output. A cut is: unmount it (the kernel's
own cache goes with that), order `cut`, and it is mounted again.
"""

import errno
import importlib
import os
import queue
import stat
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from headrace.torture.volatile import BLOCK, Node, VolatileDisk, Weather

UTIME_NOW = 1_073_741_823  # nanoseconds since 1970 that mean: now
SYNC = ".sync"  # an fsync of this file is a sync() of the whole disk
Attributes = dict[str, int]


class Order(msgspec.Struct):
    """`do` is cut, weather or counts."""

    do: str
    share: float = 0.0
    seed: int = 0
    room: int | None = None  # bytes that are still free
    writes: float = 0.0
    syncs: float = 0.0
    reads: float = 0.0
    read_only: bool = False


class Files:
    """What FUSE asks, by path or by the number of an open file. One call at a time, between the orders."""

    use_ns = True

    def __init__(self, disk: VolatileDisk, turn: threading.Lock) -> None:
        self._disk, self._turn = disk, turn
        self._open: dict[int, Node] = {}
        self._last = 0

    def getattr(self, path: str | None, fh: int | None = None) -> Attributes:
        with self._turn:
            node = self._open[fh] if fh else self._disk.find(path or "/")
            return {
                "st_ino": node.number, "st_mode": node.mode, "st_nlink": 2 if node.folder else 1,
                "st_size": len(node.link) if stat.S_ISLNK(node.mode) else len(node.data), "st_uid": os.getuid(),
                "st_gid": os.getgid(), "st_mtime": node.modified, "st_atime": node.modified,
                "st_ctime": node.modified, "st_blocks": -(-len(node.data) // 512), "st_blksize": BLOCK,
            }  # fmt: skip

    def readdir(self, path: str, fh: int) -> list[tuple[str, Attributes, int]]:  # noqa: ARG002 - FUSE's signature
        with self._turn:
            folder = self._disk.find(path)
            named = {".": folder, "..": folder, **folder.entries}
            return [(name, {"st_ino": node.number, "st_mode": node.mode}, 0) for name, node in named.items()]

    def create(self, path: str, mode: int, fi: int | None = None) -> int:  # noqa: ARG002
        with self._turn:
            return self._opened(self._disk.make(path, stat.S_IFREG | stat.S_IMODE(mode)))

    def open(self, path: str, flags: int) -> int:
        with self._turn:
            node = self._disk.find(path)
            if flags & os.O_TRUNC:
                self._disk.truncate(node, 0)
            return self._opened(node)

    def _opened(self, node: Node) -> int:
        self._last += 1
        self._open[self._last] = node
        return self._last

    def release(self, path: str, fh: int) -> int:  # noqa: ARG002
        with self._turn:
            del self._open[fh]
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:  # noqa: ARG002
        with self._turn:
            return self._disk.read(self._open[fh], size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:  # noqa: ARG002
        with self._turn:
            return self._disk.write(self._open[fh], data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self._turn:
            self._disk.truncate(self._open[fh] if fh else self._disk.find(path), length)
        return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:  # noqa: ARG002
        with self._turn:
            node = self._open[fh]
            if offset + size > len(node.data):
                self._disk.truncate(node, offset + size)
        return 0

    def flush(self, path: str, fh: int) -> int:  # noqa: ARG002
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:  # noqa: ARG002
        with self._turn:
            if path == f"/{SYNC}":
                self._disk.sync_all()
            else:
                self._disk.sync(self._open[fh])
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:  # noqa: ARG002
        with self._turn:
            self._disk.sync(self._disk.find(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        with self._turn:
            self._disk.make(path, stat.S_IFDIR | stat.S_IMODE(mode))
        return 0

    def symlink(self, target: str, source: str) -> int:
        with self._turn:
            self._disk.make(target, stat.S_IFLNK | 0o777, source)
        return 0

    def readlink(self, path: str) -> str:
        with self._turn:
            return self._disk.find(path).link

    def link(self, target: str, source: str) -> int:
        with self._turn:
            self._disk.add_name(target, self._disk.find(source))
        return 0

    def unlink(self, path: str) -> int:
        with self._turn:
            self._disk.remove(path)
        return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        with self._turn:
            self._disk.rename(old, new)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        with self._turn:
            node = self._disk.find(path)
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:  # noqa: ARG002
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        with self._turn:
            self._disk.find(path).modified = times[1] if times and times[1] > UTIME_NOW else time.time_ns()
        return 0

    def statfs(self, path: str) -> Attributes:  # noqa: ARG002
        free = max(0, min(self._disk.weather.room, 1 << 36) - self._disk.used) // BLOCK
        whole = free + self._disk.used // BLOCK
        return {"f_bsize": BLOCK, "f_frsize": BLOCK, "f_blocks": whole, "f_bfree": free, "f_bavail": free,
                "f_files": 1 << 20, "f_ffree": 1 << 20, "f_namemax": 255}  # fmt: skip


def _orders() -> Iterator[Order]:
    for line in sys.stdin.buffer:
        yield msgspec.json.decode(line, type=Order)


def _obey(disk: VolatileDisk, order: Order) -> None:
    match order.do:
        case "cut":
            disk.cut(order.share, order.seed)
        case "weather":
            dice = disk.weather.dice
            dice.seed(order.seed)
            room = 1 << 40 if order.room is None else disk.used + order.room
            disk.weather = Weather(room, order.writes, order.syncs, order.reads, order.read_only, dice)


def _listen(disk: VolatileDisk, turn: threading.Lock, mounts: "queue.Queue[str]") -> None:
    for order in _orders():
        with turn:
            _obey(disk, order)
            answer = msgspec.json.encode(disk.counts | {"used": disk.used})
        if order.do == "cut":
            mounts.put("again")
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()
    mounts.put("")


def main(folder: str) -> None:
    fuse: Any = importlib.import_module("mfusepy")  # an optional extra
    disk, turn = VolatileDisk(), threading.Lock()
    disk.make(f"/{SYNC}", stat.S_IFREG | 0o600)
    disk.sync_all()
    mounts: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(disk, turn, mounts), daemon=True).start()
    while True:
        operations = type("Operations", (Files, fuse.Operations), {})(disk, turn)
        fuse.FUSE(operations, folder, foreground=True, nothreads=True, hard_remove=True, use_ino=True, fsname="torture")
        if not mounts.get():
            return


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.exit(errno.EIO if error.errno is None else error.errno)
