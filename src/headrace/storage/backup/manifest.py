"""The list of everything in a backup. A file that is not as the list says, is missing or is too much, is named."""

from collections.abc import Iterator
from pathlib import Path

import blake3
import msgspec

from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid, NotFound
from headrace.storage.disk import write_durably

FORMAT = 1
NAME, SEAL = "manifest.json", "manifest.blake3"
PIECE = 1 << 20


class File(msgspec.Struct, frozen=True):
    """`path` is relative to the backup. `mode`: permissions, which model folders need."""

    path: str
    size: int
    digest: str
    mode: int


class Manifest(msgspec.Struct, frozen=True):
    format: int
    made: Millis
    headrace: str
    dialect: str
    revision: str  # of the schema
    tables: dict[str, int]  # how many rows
    bodies: bool  # large bodies are in it
    files: tuple[File, ...]


def write(folder: Path, manifest: Manifest) -> None:
    """Last of all: a backup without it is none."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_durably(folder / NAME, content)
    write_durably(folder / SEAL, blake3.blake3(content).hexdigest().encode())


def read(folder: Path) -> Manifest:
    """Raises NotFound for what is no backup, Invalid for one whose list was changed or that a newer Headrace made."""
    try:
        content, seal = (folder / NAME).read_bytes(), (folder / SEAL).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{folder} is no backup: there is no {NAME} with its {SEAL} in it") from None
    if blake3.blake3(content).hexdigest().encode() != seal:
        raise Invalid(f"{folder / NAME} is not as it was written: it does not fit {SEAL}")
    try:
        found = msgspec.json.decode(content, type=Manifest)
    except msgspec.ValidationError as error:
        raise Invalid(f"{folder / NAME} is not understood: {error}") from None
    if found.format != FORMAT:
        raise Invalid(
            f"{folder} is a backup of form {found.format}; this Headrace knows form {FORMAT}: use a newer one"
        )
    return found


def faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """A sentence for each file that is not as it should be."""
    listed = {NAME, SEAL}
    for file in manifest.files:
        listed.add(file.path)
        path = folder / file.path
        if not path.is_file():
            yield f"{file.path} is missing"
        elif (found := digest_of(path)) != (file.size, file.digest):
            yield f"{file.path} was changed: it has {found[0]} bytes, and they are not those that were written"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in listed:
            yield f"{path.relative_to(folder)} does not belong to the backup"


def digest_of(path: Path) -> tuple[int, str]:
    """Size and digest of a file as it is now."""
    hasher, size = blake3.blake3(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            size += len(piece)
            hasher.update(piece)
    return size, hasher.hexdigest()
