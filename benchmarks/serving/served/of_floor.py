"""What no server of this kind gets below on a machine: uvloop, no framework, no checks, a fixed answer.

usage: of_floor.py PORT WORKERS

With 0 workers the answer is given at once, with 1 after each request has been to another process and back, by one
message each way: what it costs to keep a model out of the server's process, when nothing else costs anything.
"""

import asyncio
import itertools
import os
import socket
import sys

import uvloop

ANSWER = (
    b'{"model_name":"echo","model_version":"1.0.0","outputs":[{"name":"y","datatype":"FP32","shape":[1,4],'
    b'"data":[5.1,3.5,1.4,0.2]}]}'
)
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
NUMBER = 4  # bytes of a connection's number before what goes to the worker
SIZE = 512  # bytes of a message to the worker: more than the request has


class Front(asyncio.Protocol):
    """One connection, one request at a time."""

    open: "dict[bytes, Front]" = {}
    numbers = itertools.count()
    worker: asyncio.Transport | None = None

    def connection_made(self, transport) -> None:
        self._transport, self._buffer = transport, b""
        self._number = next(self.numbers).to_bytes(NUMBER, "big")
        self.open[self._number] = self

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._buffer = b""
        if self.worker is None:
            self.answer()
        else:
            self.worker.write((self._number + body).ljust(SIZE))

    def answer(self) -> None:
        self._transport.write(RESPONSE)

    def connection_lost(self, _error) -> None:
        del self.open[self._number]


class Back(asyncio.Protocol):
    """What the worker says."""

    def connection_made(self, transport) -> None:
        Front.worker, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= SIZE:
            message, self._buffer = self._buffer[:SIZE], self._buffer[SIZE:]
            if message[:NUMBER] in Front.open:  # else its client has gone
                Front.open[message[:NUMBER]].answer()


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])


def work(line: socket.socket) -> None:
    while data := line.recv(1 << 16):
        line.sendall(data)


async def serve(port: int, line: socket.socket | None) -> None:
    loop = asyncio.get_running_loop()
    if line is not None:
        line.settimeout(0)
        await loop.create_connection(Back, sock=line)
    server = await loop.create_server(Front, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    line = None
    if workers:
        line, theirs = socket.socketpair()
        if os.fork() == 0:
            line.close()
            work(theirs)
            return
        theirs.close()
    uvloop.run(serve(port, line))


if __name__ == "__main__":
    main()
