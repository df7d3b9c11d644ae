"""The command that runs an image's program in bubblewrap, in its own root file system: no network, nothing to write to.

The root is put together from the image's top-level entries, because an image need not have the folders that are mounted
into it; then it is made read-only. What may be written (/tmp, /run, /var/tmp, /dev/shm, the shared folder) lies in the
replica's own folder on disk, and counts to its limit.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.image import ImageConfig
from headrace.runners.image_start import SHARED

WRITABLE = ("tmp", "run", "vartmp", "shm", "shared")
OURS = frozenset({"proc", "dev", "sys", "tmp", "run", "headrace"})  # never the image's
NOBODY = 65_534
LARGEST_ID = 1 << 31
LARGEST_FILE = 1 << 20  # bytes of /etc/passwd that are read
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Root:
    folder: Path  # the image's files
    config: ImageConfig
    writable: Path  # the replica's own


def furnish(folder: Path) -> None:
    """What a replica's own folder holds before it starts."""
    for part in WRITABLE:
        (folder / "writable" / part).mkdir(mode=0o700, parents=True)


def sandboxed(bubblewrap: str, root: Root, seccomp: int | None, variables: Mapping[str, str]) -> list[str]:
    """`seccomp`: a descriptor with the program that refuses dangerous system calls."""
    user, group = ids(root)
    config = root.config
    own = {"PATH": PATH, "HOME": "/tmp", **dict(config.environment), **variables}  # noqa: S108 - inside the sandbox
    return [
        bubblewrap,
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--uid", str(user), "--gid", str(group), "--hostname", "model", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session"),
        *_image(root.folder),
        *("--proc", "/proc", "--dev", "/dev", "--bind", str(root.writable / "shm"), "/dev/shm"),  # noqa: S108 - as above
        *("--bind", str(root.writable / "tmp"), "/tmp", "--bind", str(root.writable / "run"), "/run"),  # noqa: S108 - as above
        *_var_tmp(root),
        *("--bind", str(root.writable / "shared"), SHARED),
        # a server that runs as root owns the kernel's settings in /proc/sys: no right is needed to write them then
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", config.workdir or "/"),
        *(part for name, value in own.items() for part in ("--setenv", name, value)),
        *(() if seccomp is None else ("--seccomp", str(seccomp))),
        "--",
        *config.entrypoint,
        *config.command,
    ]


def _image(folder: Path) -> Iterable[str]:
    """Links stay links: what they name is looked up inside."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in OURS:
            continue
        if entry.is_symlink():
            yield from ("--symlink", str(Path(entry.path).readlink()), f"/{entry.name}")
        elif entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False):
            yield from ("--ro-bind", entry.path, f"/{entry.name}")


def _var_tmp(root: Root) -> list[str]:
    place = root.folder / "var" / "tmp"
    plain = place.is_dir() and not place.is_symlink() and not place.parent.is_symlink()
    return ["--bind", str(root.writable / "vartmp"), "/var/tmp"] if plain else []  # noqa: S108 - as above


def ids(root: Root) -> tuple[int, int]:
    """The user as the image wants it; nobody where it wants root, or says a name that it does not explain."""
    user, _, group = root.config.user.partition(":")
    number, own_group = _number(user), NOBODY
    if number is None:
        number, own_group = _named(root.folder, user)
    else:
        own_group = number
    wanted = _number(group) if group else own_group
    return number or NOBODY, wanted or NOBODY


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(LARGEST_ID)) else None


def _named(folder: Path, user: str) -> tuple[int, int]:
    """From the image's own list, which is read as a file and never as a link."""
    try:
        inside = os.open(folder / "etc", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            file = os.open("passwd", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)
        finally:
            os.close(inside)
        try:
            text = os.read(file, LARGEST_FILE).decode(errors="replace")
        finally:
            os.close(file)
    except OSError:
        return NOBODY, NOBODY
    for line in text.splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) > 3:  # noqa: PLR2004 - name, password, user, group
            return _number(fields[2]) or NOBODY, _number(fields[3]) or NOBODY
    return NOBODY, NOBODY
