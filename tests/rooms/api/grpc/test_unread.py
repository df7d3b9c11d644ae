"""Clients that make us write and do not read."""

import asyncio
from contextlib import asynccontextmanager

from rooms.api.grpc.peers import HELLO, call, message, request, wire
from rooms.api.grpc.test_fuzz import METHODS, Sink, admit

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits
from headrace.api.grpc.connection import Connection
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.outbox import MOST_UNREAD

STRANGE = request("/t/" + "%" * 190)
WIDE = http2.settings({http2.MAX_FRAME_SIZE: http2.LARGEST_FRAME, http2.INITIAL_WINDOW_SIZE: 1 << 30})


def refused(first, count):
    numbers = range(first, first + 2 * count, 2)
    return b"".join(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, one, STRANGE) for one in numbers)


def without_key(number):
    """As much of a call as is taken before its caller is asked for a key, and a wrong one."""
    headers = request("/t/Echo", (b"authorization", b"ApiKey bad"))
    start = http2.frame(http2.HEADERS, http2.END_HEADERS, number, headers)
    return start + http2.frame(http2.DATA, 0, number, message(bytes(1_000_000))[:270_000])


class Unread(Sink):
    """Nothing leaves it."""

    def get_write_buffer_size(self):
        return len(self.written)


@asynccontextmanager
async def unread():
    transport = Unread()
    async with asyncio.TaskGroup() as group:
        connection = Connection(Desk(METHODS, admit, Limits(), group), lambda _: None)
        connection.connection_made(transport)
        connection.data_received(HELLO)
        connection.pause_writing()
        yield connection, transport
        connection.connection_lost(None)


async def test_who_reads_no_refusals_is_cut_off() -> None:
    async with unread() as (connection, transport):
        for number in range(1, 20_000, 200):
            connection.data_received(refused(number, 100))

    assert transport.closed
    assert MOST_UNREAD - 10_000 < len(transport.written) < MOST_UNREAD + 10_000


async def test_who_reads_no_refusal_of_a_task_is_cut_off_alone() -> None:
    """An error in it would end the door, with all its connections."""
    async with unread() as (connection, transport):
        number = 1
        while not transport.closed and number < 20_000:
            connection.data_received(refused(number, 10) + without_key(number + 20))
            number += 22
            for _ in range(3):
                await asyncio.sleep(0)

    assert transport.closed


async def test_an_answer_may_be_larger_than_what_may_stay_unread(door) -> None:
    size = 6 << 20
    async with wire(door.port, greeting=http2.PREFACE + WIDE + http2.window_update(0, 1 << 30)) as slow:
        slow.writer.transport.pause_reading()
        slow.write(call(1, "/t/Public", b""))
        for number in (3, 5):
            slow.write(http2.frame(http2.HEADERS, 4, number, request("/t/Large")))
            slow.write(http2.frame(http2.DATA, 1, number, message(b"%d" % size)))
        await asyncio.sleep(0.3)
        slow.write(http2.frame(http2.PING, 0, 0, bytes(8)) * 100)
        await asyncio.sleep(0.3)
        slow.writer.transport.resume_reading()
        sizes = {1: 0, 3: 0, 5: 0}
        for _ in sizes:
            while not (frame := await slow.frame()).flags & http2.END_STREAM or frame.kind != http2.HEADERS:
                if frame.kind == http2.DATA:
                    sizes[frame.stream] += len(frame.payload)

    assert {1: 5, 3: size + 5, 5: size + 5} == sizes
