"""Images of this machine's own Python, written in a second without an engine: a base layer, and models on top."""

import hashlib
import io
import json
import marshal
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import MAGIC_NUMBER
from pathlib import Path

LEFT_OUT = {
    "test", "tests", "idlelib", "ensurepip", "tkinter", "lib2to3", "site-packages", "__pycache__", "turtledemo",
    "unittest", "pydoc_data", "distutils", "curses", "dbm", "sqlite3", "msilib", "wsgiref", "xmlrpc", "venv",
}  # fmt: skip
SLOW = ("_tkinter", "_test", "_ctypes_test", "_codecs_", "_sqlite3", "_curses", "_dbm", "_gdbm", "nis", "xxlimited")
LIBRARIES = Path("/usr/local/lib")
INSIDE = f"/usr/local/lib/python3.{sys.version_info.minor}"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": str(LIBRARIES), "PYTHONHOME": "/usr/local"}
USERS = b"root:x:0:0:root:/:/bin/sh\nmodel:x:1000:1000:model:/app:/bin/sh\n"


@dataclass(frozen=True)
class Layer:
    """A tar, uncompressed: the digest of the blob is that of the files too."""

    blob: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.blob)


@dataclass
class Files:
    """Collects the files of one layer, all of them readable for everybody."""

    taken: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.taken[path.lstrip("/")] = (mode, content)

    def layer(self) -> Layer:
        folders = {str(parent) for path in self.taken for parent in Path(path).parents if str(parent) != "."}
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for folder in sorted({*folders, "tmp", "proc", "dev", "sys", "etc"}):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                tar.addfile(entry)
            for path, (mode, content) in sorted(self.taken.items()):
                entry = tarfile.TarInfo(path)
                entry.mode, entry.size = mode, len(content)
                tar.addfile(entry, io.BytesIO(content))
        return Layer(out.getvalue())


def python_layer() -> Layer:
    """The interpreter, the standard library as .pyc (no source: half the size, and nothing is compiled at start)."""
    files = Files()
    python = Path(sys.executable).resolve()
    files.add("usr/local/bin/python3", python.read_bytes(), 0o755)
    files.add("etc/passwd", USERS)
    library = Path(sysconfig.get_path("stdlib"))
    for path in _modules(library):
        name = path.relative_to(library)
        compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        content = compiled.read_bytes() if compiled.is_file() else _compiled(path)
        files.add(f"{INSIDE}/{name.with_suffix('.pyc')}", content)
    extensions = [path for path in (library / "lib-dynload").glob("*.so") if not path.name.startswith(SLOW)]
    for path in extensions:
        files.add(f"{INSIDE}/lib-dynload/{path.name}", path.read_bytes(), 0o755)
    _add_libraries(files, [python, *extensions])
    return files.layer()


def packages_layer(*packages: str) -> Layer:
    """Packages of this environment, with the libraries that their extensions need."""
    files = Files()
    home = Path(sysconfig.get_path("purelib"))
    extensions = []
    for package in packages:
        found = [home / package] if package.endswith(".py") else sorted((home / package).rglob("*"))
        for path in found:
            name = f"{INSIDE}/site-packages/{path.relative_to(home)}"
            if not path.is_file() or {"__pycache__", "tests"} & set(path.parts):
                continue
            if path.suffix == ".py":
                files.add(f"{name}c", _compiled(path))
            elif path.suffix == ".so":
                files.add(name, path.read_bytes(), 0o755)
                extensions.append(path)
    _add_libraries(files, extensions)
    return files.layer()


def files_layer(contents: Mapping[str, bytes]) -> Layer:
    files = Files()
    for path, content in contents.items():
        files.add(path, content, 0o755)
    return files.layer()


def _compiled(path: Path) -> bytes:
    code = compile(path.read_bytes(), path.name, "exec", dont_inherit=True)
    return MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _modules(library: Path) -> Iterable[Path]:
    for folder, folders, names in os.walk(library):
        folders[:] = sorted(one for one in folders if one not in LEFT_OUT and not one.startswith("config-"))
        for name in sorted(names):
            if name.endswith(".py"):
                yield Path(folder) / name


def _add_libraries(files: Files, programs: Iterable[Path]) -> None:
    """What the loader finds, at the places where the loader inside will look."""
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    for line in sorted(set(listed.splitlines())):
        words = line.split()
        found = (
            words[2] if "=>" in words and len(words) > 2 else words[0] if words and words[0].startswith("/lib") else ""
        )
        if found.startswith("/"):
            content = Path(found).read_bytes()
            where = found if "ld-linux" in found else f"{LIBRARIES}/{Path(found).name}"
            files.add(where, content, 0o755)


@dataclass(frozen=True)
class Built:
    """One tar that every engine takes: docker-archive and OCI layout in one."""

    digest: str
    path: Path
    config: Mapping[str, object]
    layers: tuple[Layer, ...]


def build(path: Path, layers: Iterable[Layer], config: Mapping[str, object]) -> Built:
    layers = tuple(layers)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    document = {
        "architecture": machine,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": "1970-01-01T00:00:00Z"} for _ in layers],
    }
    blob = json.dumps(document).encode()
    kind = "application/vnd.oci.image"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": _described(f"{kind}.config.v1+json", blob),
            "layers": [_described(f"{kind}.layer.v1.tar", layer.blob) for layer in layers],
        }
    ).encode()
    digest = digest_of(manifest)
    tag = f"headrace/{digest[7:31]}:latest"
    index = {"schemaVersion": 2, "manifests": [_described(f"{kind}.manifest.v1+json", manifest)]}
    old = [{"Config": _blob(blob), "RepoTags": [tag], "Layers": [_blob(layer.blob) for layer in layers]}]
    with tarfile.open(path, "w") as tar:
        _write(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _write(tar, "index.json", json.dumps(index).encode())
        _write(tar, "manifest.json", json.dumps(old).encode())
        for content in (blob, manifest, *(layer.blob for layer in layers)):
            _write(tar, _blob(content), content)
    return Built(digest, path, config, layers)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest_of(content), "size": len(content)}


def _write(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
