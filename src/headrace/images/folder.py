"""A model folder that lies on this server already is copied: only from where the operator allowed it, and checked."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.domain.errors import Forbidden, Invalid, NotFound
from headrace.images.archive import Stop, Stopped
from headrace.images.claims import read_claims, read_nature
from headrace.images.tree import NO_FOLDER, Tree, shown
from headrace.settings import ImageSettings

PIECE = 1 << 20
__all__ = ["copy_in", "read_claims", "read_nature"]


def copy_in(path: str, target: Path, settings: ImageSettings, stop: Stop) -> Tree:
    """Blocking. `target` does not exist yet. What is left in it after an error is to be removed by the caller.

    Raises Invalid and its kin, Forbidden, NotFound, OSError, Stopped.
    """
    source = _allowed(path, settings)
    target.mkdir(mode=0o755)
    tree = Tree(target, settings)
    with _opened(source, os.O_DIRECTORY, None) as descriptor:
        _copy(descriptor, NO_FOLDER, tree, stop)
    return tree


def _allowed(path: str, settings: ImageSettings) -> Path:
    if not settings.folders:
        raise Forbidden("folders of this server cannot be deployed: the operator has named none in images.folders")
    if not path.startswith("/") or "\0" in path:
        raise Invalid(f"{shown(path)} is not an absolute path of this server")
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in settings.folders):
        raise Forbidden(f"{shown(path)} does not lie in a folder from which the operator allows deployments")
    if not real.is_dir():
        raise NotFound(f"there is no folder {shown(path)} on this server")
    return real


def _copy(descriptor: int, where: Path, tree: Tree, stop: Stop) -> None:
    """By descriptors, so that a folder which is swapped for a link meanwhile leads nowhere."""
    with os.scandir(descriptor) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        path = tree.place(f"{where}/{name}" if where.parts else name)
        if path is not None:
            _copy_one(descriptor, name, path, tree, stop)


def _copy_one(parent: int, name: str, path: Path, tree: Tree, stop: Stop) -> None:
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        tree.folder(path)
        with _opened(name, os.O_DIRECTORY, parent) as descriptor:
            _copy(descriptor, path, tree, stop)
    elif stat.S_ISREG(mode):
        with _opened(name, os.O_NONBLOCK, parent) as descriptor:
            tree.file(path, _pieces(descriptor, stop), executable=bool(mode & 0o111))
    else:
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
        raise Invalid(f"{shown(str(path))} is {kind}: not taken")


@contextmanager
def _opened(path: Path | str, flags: int, parent: int | None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _pieces(descriptor: int, stop: Stop) -> Iterator[bytes]:
    while piece := os.read(descriptor, PIECE):
        if stop.is_set():
            raise Stopped
        yield piece
