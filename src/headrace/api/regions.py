"""Memory that a client on this machine shares with us: regions of files in /dev/shm, by names that the client gives.

Nothing of a client's is trusted: keys are plain names under the operator's prefix, the file is the server's own user's
and regular, and it is never mapped: a client that shortens it meanwhile would kill us with a signal. We read and write
by system calls, which then read less, and the request is refused.
"""

import asyncio
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from headrace.domain.errors import Invalid, NotFound, Unavailable, Unsupported

FOLDER = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lies
MOST = 256  # regions
AT_ONCE = 1 << 20  # bytes that are copied in the loop
LONGEST_NAME = 255
DISABLED = "Client shared memory is disabled: the operator of this server enables it by the setting oip.shared_memory."
NAMELESS = "'region name' is necessary to register system shared memory region"

T = TypeVar("T")
_KEY = re.compile(r"/?([A-Za-z0-9_.\-]{1,200})")


@dataclass(frozen=True, slots=True)
class Region:
    """`descriptor` is open as long as the region is registered."""

    name: str
    key: str
    offset: int
    byte_size: int
    descriptor: int

    async def read(self, offset: int, size: int) -> bytes:
        """Raises Invalid for what is not inside."""
        self._check(offset, size)
        data = await _here_or_aside(size, lambda: os.pread(self.descriptor, size, self.offset + offset))
        if len(data) != size:
            raise Invalid(f"shared memory region '{self.name}' has become smaller than was registered")
        return data

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """Raises Invalid for what does not fit."""
        self._check(offset, len(data))
        if os.fstat(self.descriptor).st_size < self.offset + offset + len(data):
            raise Invalid(f"shared memory region '{self.name}' has become smaller than was registered")
        await _here_or_aside(len(data), lambda: os.pwrite(self.descriptor, data, self.offset + offset))

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.byte_size:
            raise Invalid(f"Invalid offset + byte size for shared memory region: '{self.name}'")


class Regions:
    """By team: nobody sees the regions of others. `prefix` "": there are none."""

    def __init__(self, prefix: str = "", folder: Path = FOLDER) -> None:
        self._prefix, self._folder = prefix.lstrip("/"), folder
        self.enabled = bool(prefix)
        self._regions: dict[tuple[str, str], Region] = {}

    def register(self, team: str, name: str, key: str, offset: int, byte_size: int) -> None:
        """Raises Unsupported, Invalid, Unavailable."""
        if not self.enabled:
            raise Unsupported(DISABLED)
        if not 0 < len(name) <= LONGEST_NAME:
            raise Invalid(NAMELESS)
        if (team, name) in self._regions:
            raise Invalid(f"shared memory region '{name}' already in manager")
        if len(self._regions) >= MOST:
            raise Unavailable(f"{MOST} shared memory regions are registered already: unregister some")
        self._regions[team, name] = self._opened(name, key, offset, byte_size)

    def unregister(self, team: str, name: str = "") -> None:
        """Without a name all of the team's."""
        for found in [key for key in self._regions if key[0] == team and name in ("", key[1])]:
            os.close(self._regions.pop(found).descriptor)

    def of(self, team: str, name: str = "") -> Iterator[Region]:
        return (region for (owner, known), region in self._regions.items() if owner == team and name in ("", known))

    def get(self, team: str, name: str) -> Region:
        """Raises NotFound."""
        region = self._regions.get((team, name))
        if region is None:
            raise NotFound(f"Unable to find shared memory region: '{name[:200]}'")
        return region

    def _opened(self, name: str, key: str, offset: int, byte_size: int) -> Region:
        match = _KEY.fullmatch(key)
        if match is None or match[1] in (".", "..") or not match[1].startswith(self._prefix):
            raise Invalid(f"failed to register shared memory region '{name}': the key {key[:100]!r} is not allowed")
        try:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._folder / match[1], flags)
        except OSError:
            raise Invalid(f"Unable to open shared memory region: '{key[:100]}'") from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise Invalid(f"Unable to open shared memory region: '{key[:100]}'")  # noqa: TRY301 - the descriptor
            if offset < 0 or byte_size < 1 or offset + byte_size > found.st_size:
                raise Invalid(f"failed to register shared memory region '{name}': invalid args")  # noqa: TRY301
        except Invalid:
            os.close(descriptor)
            raise
        return Region(name, key, offset, byte_size, descriptor)


async def _here_or_aside(size: int, act: Callable[[], T]) -> T:
    return act() if size <= AT_ONCE else await asyncio.to_thread(act)
