"""A few bytes of shared memory in which the harness says which questions it has begun, and we what nobody wants.

So the end of a replica is blamed on the right input even when answers that were ready had not been sent yet, and no
answer has to be sent on its own for that. The size is sealed: whoever holds the other end cannot shrink it under us.
"""

import fcntl
import mmap
import os
import struct
from typing import Self

CELL = struct.Struct("=QQQQ")
# theirs: number of the first question at work since the start, how many are at work together; ours: one more than the
# number of the question whose further answers nobody wants, and how many answers of a stream have been taken
OURS = struct.Struct("=Q")
UNWANTED, TAKEN = 16, 24  # places


class Cell:
    def __init__(self) -> None:
        self.descriptor = os.memfd_create("headrace-progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, CELL.size)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self._memory = mmap.mmap(self.descriptor, CELL.size)
        self._last = (0, 0)  # what was read when it was closed: whoever asks why a replica ended may come after that

    def read(self) -> tuple[int, int]:
        if self._memory.closed:
            return self._last
        first, together, *_ = CELL.unpack_from(self._memory)
        return first, together

    def refuse(self, number: int) -> None:
        """Nobody wants further answers to this question."""
        if not self._memory.closed:
            OURS.pack_into(self._memory, UNWANTED, number + 1)

    def took(self, count: int) -> None:
        if not self._memory.closed:
            OURS.pack_into(self._memory, TAKEN, count)

    def close(self) -> None:
        if not self._memory.closed:
            self._last = self.read()
            self._memory.close()
            os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
