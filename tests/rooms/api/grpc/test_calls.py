"""What a real gRPC client sees: messages, statuses, deadlines, compression, streams, and the drain."""

import asyncio
import socket

import grpc
import grpc.aio
import pytest
from rooms.api.grpc.peers import HELLO, Wire, call, message, served, wire

from headrace.api.bodies import Bodies
from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits


async def failure(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("size", [0, 1, 100, 16_379, 16_380, 65_535, 70_000, 1 << 20, 5_000_000])
async def test_a_message_of_any_size(channel, size: int) -> None:
    sent = bytes(range(256)) * (size // 256) + bytes(size % 256)

    assert sent == await channel.unary_unary("/t/Echo")(sent)


async def test_many_calls_at_once(channel) -> None:
    echo = channel.unary_unary("/t/Echo")
    sent = [b"%d" % number * (number % 7 * 5_000 + 1) for number in range(300)]

    assert sent == await asyncio.gather(*(echo(one, timeout=30) for one in sent))


async def test_metadata_arrives(channel) -> None:
    given = [("x-request-id", "a b"), ("raw-bin", b"\x00\xff")]
    lines = (await channel.unary_unary("/t/Metadata")(b"", metadata=given)).decode().split("\n")

    assert "x-request-id=a b" in lines
    assert any(line.startswith("raw-bin=AP8") for line in lines)


@pytest.mark.parametrize("size", [17_000, 70_000, 120_000])
async def test_too_much_metadata_ends_its_call_only(channel, door, size: int) -> None:
    slow = asyncio.ensure_future(_result(channel.unary_unary("/t/Slow")(b"late")))
    await door.slow.begun.acquire()
    code, said = await failure(channel.unary_unary("/t/Echo")(b"", metadata=[("a", "x" * size)]))
    door.slow.go.set()

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, True) == (code, "at most 16384" in said)
    assert b"late" == await slow


async def test_statuses_and_their_messages(channel) -> None:
    said = "100% größer: 日本\nline"

    assert (grpc.StatusCode.FAILED_PRECONDITION, said) == await failure(channel.unary_unary("/t/Refuse")(said.encode()))
    assert (grpc.StatusCode.UNIMPLEMENTED, "there is no method /t/Nope") == await failure(
        channel.unary_unary("/t/Nope")(b"")
    )


async def test_an_unexpected_error_tells_nothing(channel, caplog) -> None:
    code, said = await failure(channel.unary_unary("/t/Break")(b""))

    assert grpc.StatusCode.INTERNAL == code
    assert "ZeroDivisionError" not in said
    assert "ZeroDivisionError" in caplog.text


async def test_a_wrong_key(channel) -> None:
    call = channel.unary_unary("/t/Echo")(b"", metadata=[("authorization", "ApiKey bad")])

    assert (grpc.StatusCode.UNAUTHENTICATED, "this access key is not known here") == await failure(call)


async def test_a_wrong_key_is_told_before_a_large_body_was_read(channel) -> None:
    call = channel.unary_unary("/t/Echo")(bytes(30 << 20), metadata=[("authorization", "ApiKey bad")])

    assert grpc.StatusCode.UNAUTHENTICATED == (await failure(call))[0]


async def test_a_public_method_takes_small_messages_only(channel) -> None:
    assert b"x" == await channel.unary_unary("/t/Public")(b"x", metadata=[("authorization", "ApiKey bad")])
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == (await failure(channel.unary_unary("/t/Public")(bytes(3 << 20))))[0]


async def test_a_deadline_ends_the_work_too(channel, door) -> None:
    code = await failure(channel.unary_unary("/t/Slow")(b"", timeout=0.1))

    assert (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") == code
    await door.slow.ended.acquire()
    assert 1 == door.slow.called_off


async def test_a_client_that_calls_off(channel, door) -> None:
    call = channel.unary_unary("/t/Slow")(b"")
    await door.slow.begun.acquire()
    call.cancel()
    await door.slow.ended.acquire()

    assert 1 == door.slow.called_off
    assert b"x" == await channel.unary_unary("/t/Echo")(b"x")


async def test_a_connection_that_breaks_calls_off(door) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        call = channel.unary_unary("/t/Slow")(b"")
        await door.slow.begun.acquire()
        del call
    await door.slow.ended.acquire()

    assert 1 == door.slow.called_off


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("size", [10, 300_000])
async def test_compression_both_ways(channel, compression, size: int) -> None:
    call = channel.unary_unary("/t/Echo", request_serializer=None)(b"ab" * size, compression=compression)

    assert b"ab" * size == await call


async def test_a_message_over_the_limit() -> None:
    async with served(Limits(message=1000)) as door, grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        echo = channel.unary_unary("/t/Echo")
        said = "Received message larger than max (1001 vs. 1000 bytes)"

        assert bytes(1000) == await echo(bytes(1000))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, said) == await failure(echo(bytes(1001)))
        code, _ = await failure(echo(bytes(100_000), compression=grpc.Compression.Gzip))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == code


async def test_all_connections_together_have_a_limit() -> None:
    async with (
        served(Limits(bodies=Bodies(4 << 20))) as door,
        grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel,
    ):
        calls = [channel.unary_unary("/t/Slow")(bytes(2 << 20)) for _ in range(8)]
        codes = [asyncio.ensure_future(_code(call)) for call in calls]
        done, _ = await asyncio.wait(codes, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert {grpc.StatusCode.RESOURCE_EXHAUSTED} == {one.result() for one in done}
        door.slow.go.set()

        assert {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OK} == set(await asyncio.gather(*codes))
        assert bytes(100) == await channel.unary_unary("/t/Echo")(bytes(100))


async def _code(call):
    return await call.code()


async def test_a_stream_both_ways(channel) -> None:
    sent = [b"a", b"", b"c" * 100_000, b"d" * 3_000_000]
    call = channel.stream_stream("/t/Bidi")(iter(sent))

    assert sent == [answer async for answer in call]
    assert grpc.StatusCode.OK == await call.code()


async def test_an_empty_stream(channel) -> None:
    assert [] == [answer async for answer in channel.stream_stream("/t/Bidi")(iter([]))]


async def test_a_stream_that_waits_for_each_answer(channel) -> None:
    call = channel.stream_stream("/t/Bidi")()
    for number in range(20):
        await call.write(b"%d" % number)
        assert b"%d" % number == await call.read()
    await call.done_writing()

    assert grpc.aio.EOF is await call.read()


async def test_answers_wait_for_a_client_that_reads_slowly(channel) -> None:
    call = channel.unary_stream("/t/Many")(b"5000")

    assert [b"%d" % number for number in range(5000)] == [answer async for answer in call]


async def test_calls_that_have_begun_are_finished_when_the_server_stops(channel, door) -> None:
    slow = asyncio.ensure_future(_result(channel.unary_unary("/t/Slow")(b"late")))
    await door.slow.begun.acquire()
    drain = asyncio.ensure_future(door.door.drain(10))
    await asyncio.sleep(0.05)
    assert not drain.done()
    door.slow.go.set()

    assert b"late" == await slow
    await asyncio.wait_for(drain, 5)


async def _result(call):
    return await call


async def test_a_drain_takes_no_longer_than_it_is_told(channel, door) -> None:
    call = channel.unary_unary("/t/Slow")(b"late")
    await door.slow.begun.acquire()
    await asyncio.wait_for(door.door.drain(0.1), 5)

    assert grpc.StatusCode.UNAVAILABLE == (await failure(call))[0]


async def test_who_is_still_busy_at_the_end_of_a_drain_is_told(channel, door) -> None:
    call = channel.stream_stream("/t/Deaf")()
    await call.write(b"x")
    slow = channel.unary_unary("/t/Slow")(b"late")
    await door.slow.begun.acquire()
    await asyncio.wait_for(door.door.drain(0.1), 5)

    said = (grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
    assert said == (await call.code(), await call.details())
    assert said == await failure(slow)


async def test_an_open_stream_does_not_hold_up_the_stop(channel, door) -> None:
    call = channel.stream_stream("/t/Bidi")()
    await call.write(b"x")
    assert b"x" == await call.read()
    await asyncio.wait_for(door.door.drain(10), 5)

    assert grpc.StatusCode.UNAVAILABLE == await call.code()


async def test_who_stands_in_the_queue_at_the_end_is_answered(door) -> None:
    """The kernel has made these connections, and the server has not seen them yet when it is told to stop."""
    waiting = []
    for _ in range(5):
        one = socket.create_connection(("127.0.0.1", door.port))
        one.sendall(HELLO + call())
        waiting.append(one)
    drain = asyncio.ensure_future(door.door.drain(10))
    for one in waiting:
        reader, writer = await asyncio.open_connection(sock=one)
        frames = await Wire(reader, writer).all()
        assert [message(b"hello")] == [frame.payload for frame in frames if frame.kind == http2.DATA]
        assert http2.ErrorCode.NO_ERROR == [frame.code for frame in frames if frame.kind == http2.GOAWAY][-1]
        writer.close()
    await asyncio.wait_for(drain, 30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.port))


async def test_one_connection_too_many_where_all_are_at_work() -> None:
    async with served(Limits(connections=1)) as door, wire(door.port) as first:
        first.write(call(path="/t/Slow"))
        await asyncio.wait_for(door.slow.begun.acquire(), 10)
        async with wire(door.port) as second:
            goaway = (await second.all())[-1]
        door.slow.go.set()
        assert message(b"hello") == (await first.until(http2.DATA)).payload

    assert (http2.GOAWAY, http2.ErrorCode.ENHANCE_YOUR_CALM) == (goaway.kind, goaway.code)


async def test_who_idles_longest_makes_room_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.api.crowd.SILENT", 0.0)
    async with (
        served(Limits(connections=2)) as door,
        wire(door.port) as first,
        wire(door.port) as second,
    ):
        for one in (second, first):
            one.write(call())
            await one.until(http2.DATA)
        async with wire(door.port) as newcomer:
            newcomer.write(call())
            assert message(b"hello") == (await newcomer.until(http2.DATA)).payload
            told = [frame for frame in await second.all() if frame.kind == http2.GOAWAY]
            first.write(call(3, body=b"again"))
            assert message(b"again") == (await first.until(http2.DATA)).payload

    assert {http2.ErrorCode.NO_ERROR} == {frame.code for frame in told}


async def test_who_has_said_nothing_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.api.crowd.SILENT", 0.0)
    async with served(Limits(connections=1)) as door:
        silent = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(20)]
        async with wire(door.port) as newcomer:
            newcomer.write(call())
            assert message(b"hello") == (await newcomer.until(http2.DATA)).payload
        for _, writer in silent:
            writer.close()


async def test_the_calls_are_counted(channel, door) -> None:
    await channel.unary_unary("/t/Echo")(b"")
    await failure(channel.unary_unary("/t/Refuse")(b"no"))

    [told, _] = await door.door.requests.families()
    labels = {dict(one.labels)["route"]: (dict(one.labels)["code"], one.value) for one in told.samples}
    assert {"/t/Echo": ("OK", 1), "/t/Refuse": ("FAILED_PRECONDITION", 1)} == labels
