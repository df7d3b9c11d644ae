"""The server's end of a stream socket: bytes that have arrived, room to write, and one event for any news of either.

Or, for whoever listens, a call for what arrives, without a coroutine between.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, cast

from headrace.domain.body import PIECE

FULL = 2 * PIECE  # bytes that wait for us before the other side has to stop
Deadline = Callable[[], float]  # in the loop's time; asked again when it is over: it may have moved


class Gone(Exception):
    """The other side closed the connection."""


class Late(Exception):
    """Nothing came in time. Not a TimeoutError: that is an OSError, and would be taken for a fault of the disk."""


class Listener(Protocol):
    def arrived(self, data: bytes) -> None: ...

    def lost(self) -> None:
        """The connection has ended."""
        ...


class Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self._arrived = bytearray()
        self._listener: Listener | None = None
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._full = self._lost = False
        self.may_write = True

    @classmethod
    async def over(cls, connection: socket.socket) -> "Wire":
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_unix_connection(cls, sock=connection)
        return wire

    def __len__(self) -> int:
        return len(self._arrived)

    def write(self, data: bytes) -> None:
        """Never waits: look at `may_write` before. Raises Gone."""
        if self._lost or self._transport is None:
            raise Gone
        self._transport.write(data)

    def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """In one piece, without copying them together. Raises Gone."""
        if self._lost or self._transport is None:
            raise Gone
        self._transport.writelines(parts)

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def listen(self, listener: Listener | None) -> None:
        """Until None is set, what arrives is told there, and is not kept here."""
        self._listener = listener

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def news(self, deadline: Deadline) -> None:
        """Until something arrives, room to write comes, or the end. Raises Late, Gone."""
        if self._lost:
            raise Gone
        self._resume()
        self._news.clear()
        loop = asyncio.get_running_loop()
        while not self._news.is_set():
            if (until := deadline()) <= loop.time():
                raise Late
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._news.wait()

    async def need(self, size: int, deadline: Deadline) -> None:
        """Until at least `size` bytes (less than FULL) are here. Raises Late, Gone."""
        while len(self._arrived) < size:
            await self.news(deadline)

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or as many of them as are here."""
        with memoryview(self._arrived) as view:
            taken = bytes(view[:size])
        del self._arrived[:size]
        return taken

    def peek(self, size: int) -> bytes:
        return bytes(self._arrived[:size])

    def _resume(self) -> None:
        if self._full and len(self._arrived) < FULL and self._transport is not None:
            self._full = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.arrived(data)
            return
        self._arrived += data
        if len(self._arrived) > FULL and not self._full and self._transport is not None:
            self._full = True
            self._transport.pause_reading()
        self._news.set()

    def pause_writing(self) -> None:
        self.may_write = False

    def resume_writing(self) -> None:
        self.may_write = True
        self._news.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        self._news.set()
        if self._listener is not None:
            self._listener.lost()
