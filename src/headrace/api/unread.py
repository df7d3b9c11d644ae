"""Whether who is owed an answer takes it: what lies unread must become less, here and in the kernel together.

The kernel takes more from us only when a good part of what it has is gone, megabytes of it: somebody who reads slowly,
and all the time, looks from here like somebody who reads nothing.
"""

import asyncio
import struct
import termios
from contextlib import suppress
from fcntl import ioctl

from headrace.api.limits import SLOWEST

_EARLY = 0.9  # of a deadline: timers may be a little early


def unread(transport: asyncio.WriteTransport) -> int:
    """Bytes that the other side has not taken yet. 0 when all of them have left this process."""
    here = transport.get_write_buffer_size()
    found = transport.get_extra_info("socket")
    if not here or found is None:
        return here
    with suppress(OSError):  # it is closed
        (kernel,) = struct.unpack("i", ioctl(found.fileno(), termios.TIOCOUTQ, bytes(4)))
        return here + int(kernel)
    return here


class Taken:
    """How much of what is owed was taken. Nothing may be added meanwhile without `anew` being called."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left, self._at = 0, 0.0

    def anew(self) -> None:
        self._left = 0

    def too_slowly(self, left: int, at: float, deadline: float) -> bool:
        """Asked now and then with what is left: whether for `deadline` seconds less than SLOWEST a second was taken."""
        if self._left and left:
            seconds = at - self._at
            if seconds < deadline * _EARLY:
                return False
            if self._left - left < SLOWEST * seconds:
                return True
        self._left, self._at = left, at
        return False
