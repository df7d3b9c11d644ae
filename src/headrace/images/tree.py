"""A folder that is being filled with files that nobody has checked yet: names, numbers and sizes are checked here."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from headrace.domain.errors import Invalid, TooLarge
from headrace.images.formats.triton import without_config
from headrace.settings import ImageSettings

LONGEST_NAME = 255  # bytes; what a file system takes
LONGEST_SHOWN = 120  # characters
DRIVE = re.compile(r"[A-Za-z]:[\\/]")
NOT_TAKEN = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]")
DEEPEST = 64  # folders in each other
SKIPPED = frozenset({"__MACOSX", ".DS_Store", ".git", "__pycache__", ".venv"})
NO_FOLDER = Path()


class Tree:
    """`target` is a new, empty folder. All names are relative and have passed `place`; nothing in it is ever a link."""

    def __init__(self, target: Path, settings: ImageSettings) -> None:
        self._target, self._settings = target, settings
        self._files: dict[Path, str] = {}
        self._folders: set[Path] = {NO_FOLDER}
        self.size = 0

    def place(self, name: str) -> Path | None:
        """Where a member belongs, or None when it is of those that are left out. Raises Invalid, TooLarge."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        fault = _fault(name, parts)
        if fault is not None:
            raise Invalid(f"{shown(name)} {fault}")
        if not parts or not SKIPPED.isdisjoint(parts):
            return None
        if len(self._files) + len(self._folders) > self._settings.files:
            raise TooLarge(f"there are more than {self._settings.files} files (at {shown(name)})")
        return Path(*parts)

    def folder(self, path: Path) -> None:
        for step in (*reversed(path.parents), path):
            if step in self._files:
                raise Invalid(f"{shown(str(step))} is there as a file and as a folder")
            if step not in self._folders:
                (self._target / step).mkdir(mode=0o755)
                self._folders.add(step)

    def file(self, path: Path, pieces: Iterable[bytes], *, executable: bool) -> None:
        """Raises Invalid, TooLarge, OSError."""
        if path in self._files or path in self._folders:
            raise Invalid(f"{shown(str(path))} is there twice")
        self.folder(path.parent)
        digest = hashlib.sha256(b"x" if executable else b"-")
        mode = 0o555 if executable else 0o444
        descriptor = os.open(self._target / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            for piece in pieces:
                self.size += len(piece)
                if self.size > self._settings.unpacked:
                    raise TooLarge(
                        f"unpacked, it is larger than {self._settings.unpacked} bytes (at {shown(str(path))})"
                    )
                digest.update(piece)
                file.write(piece)
        self._files[path] = digest.hexdigest()

    def settle(self) -> str:
        """The end: a single folder that holds everything is taken away, unless it is the version of a model of Triton.

        Returns the digest of names and contents.
        """
        if not self._files:
            raise Invalid("it is empty: no file is in it")
        while (single := self._single()) and without_config(self._target) is None:
            self._lift(single)
        digest = hashlib.sha256()
        for path, content in sorted(self._files.items(), key=lambda item: os.fsencode(item[0])):
            digest.update(os.fsencode(path) + b"\0" + content.encode() + b"\n")
        return digest.hexdigest()[:40]

    def _single(self) -> Path | None:
        tops = {Path(path.parts[0]) for path in (*self._files, *self._folders) if path.parts}
        top = next(iter(tops))
        return top if len(tops) == 1 and top not in self._files else None

    def _lift(self, single: Path) -> None:
        aside = self._target.with_name(f"{self._target.name}.lifted")
        (self._target / single).rename(aside)
        self._target.rmdir()
        aside.rename(self._target)
        self._files = {path.relative_to(single): digest for path, digest in self._files.items()}
        self._folders = {path.relative_to(single) for path in self._folders if path != NO_FOLDER}


def _fault(name: str, parts: list[str]) -> str | None:
    if name.startswith(("/", "\\")) or DRIVE.match(name):
        return "is an absolute path; only paths inside are taken"
    if ".." in parts:
        return "leads out (..)"
    if NOT_TAKEN.search(name):
        return "has a character in its name that is not taken (a backslash, a control character, or not UTF-8)"
    if len(parts) > DEEPEST:
        return f"lies in more than {DEEPEST} folders"
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"has a name longer than {LONGEST_NAME} bytes"
    return None


def shown(name: str) -> str:
    """A member's name as it may stand in a sentence."""
    text = name.encode(errors="backslashreplace").decode()
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
