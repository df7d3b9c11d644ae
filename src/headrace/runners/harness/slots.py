"""Memory that the server shares with us, to be read only: large bodies lie there (headrace/dialects/slots.py)."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from typing import Any

PIECE = struct.Struct("=QQ")  # number, size, as in headrace/dialects/lane.py
DESCRIPTOR = struct.Struct("i")
NONE = -1  # in place of a descriptor: there is no such connection
FAILED = ctypes.c_void_p(-1).value


class Slots:
    """Each piece of memory is mapped once, when a question first names it. `lane` brings the descriptors."""

    def __init__(self, lane: socket.socket | None) -> None:
        self._lane = lane
        self._known: dict[int, ctypes.Array[Any]] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mmap.restype = ctypes.c_void_p
        self._libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        self._libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def view(self, number: int, size: int) -> memoryview:
        """The body there: for us, who copy what the model gets, so that it may keep that and change it."""
        while number not in self._known:
            self._next()
        return memoryview(self._known[number]).cast("B")[:size].toreadonly()

    def forget(self, numbers: list[int]) -> None:
        for number in numbers:
            memory = self._known.pop(number, None)
            if memory is not None:
                self._libc.munmap(ctypes.addressof(memory), len(memory))

    def _next(self) -> None:
        """Raises OSError, and ValueError when the server is gone."""
        if self._lane is None:
            raise ValueError("there is no lane")
        message, control, _, _ = self._lane.recvmsg(
            PIECE.size, socket.CMSG_SPACE(DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
        )
        if len(message) != PIECE.size or not control:
            raise ValueError("the lane has ended")
        number, size = PIECE.unpack(message)
        (descriptor,) = DESCRIPTOR.unpack_from(control[0][2])
        try:
            self._known[number] = self._mapped(descriptor, size)
        finally:
            os.close(descriptor)

    def _mapped(self, descriptor: int, size: int) -> ctypes.Array[Any]:
        """Not by the module mmap, which would keep a descriptor open for each."""
        address = self._libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        if address == FAILED:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return (ctypes.c_char * size).from_address(address)
