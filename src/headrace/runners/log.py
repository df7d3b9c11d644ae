"""What a model prints, in two files of bounded size: the newer one and the one before it."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

HALF = 1 << 20  # bytes of each of the two files
KEEP = 200  # logs of replicas that have ended


class Log:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._older = path, _older(path)
        self._file = path.open("wb", buffering=0)
        self._size = 0

    def write(self, data: bytes) -> None:
        """A disk that is full costs the log, not the model."""
        if self._size + len(data) > HALF:
            self._turn()
        with suppress(OSError):
            self._size += self._file.write(data)

    def _turn(self) -> None:
        with suppress(OSError):
            self._file.close()
            self._path.replace(self._older)
            self._file = self._path.open("wb", buffering=0)
            self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._file.close()


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
    """Forget the oldest logs."""
    with suppress(OSError):
        logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in logs[KEEP:]:
            path.unlink(missing_ok=True)
