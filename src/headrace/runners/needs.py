"""What a model folder asks to have installed: which file says it, and whether what it says may be done here.

Packages come from the operator's package index and nowhere else: a requirement cannot name an address, a path or an
option, because uv would follow it with the server's network and files.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.domain.errors import Invalid

LARGEST = 4 << 20  # bytes of such a file
WHEELS = "wheels"  # a folder of wheels beside the model: for machines without a package index
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*(?P<rest>.*)", re.DOTALL)
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True, slots=True)
class Besides:
    """What a format of models needs: all of it where the folder says nothing, and what is added to its own list."""

    default: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


NOTHING = Besides()


@dataclass(frozen=True, slots=True)
class Needs:
    """`file` is given to uv as it is. `exported`: it is a uv.lock, of which uv writes the requirements first.

    `packages` are ours, and installed together with what the file says.
    """

    file: Path | None = None
    packages: tuple[str, ...] = ()
    exported: bool = False
    wheels: Path | None = None
    digest: str = ""


def read_needs(folder: Path, besides: Besides = NOTHING) -> Needs:
    """The first of pylock.toml, uv.lock with pyproject.toml, requirements.txt, what is usual. Raises Invalid."""
    wheels = folder / WHEELS if (folder / WHEELS).is_dir() else None
    if (lock := folder / "pylock.toml").is_file():
        content = _content(lock)
        _check_lock(_toml(lock, content))
        return Needs(lock, wheels=wheels, digest=_digest(content, wheels))
    if (lock := folder / "uv.lock").is_file() and (project := folder / "pyproject.toml").is_file():
        content = _content(lock) + _content(project)
        _check_sources(_toml(lock, _content(lock)))
        return Needs(lock, exported=True, wheels=wheels, digest=_digest(content, wheels))
    if (plain := folder / "requirements.txt").is_file():
        content = _content(plain)
        if lines := list(_requirements(content.decode(errors="replace"))):
            more = _unnamed(besides.beside, lines)
            return Needs(plain, more, wheels=wheels, digest=_digest(content + _bytes(more), wheels))
    if not besides.default:
        return Needs()
    return Needs(None, besides.default, wheels=wheels, digest=_digest(_bytes(besides.default), wheels))


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
    """Each requirement, checked."""
    joined = text.replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(joined.splitlines(), 1):
        requirement = _COMMENT.sub("", line).strip()
        if requirement:
            _check(number, requirement)
            yield requirement


def _check(number: int, requirement: str) -> None:
    where = f"requirements.txt, line {number}: {requirement[:80]!r}"
    if requirement.startswith("-"):
        raise Invalid(f"{where} is an option; only packages may stand here, the operator sets the package index")
    match = _NAME.fullmatch(requirement)
    if match is None or "://" in requirement or requirement.startswith("file:"):
        raise Invalid(f"{where} is not a package with a version, such as numpy==2.1.0")
    if match["rest"].lstrip().startswith("@"):
        raise Invalid(f"{where} names an address; packages come from the operator's package index only")
    if "/" in requirement.partition(";")[0]:
        raise Invalid(f"{where} names a path; put a wheel into the folder {WHEELS}/ and name its package here")


def _check_lock(lock: dict[str, Any]) -> None:
    for package in _packages(lock):
        where = f"pylock.toml: package {package.get('name')!r}"
        for kind in ("vcs", "directory", "archive"):
            if kind in package:
                raise Invalid(f"{where} comes from a {kind}, and not from an index")
        wheels = package.get("wheels", [])
        for wheel in wheels if isinstance(wheels, list) else []:
            url, path = str(wheel.get("url", "https://")), Path(str(wheel.get("path", "")))
            if not url.startswith("https://") or path.is_absolute() or ".." in path.parts:
                raise Invalid(f"{where} has a wheel that is neither at an https address nor inside the model's folder")


def _check_sources(lock: dict[str, Any]) -> None:
    """The project itself (virtual or editable) is not installed; everything else comes from a registry."""
    for package in _packages(lock):
        source = package.get("source")
        kinds = set(source) if isinstance(source, dict) else set()
        if kinds - {"registry", "virtual", "editable"} or (kinds & {"editable"} and source != {"editable": "."}):
            raise Invalid(f"uv.lock: package {package.get('name')!r} comes from {source}, and not from an index")


def _packages(lock: dict[str, Any]) -> list[dict[str, Any]]:
    found = lock.get("packages", lock.get("package", []))
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
