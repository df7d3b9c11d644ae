"""What a model folder asks to have installed: which file says it, and whether what it says may be done here.

Packages come from the operator's package index and nowhere else: a requirement cannot name an address, a path or an
option, because uv would follow it with the server's network and files. So uv never installs from a requirements.txt or
a lock that was brought: it gets requirements that are written here, of what was understood here. Two readers of one
text could disagree. Of a uv.lock only uv knows which package is for whom: it writes requirements, from a copy that
stands alone, and these are read here like any others.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.domain.errors import Invalid

LARGEST = 4 << 20  # bytes of such a file
WHEELS = "wheels"  # a folder of wheels beside the model: for machines without a package index
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_LINES = re.compile(r"\r\n|\n|\r")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"(?:===|~=|==|!=|<=|>=|<|>)[ \t]*+[A-Za-z0-9._*+!-]++"
_VERSIONS = rf"{_VERSION}(?:[ \t]*+,[ \t]*+{_VERSION})*"
# one word after the other, none of which can be read in two ways: a possessive group loses its place in Python 3.11.2
_MARKER = r"""(?:[ \t]*+(?:[A-Za-z_.]++|[<>=!~]++|[()]|'[\w .,:;/<>=!~*+@()-]*+'|"[\w .,:;/<>=!~*+@()-]*+"))+"""
# what uv is given consists of these characters alone: none of them begins a comment, a variable or a continuation
_REQUIREMENT = re.compile(
    _NAME
    + rf"(?:[ \t]*+\[[ \t]*+(?:{_NAME}(?:[ \t]*+,[ \t]*+{_NAME})*)?[ \t]*+\])?"
    + rf"(?:[ \t]*+{_VERSIONS}|[ \t]*+\([ \t]*+{_VERSIONS}[ \t]*+\))?"
    + rf"(?:[ \t]*+;{_MARKER})?"
    + r"(?:[ \t]++--hash[= ][ \t]*+[A-Za-z0-9]++:[0-9A-Fa-f]++)*",
    re.ASCII,
)
_ODD = "is not a package with a version, such as numpy==2.1.0"
_A_PATH = f"names a path; put a wheel into the folder {WHEELS}/ and name its package here"
_OWN = f"put a wheel of it into {WHEELS}/, name all packages in requirements.txt, and leave uv.lock out"
_ONE_PROJECT = (
    "a model's folder is one project. Give its packages as pylock.toml beside it, which counts first: "
    "uv export --package NAME --no-emit-workspace --format pylock.toml -o pylock.toml"
)
# as uv tells a file from a package
_FILE = re.compile(r"\.(?:whl|zip|tgz|tbz|txz|tlz|tar|tar\.\w+)(?:[\s;\[]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Besides:
    """What a format of models needs: all of it where the folder says nothing, and what is added to its own list."""

    default: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


NOTHING = Besides()


@dataclass(frozen=True, slots=True)
class Needs:
    """`project`: a uv.lock and its pyproject.toml by name, of which uv writes requirements for `exported`.

    `packages`: requirements, checked or ours, which are installed together. `kind`: the file that says it.
    """

    kind: str = ""
    project: Mapping[str, bytes] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    wheels: Path | None = None
    digest: str = ""


def read_needs(folder: Path, besides: Besides = NOTHING) -> Needs:
    """The first of pylock.toml, uv.lock with pyproject.toml, requirements.txt, what is usual. Raises Invalid."""
    wheels = folder / WHEELS if (folder / WHEELS).is_dir() else None
    if (lock := folder / "pylock.toml").is_file():
        content = _content(lock)
        packages = tuple(_locked(_toml(lock, content)))
        return Needs(lock.name, packages=packages, wheels=wheels, digest=_digest(content, wheels))
    if (lock := folder / "uv.lock").is_file() and (project := folder / "pyproject.toml").is_file():
        files = {file.name: _content(file) for file in (lock, project)}
        _check_sources(_toml(lock, files[lock.name]))
        _check_project(_toml(project, files[project.name]))
        return Needs(lock.name, files, wheels=wheels, digest=_digest(b"".join(files.values()), wheels))
    if (plain := folder / "requirements.txt").is_file():
        content = _content(plain)
        if lines := list(_requirements(content.decode("utf-8-sig", errors="replace"))):
            more = _unnamed(besides.beside, lines)
            return Needs(
                plain.name, packages=(*lines, *more), wheels=wheels, digest=_digest(content + _bytes(more), wheels)
            )
    if not besides.default:
        return Needs()
    return Needs(packages=besides.default, wheels=wheels, digest=_digest(_bytes(besides.default), wheels))


def exported(text: str) -> tuple[str, ...]:
    """What uv has written of a uv.lock, as requirements. Raises Invalid: what a lock says may be made to be misread."""
    found = [line.strip() for _, line in _logical_lines(text) if line.strip()]
    for requirement in found:
        if wrong := _wrong(requirement):
            raise Invalid(f"uv.lock: {requirement[:80]!r} {wrong}")
    return tuple(found)


def _unnamed(packages: tuple[str, ...], lines: list[str]) -> tuple[str, ...]:
    """Those that the model's own requirements do not speak of."""
    named = {_plain_name(line) for line in lines}
    return tuple(package for package in packages if _plain_name(package) not in named)


def _plain_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return "" if match is None else re.sub(r"[-_.]+", "-", match[0]).lower()


def _bytes(packages: tuple[str, ...]) -> bytes:
    return "\n".join(("", *packages)).encode() if packages else b""


def _requirements(text: str) -> Iterator[str]:
    """Each requirement, checked, on one line. Raises Invalid."""
    for number, line in _logical_lines(text):
        if requirement := line.strip():
            if wrong := _wrong(requirement):
                raise Invalid(f"requirements.txt, line {number}: {requirement[:80]!r} {wrong}")
            yield requirement


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each with the number of its first line. A comment ends with its line, and so does what it stands behind."""
    begun, first = "", 1
    for number, line in enumerate(_LINES.split(text), 1):
        first = first if begun else number
        said = _COMMENT.sub("", line)
        if said == line and line.endswith("\\"):
            begun += f"{line[:-1]} "
        else:
            yield first, begun + said
            begun = ""
    yield first, begun


def _wrong(requirement: str) -> str | None:
    """Why it is not a package from the index, or None."""
    names_a_file = bool(_FILE.search(requirement.partition(";")[0]))
    if _REQUIREMENT.fullmatch(requirement):
        return _A_PATH if names_a_file else None
    if requirement.startswith("-") or re.search(r"\s--(?!hash\b)", requirement):
        return "is an option; only packages may stand here, the operator sets the package index"
    named = re.match(rf"{_NAME}\s*(\[[^\]]*\])?\s*", requirement)
    if named is None or "://" in requirement or requirement.startswith("file:"):
        return _ODD
    if requirement[named.end() :].startswith("@"):
        return "names an address; packages come from the operator's package index only"
    return _A_PATH if names_a_file or "/" in requirement.partition(";")[0] else _ODD


def _locked(lock: dict[str, Any]) -> Iterator[str]:
    """Each package of a pylock.toml as a requirement. Where it was found does not matter: its hashes do.

    Raises Invalid.
    """
    for package in _tables(lock, "packages"):
        where = f"pylock.toml: package {package.get('name')!r}"
        for kind in ("vcs", "directory", "archive"):
            if kind in package:
                raise Invalid(f"{where} comes from a {kind}, and not from an index")
        if "version" not in package:
            raise Invalid(f"{where} has no version")
        wheels = [one for one in package.get("wheels") or [] if isinstance(one, dict)]
        for wheel in wheels:
            if "path" in wheel and Path(str(wheel["path"])).parts[:-1] != (WHEELS,):
                raise Invalid(f"{where} has a wheel at {wheel['path']!r}: in a model's folder they are in {WHEELS}/")
        marker = f" ; {package['marker']}" if "marker" in package else ""
        hashes = "".join(f" --hash={kind}:{value}" for one in wheels for kind, value in _hashes(one))
        requirement = f"{package.get('name')}=={package['version']}{marker}{hashes}"
        if wrong := _wrong(requirement):
            raise Invalid(f"{where}: {requirement[:80]!r} {wrong}")
        yield requirement


def _hashes(wheel: dict[str, Any]) -> list[tuple[str, Any]]:
    found = wheel.get("hashes")
    return list(found.items()) if isinstance(found, dict) else []


def _check_sources(lock: dict[str, Any]) -> None:
    """The project itself (virtual or editable) is not installed; everything else comes from a registry."""
    manifest = lock.get("manifest")
    if isinstance(manifest, dict) and "members" in manifest:
        raise Invalid(f"uv.lock: it is the lock of a workspace: {_ONE_PROJECT}")
    for package in _tables(lock, "package"):
        source = package.get("source")
        from_an_index = isinstance(source, dict) and source.keys() == {"registry"}
        if not from_an_index and source not in ({"virtual": "."}, {"editable": "."}):
            where = f"uv.lock: package {package.get('name')!r} comes from {source}"
            raise Invalid(f"{where}, and not from an index: {_OWN}")


def _check_project(project: dict[str, Any]) -> None:
    """A workspace would have uv read other projects than this one."""
    tool = project.get("tool")
    if isinstance(tool, dict) and isinstance(ours := tool.get("uv"), dict) and "workspace" in ours:
        raise Invalid(f"pyproject.toml: [tool.uv.workspace] is not allowed: {_ONE_PROJECT}")


def _tables(lock: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = lock.get(name, [])
    return [package for package in found if isinstance(package, dict)] if isinstance(found, list) else []


def _toml(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path.name} is not TOML: {error}") from None


def _content(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise Invalid(f"{path.name} is larger than {LARGEST} bytes")
    return path.read_bytes()


def _digest(content: bytes, wheels: Path | None) -> str:
    digest = hashlib.sha256(content)
    for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
        with wheel.open("rb") as file:
            digest.update(wheel.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
