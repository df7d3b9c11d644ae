"""Memory in which large requests lie: the door receives a body there, and the replica reads it there.

Through a socket the same bytes would be copied twice more by the kernel, a quarter of a megabyte at a time, with both
sides waking each other for each piece. A piece of memory belongs to one version, and is mapped once on either side, so
that its pages are faulted in once. It is sealed: its size stays, and no mapping can write but the one that we have made
before. So a model may do with its requests whatever it likes: nobody else sees it.
"""

import asyncio
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress

from headrace.domain.body import Slot

WORTH_IT = 64 << 10  # bytes of a body; smaller ones go through the socket for less
PART = 4  # of all the memory, what the pieces of one version may take
FINE = 3  # bits of a size that are kept when it is rounded up: so much, at most, is left unused
IDLE = 30.0  # seconds after which memory that nobody has used is given up
F_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h, since Linux 5.1
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL


class Memory:
    """One piece. `readers` are told its number when it is given up."""

    def __init__(self, number: int, key: Hashable, size: int) -> None:
        """Raises OSError."""
        self.number, self.key, self.size = number, key, size
        self.since = 0.0  # unused, in the loop's time
        self.readers: set[Callable[[int], None]] = set()
        self.descriptor = os.memfd_create("headrace-slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size)
            self._map = mmap.mmap(self.descriptor, size)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, SEALS)
        except OSError:
            os.close(self.descriptor)
            raise

    def view(self, size: int) -> memoryview:
        return memoryview(self._map)[:size]

    def close(self) -> None:
        os.close(self.descriptor)
        with suppress(BufferError):  # somebody still holds a view: then it is unmapped when that is gone
            self._map.close()
        for tell in self.readers:
            tell(self.number)


class Lent(Slot):
    """A slot of one request. When nobody holds it any more, its memory is free: that cannot be forgotten."""

    __slots__ = ("_returned", "memory")

    def __init__(self, memory: Memory, size: int, returned: deque[Memory]) -> None:
        super().__init__(memory.view(size))
        self.memory, self._returned = memory, returned

    def __del__(self) -> None:
        self._returned.append(self.memory)  # from any thread


class Slots:
    """All pieces, of all versions. `budget`: bytes of them together; 0: none. `idle`: seconds without use."""

    def __init__(self, budget: int, idle: float = IDLE) -> None:
        self._budget, self._idle = budget, idle
        self._held: dict[Hashable, int] = {}  # bytes of each version, lent ones among them
        self._free: dict[Hashable, list[Memory]] = {}  # longest unused first
        self._returned: deque[Memory] = deque()
        self._made = 0
        self._look: asyncio.TimerHandle | None = None

    def take(self, key: Hashable, size: int) -> Slot | None:
        """For one body of exactly so many bytes. None: none is worth it, or none is left; then it has to be `bytes`."""
        if not WORTH_IT <= size <= self._budget // PART:
            return None
        self._gather()
        memory = self._fitting(key, size) or self._new(key, size)
        if memory is None:
            return None
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self._idle, self._give_up_idle)
        return Lent(memory, size, self._returned)

    @property
    def held(self) -> int:
        """Bytes of all pieces."""
        return sum(self._held.values())

    def close(self) -> None:
        """Gives up what is free."""
        self._gather()
        for memory in [memory for memories in self._free.values() for memory in memories]:
            self._give_up(memory)
        if self._look is not None:
            self._look.cancel()

    def _gather(self) -> None:
        while self._returned:
            memory = self._returned.popleft()
            memory.since = asyncio.get_running_loop().time()
            self._free.setdefault(memory.key, []).append(memory)

    def _fitting(self, key: Hashable, size: int) -> Memory | None:
        """The one used last: its pages are the warmest."""
        free = self._free.get(key, [])
        for place in range(len(free) - 1, -1, -1):
            if size <= free[place].size <= 2 * _rounded(size):
                return free.pop(place)
        return None

    def _new(self, key: Hashable, size: int) -> Memory | None:
        room = _rounded(size)
        while self._held.get(key, 0) + room > self._budget // PART:
            if not self._free.get(key):
                return None
            self._give_up(self._free[key][0])
        while self.held + room > self._budget:
            others = [memories[0] for memories in self._free.values() if memories]
            if not others:
                return None
            self._give_up(min(others, key=lambda memory: memory.since))
        try:
            memory = Memory(self._made, key, room)
        except OSError:  # an old kernel, or none of what it takes is left
            return None
        self._made += 1
        self._held[key] = self._held.get(key, 0) + room
        return memory

    def _give_up(self, memory: Memory) -> None:
        free = self._free[memory.key]
        free.remove(memory)
        self._held[memory.key] -= memory.size
        if not self._held[memory.key]:
            del self._held[memory.key], self._free[memory.key]
        memory.close()

    def _give_up_idle(self) -> None:
        self._gather()
        loop = asyncio.get_running_loop()
        late = loop.time() - self._idle
        for memory in [memory for memories in self._free.values() for memory in memories if memory.since <= late]:
            self._give_up(memory)
        self._look = loop.call_later(self._idle, self._give_up_idle) if self._held else None


def _rounded(size: int) -> int:
    """Up to a whole number of pages, and so that bodies of nearly the same size fit into the same memory."""
    step = max(mmap.PAGESIZE, 1 << max(0, size.bit_length() - FINE))
    return -(-size // step) * step
