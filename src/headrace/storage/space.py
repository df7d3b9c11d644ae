"""Room on the disk below the data folder: a floor under which nothing new is taken, and a ballast to give up.

SQLite cannot even delete on a full disk. So a file of real blocks lies there; when the disk is nearly full it is
removed, and what was taken on can be finished in its place. While it is missing, nothing new is taken.
"""

import asyncio
import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

from headrace.domain.errors import StorageFailed

logger = logging.getLogger(__name__)

LOOK, LONGEST_LOOK = 1.0, 10.0  # seconds between two looks
FASTEST = 6 << 30  # bytes a second that nobody writes: until then the disk is not full
PART = 16  # the ballast, and the floor, are at most this part of the disk: a small disk is there to be used
SPENT = 8  # with less than this part of the ballast left beside it, the disk counts as full


class Space:
    """`ballast` and `floor` in bytes; 0: none. `check` before something new is taken; `run` is the loop."""

    def __init__(self, folder: Path, ballast: int, floor: int) -> None:
        self._folder, self._file = folder, folder / "ballast"
        disk = os.statvfs(folder)
        part = disk.f_blocks * disk.f_frsize // PART
        self._ballast, self._floor = min(ballast, part), min(floor, part)
        self._have = self._ballast == 0
        self._seen = 0  # bytes that were free at the last look
        self.look()

    def check(self) -> None:
        """Raises StorageFailed, whose technical words are those of a full disk."""
        try:
            free = self._free()
        except OSError as error:
            raise StorageFailed(f"the data folder cannot be read: {error.strerror}", technical=str(error)) from error
        if not self._have or free < self._floor:
            raise StorageFailed(
                f"the disk of the data folder has {free} bytes left, and below {self._floor + self._missing} nothing"
                " new is taken (storage.floor): make room; what is under way goes on",
                technical=os.strerror(errno.ENOSPC),
            )

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._pause())
            self.look()

    def _pause(self) -> float:
        """Seconds in which the disk cannot become full, so far as the last look goes."""
        return min(LONGEST_LOOK, max(LOOK, self._seen / FASTEST))

    def look(self) -> None:
        """Gives the ballast up, or takes it again. It is written at the first start, in blocks, not in bytes."""
        self._seen = 0
        with suppress(OSError):
            self._seen = self._free()
            if self._have and self._ballast and self._seen < self._ballast // SPENT:
                self._file.unlink(missing_ok=True)
                self._have = False
                logger.warning("the disk of %s is full: its ballast was given up, nothing new is taken", self._folder)
            elif not self._have and self._seen >= self._ballast + self._floor:
                self._take()

    @property
    def _missing(self) -> int:
        return 0 if self._have else self._ballast

    def _take(self) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._ballast)
            os.ftruncate(descriptor, self._ballast)
            self._have = True
        except OSError:
            self._file.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize
