"""The rules of HTTP/2 for clients that break them: which error, and whether the stream or the connection ends."""

import asyncio

import pytest
from rooms.api.grpc.peers import call, message, request, served, wire

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits
from headrace.api.grpc.headers import block
from headrace.api.grpc.http2 import ErrorCode

HEADERS = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request())
WAITING = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request("/t/Echo", (b"authorization", b"wait")))
DEAF = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request("/t/Deaf"))
LONG = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request("/t/Echo", (b"content-length", b"99")))
SLOW = call(1, "/t/Slow")


def frame(kind, payload=b"", *, flags=0, stream=0):
    return http2.frame(kind, flags, stream, payload)


def setting(name, value):
    return frame(http2.SETTINGS, http2.SETTING.pack(name, value))


CONNECTION_FAULTS = {
    "data without a stream": (frame(http2.DATA, b"x"), ErrorCode.PROTOCOL_ERROR),
    "data for an idle stream": (frame(http2.DATA, b"x", stream=3), ErrorCode.PROTOCOL_ERROR),
    "data with too much padding": (
        HEADERS + frame(http2.DATA, b"\x05abc", flags=8, stream=1),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "headers without a stream": (frame(http2.HEADERS, request(), flags=4), ErrorCode.PROTOCOL_ERROR),
    "headers for an even stream": (frame(http2.HEADERS, request(), flags=4, stream=2), ErrorCode.PROTOCOL_ERROR),
    "headers with too much padding": (
        frame(http2.HEADERS, b"\xff" + request(), flags=12, stream=1),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "headers without their padding": (frame(http2.HEADERS, flags=12, stream=1), ErrorCode.FRAME_SIZE_ERROR),
    "headers without their priority": (frame(http2.HEADERS, b"abc", flags=0x24, stream=1), ErrorCode.FRAME_SIZE_ERROR),
    "headers that depend on themselves": (
        frame(http2.HEADERS, bytes((0, 0, 0, 1, 0)) + request(), flags=0x24, stream=1),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "headers that cannot be decoded": (
        frame(http2.HEADERS, b"\xff\xff\xff\xff\xff", flags=4, stream=1),
        ErrorCode.COMPRESSION_ERROR,
    ),
    "headers of a lower stream": (
        frame(http2.HEADERS, request("/t/Slow"), flags=4, stream=3) + HEADERS,
        ErrorCode.STREAM_CLOSED,
    ),
    "headers that another frame interrupts": (
        frame(http2.HEADERS, request(), stream=1) + frame(http2.PING, bytes(8)),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a continuation of another stream": (
        frame(http2.HEADERS, request(), stream=1) + frame(http2.CONTINUATION, flags=4, stream=3),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a continuation of nothing": (frame(http2.CONTINUATION, flags=4, stream=1), ErrorCode.PROTOCOL_ERROR),
    "continuations without end": (
        frame(http2.HEADERS, request(), stream=1) + frame(http2.CONTINUATION, stream=1) * 20,
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "headers of many bytes": (frame(http2.HEADERS, bytes(300_000), flags=4, stream=1), ErrorCode.ENHANCE_YOUR_CALM),
    "headers that unpack to many bytes": (
        frame(http2.HEADERS, request() + b"\x40\x01a\x7f\xa1\x1e" + bytes(4000) + b"\xbe" * 40, flags=4, stream=1),
        ErrorCode.COMPRESSION_ERROR,
    ),
    "a frame of many bytes": (http2.head(http2.LARGEST_FRAME, http2.DATA, 0, 1), ErrorCode.FRAME_SIZE_ERROR),
    "settings of a stream": (frame(http2.SETTINGS, stream=1), ErrorCode.PROTOCOL_ERROR),
    "settings of odd size": (frame(http2.SETTINGS, b"abc"), ErrorCode.FRAME_SIZE_ERROR),
    "an acknowledgement with settings": (frame(http2.SETTINGS, bytes(6), flags=1), ErrorCode.FRAME_SIZE_ERROR),
    "a first window that is too large": (setting(http2.INITIAL_WINDOW_SIZE, 1 << 31), ErrorCode.FLOW_CONTROL_ERROR),
    "a frame size that is too small": (setting(http2.MAX_FRAME_SIZE, 100), ErrorCode.PROTOCOL_ERROR),
    "a push setting of 2": (setting(http2.ENABLE_PUSH, 2), ErrorCode.PROTOCOL_ERROR),
    "a push": (frame(http2.PUSH_PROMISE, bytes(4), flags=4, stream=1), ErrorCode.PROTOCOL_ERROR),
    "a ping of a stream": (frame(http2.PING, bytes(8), stream=1), ErrorCode.PROTOCOL_ERROR),
    "a short ping": (frame(http2.PING, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
    "a short goaway": (frame(http2.GOAWAY, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "a reset without a stream": (frame(http2.RST_STREAM, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "a reset of an idle stream": (frame(http2.RST_STREAM, bytes(4), stream=5), ErrorCode.PROTOCOL_ERROR),
    "a short reset": (HEADERS + frame(http2.RST_STREAM, bytes(3), stream=1), ErrorCode.FRAME_SIZE_ERROR),
    "a priority without a stream": (frame(http2.PRIORITY, bytes(5)), ErrorCode.PROTOCOL_ERROR),
    "a window of nothing more": (frame(http2.WINDOW_UPDATE, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "a window that is too large": (http2.window_update(0, http2.HIGHEST), ErrorCode.FLOW_CONTROL_ERROR),
    "a window of an idle stream": (http2.window_update(7, 1), ErrorCode.PROTOCOL_ERROR),
    "a short window": (frame(http2.WINDOW_UPDATE, bytes(3)), ErrorCode.FRAME_SIZE_ERROR),
    "more bytes than the window": (
        WAITING + frame(http2.DATA, bytes(1 << 20), stream=1) * 2,
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
}

STREAM_FAULTS = {
    "no path": (block([(b":method", b"POST"), (b":scheme", b"http")]), ErrorCode.PROTOCOL_ERROR),
    "a method twice": (request() + block([(b":method", b"POST")]), ErrorCode.PROTOCOL_ERROR),
    "an unknown pseudo header": (block([(b":colour", b"red")]) + request(), ErrorCode.PROTOCOL_ERROR),
    "a name in upper case": (request("/t/Echo", (b"Colour", b"red")), ErrorCode.PROTOCOL_ERROR),
    "a header of HTTP/1": (request("/t/Echo", (b"connection", b"close")), ErrorCode.PROTOCOL_ERROR),
    "a wrong te": (request("/t/Echo", (b"te", b"gzip")), ErrorCode.PROTOCOL_ERROR),
    "a line break in a value": (request("/t/Echo", (b"x", b"a\r\nb: c")), ErrorCode.PROTOCOL_ERROR),
    "a length that is no number": (request("/t/Echo", (b"content-length", b"x")), ErrorCode.PROTOCOL_ERROR),
}


@pytest.fixture
async def open_wire(door):
    async with wire(door.port) as found:
        await found.until(http2.SETTINGS, flags=http2.ACK)
        yield found


@pytest.mark.parametrize("name", CONNECTION_FAULTS)
async def test_what_ends_the_connection(open_wire, name: str) -> None:
    sent, code = CONNECTION_FAULTS[name]
    open_wire.write(sent)
    last = (await open_wire.all())[-1]

    assert http2.GOAWAY == last.kind
    assert code == last.code, last.payload


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (frame(http2.HEADERS, b"x" * 30, stream=1) + frame(http2.CONTINUATION, b"y", stream=1) * 9, b"9 frames"),
        (frame(http2.HEADERS, bytes(300_000), flags=4, stream=1), b"131072 bytes"),
        (frame(http2.HEADERS, b"\xff\xff\xff", flags=4, stream=1), b"decoded: Unable to decode"),
        (frame(http2.HEADERS, b"\x40\x05a", flags=4, stream=1), b"decoded: Truncated header block"),
    ],
)
async def test_what_is_said_of_headers_that_cannot_be_read(open_wire, sent: bytes, said: bytes) -> None:
    open_wire.write(sent)
    last = (await open_wire.all())[-1].payload

    assert said in last
    assert b"memory at" not in last


@pytest.mark.parametrize("name", STREAM_FAULTS)
async def test_what_ends_a_stream_only(open_wire, name: str) -> None:
    headers, code = STREAM_FAULTS[name]
    open_wire.write(frame(http2.HEADERS, headers, flags=4, stream=1))
    reset = await open_wire.until(http2.RST_STREAM)
    open_wire.write(call(3))

    assert (1, code) == (reset.stream, reset.code)
    assert 3 == (await open_wire.until(http2.DATA)).stream


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (SLOW + frame(http2.DATA, b"x", stream=1), ErrorCode.STREAM_CLOSED),
        (SLOW + HEADERS, ErrorCode.STREAM_CLOSED),
        (HEADERS + HEADERS, ErrorCode.PROTOCOL_ERROR),
        (HEADERS + frame(http2.HEADERS, request(), flags=5, stream=1), ErrorCode.PROTOCOL_ERROR),
        (HEADERS + frame(http2.HEADERS, block([(b"X", b"y")]), flags=5, stream=1), ErrorCode.PROTOCOL_ERROR),
        (LONG + frame(http2.DATA, message(b"hello"), flags=1, stream=1), ErrorCode.PROTOCOL_ERROR),
        (LONG + frame(http2.DATA, bytes(200), flags=1, stream=1), ErrorCode.PROTOCOL_ERROR),
        (http2.frame(http2.HEADERS, 5, 1, request("/t/Deaf", (b"content-length", b"9"))), ErrorCode.PROTOCOL_ERROR),
        (DEAF + frame(http2.DATA, message(bytes(1_000_000)), stream=1) * 5, ErrorCode.FLOW_CONTROL_ERROR),
        (HEADERS + http2.window_update(1, 0), ErrorCode.PROTOCOL_ERROR),
        (HEADERS + http2.window_update(1, http2.HIGHEST), ErrorCode.FLOW_CONTROL_ERROR),
        (HEADERS + frame(http2.PRIORITY, b"abc", stream=1), ErrorCode.FRAME_SIZE_ERROR),
        (HEADERS + frame(http2.PRIORITY, bytes((0, 0, 0, 1, 0)), stream=1), ErrorCode.PROTOCOL_ERROR),
    ],
)
async def test_what_ends_a_stream_that_is_open(open_wire, sent: bytes, code: ErrorCode) -> None:
    open_wire.write(sent + call(3))
    reset = await open_wire.until(http2.RST_STREAM)

    assert (1, code) == (reset.stream, reset.code)
    assert 3 == (await open_wire.until(http2.DATA)).stream


async def test_it_ends_when_the_first_bytes_are_no_http2(door) -> None:
    async with wire(door.port, greeting=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as found:
        last = (await found.all())[-1]

    assert (http2.GOAWAY, ErrorCode.PROTOCOL_ERROR) == (last.kind, last.code)


async def test_it_ends_when_the_first_frame_is_no_settings(door) -> None:
    async with wire(door.port, greeting=http2.PREFACE + call()) as found:
        last = (await found.all())[-1]

    assert (http2.GOAWAY, ErrorCode.PROTOCOL_ERROR) == (last.kind, last.code)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (block([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/t/Echo")]), b"405"),
        (block([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/t/Echo")]), b"415"),
    ],
)
async def test_whoever_speaks_no_grpc_gets_an_http_status(open_wire, headers: bytes, status: bytes) -> None:
    open_wire.write(frame(http2.HEADERS, headers, flags=5, stream=1))

    assert status in (await open_wire.until(http2.HEADERS)).payload


@pytest.mark.parametrize(
    ("sent", "grpc_status"),
    [
        (http2.frame(http2.HEADERS, 5, 1, request()), b"12"),  # no message
        (HEADERS + frame(http2.DATA, message(b"a") + message(b"b"), flags=1, stream=1), b"12"),  # two
        (HEADERS + frame(http2.DATA, message(b"abc")[:-1], flags=1, stream=1), b"13"),  # cut off
        (HEADERS + frame(http2.DATA, b"\x07" + message(b"abc")[1:], flags=1, stream=1), b"13"),  # no such flag
        (HEADERS + frame(http2.DATA, b"\x01" + message(b"abc")[1:], flags=1, stream=1), b"13"),  # packed by nothing
        (http2.frame(http2.HEADERS, 4, 1, request("/t/Echo", (b"grpc-timeout", b"10"))), b"13"),  # no unit
        (http2.frame(http2.HEADERS, 4, 1, request("/t/Echo", (b"grpc-encoding", b"zip"))), b"12"),  # not read here
        (http2.frame(http2.HEADERS, 4, 1, request("/t/Echo", (b"x", b"y" * 20_000))), b"8"),  # too much metadata
    ],
)  # fmt: skip
async def test_messages_that_are_wrong(open_wire, sent: bytes, grpc_status: bytes) -> None:
    open_wire.write(sent)
    answer = await open_wire.until(http2.HEADERS, flags=http2.END_STREAM)

    assert block([(b"grpc-status", grpc_status)]) in answer.payload


async def test_who_packs_as_we_do_not_read_is_told_what_we_read(open_wire) -> None:
    open_wire.write(http2.frame(http2.HEADERS, 4, 1, request("/t/Echo", (b"grpc-encoding", b"snappy"))))
    answer = await open_wire.until(http2.HEADERS, flags=http2.END_STREAM)

    assert block([(b"grpc-accept-encoding", b"identity,gzip,deflate")]) in answer.payload


async def test_a_body_as_long_as_was_said(open_wire) -> None:
    for number, path, body in ((1, "/t/Echo", b"hello"), (3, "/t/Quick", bytes(300_000))):
        length = b"%d" % (len(body) + 5)
        open_wire.write(http2.frame(http2.HEADERS, 4, number, request(path, (b"content-length", length))))
        open_wire.write(http2.frame(http2.DATA, 1, number, message(body)))
        assert number == (await open_wire.until(http2.DATA)).stream


async def test_trailers_of_a_client_end_its_stream(open_wire) -> None:
    open_wire.write(HEADERS + frame(http2.DATA, message(b"hello"), stream=1))
    open_wire.write(frame(http2.HEADERS, block([(b"x-checksum", b"7")]), flags=5, stream=1))

    assert message(b"hello") == (await open_wire.until(http2.DATA)).payload


async def test_broken_compression(open_wire) -> None:
    headers = http2.frame(http2.HEADERS, 4, 1, request("/t/Echo", (b"grpc-encoding", b"gzip")))
    open_wire.write(headers + frame(http2.DATA, b"\x01" + message(b"abc")[1:], flags=1, stream=1))

    assert block([(b"grpc-status", b"13")]) in (await open_wire.until(http2.HEADERS)).payload


async def test_priorities_unknown_frames_and_padding_do_no_harm(open_wire) -> None:
    block_ = b"\x03" + bytes((0, 0, 0, 0, 9)) + request() + bytes(3)
    open_wire.write(frame(http2.HEADERS, block_, flags=0x2C, stream=1) + frame(0xEE, b"what", flags=9, stream=77))
    open_wire.write(frame(http2.PRIORITY, bytes(5), stream=9) + frame(http2.GOAWAY, bytes(8)))
    open_wire.write(frame(http2.DATA, b"\x02" + message(b"hello") + bytes(2), flags=9, stream=1))

    assert message(b"hello") == (await open_wire.until(http2.DATA)).payload


async def test_every_byte_may_come_alone(open_wire) -> None:
    for byte in call(body=b"drip"):
        open_wire.write(bytes((byte,)))
        await open_wire.writer.drain()
        await asyncio.sleep(0)

    assert message(b"drip") == (await open_wire.until(http2.DATA)).payload


async def test_a_ping_is_answered(open_wire) -> None:
    open_wire.write(frame(http2.PING, b"12345678"))
    answer = await open_wire.until(http2.PING)

    assert (http2.ACK, b"12345678") == (answer.flags, answer.payload)


async def test_an_answer_keeps_within_the_windows(open_wire) -> None:
    """The peer's first window is 10 bytes; then it opens it bit by bit."""
    open_wire.write(setting(http2.INITIAL_WINDOW_SIZE, 10) + call(body=b"x" * 95))
    got = [(await open_wire.until(http2.DATA)).payload]
    assert 10 == len(got[0])
    for _ in range(9):
        open_wire.write(http2.window_update(1, 10))
        got.append((await open_wire.until(http2.DATA)).payload)

    assert message(b"x" * 95) == b"".join(got)
    assert http2.END_STREAM & (await open_wire.until(http2.HEADERS)).flags


async def test_a_smaller_first_window_takes_back_what_was_open(open_wire) -> None:
    open_wire.write(setting(http2.INITIAL_WINDOW_SIZE, 10) + call(body=b"x" * 20))
    assert 10 == len((await open_wire.until(http2.DATA)).payload)
    open_wire.write(setting(http2.INITIAL_WINDOW_SIZE, 5) + http2.window_update(1, 6))  # -5 + 6

    assert 1 == len((await open_wire.until(http2.DATA)).payload)


async def test_a_call_that_was_reset_costs_nothing_more(open_wire, door) -> None:
    open_wire.write(SLOW)
    await door.slow.begun.acquire()
    open_wire.write(http2.reset(1, ErrorCode.CANCEL))
    await door.slow.ended.acquire()
    open_wire.write(call(3))

    assert 3 == (await open_wire.until(http2.DATA)).stream
    assert 1 == door.slow.called_off


async def test_streams_beyond_the_limit_are_refused() -> None:
    async with served(Limits(streams=2)) as door, wire(door.port) as found:
        found.write(call(1, "/t/Slow") + call(3, "/t/Slow") + call(5))
        reset = await found.until(http2.RST_STREAM)
        assert (5, ErrorCode.REFUSED_STREAM) == (reset.stream, reset.code)

        door.slow.go.set()
        assert {1, 3} == {(await found.until(http2.DATA)).stream for _ in range(2)}
        found.write(call(7))
        assert 7 == (await found.until(http2.DATA)).stream


@pytest.mark.parametrize(
    "flood",
    [
        frame(http2.SETTINGS),
        frame(http2.PING, bytes(8)),
        frame(http2.PRIORITY, bytes(5), stream=1),
        HEADERS + frame(http2.DATA, stream=1) * 10_001,
    ],
)
async def test_a_flood_ends_the_connection(open_wire, flood: bytes) -> None:
    open_wire.write(flood * (10_001 if len(flood) < 100 else 1))
    last = (await open_wire.all())[-1]

    assert (http2.GOAWAY, ErrorCode.ENHANCE_YOUR_CALM) == (last.kind, last.code)


@pytest.mark.parametrize(
    ("path", "end"), [("/t/Slow", 0), ("/t/Deaf", http2.END_STREAM), ("/t/Echo", http2.END_STREAM)]
)
async def test_rapid_resets_end_the_connection(open_wire, path: str, end: int) -> None:
    for number in range(1, 2 * 12_000, 2):
        open_wire.write(frame(http2.HEADERS, request(path), flags=http2.END_HEADERS | end, stream=number))
        open_wire.write(http2.reset(number, ErrorCode.CANCEL))
    codes = [frame.code for frame in await open_wire.all() if frame.kind == http2.GOAWAY]

    assert [ErrorCode.ENHANCE_YOUR_CALM] == codes


async def test_who_writes_on_after_the_end_hears_our_last_words(door) -> None:
    async with wire(door.port, greeting=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as found:
        for _ in range(64):
            found.write(bytes(1 << 16))
            await asyncio.wait_for(found.writer.drain(), 30)
        last = (await found.all())[-1]

    assert (http2.GOAWAY, ErrorCode.PROTOCOL_ERROR) == (last.kind, last.code)
