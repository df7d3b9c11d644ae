"""Beside the connection to a replica: a socket by which descriptors of memory (slots.py) reach it, each once.

A descriptor could travel with a frame, but then all that is read there would have to be read in a way that takes them.
The message comes before the question that is the first to name its number, so the replica finds it when it looks.
"""

import socket
import struct
from collections.abc import Callable, Hashable
from contextlib import suppress

from headrace.dialects.framing import FORGET, frame_start
from headrace.dialects.slots import Lent, Memory
from headrace.domain.body import Given

PIECE = struct.Struct("=QQ")  # number, size; with it the descriptor


class Lane:
    """`key`: whose replica it is. `on_gone` is called when there is something to forget."""

    def __init__(self, key: Hashable, on_gone: Callable[[], None]) -> None:
        self._key, self._on_gone = key, on_gone
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(0)
        self._known: dict[int, Memory] = {}
        self._gone: list[int] = []

    def number(self, body: Given) -> int | None:
        """By which the replica knows the memory of this body, from now on; None: it has to be sent.

        As one that was taken when the caller's name for the version still meant another: no memory is seen by two.
        """
        if not isinstance(body, Lent) or body.memory.key != self._key:
            return None
        memory = body.memory
        if memory.number not in self._known:
            with suppress(OSError):  # it has not taken the ones before
                socket.send_fds(self._ours, [PIECE.pack(memory.number, memory.size)], [memory.descriptor])
                self._known[memory.number] = memory
                memory.readers.add(self._given_up)
        return memory.number if memory.number in self._known else None

    def forget(self) -> bytes:
        """A frame that says what the replica should forget, each number once; empty when there is none."""
        if not self._gone:
            return b""
        gone, self._gone = self._gone, []
        return frame_start(FORGET, gone)

    def sent(self) -> None:
        """The replica has its end."""
        self.theirs.close()

    def close(self) -> None:
        for memory in self._known.values():
            memory.readers.discard(self._given_up)
        self._known.clear()
        self._ours.close()
        self.theirs.close()

    def _given_up(self, number: int) -> None:
        del self._known[number]
        self._gone.append(number)
        self._on_gone()
