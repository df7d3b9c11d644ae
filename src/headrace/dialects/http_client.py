"""A small HTTP client for models that listen: every answer is bounded in bytes and in time, and nothing is believed."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import httptools

from headrace.dialects.framing import Garbage
from headrace.dialects.wire import Gone, Late

LARGEST_HEAD = 64 * 1024  # bytes of a status line and headers
SHOWN = 60  # characters of an answer that are told in an error
SETTINGS = bytes((4, 0, 0, 0, 0, 0))  # kind, flags and stream of the frame with which every HTTP/2 server begins
HTTP_2 = "its answer is HTTP/2"

Connect = Callable[[], Awaitable[socket.socket]]


class TooMuch(Exception):
    """The answer is larger than it may be."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: model", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method == "POST":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpClient:
    """One connection at a time, kept while the model keeps it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: _Connection | None = None

    async def ask(self, request: Request, until: float, at_most: int) -> Reply:
        """`until` in the loop's time; `at_most` bytes of body.

        Raises OSError (nobody listens), Gone (it hung up), Late, Garbage, TooMuch; the connection is dropped then.
        """
        kept = self._connection
        if kept is not None and kept.usable:
            with suppress(Gone):
                return await self._asked(kept, request, until, at_most)
            if kept.arrived:
                raise Gone  # in the middle of an answer
        return await self._asked(await self._connected(until), request, until, at_most)

    async def _connected(self, until: float) -> "_Connection":
        self.close()
        try:
            async with asyncio.timeout_at(until):
                dialled = await self._connect()
        except TimeoutError:
            raise Late from None
        try:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, sock=dialled)
        except BaseException:
            dialled.close()
            raise
        self._connection = connection
        return connection

    async def _asked(self, connection: "_Connection", request: Request, until: float, at_most: int) -> Reply:
        try:
            async with asyncio.timeout_at(until):
                return await connection.ask(request.encoded(), at_most)
        except TimeoutError:
            self.close()
            raise Late from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._begin(0)
        self._lost = False

    @property
    def usable(self) -> bool:
        return not self._lost and self._reply is None

    def _begin(self, at_most: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._at_most, self._head = at_most, 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._in_body = False
        self.arrived = False  # anything of this answer

    async def ask(self, request: bytes, at_most: int) -> Reply:
        if self._lost or self._transport is None:
            raise Gone
        self._begin(at_most)
        self._reply = asyncio.get_running_loop().create_future()
        self._acknowledge_at_once()
        self._transport.write(request)
        try:
            return await self._reply
        finally:
            self._reply = None

    def _acknowledge_at_once(self) -> None:
        """A server that writes headers and body apart waits for this: 40 ms, if the kernel delays it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # it speaks without being asked
            return
        if not self.arrived:
            self.arrived = True
            self._acknowledge_at_once()
        self._head += 0 if self._in_body else len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, TooMuch) else Garbage(_odd(data)))
        if not self._in_body and self._head > LARGEST_HEAD:
            self._fail(Garbage("its answer has headers without an end"))

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        if self._reply is None or self._reply.done():
            return
        ends_by_closing = self._in_body and not {"content-length", "transfer-encoding"} & self._headers.keys()
        if ends_by_closing and _error is None:
            self.on_message_complete()
        else:
            self._fail(Gone())

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > self._at_most:
            raise TooMuch

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - "continue": the answer comes after it
            self._headers, self._in_body = {}, False
            return
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(Reply(status, bytes(self._body), self._headers))
        if not self._parser.should_keep_alive():
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        self.close()


def _odd(data: bytes) -> str:
    if data[3:9] == SETTINGS:
        return HTTP_2
    shown = "".join(one if one.isprintable() else "?" for one in data[:SHOWN].decode("latin-1"))
    return f"its answer is not HTTP ({shown})"
