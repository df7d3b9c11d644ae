"""Calls without a coroutine: whole or in pieces, many together, refused, withdrawn, large ones in their place."""

import asyncio
import gc

import pytest
from rooms.api.grpc.peers import HELLO, call, message, request, served, wire
from rooms.api.grpc.test_fuzz import METHODS, Sink, admit

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits
from headrace.api.grpc.connection import Connection
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.headers import block
from headrace.api.grpc.http2 import ErrorCode

QUICK = "/t/Quick"
BODY = b"a body of more than sixteen bytes"
LARGE = bytes(range(251)) * 2_000  # bytes: half a megabyte that no shift leaves the same


def quick(stream, body=BODY):
    return call(stream, QUICK, body)


def in_frames(stream, body, size):
    """As clients send it that make small frames."""
    whole = message(body)
    headers = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, request(QUICK))
    frames = [http2.frame(http2.DATA, 0, stream, whole[at : at + size]) for at in range(0, len(whole), size)]
    return headers + b"".join(frames) + http2.frame(http2.DATA, http2.END_STREAM, stream)


@pytest.fixture
async def known(door):
    """A connection on which these headers came before."""
    async with wire(door.port) as found:
        found.write(quick(1))
        assert message(BODY) == (await found.until(http2.DATA)).payload
        await found.until(http2.HEADERS, flags=http2.END_STREAM)
        yield found


async def answers(wire_, count):
    """By stream: the messages with their prefixes, of so many calls."""
    found = {}
    while count:
        frame = await wire_.frame()
        if frame.kind == http2.DATA:
            found[frame.stream] = found.get(frame.stream, b"") + frame.payload
        count -= frame.kind == http2.HEADERS and bool(frame.flags & http2.END_STREAM)
    return found


async def test_many_in_one_piece(known, door) -> None:
    bodies = {number: b"%d " % number * 30 for number in range(3, 103, 2)}
    known.write(b"".join(quick(number, body) for number, body in bodies.items()))

    assert {number: message(body) for number, body in bodies.items()} == await answers(known, 50)
    assert [len(body) for body in (BODY, *bodies.values())] == door.quick.asked


async def test_answers_of_one_turn_are_one_write() -> None:
    writes = []

    class Counting(Sink):
        def write(self, data):
            writes.append(bytes(data))

    async with asyncio.TaskGroup() as group:
        connection = Connection(Desk(METHODS, admit, Limits(), group), lambda _: None)
        connection.connection_made(Counting())
        connection.data_received(HELLO + quick(1))
        await asyncio.sleep(0)
        writes.clear()
        connection.data_received(quick(3) + quick(5) + quick(7))
        for _ in range(3):
            await asyncio.sleep(0)
        connection.connection_lost(None)

    assert 1 == len(writes)
    assert 3 == writes[0].count(message(BODY))


async def test_an_answer_waits_for_no_other_call(known, door) -> None:
    known.write(call(3, "/t/Slow") + quick(5))

    assert 5 == (await known.until(http2.DATA)).stream
    door.slow.go.set()
    assert 3 == (await known.until(http2.DATA)).stream


async def test_one_that_is_refused(known) -> None:
    known.write(quick(3, b"no") + quick(5))
    refused = await known.until(http2.HEADERS, flags=http2.END_STREAM)

    assert (3, True) == (refused.stream, block([(b"grpc-status", b"14")]) in refused.payload)
    assert 5 == (await known.until(http2.DATA)).stream


async def test_one_that_takes_more_than_a_look(known) -> None:
    known.write(quick(3, b"unary"))

    assert message(b"unary:unary") == (await known.until(http2.DATA)).payload


async def test_whoever_resets_a_call_withdraws_it(known, door) -> None:
    door.quick.waits = []
    known.write(quick(3) + quick(5) + http2.reset(3, ErrorCode.CANCEL) + http2.frame(http2.PING, 0, 0, bytes(8)))
    await known.until(http2.PING)
    first, second = door.quick.waits
    assert [first] == door.quick.withdrawn

    for ticket in (first, second):
        door.quick.answer(ticket)
    assert 5 == (await known.until(http2.DATA)).stream


async def test_whoever_hangs_up_withdraws_all(door) -> None:
    door.quick.waits = []
    async with wire(door.port) as found:
        found.write(quick(1) + quick(3) + http2.frame(http2.PING, 0, 0, bytes(8)))
        await found.until(http2.PING)
    await until(lambda: len(door.quick.withdrawn) == 2)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (quick(4), ErrorCode.PROTOCOL_ERROR),
        (quick(1), ErrorCode.STREAM_CLOSED),
        (quick(5) + quick(3), ErrorCode.STREAM_CLOSED),
    ],
)
async def test_the_rules_hold_for_calls_in_one_piece(known, sent: bytes, code: ErrorCode) -> None:
    known.write(sent)
    last = (await known.all())[-1]

    assert (http2.GOAWAY, code) == (last.kind, last.code)


async def test_a_bit_that_means_nothing_is_left_out(known) -> None:
    headers, data = quick(3)[: -14 - len(BODY)], quick(3)[-14 - len(BODY) :]
    known.write(headers[:5] + b"\x80" + headers[6:] + data[:5] + b"\x80" + data[6:])

    assert 3 == (await known.until(http2.DATA)).stream


def widened(stream, by, body=BODY):
    """As grpcio writes a call."""
    headers, data = quick(stream, body)[: -14 - len(body)], quick(stream, body)[-14 - len(body) :]
    return headers + http2.window_update(stream, by) + data + http2.window_update(0, 10)


async def test_a_window_that_grows_in_between(known) -> None:
    """The answer needs it."""
    known.write(http2.settings({http2.INITIAL_WINDOW_SIZE: 1}) + widened(3, 100_000) + widened(5, 3))

    assert 3 == (await known.until(http2.DATA)).stream
    assert 4 == len((await known.until(http2.DATA)).payload)


@pytest.mark.parametrize(("by", "code"), [(0, ErrorCode.PROTOCOL_ERROR), (1 << 31, ErrorCode.PROTOCOL_ERROR),
                                          (http2.HIGHEST, ErrorCode.FLOW_CONTROL_ERROR)])  # fmt: skip
async def test_a_window_that_grows_wrongly_in_between(known, by: int, code: ErrorCode) -> None:
    known.write(widened(3, by) + quick(5))
    reset = await known.until(http2.RST_STREAM)

    assert (3, code) == (reset.stream, reset.code)
    assert 5 == (await known.until(http2.DATA)).stream


async def test_deadlines(door) -> None:
    door.quick.waits = []
    headers = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request(QUICK, (b"grpc-timeout", b"1m")))
    async with wire(door.port) as found:
        for number in (1, 3):  # the second time in words that came before
            sent = headers + http2.frame(http2.DATA, http2.END_STREAM, 1, message(BODY))
            found.write(sent.replace(http2.NUMBER.pack(1), http2.NUMBER.pack(number)))
            last = await found.until(http2.HEADERS, flags=http2.END_STREAM)
            assert block([(b"grpc-status", b"4")]) in last.payload
    assert 2 == len(door.quick.withdrawn)


async def test_a_deadline_that_is_far(door) -> None:
    headers = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, request(QUICK, (b"grpc-timeout", b"1H")))
    async with wire(door.port) as found:
        for number in (1, 3):
            sent = headers + http2.frame(http2.DATA, http2.END_STREAM, 1, message(BODY))
            found.write(sent.replace(http2.NUMBER.pack(1), http2.NUMBER.pack(number)))
            assert {number: message(BODY)} == await answers(found, 1)


async def test_streams_beyond_the_limit_are_refused() -> None:
    async with served(Limits(streams=2)) as door, wire(door.port) as found:
        door.quick.waits = []
        found.write(quick(1) + quick(3) + quick(5))
        reset = await found.until(http2.RST_STREAM)

        assert (5, ErrorCode.REFUSED_STREAM) == (reset.stream, reset.code)


async def test_messages_beyond_the_limit_are_refused() -> None:
    async with served(Limits(message=100)) as door, wire(door.port) as found:
        found.write(quick(1))
        assert {1: message(BODY)} == await answers(found, 1)
        found.write(quick(3, bytes(101)))

        refused = await found.until(http2.HEADERS, flags=http2.END_STREAM)
        assert block([(b"grpc-status", b"8")]) in refused.payload


async def test_more_small_calls_than_any_window(known) -> None:
    """What they bring is given back, although no frame says so each time."""
    body, number = bytes(60_000), 3
    for _ in range(40):
        known.write(b"".join(quick(one, body) for one in range(number, number + 20, 2)))
        known.write(http2.window_update(0, 10 * (len(body) + 5)))
        number += 20
        assert 10 == len(await answers(known, 10))


@pytest.mark.parametrize("size", [1_000, 4_096, 16_384, 100_000, len(LARGE) + 5])
async def test_a_large_message_lies_in_its_place(known, door, size: int) -> None:
    known.write(http2.window_update(0, 1 << 30) + http2.settings({http2.INITIAL_WINDOW_SIZE: 1 << 30}))
    for number in (3, 5):
        known.write(in_frames(number, LARGE, size))

    assert {3: message(LARGE), 5: message(LARGE)} == await answers(known, 2)
    assert 2 == len(door.quick.slots)


async def test_large_messages_whose_frames_alternate(known) -> None:
    known.write(http2.window_update(0, 1 << 30) + http2.settings({http2.INITIAL_WINDOW_SIZE: 1 << 30}))
    one, other = message(LARGE), message(LARGE[::-1])
    for number in (3, 5):
        known.write(http2.frame(http2.HEADERS, http2.END_HEADERS, number, request(QUICK)))
    for at in range(0, len(one), 16_000):
        ends = http2.END_STREAM if at + 16_000 >= len(one) else 0
        known.write(http2.frame(http2.DATA, ends, 3, one[at : at + 16_000]))
        known.write(http2.frame(http2.DATA, ends, 5, other[at : at + 16_000]))

    assert {3: one, 5: other} == await answers(known, 2)


async def test_a_message_of_many_windows_in_its_place(known, door) -> None:
    """The client waits for room, as its peer's windows say."""
    body = LARGE * 12
    known.write(http2.window_update(0, 1 << 30) + http2.settings({http2.INITIAL_WINDOW_SIZE: 1 << 30}))
    known.write(http2.frame(http2.HEADERS, http2.END_HEADERS, 3, request(QUICK)))
    whole, at, room = message(body), 0, 1 << 20
    while at < len(whole):
        while room and at < len(whole):
            piece = whole[at : at + min(room, 16_384)]
            at, room = at + len(piece), room - len(piece)
            ends = http2.END_STREAM if at == len(whole) else 0
            known.write(http2.frame(http2.DATA, ends, 3, piece))
        while at < len(whole) and not room:
            frame = await known.until(http2.WINDOW_UPDATE)
            room += int.from_bytes(frame.payload) if frame.stream == 3 else 0

    assert {3: whole} == await answers(known, 1)
    assert 1 == len(door.quick.slots)


@pytest.fixture
def _no_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", ["answered", "reset", "withdrawn", "hung up", "broken"])
async def test_its_place_is_free_when_the_call_is_over(known, door, end: str) -> None:
    """At once: no part of it is in a circle that waits for the collector."""
    frames = in_frames(3, LARGE, 16_384)
    ends = {"reset": http2.reset(3, ErrorCode.CANCEL), "broken": http2.frame(http2.PING, 0, 0, b"short")}
    if end in ("answered", "withdrawn"):
        door.quick.waits = [] if end == "withdrawn" else None
        known.write(frames + ends["reset"] * (end == "withdrawn"))
    else:
        some = frames.index(message(LARGE)[:16_384]) + 10 * (16_384 + http2.HEAD_SIZE) - http2.HEAD_SIZE
        known.write(frames[:some])
        await until(lambda: door.quick.slots)
        known.write(ends.get(end, b""))
    if end == "hung up":
        known.writer.close()
    if end == "withdrawn":
        await until(lambda: door.quick.withdrawn)
        door.quick.waits.clear()
        door.quick.withdrawn.clear()

    await until(lambda: door.quick.slots and door.quick.slots[0]() is None)


async def until(true):
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)
