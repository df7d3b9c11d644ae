"""Whatever comes over the wire: no error of ours, no hang, and a peer that broke a rule is told so and cut off."""

import asyncio
import logging
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.api.grpc.peers import ASK, HELLO, Quick, admit, bidi, call, echo, message, request

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.connection import Connection
from headrace.api.grpc.desk import Desk

METHODS = {
    "/t/Quick": Quick().method,
    "/t/Echo": Method(ASK, echo),
    "/t/Bidi": Method(ASK, streaming=bidi),
    "/t/Public": Method((), echo),
}


class Sink(asyncio.Transport):
    """Takes what is written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = bytearray(), False

    def write(self, data):
        if not self.closed:
            self.written += data

    def close(self):
        self.closed = True

    abort = write_eof = close  # after its last words the door only reads on for a while

    def is_closing(self):
        return self.closed

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def get_write_buffer_size(self):
        return 0


async def talk(pieces):
    """What the door writes for these pieces, and whether it hangs up."""
    transport, left = Sink(), []
    async with asyncio.TaskGroup() as group:
        connection = Connection(Desk(METHODS, admit, Limits(), group), left.append)
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
            if transport.closed:
                break
        for _ in range(5):
            await asyncio.sleep(0)
        connection.look(asyncio.get_running_loop().time())
        connection.connection_lost(None)
    assert [connection] == left
    return bytes(transport.written), transport.closed


def said(written):
    """The kinds of the frames in it; an incomplete one is an error."""
    kinds, at = [], 0
    while at < len(written):
        high, low, kind, _, _ = http2.HEAD.unpack_from(written, at)
        at += 9 + (high << 8 | low)
        kinds.append(kind)
    assert at == len(written)
    return kinds


def cut(data, cuts):
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


class Unexpected(logging.Handler):
    def emit(self, record):
        raise AssertionError(record.getMessage())


def check(pieces):
    logger, handler = logging.getLogger("headrace"), Unexpected(logging.ERROR)
    logger.addHandler(handler)
    try:
        written, closed = asyncio.run(talk(pieces))
    finally:
        logger.removeHandler(handler)
    kinds = said(written)
    assert closed == (http2.GOAWAY in kinds)
    return kinds


LONG = message(bytes(range(251)) * 400)
BODIES = [
    HELLO + call(1, "/t/Quick", b"of some length") + call(3, "/t/Quick", b"no") + call(5, "/t/Quick"),
    HELLO + b"".join(call(number, "/t/Quick", b"of some length, of some length") for number in range(1, 12, 2)),
    HELLO
    + call(1, "/t/Quick", b"of some length")
    + http2.frame(http2.HEADERS, 4, 3, request("/t/Quick"))
    + http2.window_update(3, 99)
    + http2.frame(0, 1, 3, message(b"of some length")),
    HELLO
    + http2.frame(http2.HEADERS, 4, 1, request("/t/Quick"))
    + b"".join(http2.frame(0, at == 16, 1, LONG[at * 6_000 : at * 6_000 + 6_000]) for at in range(17)),
    HELLO + call() + call(3, "/t/Bidi"),
    HELLO + http2.frame(http2.HEADERS, 4, 1, request("/t/Bidi")) + http2.frame(0, 0, 1, message(b"abc") * 3),
    HELLO + call(1, "/t/Public") + http2.window_update(0, 100) + http2.reset(1, http2.ErrorCode.CANCEL),
]
ANY_FRAME = st.builds(
    http2.frame,
    st.integers(0, 12),
    st.sampled_from([0, 1, 4, 5, 8, 9, 0x20, 0x2C, 0x2D]) | st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 7, http2.HIGHEST]),
    st.binary(max_size=60) | st.sampled_from([request(), request("/t/Bidi"), message(b"x"), bytes(4), bytes(8)]),
)
CUTS = st.lists(st.integers(0, 10_000), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), CUTS)
def test_any_bytes(data, cuts):
    check(cut(data, cuts))


@settings(max_examples=400, deadline=None)
@given(st.lists(ANY_FRAME, max_size=12), CUTS)
def test_any_frames(frames, cuts):
    check(cut(HELLO + b"".join(frames), cuts))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4), CUTS)
def test_right_bytes_with_a_few_wrong_ones(data, changes, cuts):
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    check(cut(bytes(changed), cuts))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(BODIES), CUTS)
def test_where_bytes_are_cut_makes_no_difference(data, cuts):
    assert asyncio.run(talk([data]))[1] is False
    assert check([data]).count(http2.HEADERS) == check(cut(data, cuts)).count(http2.HEADERS)
