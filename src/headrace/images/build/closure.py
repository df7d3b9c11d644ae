"""What a Python program needs of this machine: the interpreter, its standard library, the libraries they ask for."""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from headrace.domain.errors import Unsupported
from headrace.images.build.compiled import beside, compiled
from headrace.images.build.elf import Elf
from headrace.images.build.layer import LayerWriter

PREFIX = "/usr/local"  # where the interpreter lies in the image
LEFT_OUT = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "tkinter"}
    | {"ensurepip", "pydoc_data"}
)
TESTS = frozenset({"tests", "test"})
USERS = "root:x:0:0:root:/:/bin/false\nmodel:x:65534:65534:model:/tmp:/bin/false\n"
GROUPS = "root:x:0:\nmodel:x:65534:\n"
BUILT_IN = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")  # where glibc looks without being told


def python_name() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def interpreter() -> str:
    """Its path in the image."""
    return f"{PREFIX}/bin/{python_name()}"


def write_python(layer: LayerWriter) -> None:
    """Blocking. Raises Unsupported, OSError."""
    home, program = Path(sys.base_prefix), _program()
    layer.file(interpreter(), program, executable=True)
    layer.link(f"{PREFIX}/bin/python3", python_name())
    layer.link(f"{PREFIX}/bin/python", python_name())
    inside = f"{PREFIX}/lib/{python_name()}"
    found = [program]
    for path in files_of(_standard_library()):
        place = f"{inside}/{path.relative_to(_standard_library())}"
        add(layer, path, place, ours=True)
        if path.suffix == ".so":
            found.append(path)
    libraries = Libraries([home / "lib"])
    libraries.add(layer, found)
    for name, content in {"etc/passwd": USERS, "etc/group": GROUPS, "etc/nsswitch.conf": "hosts: files dns\n"}.items():
        layer.file(name, content.encode())
    layer.folder("tmp", 0o1777)
    for name in ("proc", "dev", "sys", "run"):
        layer.folder(name)


def add(layer: LayerWriter, path: Path, place: str, *, ours: bool = False) -> None:
    """A file, and the compiled form of one of Python's, unless it is a test."""
    layer.file(place, path, executable=bool(path.stat().st_mode & 0o111))
    if path.suffix != ".py" or TESTS.intersection(path.parts):
        return
    if (code := compiled(path, place, ours=ours)) is not None:
        layer.file(beside(place), code)


def files_of(folder: Path, left_out: frozenset[str] = LEFT_OUT) -> Iterator[Path]:
    """All files, in order; links to files count as files."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in left_out and not name.startswith("config-"))
        for name in sorted(files):
            path = Path(root) / name
            if path.suffix not in (".pyc", ".a") and path.is_file():
                yield path


class Libraries:
    """Shared libraries of this machine, each at the place where the program loader of the image will look for it."""

    def __init__(self, more: Iterable[Path] = (), there: Iterable[str] = ()) -> None:
        machine = sysconfig.get_config_var("MULTIARCH") or ""
        self._places = [Path(folder, machine) for folder in BUILT_IN[:2] if machine] + [Path(one) for one in BUILT_IN]
        self._more = list(more)
        self.names = set(there)  # of libraries that are there

    def add(self, layer: LayerWriter, programs: Iterable[Path]) -> None:
        """All that they ask for, and what that asks for. Raises Unsupported for one that is not on this machine."""
        waiting = list(programs)
        own = {path.name for path in waiting}
        while waiting:
            path = waiting.pop()
            elf = Elf(path)
            if elf.interpreter and elf.interpreter.strip("/") not in layer:
                layer.file(elf.interpreter, Path(elf.interpreter), executable=True)
                self.names.add(Path(elf.interpreter).name)
            for name in elf.needed:
                if name in self.names or name in own or "/" in name:
                    continue
                self.names.add(name)
                found = self._found(name, path)
                if found is not None:
                    layer.file(self._place(found), found.resolve(), executable=True)
                    waiting.append(found)

    def _found(self, name: str, asking: Path) -> Path | None:
        for folder in (*self._more, *self._places):  # an interpreter brings its own first
            if (folder / name).exists():
                return folder / name
        if name.startswith(("libc.", "libm.", "libpython", "libdl.", "libpthread.")):
            raise Unsupported(f"{asking.name} needs {name}, which is not where libraries usually lie: use --base")
        return None  # many packages can do without one of their libraries, and say so when they are asked for it

    def _place(self, found: Path) -> str:
        if found.parent in self._more:
            machine = sysconfig.get_config_var("MULTIARCH") or ""
            return str(Path("/usr/lib", machine, found.name)) if machine else f"/usr/lib64/{found.name}"
        return str(found)


def _program() -> Path:
    """The interpreter itself, behind all links and environments."""
    found = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable) or sys.executable))
    if not Elf(found).interpreter:
        raise Unsupported(f"{found} is not a program that could be put into an image: name an image with --base")
    return found


def _standard_library() -> Path:
    return Path(os.path.realpath(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})))
