"""Lets a library that insists on dialling by itself reach a model that only we can reach: bytes are passed on.

The socket has a name that only this process may use: the kernel says who connects, and anybody else is turned away.
"""

import asyncio
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

PIECE = 256 * 1024
CREDENTIALS = struct.Struct("3i")  # process, user, group


class Relay:
    def __init__(self, connect: Callable[[], Awaitable[socket.socket]]) -> None:
        self._connect = connect
        self._name = f"headrace-{secrets.token_hex(16)}"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> str:
        """The name of an abstract socket (without the NUL before it)."""
        self._server = await asyncio.start_unix_server(self._pass_on, f"\0{self._name}", limit=PIECE)
        return self._name

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        others: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        try:
            if not _is_ours(writer):
                return
            there, others = await asyncio.open_connection(sock=await self._connect(), limit=PIECE)
            self._writers.add(others)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, others))
                group.create_task(_pump(there, writer))
        except OSError:
            return  # nobody listens: our side hangs up as well
        finally:
            for one in (writer, others):
                if one is not None:
                    self._writers.discard(one)
                    one.transport.abort()


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    process, _, _ = CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return bool(process == os.getpid())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """When one side ends, so does the other: nobody here speaks half-closed."""
    with suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
