"""What is made from images and can be made again: each has a note beside it that says when it is whole.

The note names the boot of the machine in which it was made: after a power cut nothing of it is believed, so nothing has
to be forced to disk. Its time is when it was last used.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

BOOT = Path("/proc/sys/kernel/random/boot_id")
NOTE = ".ready"
NEVER = 0.0


class _Note(msgspec.Struct):
    boot: str
    size: int


_LEARNED = msgspec.json.Decoder(_Note)  # learned here: msgspec ends the process when two threads learn a type at once


@dataclass(frozen=True, slots=True)
class Made:
    path: Path
    size: int
    used: float  # seconds since 1970

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def whole(self) -> bool:
        return self.used != NEVER

    @property
    def age(self) -> float:
        """Seconds since it was used."""
        return time.time() - self.used


class Ready:
    """`folder` holds <name>, a file or a folder, and <name>.ready. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._boot = _boot()

    def path(self, name: str) -> Path:
        return self._folder / name

    def find(self, name: str) -> Path | None:
        """It, if it is whole; it counts as used just now."""
        path = self.path(name)
        if self._note(path) is None or not path.exists():
            return None
        os.utime(_beside(path))
        return path

    def finished(self, made: Path, name: str, size: int) -> Path:
        """`made`, on the same disk, gets its name."""
        path = self.path(name)
        remove(path)
        # the note first: what has no note is not whole, and may be removed by anybody
        _beside(path).write_bytes(msgspec.json.encode(_Note(self._boot, size)))
        made.rename(path)
        return path

    def all(self) -> Iterator[Made]:
        """What is not whole any more was never used."""
        for path in self._folder.iterdir():
            if path.suffix == NOTE:
                continue
            note = self._note(path)
            yield Made(path, note.size, _beside(path).stat().st_mtime) if note else Made(path, 0, NEVER)

    def forget(self, made: Made) -> None:
        """The note first: a crash in between leaves what counts as not made."""
        _beside(made.path).unlink(missing_ok=True)
        remove(made.path)

    def _note(self, path: Path) -> _Note | None:
        try:
            note = msgspec.json.decode(_beside(path).read_bytes(), type=_Note)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None
        return note if note.boot == self._boot else None


def remove(path: Path) -> None:
    """Whatever it is; a folder of an image may hold folders that nobody may write to."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{NOTE}")


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""
