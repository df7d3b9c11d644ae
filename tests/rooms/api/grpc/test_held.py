"""Bytes of requests that are counted for all connections together, and streams that count: all of it comes back."""

import asyncio

import pytest
from rooms.api.grpc.peers import call, message, request, served, wire

from headrace.api.oip.grpc import http2
from headrace.api.oip.grpc.calls import Limits
from headrace.api.oip.grpc.http2 import ErrorCode


def start(path, *more, stream=1):
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream, request(path, *more))


async def send(found, data, *, stream=1, last=False):
    """Within the windows."""
    room = {0: http2.FIRST_WINDOW, stream: 1 << 20}
    while data:
        if size := min(*room.values(), len(data), 1 << 18):
            ends = http2.END_STREAM if last and size == len(data) else 0
            found.write(http2.frame(http2.DATA, ends, stream, data[:size]))
            data = data[size:]
            room = {one: left - size for one, left in room.items()}
            continue
        frame = await found.until(http2.WINDOW_UPDATE)
        if frame.stream in room:
            room[frame.stream] += http2.NUMBER.unpack(frame.payload)[0]


async def settles(holds):
    async with asyncio.timeout(5):
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
