"""Layers become one root folder. A link is followed inside the root only, whatever it says and whoever put it there.

As containerd does it: a folder on the way to a member may be a link, and is then looked for inside the root; the member
itself replaces what is there. Everything belongs to the server's own user; set-user bits and capabilities are left out.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from headrace.domain.errors import Invalid
from headrace.images.archive import Stop
from headrace.images.oci.layer import Budget, Entry, Kind, Layer, opened
from headrace.images.tree import shown

HOPS = 255  # links that lead to each other
PERMISSIONS = 0o777

Parts = tuple[str, ...]


def unpack_layers(layers: Sequence[tuple[Path, str]], root: Path, budget: Budget, stop: Stop) -> None:
    """Blocking. `root` is new and empty and nobody else writes there; each layer comes with its digest unpacked.

    Raises Invalid, TooLarge, OSError, Stopped: what is left is to be removed by the caller.
    """
    for path, diff_id in layers:
        with opened(path, budget, stop) as layer:
            apply = _Apply(root, layer)
            for entry in layer.entries():
                apply.one(entry)
            if layer.diff_id() != diff_id:
                raise Invalid("a layer of the image is not what its configuration says: its digest is another")


def inside(root: Path, path: str) -> Path:
    """Where a path of the image lies on this machine, all links followed inside the root. It may not exist.

    Raises Invalid when links lead in a circle.
    """
    parts = _resolved(root, tuple(part for part in path.split("/") if part))
    return root.joinpath(*parts)


class _Apply:
    """One layer, onto those below."""

    def __init__(self, root: Path, layer: Layer) -> None:
        self._root, self._layer = root, layer
        self._new: set[Parts] = set()  # what this layer brought, and the folders on the way: whiteouts spare it
        self._parents: dict[Parts, Parts] = {}

    def one(self, entry: Entry) -> None:
        match entry.kind:
            case Kind.SKIPPED:
                return
            case Kind.WHITEOUT:
                self._remove_old(self._place(entry.path))
            case Kind.OPAQUE:
                self._clear_old(_resolved(self._root, entry.path))
            case Kind.FOLDER:
                self._folder(entry)
            case _:
                self._leaf(entry)

    def _leaf(self, entry: Entry) -> None:
        place = self._place(entry.path)
        path = self._path(place)
        self._make_folders(place[:-1])
        if entry.kind is Kind.HARD_LINK:
            self._hard_link(entry, place)
        else:
            self._remove(path)
            if entry.kind is Kind.SYMLINK:
                path.symlink_to(entry.target)
                self._parents.clear()
            else:
                self._file(path, entry)
        self._mark(place)

    def _file(self, path: Path, entry: Entry) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
            if entry.size:
                file.writelines(self._layer.pieces(entry))
            os.fchmod(descriptor, entry.mode & PERMISSIONS | stat.S_IRUSR)
            # compiled Python files name the time of their sources
            os.utime(descriptor, (entry.mtime, entry.mtime))

    def _hard_link(self, entry: Entry, place: Parts) -> None:
        target = self._place(tuple(entry.target.split("/")))
        source, path = self._path(target), self._path(place)
        if not entry.target or target == place or not _is(source, stat.S_ISREG, stat.S_ISLNK):
            raise Invalid(f"{shown('/'.join(entry.path))} is a link to {shown(entry.target)}, which is no file here")
        self._remove(path)
        os.link(source, path, follow_symlinks=False)

    def _folder(self, entry: Entry) -> None:
        place = self._place(entry.path)
        path = self._path(place)
        self._make_folders(place[:-1])
        if not _is(path, stat.S_ISDIR):
            self._remove(path)
            path.mkdir(0o700)
        path.chmod(entry.mode & PERMISSIONS | stat.S_IRWXU)
        self._mark(place)

    def _make_folders(self, place: Parts) -> None:
        for depth in range(1, len(place) + 1):
            path = self._path(place[:depth])
            if not _is(path, stat.S_ISDIR):
                self._remove(path)  # a file of a lower layer: a folder takes its place
                path.mkdir(0o755)

    def _place(self, parts: Parts) -> Parts:
        """The path below the root, without a link on the way; the last part is not followed."""
        parent = parts[:-1]
        found = self._parents.get(parent)
        if found is None:
            found = self._parents[parent] = _resolved(self._root, parent)
        return (*found, parts[-1])

    def _path(self, place: Parts) -> Path:
        return self._root.joinpath(*place)

    def _mark(self, place: Parts) -> None:
        while place and place not in self._new:
            self._new.add(place)
            place = place[:-1]

    def _remove(self, path: Path) -> None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        else:
            path.unlink()
        if not stat.S_ISREG(mode):
            self._parents.clear()

    def _remove_old(self, place: Parts) -> None:
        if place not in self._new:
            self._remove(self._path(place))
        else:
            self._clear_old(place)

    def _clear_old(self, place: Parts) -> None:
        path = self._path(place)
        if not _is(path, stat.S_ISDIR):
            return
        for name in os.listdir(path):  # noqa: PTH208 - names only
            self._remove_old((*place, name))


def _resolved(root: Path, parts: Parts) -> Parts:
    """Parts below the root with all links followed inside it; parts that do not exist stay as they are."""
    found: list[str] = []
    waiting = list(reversed(parts))
    hops = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del found[-1:]
            continue
        path = root.joinpath(*found, part)
        if not _is(path, stat.S_ISLNK):
            found.append(part)
            continue
        hops += 1
        if hops > HOPS:
            raise Invalid(f"{shown('/'.join(parts))} lies behind links that lead in a circle")
        target = str(path.readlink())
        if target.startswith("/"):
            found.clear()
        waiting += reversed(target.split("/"))
    return tuple(found)


def _is(path: Path, *kinds: object) -> bool:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return any(kind(mode) for kind in kinds if callable(kind))
