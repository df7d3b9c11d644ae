"""Bytes of requests that are counted for all connections together, and streams that count: all of it comes back."""

import asyncio
import tracemalloc
import zlib

import pytest
from rooms.api.grpc.peers import call, message, request, served, wire

from headrace.api.bodies import Bodies
from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits
from headrace.api.grpc.http2 import ErrorCode


def start(path, *more, stream=1):
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream, request(path, *more))


async def send(found, data, *, stream=1, last=False):
    """Within the windows."""
    data, room = memoryview(data), {0: http2.FIRST_WINDOW, stream: 1 << 20}
    while data:
        if size := min(*room.values(), len(data), 1 << 18):
            ends = http2.END_STREAM if last and size == len(data) else 0
            found.write(http2.frame(http2.DATA, ends, stream, bytes(data[:size])))
            data = data[size:]
            room = {one: left - size for one, left in room.items()}
            continue
        frame = await found.until(http2.WINDOW_UPDATE)
        if frame.stream in room:
            room[frame.stream] += http2.NUMBER.unpack(frame.payload)[0]


async def settles(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("end", [b"", http2.head(http2.LARGEST_FRAME, http2.DATA, 0, 1)])
@pytest.mark.parametrize(("path", "whole"), [("/t/Echo", False), ("/t/Slow", True), ("/t/Deaf", False)])
async def test_what_a_client_held_comes_back_when_it_goes(door, path: str, whole: bool, end: bytes) -> None:
    """In the middle of a message, or while somebody works on it; by itself, or because it broke a rule."""
    async with wire(door.port) as found:
        found.write(start(path))
        body = message(bytes(5 << 20))
        await send(found, body if whole else body[: 3 << 20], last=whole)
        await settles(lambda: door.door.held)
        found.write(end)
        if not end:
            found.writer.transport.abort()
        await settles(lambda: not door.door.held)


async def test_a_call_that_is_reset_before_it_begins_counts_no_longer() -> None:
    async with served(Limits(streams=2)) as door, wire(door.port) as found:
        for number in range(1, 21, 2):
            found.write(call(number, "/t/Slow") + http2.reset(number, ErrorCode.CANCEL))
            await asyncio.sleep(0.01)
        found.write(call(21))

        assert 21 == (await found.until(http2.DATA)).stream


async def test_messages_of_a_stream_count_as_long_as_somebody_works_on_them() -> None:
    limit, one, count = 20 << 20, 4 << 20, 12
    async with served(Limits(bodies=Bodies(limit))) as door, wire(door.port) as found:
        found.write(start("/t/Keep"))
        sending = asyncio.ensure_future(send(found, message(bytes(one)) * count, last=True))
        await settles(lambda: len(door.keeper.sizes) >= 4)
        await asyncio.sleep(0.2)
        assert sum(door.keeper.sizes) <= door.door.held + (1 << 20) <= limit + (1 << 20)
        assert not sending.done()

        door.keeper.done.set()
        await asyncio.wait_for(sending, 20)
        assert message(b"%d" % count) == (await found.until(http2.DATA)).payload
        await settles(lambda: not door.door.held)


async def test_a_message_counts_while_it_is_unpacked() -> None:
    packed = zlib.compress(bytes(60 << 20), 1)
    async with served(Limits(bodies=Bodies(20 << 20))) as door, wire(door.port) as found:
        tracemalloc.start()
        for number in (1, 3, 5):
            found.write(start("/t/Slow", (b"grpc-encoding", b"deflate"), stream=number))
            found.write(http2.frame(http2.DATA, 1, number, b"\1" + message(packed)[1:]))
        for _ in range(3):
            assert b"grpc-status\x018" in (await found.until(http2.HEADERS, flags=http2.END_STREAM)).payload
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await settles(lambda: not door.door.held)

    assert peak < 40 << 20
