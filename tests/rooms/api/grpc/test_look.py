"""Clients that take too long: the time is an argument, nobody waits for it."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

from rooms.api.grpc.peers import HELLO, call, listening, message, request
from rooms.api.grpc.test_fuzz import METHODS, Sink, admit, said

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits
from headrace.api.grpc.connection import Connection
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.door import Door
from headrace.api.grpc.headers import block
from headrace.api.limits import LINGER_BYTES

LIMITS = Limits(greeting=10, body=60, unread=300, idle=600)
HALF = http2.frame(http2.HEADERS, 4, 1, request()) + http2.frame(http2.DATA, 0, 1, message(b"hello")[:-1])


@asynccontextmanager
async def connected(sent):
    transport = Sink()
    async with asyncio.TaskGroup() as group:
        connection = Connection(Desk(METHODS, admit, LIMITS, group), lambda _: None)
        connection.connection_made(transport)
        connection.data_received(sent)
        for _ in range(5):
            await asyncio.sleep(0)
        yield connection, transport, asyncio.get_running_loop().time()
        connection.connection_lost(None)


async def test_who_says_nothing_is_cut_off() -> None:
    async with connected(http2.PREFACE[:10]) as (connection, transport, now):
        connection.look(now + 9)
        assert not transport.closed
        connection.look(now + 11)
        assert transport.closed


async def test_a_message_that_stops_coming_ends_its_call_only() -> None:
    async with connected(HELLO + HALF) as (connection, transport, now):
        connection.look(now + 59)
        assert block([(b"grpc-status", b"4")]) not in transport.written
        connection.look(now + 61)
        assert block([(b"grpc-status", b"4")]) in transport.written
        assert not transport.closed


async def test_headers_without_a_message_end_too() -> None:
    headers = http2.frame(http2.HEADERS, 4, 1, request())
    async with connected(HELLO + headers) as (connection, transport, now):
        connection.look(now + 61)
        assert block([(b"grpc-status", b"4")]) in transport.written


async def test_who_does_not_read_an_answer_is_cut_off() -> None:
    small = http2.settings({http2.INITIAL_WINDOW_SIZE: 10})
    async with connected(http2.PREFACE + small + call(body=b"x" * 100)) as (connection, transport, now):
        connection.look(now)
        connection.look(now + 299)
        connection.data_received(http2.window_update(1, 10))
        connection.look(now + 310)
        connection.look(now + 600)
        assert not transport.closed
        connection.look(now + 620)
        assert transport.closed


async def test_an_idle_connection_is_closed_politely() -> None:
    async with connected(HELLO + call()) as (connection, transport, now):
        connection.look(now + 599)
        assert http2.GOAWAY not in said(transport.written)
        connection.look(now + 601)
        assert http2.GOAWAY in said(transport.written)
        assert not transport.closed
        connection.data_received(http2.frame(http2.PING, http2.ACK, 0, b"headrace"))
        assert transport.closed


class Lingering(Sink):
    """Closed only when it is told so."""

    def write_eof(self):
        """Half of it."""


async def test_after_our_last_words_only_so_much_is_read() -> None:
    async with asyncio.TaskGroup() as group:
        transport = Lingering()
        connection = Connection(Desk(METHODS, admit, LIMITS, group), lambda _: None)
        connection.connection_made(transport)
        connection.data_received(b"GET / HTTP/1.1\r\n\r\n")
        for _ in range(LINGER_BYTES >> 20):
            connection.data_received(bytes(1 << 20))
        assert not transport.closed
        connection.data_received(b"x")
        assert transport.closed
        connection.connection_lost(None)


async def test_the_door_looks_at_whoever_comes_and_at_nobody_else(monkeypatch) -> None:
    looks = []
    monkeypatch.setattr("headrace.api.grpc.door.LOOK", 0.02)
    monkeypatch.setattr(Connection, "look", lambda self, now: looks.append(now) or self.abort())
    async with listening(Door(METHODS, admit, LIMITS)) as port:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(10):
                while await reader.read(1000):
                    pass
            writer.close()
            await asyncio.sleep(0.1)
            with monkeypatch.context() as patched:
                sleepless = SimpleNamespace(**vars(asyncio) | {"sleep": _fail})  # the door's alone: others may sleep
                patched.setattr("headrace.api.grpc.door.asyncio", sleepless)
                await asyncio.sleep(0.1)

    assert 2 == len(looks)


async def _fail(_seconds: float) -> None:
    raise AssertionError("it wakes up for nobody")
