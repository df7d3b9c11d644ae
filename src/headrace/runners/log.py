"""What a model prints, in two files of bounded size: the newer one and the one before it."""

import fcntl
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

HALF = 1 << 20  # bytes of each of the two files
KEEP = 200  # logs of replicas that have ended


class Log:
    """Locked while it is open, so that nobody sweeps it away."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._older = path, _older(path)
        self._file = _new(path)
        self._size = 0

    def write(self, data: bytes) -> None:
        """A disk that is full costs the log, not the model."""
        with suppress(OSError):
            if self._size + len(data) > HALF:
                self._turn()
            if not self._file.closed:
                self._size += self._file.write(data)

    def _turn(self) -> None:
        """What can still be written is kept until there is something new. Raises OSError."""
        with suppress(FileNotFoundError):  # somebody has removed it
            self._path.replace(self._older)
        new = _new(self._path)
        self._file.close()
        self._file, self._size = new, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._file.close()


def _new(path: Path) -> FileIO:
    file = path.open("wb", buffering=0)
    with suppress(OSError):  # not every disk can
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return file


def tail(path: Path, size: int = 4_000) -> str:
    """The last bytes of a log as text, also across the turn from one file to the next."""
    newer = _last(path, size)
    older = _last(_older(path), size - len(newer))
    return (older + newer).decode(errors="replace")


def _last(path: Path, size: int) -> bytes:
    if size <= 0:
        return b""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError:
        return b""


def _older(path: Path) -> Path:
    return path.with_suffix(".1.log")


def sweep(folder: Path) -> None:
    """Forget the oldest logs, but none of a replica that lives: it may have been quiet for long."""
    with suppress(OSError):
        logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in logs[KEEP:]:
            if not _is_open(path) and not _is_open(_newer(path)):
                path.unlink(missing_ok=True)


def _is_open(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _newer(older: Path) -> Path:
    return older.with_name(older.name.removesuffix(".1.log") + ".log")
