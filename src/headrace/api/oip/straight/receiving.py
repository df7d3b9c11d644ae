"""Receives the rest of a large body where the replica will read it: the kernel writes it there, nobody copies it."""

import asyncio
from typing import Protocol

from headrace.domain.body import Slot


class Connection(Protocol):
    """Whose body it is."""

    def received(self, count: int) -> None:
        """So many more bytes of the body are here."""
        ...

    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Receiving(asyncio.BufferedProtocol):
    """Stands at a transport in a connection's place until the body is whole; not one byte more is read.

    All other news of the transport is the connection's.
    """

    def __init__(self, connection: Connection, slot: Slot, have: int) -> None:
        self._connection, self._rest = connection, slot.view[have:]

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._rest

    def buffer_updated(self, nbytes: int) -> None:
        self._rest = self._rest[nbytes:]
        self._connection.received(nbytes)

    def eof_received(self) -> bool | None:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest = self._rest[:0]
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
