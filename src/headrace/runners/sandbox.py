"""The command that puts a model inside bubblewrap: no network, nothing of the machine but what it needs, read-only.

What is inside: the system's libraries, the interpreter and the model's environment, at their own places; the model's
folder; a folder to work in, /tmp and /dev/shm, which lie in the replica's own folder on disk and count to its limit.
Every other place that could be written would be memory that nobody counts, so it is made read-only.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.errors import Unsupported

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "fonts", "OpenCL")
USERS = "model:x:65534:65534:model:/headrace/work:/bin/false\n"
NOBODY = "65534"
MODEL, WORK, HARNESS = "/headrace/model", "/headrace/work", "/headrace/harness"
TOO_WIDE = ("/", "/home", "/root", "/opt", "/var", "/srv", "/mnt", "/etc", "/tmp")  # noqa: S108 - never bound as a whole


@dataclass(frozen=True, slots=True)
class Place:
    """What one replica sees."""

    folder: Path  # the replica's own: work, tmp and shm lie in it
    model: Path
    python: Path
    harness: Path
    data: Path  # ours: never seen, wherever it lies


def find_bubblewrap() -> str | None:
    return shutil.which("bwrap")


def sandboxed(
    bubblewrap: str, place: Place, seccomp: int | None, command: Iterable[str], variables: Mapping[str, str]
) -> list[str]:
    """The command inside its sandbox. `seccomp`: a descriptor with the program that refuses dangerous system calls."""
    return [
        bubblewrap,
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--uid", NOBODY, "--gid", NOBODY, "--hostname", "model", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session"),
        *_system(),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--bind", str(place.folder / "writable/shm"), "/dev/shm"),  # noqa: S108 - inside the sandbox
        *("--bind", str(place.folder / "writable/tmp"), "/tmp"),  # noqa: S108 - first: programs may lie below it
        *_programs(place),
        *("--bind", str(place.folder / "writable/work"), WORK),
        *("--ro-bind", str(place.model), MODEL, "--ro-bind", str(place.harness), HARNESS),
        *("--ro-bind", str(place.folder / "passwd"), "/etc/passwd"),
        # a server that runs as root owns the kernel's settings in /proc/sys: no right is needed to write them then
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", MODEL),
        *(part for name, value in variables.items() for part in ("--setenv", name, value)),
        *(() if seccomp is None else ("--seccomp", str(seccomp))),
        "--",
        *command,
    ]


def _system() -> list[str]:
    arguments: list[str] = []
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments


def _programs(place: Place) -> list[str]:
    """The interpreter and its environment. Our data folder is covered where one of these would show it."""
    folders = interpreter_folders(place.python)
    shown = [*map(Path, SYSTEM)]
    for path in folders:
        if not path.is_relative_to(place.data) and not _under(path, shown):
            shown.append(path)
    covered = _under(place.data, shown)
    ours = [path for path in folders if path.is_relative_to(place.data)]
    return [
        *(part for path in shown[len(SYSTEM) :] for part in ("--ro-bind", str(path), str(path))),
        *(("--tmpfs", str(place.data)) if covered else ()),
        *(part for path in ours for part in ("--ro-bind", str(path), str(path))),
        *(("--remount-ro", str(place.data)) if covered else ()),
    ]


def _under(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def interpreter_folders(python: Path) -> list[Path]:
    """Every folder that `python` needs at its own place: its environment, and the installation that this rests on."""
    hops, path = [python.absolute()], python.absolute()
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        hops.append(path)
    hops.append(path.resolve())
    if home := _home(python.parent.parent / "pyvenv.cfg"):
        hops += [home / "python", home.resolve() / "python"]
    folders = list(dict.fromkeys(hop.parent.parent for hop in hops))
    for folder in folders:
        if str(folder.resolve()) in TOO_WIDE:
            raise Unsupported(f"the interpreter {python} lies in {folder}, which is too wide to be shown to a model")
    return folders


def _home(configuration: Path) -> Path | None:
    try:
        for line in configuration.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                return Path(value.strip())
    except OSError:
        return None
    return None
